"""What a newcomer's tools read - make, an editor, pre-commit, a dev container, GitHub - says what the project does."""

import configparser
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from infra.local.local_azure import ROOT
from shared.version import VERSION
from tests.infra.tree import parsed
from tests.package.packing import files_by_git

GITHUB = ROOT / ".github"
FORMS = sorted((GITHUB / "ISSUE_TEMPLATE").iterdir())
WORKFLOWS = sorted((GITHUB / "workflows").iterdir())
ENTRY = "python3 infra/local"
# Where Dependabot finds what an ecosystem has installed.
MANIFESTS = {
    "pip": "requirements.txt",
    "npm": "package.json",
    "github-actions": ".github/workflows",
    "devcontainers": ".devcontainer/devcontainer.json",
}


def commands() -> set[str]:
    """Give the commands that `python3 infra/local --help` lists."""
    done = subprocess.run((sys.executable, "infra/local", "--help"), cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return set(re.findall(r"^  (\w+) {2,}", done.stdout.decode(), re.MULTILINE))


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def loaded(path: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / path).read_text())
    return found


def editorconfig() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read_string("[top]\n" + (ROOT / ".editorconfig").read_text())
    return parser


def python_of_azure() -> str:
    app = parsed(ROOT / "infra/modules/function-app.bicep")["resources"]["app"]
    version: str = app["config"]["properties"]["functionAppConfig"]["runtime"]["version"]
    return version


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The project's files, but those that only machines write."""
    folder = tmp_path_factory.mktemp("files")
    subprocess.run(("git", "init", "--quiet", folder), check=True)
    names = files_by_git(folder / ".git", ROOT, "--exclude-standard")
    return {name for name in names if not name.endswith((".lock", "package-lock.json", ".png", ".svg"))}


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make")
def test_make_has_a_target_for_each_command_and_a_target_is_only_that_command() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    targets = set(phony.split())
    assert targets == commands() | {"help"}
    for target in targets:
        done = subprocess.run(("make", "--dry-run", target), cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
        assert done.stdout == f"{ENTRY} {'--help' if target == 'help' else target}\n"


def test_the_linters_of_a_commit_are_those_of_ci_in_the_versions_of_the_lock() -> None:
    subprocess.run((sys.executable, "-m", "pre_commit", "validate-config"), cwd=ROOT, check=True)
    (repo,) = loaded(".pre-commit-config.yaml")["repos"]
    assert repo["repo"] == "local", "a version of its own would differ from the lock's"
    assert [(hook["language"], hook["entry"]) for hook in repo["hooks"]] == [("system", f"{ENTRY} lint")]
    assert "lint" in commands()


def test_the_dev_container_has_the_python_of_azure_and_all_that_the_tests_need() -> None:
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert container["image"].startswith(f"mcr.microsoft.com/devcontainers/python:{python_of_azure()}-")
    assert {"chromium", "e2fsprogs"} <= set(container["onCreateCommand"].split())
    assert container["updateContentCommand"] == f"{ENTRY} setup"
    assert "setup" in commands()


def test_editors_and_ruff_agree_how_long_a_line_may_be() -> None:
    python = editorconfig()["*.py"]
    assert python.getint("max_line_length") == pyproject()["tool"]["ruff"]["line-length"]
    assert python.getint("indent_size") == pyproject()["tool"]["ruff"].get("indent-width", 4)


def test_each_file_is_as_the_editor_is_told_to_write_it(files: set[str]) -> None:
    rules = editorconfig()["*"]
    assert (rules["end_of_line"], rules["charset"]) == ("lf", "utf-8")
    assert rules.getboolean("insert_final_newline")
    assert rules.getboolean("trim_trailing_whitespace")
    wrong = []
    for name in sorted(files):
        text = (ROOT / name).read_bytes().decode("utf-8")
        if "\r" in text or (text and not text.endswith("\n")) or re.search(r"[ \t]$", text, re.MULTILINE):
            wrong.append(name)
    assert wrong == []


@pytest.mark.parametrize(
    ("schema", "paths"),
    [
        ("github-workflows", WORKFLOWS),
        ("github-issue-forms", FORMS),
        ("dependabot", [GITHUB / "dependabot.yml"]),
    ],
)
def test_github_takes_the_file(schema: str, paths: list[Path]) -> None:
    command = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, paths))
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_dependabot_looks_at_each_ecosystem_where_it_is() -> None:
    watched = {entry["package-ecosystem"]: entry["directory"] for entry in loaded(".github/dependabot.yml")["updates"]}
    assert watched.keys() == MANIFESTS.keys()
    assert all((ROOT / folder.strip("/") / MANIFESTS[name]).exists() for name, folder in watched.items())


def test_the_project_says_what_it_is_and_under_what_license(files: set[str]) -> None:
    project = pyproject()["project"]
    assert project["license"] == "MIT"
    (license_file,) = project["license-files"]
    assert (ROOT / license_file).read_text().startswith("MIT License\n\nCopyright (c) 2026 Tidemark contributors\n")
    assert SpecifierSet(project["requires-python"]).contains(python_of_azure())
    assert f"Programming Language :: Python :: {python_of_azure()}" in project["classifiers"]
    assert project["readme"] in files


def test_the_app_says_the_version_of_the_project_which_is_not_deployed() -> None:
    assert pyproject()["project"]["version"] == VERSION


def test_the_version_stands_in_one_place(files: set[str]) -> None:
    said = f'version = "{pyproject()["project"]["version"]}"'
    assert [name for name in sorted(files) if said in (ROOT / name).read_text(encoding="utf-8")] == ["pyproject.toml"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", pyproject()["project"]["version"])

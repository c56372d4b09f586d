"""A tag becomes the package that `func` would upload, its checksum, and what the changelog says of the version."""

import hashlib
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from infra.local.local_azure import ROOT
from infra.release.__main__ import main, release
from infra.release.changelog import HEADING, UNRELEASED, section
from infra.release.errors import ReleaseError
from infra.release.package import files_of_func

CHANGELOG = """# Changelog

## [Unreleased]

### Added

- What comes.

## [1.10.0] - 2026-03-01

- Ten.

## [1.1.0] - 2026-02-01

### Fixed

- A [link](#1.0.0).

## [1.0.0] - 2026-01-01

- The first.

[1.0.0]: https://example.com
"""


def version() -> str:
    found: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    return found


def refusal(project: Path, tag: str) -> str:
    with pytest.raises(ReleaseError) as error:
        release(project, tag, project / "dist")
    assert not (project / "dist").exists()
    return str(error.value)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of the version 1.1.0, with two files to deploy and one that stays."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "tidemark"\nversion = "1.1.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    shutil.copyfile(ROOT / ".funcignore", tmp_path / ".funcignore")
    (tmp_path / "shared").mkdir()
    for name in ("function_app.py", "shared/names.py", "notes.txt"):
        (tmp_path / name).write_text(name)
    return tmp_path


def test_the_release_holds_what_func_would_upload_byte_for_byte(project: Path) -> None:
    package, _, _ = release(project, "v1.1.0", project / "dist")
    assert package.name == "tidemark-1.1.0.zip"
    with zipfile.ZipFile(package) as archive:
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}, "zlibs differ"
        packed = {name: archive.read(name).decode() for name in archive.namelist()}
    assert (
        packed
        == {name: name for name in files_of_func(project)}
        == {name: name for name in ("function_app.py", "shared/names.py")}
    )


def test_the_same_files_make_the_same_package_whenever_and_by_whomever(project: Path) -> None:
    first = release(project, "v1.1.0", project / "dist")[0].read_bytes()
    for name in ("function_app.py", "shared/names.py"):
        shutil.copyfile(project / name, project / "copy")
        (project / "copy").replace(project / name)
        (project / name).chmod(0o600)
    (project / "shared/names.py").touch()
    assert release(project, "v1.1.0", project / "again")[0].read_bytes() == first


def test_the_checksum_is_that_of_the_package(project: Path) -> None:
    package, sums, _ = release(project, "v1.1.0", project / "dist")
    assert sums.name == "tidemark-1.1.0.zip.sha256"
    assert sums.read_text() == f"{hashlib.sha256(package.read_bytes()).hexdigest()}  {package.name}\n"


def test_the_notes_are_the_section_of_the_version_and_of_no_other(project: Path) -> None:
    _, _, notes = release(project, "v1.1.0", project / "dist")
    assert notes.read_text() == "### Fixed\n\n- A [link](#1.0.0).\n"


def test_a_tag_of_another_version_than_the_project_is_refused(project: Path) -> None:
    assert "'v1.10.0', and pyproject.toml says version 1.1.0" in refusal(project, "v1.10.0")


def test_a_version_that_the_changelog_does_not_know_is_refused(project: Path) -> None:
    (project / "CHANGELOG.md").write_text(CHANGELOG.replace("[1.1.0]", "[1.1.1]"))
    assert refusal(project, "v1.1.0").startswith("CHANGELOG.md has no section for 1.1.0. What to do: ")


@pytest.mark.parametrize(
    ("before", "after", "missing"),
    [("## [1.1.0] - 2026-02-01", "## [1.1.0]", "date"), ("### Fixed\n\n- A [link](#1.0.0).\n", "", "text")],
)
def test_a_section_without_date_or_text_is_refused(project: Path, before: str, after: str, missing: str) -> None:
    (project / "CHANGELOG.md").write_text(CHANGELOG.replace(before, after))
    assert f"has no {missing}. What to do: " in refusal(project, "v1.1.0")


def test_what_can_not_be_released_ends_the_command_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["v0"]) == 2
    assert main(["v0", "dist"]) == 1
    assert f"pyproject.toml says version {version()}" in capsys.readouterr().err


def test_this_version_can_be_released_by_a_python_that_has_nothing_installed(tmp_path: Path) -> None:
    command = (sys.executable, "-S", "-m", "infra.release", f"v{version()}", str(tmp_path / "dist"))
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    assert {Path(line).name for line in done.stdout.splitlines()} == {
        f"tidemark-{version()}.zip",
        f"tidemark-{version()}.zip.sha256",
        "notes.md",
    }


def test_the_changelog_begins_with_what_is_unreleased_then_each_version_newest_first() -> None:
    first, *versions = HEADING.finditer((ROOT / "CHANGELOG.md").read_text())
    assert first["version"] == UNRELEASED
    numbers = [tuple(map(int, heading["version"].split("."))) for heading in versions]
    assert numbers == sorted(set(numbers), reverse=True)
    dates = [heading["date"] for heading in versions]
    assert dates == sorted(dates, reverse=True)


def test_each_section_of_the_changelog_has_only_the_headings_of_keep_a_changelog() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert {line.removeprefix("### ") for line in lines if line.startswith("### ")} <= kinds
    assert all(HEADING.match(line) for line in lines if line.startswith("## "))


def test_the_section_of_the_version_is_there() -> None:
    assert section((ROOT / "CHANGELOG.md").read_text(), version())

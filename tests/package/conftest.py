"""A checkout as developers have them, the deployment package of it, and what the remote build makes of that."""

import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infra.local.local_azure import ROOT
from infra.release.package import files_of_func, pack
from tests.package.packing import files_by_git
from tests.package.site import Site

# What tools and people leave in a checkout: also what azd makes in it, and all that .gitignore keeps out of git.
JUNK = (
    ".azure/production/.env",
    ".coverage",
    ".env",
    ".git/config.lock",
    ".hypothesis/unicode_data/15.1.0/charmap.json.gz",
    ".mypy_cache/3.13/shared/names.data.json",
    ".pytest_cache/README.md",
    ".python_packages/lib/site-packages/azure/core/__init__.py",
    ".ruff_cache/0.17.0/1",
    ".venv-checkov/lib/python3.13/site-packages/checkov/main.py",
    ".venv-models/described.json",
    ".venv/.tidemark-setup",
    ".venv/lib/python3.13/site-packages/pytest/__init__.py",
    ".vscode/settings.json",
    "__pycache__/function_app.cpython-313.pyc",
    "build/lib/shared/names.py",
    "checkout_env/lib/python3.13/site-packages/azure/core/__init__.py",
    "checkout_env/pyvenv.cfg",
    "disk.vhd",
    "functions/.DS_Store",
    "functions/__pycache__/__init__.cpython-313.pyc",
    "infra/local/node_modules/.package-lock.json",
    "infra/local/node_modules/azurite/package.json",
    "local.settings.json",
    "node_modules/azurite/package.json",
    "node_modules/.bin/azurite",
    "shared/__pycache__/names.cpython-313.pyc",
    "shared/azure/__pycache__/queues.cpython-313.pyc",
    "venv/lib/python3.13/site-packages/azure/core/__init__.py",
)
BUILD_SECONDS = 300.0


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's files and junk of every kind, in a git repository."""
    folder = tmp_path_factory.mktemp("package") / "checkout"
    subprocess.run(("git", "init", "--quiet", folder), check=True)
    for name in files_by_git(folder / ".git", ROOT, "--exclude-standard"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    for name in JUNK:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("junk")
    return folder


@pytest.fixture(scope="session")
def package(checkout: Path) -> Path:
    """The deployment package, a zip."""
    zipped = checkout.parent / "package.zip"
    pack(checkout, files_of_func(checkout), zipped)
    return zipped


@pytest.fixture(scope="session")
def site(package: Path) -> Site:
    """The package as it runs: unpacked, with its requirements installed into it."""
    folder = package.parent / "site"
    with zipfile.ZipFile(package) as archive:
        archive.extractall(folder)
    install(folder)
    worker = package.parent / "worker"
    library = importlib.util.find_spec("azure_functions_runtime")
    assert library
    assert library.origin
    shutil.copytree(Path(library.origin).parent, worker / "azure_functions_runtime")
    shutil.copytree(ROOT / "infra" / "local" / "host", worker / "infra" / "local" / "host")
    return Site(folder, worker)


def install(folder: Path) -> None:
    """Install the requirements as the remote build does (Oryx: PythonBashBuildSnippet.sh.tpl), caches left to pip."""
    pip = (sys.executable, "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-compile", "--retries=2")
    target = ("--prefer-binary", "-r", "requirements.txt", "--target=.python_packages/lib/site-packages")
    done = subprocess.run(
        (*pip, *target),
        cwd=folder,
        env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore"},
        timeout=BUILD_SECONDS,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout

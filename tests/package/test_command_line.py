"""The command line is installed by its wheel, with what it uses of the app; the app is deployed without it."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infra.local.local_azure import ROOT
from infra.release.package import files_of_func

pytestmark = pytest.mark.xdist_group("package")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in sorted(tracked()):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    uv = Path(sys.executable).parent / "uv"
    subprocess.run((uv, "build", "--system-certs", "--wheel", "--quiet", "--out-dir", folder, source), check=True)
    [made] = folder.glob("*.whl")
    return made


def tracked() -> set[str]:
    listed = subprocess.run(
        ("git", "ls-files", "--cached", "--others", "--exclude-standard", "shared", "tidemark", "tests/accounts.py"),
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return {*listed.stdout.split(), "pyproject.toml", "README.md", "LICENSE"}


def test_the_wheel_holds_the_command_line_and_what_it_uses_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
        [entry] = [archive.read(name).decode() for name in archive.namelist() if name.endswith("entry_points.txt")]
    assert {name.partition("/")[0] for name in names} == {"shared", "tidemark"}
    assert {name for name in names if name.startswith("tidemark/")} == {
        n for n in tracked() if n.startswith("tidemark/")
    }
    assert re.search(r"^tidemark = tidemark.cli:main$", entry, re.MULTILINE)


def test_the_installed_command_line_runs_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = (
        "import sys, tidemark.cli, tidemark.store, tidemark.restore, tidemark.status, tidemark.monitors;"
        "assert tidemark.__file__.startswith(sys.argv.pop()); tidemark.cli.main()"
    )
    done = subprocess.run(
        (sys.executable, "-c", code, "check", str(tmp_path)),
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(tmp_path / "site"),
            "TIDEMARK_CONFIG": str(tmp_path / "none"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "it is not known which app this is about. What to do: `tidemark use" in done.stdout


def test_the_command_line_is_not_deployed_with_the_app() -> None:
    assert not [name for name in files_of_func(ROOT) if name.startswith("tidemark")]


def test_the_wheel_has_what_the_page_is_drawn_by(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if name.startswith("shared/page/templates/")}
    assert names == {name for name in tracked() if name.startswith("shared/page/templates/")}
    assert "shared/page/templates/page.css" in names

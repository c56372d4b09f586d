"""Each deployment installs the same files of the same versions, and they are those that the tests ran with."""

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from infra.local.local_azure import ROOT
from tests.package.site import Site

LOCK = ROOT / "requirements.lock"
TESTED = ROOT / "infra" / "local" / "requirements.lock"
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)((?:.*\\\n)*.*)", re.MULTILINE)
HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")


def pinned(lock: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Give the version of each package in a lock file, with the hashes of its files."""
    return {name: (version, frozenset(HASH.findall(rest))) for name, version, rest in PIN.findall(lock.read_text())}


def versions(lock: Path) -> dict[str, str]:
    return {name: version for name, (version, _) in pinned(lock).items()}


def installed(site: Site) -> dict[str, str]:
    """Give the versions of what the remote build has installed."""
    found = importlib.metadata.distributions(path=[str(site.folder / ".python_packages/lib/site-packages")])
    return {re.sub(r"[-_.]+", "-", package.name).lower(): package.version for package in found}


def requirements() -> list[str]:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@pytest.mark.xdist_group("package")
def test_the_remote_build_installs_what_the_lock_says(site: Site) -> None:
    lock = versions(LOCK)
    found = installed(site)
    assert found
    assert {name: lock.get(name) for name in found} == found


def test_the_remote_build_refuses_a_file_that_was_not_tested(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_bytes((ROOT / "requirements.txt").read_bytes())
    (tmp_path / "requirements.lock").write_text(HASH.sub(f"--hash=sha256:{0:064}", LOCK.read_text()))
    pip = (sys.executable, "-I", "-m", "pip", "install", "--dry-run", "--disable-pip-version-check")
    done = subprocess.run(
        (*pip, "--prefer-binary", "-r", "requirements.txt", "--target=site"),
        cwd=tmp_path,
        env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore"},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 1
    assert "THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE" in done.stdout


def test_each_package_of_both_locks_has_the_hashes_of_its_files() -> None:
    for lock in (LOCK, TESTED):
        assert not [name for name, (_, hashes) in pinned(lock).items() if not hashes]


def test_the_lock_holds_the_very_files_that_the_tests_ran_with() -> None:
    lock = pinned(LOCK)
    assert lock
    assert lock.items() <= pinned(TESTED).items()


def test_the_tests_run_with_the_versions_of_the_lock() -> None:
    lock = versions(LOCK)
    assert {name: importlib.metadata.version(name) for name in lock} == lock


def test_the_requirements_are_the_lock_and_then_ranges_that_admit_it() -> None:
    first, *ranges = requirements()
    assert first == "-r requirements.lock", "after a range, pip refuses the hashes"
    lock = versions(LOCK)
    for line in ranges:
        wanted = Requirement(line)
        assert re.fullmatch(r">=[\d.]+,<\d+", line.removeprefix(wanted.name)), line
        assert wanted.specifier.contains(lock[wanted.name]), line

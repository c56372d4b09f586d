"""Each deployment installs the same versions, and they are those that the tests ran with."""

import importlib.metadata
import re
from pathlib import Path

from infra.local.local_azure import ROOT
from tests.package.site import Site

PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)", re.MULTILINE)
# What pip says of a package that is neither pinned nor bounded.
RANGE = re.compile(r"^([A-Za-z0-9._-]+)>=[\d.]+,<\d+$", re.MULTILINE)


def pinned(lock: Path) -> dict[str, str]:
    """Give the versions in a lock file, by the package's name as the index spells it."""
    return {name.lower(): version for name, version in PINNED.findall(lock.read_text())}


def installed(site: Site) -> dict[str, str]:
    """Give the versions of what the remote build has installed."""
    found = importlib.metadata.distributions(path=[str(site.folder / ".python_packages/lib/site-packages")])
    return {re.sub(r"[-_.]+", "-", package.name).lower(): package.version for package in found}


def test_the_remote_build_installs_what_the_lock_says(site: Site) -> None:
    lock = pinned(ROOT / "requirements.lock")
    versions = installed(site)
    assert versions
    assert {name: lock.get(name) for name in versions} == versions


def test_the_lock_holds_what_the_tests_ran_with() -> None:
    lock = pinned(ROOT / "requirements.lock")
    assert lock
    tested = pinned(ROOT / "infra" / "local" / "requirements.lock")
    assert lock.items() <= tested.items()


def test_the_requirements_are_ranges_that_the_lock_constrains() -> None:
    said = (ROOT / "requirements.txt").read_text()
    lines = [line for line in said.splitlines() if line and not line.startswith("#")]
    assert lines[0] == "-c requirements.lock"
    ranges = RANGE.findall(said)
    assert len(ranges) == len(lines) - 1
    assert set(ranges) <= pinned(ROOT / "requirements.lock").keys()

"""What holds for all tests: they share the machine's cores, so none may fail for being slow."""

import gc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from infra.local.azurite import Azurite
from infra.local.identity_azure import IdentityAzure, run_identity_azure
from infra.local.local_azure import APP, LocalAzure, run_local_azure
from infra.local.managed_disks import ManagedDisks
from tests.accounts import BEHIND_A_GATEWAY, OF_THE_HOST

HERE = Path(__file__).parent
# Their processes do what is to be covered; elsewhere a host's does, and to measure there too would double the time.
MEASURED = ("logic", "simulation", "conformance", "identity", "managed_disks")
# What these cover, others cover too; they compute much, and to trace them would double that.
COVERED_BY_OTHERS = {
    *("logic/test_index_writers.py", "logic/test_sampling.py", "simulation/test_calls.py", "simulation/test_fleet.py"),
    *("simulation/test_late_snapshots.py", "simulation/test_limits.py", "simulation/test_release_0.py"),
    *("simulation/test_shared_blob.py", "simulation/test_slow_snapshots.py"),
}
# What all tests that use it share, and takes seconds to start: they are of one group.
ONE_OF_A_KIND = {"identity_azure", "azure_cli"}
# What takes longest first: begun last, it would end alone.
WAITING = ("local", "app", "cli", "host")

SHORT_ID = 80

for profile, examples in (("command", 50), ("nightly", 500)):
    settings.register_profile(
        profile, max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )


@pytest.fixture(scope="session")
async def azure() -> AsyncIterator[LocalAzure]:
    """A local Azure: one for all tests of a process that can share it, as it takes seconds to start."""
    async with run_local_azure((*BEHIND_A_GATEWAY, OF_THE_HOST)) as running:
        yield running


@pytest.fixture(scope="session")
async def running_disks(azure: LocalAzure) -> AsyncIterator[ManagedDisks]:
    """Managed disks in that local Azure, for all tests of a process that use any."""
    async with azure.managed_disks() as running:
        yield running


@pytest.fixture
def managed(running_disks: ManagedDisks) -> Iterator[ManagedDisks]:
    """Managed disks: none yet, and the app may do everything with them."""
    running_disks.give(APP)
    yield running_disks
    running_disks.reset()


@pytest.fixture(scope="session")
async def identity_azure() -> AsyncIterator[IdentityAzure]:
    """A local Azure with keys off."""
    async with run_identity_azure() as running:
        yield running


@pytest.fixture
def _roles_as_at_first(identity_azure: IdentityAzure) -> Iterator[None]:
    given = list(identity_azure.authorizer.roles.given)
    identity_azure.authorizer.refused.clear()
    yield
    identity_azure.authorizer.roles.given[:] = given


@pytest.fixture(scope="session")
def azurite(azure: LocalAzure) -> Azurite:
    """The storage behind it, where tests of a gateway or of the host have accounts of their own."""
    return azure.azurite


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--nightly", action="store_true", help="run the cases too that are left to the nightly workflow")


def pytest_collection_finish() -> None:
    """Leave what was imported out of each collection of garbage, which takes a tenth of what simulations take."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("nightly" if config.getoption("--nightly") else "command")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a long value by its length: each process is sent the names of all tests, and some values are whole disks."""
    return f"{argname} of {len(val)}" if isinstance(val, str | bytes) and len(val) > SHORT_ID else None


def mixed(items: list[pytest.Item]) -> list[pytest.Item]:
    """Order tests for processes at once: groups first, as one process does each; then those that wait among the others.

    Tests of the whole app wait most of their time, and the others compute: of either kind alone, the cores idle or all
    processes want them.
    """
    groups = [item for item in items if item.get_closest_marker("xdist_group")]
    alone = [item for item in items if not item.get_closest_marker("xdist_group")]
    waiting = [item for folder in WAITING for item in alone if _folder(item) == folder]
    computing = [item for item in alone if _folder(item) not in WAITING]
    placed = [(place / len(kind), item) for kind in (waiting, computing) for place, item in enumerate(kind)]
    return groups + [item for _, item in sorted(placed, key=lambda found: found[0])]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep tests together that share what is slow to start; cover none that runs the app in other processes."""
    if not config.getoption("--nightly"):
        left = [item for item in items if item.get_closest_marker("nightly")]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if not item.get_closest_marker("nightly")]
    for item in items:
        for shared in ONE_OF_A_KIND & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group(shared))
    if hasattr(config, "workerinput"):
        items[:] = mixed(items)
    if not config.pluginmanager.hasplugin("pytest_cov"):
        return
    for item in items:
        folder = _folder(item)
        is_in_process = folder == "app" and "cloud" not in getattr(item, "fixturenames", ())
        # Properties are about values, of which other tests have an example each: to trace all would double their time.
        is_property = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
        is_elsewhere = item.path.relative_to(HERE).as_posix() in COVERED_BY_OTHERS
        if is_property or is_elsewhere or not (is_in_process or folder in MEASURED):
            item.add_marker("no_cover")


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(HERE).parts[0]

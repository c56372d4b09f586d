"""Each test runs twice: on the in-memory services of the simulation, and on the real ones."""

from collections.abc import AsyncIterator, Iterator

import pytest

from infra.local.gateway import Gateway
from infra.local.local_azure import run_local_azure
from infra.local.managed_disks import ManagedDisks
from tests.conformance.any_cloud import AnyCloud
from tests.conformance.clouds import Cloud
from tests.conformance.in_memory import SimulatedCloud
from tests.conformance.machines import Machines
from tests.conformance.machines_in_memory import SimulatedMachines
from tests.conformance.machines_locally import LocalMachines, no_disks_yet, open_machines
from tests.conformance.on_azurite import AzuriteCloud, People, open_cloud
from tests.conformance.real.on_azure import RUN, RealCloud, Rented, open_real_cloud


@pytest.fixture(scope="session")
async def people() -> AsyncIterator[People]:
    async with run_local_azure() as azure, People.of(azure) as people:
        async with open_cloud(people) as cloud:
            await cloud.services.ensure()
        yield people


@pytest.fixture
async def on_azurite(people: People) -> AsyncIterator[AzuriteCloud]:
    async with open_cloud(people) as cloud:
        yield cloud


@pytest.fixture
def gateway(people: People) -> Iterator[Gateway]:
    """The gateway of Azurite, without a fault before the test and after it."""
    gateway = people.azure.gateway
    gateway.faults.clear()
    yield gateway
    gateway.faults.clear()


@pytest.fixture
async def in_memory() -> SimulatedCloud:
    return SimulatedCloud()


@pytest.fixture(scope="session")
async def machines_of_people(people: People) -> AsyncIterator[ManagedDisks]:
    async with people.azure.managed_disks() as managed:
        yield managed


@pytest.fixture
async def machines_locally(
    people: People, machines_of_people: ManagedDisks, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[LocalMachines]:
    with no_disks_yet(machines_of_people, monkeypatch):
        async with open_machines(people.azure, machines_of_people) as machines:
            yield machines


@pytest.fixture
async def machines_in_memory() -> SimulatedMachines:
    return SimulatedMachines()


_TWINS = {"cloud": ["in_memory", "on_azurite"], "machines": ["machines_in_memory", "machines_locally"]}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make each statement on the twins; on a real account instead, where `infra/local prove` runs the suite.

    What is said of disks of any kind is said of page blobs and of managed disks; these are not to be had on an account.
    """
    is_real = RUN in metafunc.config.stash
    clouds = {kind: ["on_azure"] if is_real and kind == "cloud" else twins for kind, twins in _TWINS.items()}
    clouds["any_cloud"] = clouds["cloud"] + (clouds["machines"] if not is_real else [])
    for kind, twins in clouds.items():
        if kind in metafunc.fixturenames:
            metafunc.parametrize(kind, twins, indirect=True)


@pytest.fixture(scope="session")
async def rented(pytestconfig: pytest.Config) -> AsyncIterator[Rented]:
    async with Rented.opened(pytestconfig.stash[RUN]) as rented:
        yield rented


@pytest.fixture
async def on_azure(rented: Rented) -> AsyncIterator[RealCloud]:
    async with open_real_cloud(rented) as cloud:
        yield cloud


@pytest.fixture
def cloud(request: pytest.FixtureRequest) -> Cloud:
    """A cloud with nothing in it; a local Azure is started only where one is asked for."""
    found: Cloud = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def machines(request: pytest.FixtureRequest) -> Machines:
    """A cloud with managed disks, of which there are none."""
    found: Machines = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def any_cloud(request: pytest.FixtureRequest) -> AnyCloud:
    """A cloud of page blobs, or of managed disks."""
    found: AnyCloud = request.getfixturevalue(request.param)
    return found

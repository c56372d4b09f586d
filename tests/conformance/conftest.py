"""Each test runs twice: on the in-memory services of the simulation, and on the real ones."""

from collections.abc import AsyncIterator

import pytest

from infra.local.local_azure import run_local_azure
from tests.conformance.clouds import Cloud
from tests.conformance.in_memory import SimulatedCloud
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
async def in_memory() -> SimulatedCloud:
    return SimulatedCloud()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make each statement on the twins; on a real account instead, where `infra/local prove` runs the suite."""
    if "cloud" in metafunc.fixturenames:
        clouds = ["on_azure"] if RUN in metafunc.config.stash else ["in_memory", "on_azurite"]
        metafunc.parametrize("cloud", clouds, indirect=True)


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

"""Each test runs twice: on the in-memory services of the simulation, and on the real ones."""

from collections.abc import AsyncIterator

import pytest

from infra.local.local_azure import run_local_azure
from tests.conformance.clouds import Cloud
from tests.conformance.in_memory import SimulatedCloud
from tests.conformance.on_azurite import AzuriteCloud, People, open_cloud


@pytest.fixture(scope="session")
async def people() -> AsyncIterator[People]:
    async with run_local_azure() as azure, People.of(azure) as people:
        yield people


@pytest.fixture
async def on_azurite(people: People) -> AsyncIterator[AzuriteCloud]:
    async with open_cloud(people) as cloud:
        yield cloud


@pytest.fixture
async def in_memory() -> SimulatedCloud:
    return SimulatedCloud()


@pytest.fixture(params=["in_memory", "on_azurite"])
def cloud(request: pytest.FixtureRequest) -> Cloud:
    """A cloud with nothing in it; a local Azure is started only where one is asked for."""
    found: Cloud = request.getfixturevalue(request.param)
    return found

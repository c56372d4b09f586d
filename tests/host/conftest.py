"""A storage account for the tests of the local functions host, and the sample app."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from azure.storage.queue.aio import QueueServiceClient

from infra.local.azurite import Azurite
from infra.local.host.process import HostProcess
from tests.host.sample import ACCOUNT, Sample


@pytest.fixture(scope="session")
async def service(azurite: Azurite) -> AsyncIterator[QueueServiceClient]:
    async with QueueServiceClient(f"{azurite.queue_url}/{ACCOUNT.name}", ACCOUNT.key) as client:
        yield client


@pytest.fixture
def sample(azurite: Azurite, service: QueueServiceClient, tmp_path: Path) -> Sample:
    """Give a sample app that no host runs yet."""
    return Sample(azurite, service, tmp_path)


@pytest.fixture(scope="session")
def shared_sample(azurite: Azurite, service: QueueServiceClient, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Give the sample app that `host` runs; its queues are not there at first."""
    return Sample(azurite, service, tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="session")
async def host(shared_sample: Sample) -> AsyncIterator[HostProcess]:
    """Run the shared sample app with the settings as they are."""
    async with shared_sample.host() as running:
        yield running

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from azure.storage.blob.aio import ContainerClient

from infra.local.local_azure import BACKUPS, LocalAzure
from shared.azure.blobs.reading import BlobReader
from tests.cli.blobs import Blob
from tidemark.content.access import open_reader


@pytest.fixture(scope="session")
async def container(azure: LocalAzure) -> AsyncIterator[ContainerClient]:
    async with azure.blobs(BACKUPS) as service:
        yield await service.create_container("exports")


@pytest.fixture
async def reader(azure: LocalAzure) -> AsyncIterator[BlobReader]:
    async with open_reader([azure.connection_string(BACKUPS)]) as reader:
        yield reader
    azure.gateway.faults.clear()


@pytest.fixture
def make(container: ContainerClient) -> Callable[[int], Awaitable[Blob]]:
    """Makes a page blob of so many bytes."""
    return lambda size: Blob.make(BACKUPS, container, size)

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from azure.storage.blob.aio import ContainerClient

from infra.local.local_azure import BACKUPS, LocalAzure
from shared.azure.blobs.reading import BlobReader
from shared.limits import PAGE
from tests.cli.content.blobs import Blob
from tests.cli.content.exporting import SIZE, UNIT, Make, content
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
def make(container: ContainerClient) -> Make:
    """Makes a page blob of so many bytes."""
    return lambda size: Blob.make(BACKUPS, container, size)


@pytest.fixture
async def disk(make: Make) -> Blob:
    """A VHD of a few ranges: short, long, across windows, of zeros, and cleared."""
    blob = await make(SIZE)
    await blob.write(0, content(PAGE))
    await blob.write(UNIT - PAGE, content(2 * PAGE, 2))
    await blob.write(3 * UNIT, content(5 * UNIT + 3 * PAGE, 3))
    await blob.write(10 * UNIT, bytes(2 * PAGE))
    await blob.write(12 * UNIT, content(UNIT, 4))
    await blob.clear(12 * UNIT + UNIT // 4, UNIT // 2)
    await blob.write_footer()
    return blob


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "disk.vhd"

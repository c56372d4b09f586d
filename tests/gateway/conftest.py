import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from azure.storage.blob.aio import BlobServiceClient, ContainerClient

from infra.local.azurite import Account, Azurite
from infra.local.gateway import Gateway, run_gateway
from tests.accounts import BEHIND_A_GATEWAY
from tests.gateway.page_blobs import NewBlob, PageBlob

API_VERSION = "2025-11-05"
DISKS, BACKUPS = BEHIND_A_GATEWAY


@pytest.fixture(scope="session")
async def running_gateway(azurite: Azurite) -> AsyncIterator[Gateway]:
    async with run_gateway(azurite.blob_url, [DISKS, BACKUPS]) as gateway:
        yield gateway


@pytest.fixture
def gateway(running_gateway: Gateway) -> Iterator[Gateway]:
    running_gateway.requests.clear()
    yield running_gateway
    running_gateway.faults.clear()
    running_gateway.copies.clear()


def service_client(gateway: Gateway, account: Account, **kwargs: Any) -> BlobServiceClient:
    text = f"DefaultEndpointsProtocol=http;AccountName={account.name};AccountKey={account.key};"
    text += f"BlobEndpoint={gateway.url}/{account.name};"
    return BlobServiceClient.from_connection_string(text, api_version=API_VERSION, **{"retry_total": 0, **kwargs})


@pytest.fixture(scope="session")
async def disks(running_gateway: Gateway) -> AsyncIterator[ContainerClient]:
    async with service_client(running_gateway, DISKS) as service:
        yield await service.create_container("vhds")


@pytest.fixture(scope="session")
async def backups(running_gateway: Gateway) -> AsyncIterator[ContainerClient]:
    async with service_client(running_gateway, BACKUPS) as service:
        yield await service.create_container("backups")


@pytest.fixture(scope="session")
async def patient_disks(running_gateway: Gateway, disks: ContainerClient) -> AsyncIterator[ContainerClient]:
    """The same container, by a client that tries again at once."""
    async with service_client(
        running_gateway, DISKS, retry_total=3, initial_backoff=0, increment_base=0, random_jitter_range=0
    ) as service:
        yield service.get_container_client(disks.container_name)


@pytest.fixture(scope="session")
def numbers() -> Iterator[int]:
    return itertools.count()


@pytest.fixture(scope="session")
def new_disk(disks: ContainerClient, numbers: Iterator[int]) -> NewBlob:
    """Makes a disk of so many pages."""

    async def make(pages: int) -> PageBlob:
        blob = PageBlob(DISKS, disks, f"disk{next(numbers)}.vhd")
        await blob.create(pages)
        return blob

    return make


@pytest.fixture(scope="session")
def new_backup(backups: ContainerClient, numbers: Iterator[int]) -> NewBlob:
    """Makes a backup blob, in the other account, of so many pages."""

    async def make(pages: int) -> PageBlob:
        blob = PageBlob(BACKUPS, backups, f"diskaccount/vhds/disk{next(numbers)}.vhd")
        await blob.create(pages)
        return blob

    return make


@pytest.fixture
async def disk(new_disk: NewBlob) -> PageBlob:
    """A disk of 64 pages, none written."""
    return await new_disk(64)


@pytest.fixture
async def backup(new_backup: NewBlob) -> PageBlob:
    """A backup blob of 64 pages, none written."""
    return await new_backup(64)

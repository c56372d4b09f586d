"""A local Azure with keys off; the app has no role where the disks are until a test gives it one."""

import uuid
from collections.abc import AsyncIterator

import aiohttp
import pytest
from azure.storage.blob.aio import BlobServiceClient, ContainerClient

from infra.local.identity.tokens import TokenCredential
from infra.local.identity_azure import IdentityAzure
from infra.local.local_azure import APP, BLOB_API_VERSION, DISKS


@pytest.fixture
def azure(identity_azure: IdentityAzure, _roles_as_at_first: None) -> IdentityAzure:
    return identity_azure


@pytest.fixture
async def container(azure: IdentityAzure) -> AsyncIterator[ContainerClient]:
    """A new container of disks, by its owner's client."""
    async with azure.blobs(DISKS) as service:
        yield await service.create_container(f"vhds-{uuid.uuid4().hex[:12]}")


@pytest.fixture
async def app(azure: IdentityAzure) -> AsyncIterator[BlobServiceClient]:
    """The account of the disks, by a client with the app's identity."""
    credential = TokenCredential(azure.issuer, APP)
    async with BlobServiceClient(
        azure.blob_url(DISKS),
        credential,
        api_version=BLOB_API_VERSION,
        connection_verify=str(azure.certificates.authority),
        retry_total=0,
    ) as service:
        yield service


@pytest.fixture
async def http(azure: IdentityAzure) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=azure.trusted())) as session:
        yield session

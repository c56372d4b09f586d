"""A cloud that lacks the newest service versions refuses what asks for them, and what is signed for them."""

from collections.abc import Iterator

import aiohttp
import pytest
from azure.storage.blob.aio import BlobServiceClient, ContainerClient

from infra.local.gateway import Gateway
from tests.gateway.conftest import API_VERSION, DISKS
from tests.gateway.page_blobs import PAGE, PageBlob, refusal


@pytest.fixture(autouse=True)
def _no_newer_version(gateway: Gateway) -> Iterator[None]:
    gateway.newest_version = API_VERSION
    yield
    gateway.newest_version = ""


async def test_a_newer_version_is_refused(gateway: Gateway, disks: ContainerClient, disk: PageBlob) -> None:
    assert await disk.client.exists()
    async with BlobServiceClient(f"{gateway.url}/{DISKS.name}", DISKS.key, retry_total=0) as newest:
        making = newest.get_container_client(str(disks.container_name)).create_container()
        assert await refusal(making) == (400, "InvalidHeaderValue")


async def test_what_is_signed_for_a_newer_version_is_no_source(disk: PageBlob, backup: PageBlob) -> None:
    await disk.write(0, 0)
    assert "sv=2026-10-06" in disk.source_url(None), "as the SDK signs"
    async with aiohttp.ClientSession() as session:
        answer = await session.get(disk.source_url(None), headers={"x-ms-version": API_VERSION})
        assert (answer.status, answer.headers["x-ms-error-code"]) == (403, "AuthenticationFailed")
    copied = refusal(backup.client.upload_pages_from_url(disk.source_url(None), 0, PAGE, 0))
    assert await copied == (403, "CannotVerifyCopySource")

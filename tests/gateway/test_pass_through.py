"""What the gateway has no business with goes through it unchanged."""

import asyncio
import os

import aiohttp
import pytest
from azure.storage.blob import ContentSettings
from azure.storage.blob.aio import BlobServiceClient, ContainerClient

from infra.local.azurite import Account, Azurite
from infra.local.gateway import Fault, Gateway, run_gateway
from tests.gateway.conftest import DISKS, service_client
from tests.gateway.page_blobs import PageBlob, refusal

NAMES = [
    "a b.vhd",
    "ünïcødé.vhd",
    "100%.vhd",
    "a+b&c=d?.vhd",
    "deep/er/disk #1.vhd",
    "per%20cent.vhd",
    "日本.vhd",
    "a//b",
]


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_ten_mebibytes_come_back_as_they_went(disks: ContainerClient) -> None:
    data = os.urandom(10 * 1024 * 1024)
    blob = disks.get_blob_client("large.bin")
    await blob.upload_blob(data, content_settings=ContentSettings(content_type="text/plain", cache_control="no-cache"))
    assert await (await blob.download_blob()).readall() == data
    assert await (await blob.download_blob(offset=5_000_001, length=999)).readall() == data[5_000_001:5_001_000]
    properties = await blob.get_blob_properties()
    assert properties.size == len(data)
    assert properties.content_settings.content_type == "text/plain"
    assert properties.content_settings.cache_control == "no-cache"


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_blocks_make_a_blob(disks: ContainerClient) -> None:
    data = os.urandom(3 * 1024 * 1024)
    blob = ContainerClient.from_container_url(
        disks.url,
        credential=disks.credential,
        api_version=disks.api_version,
        max_single_put_size=1,
        max_block_size=2**20,
    )
    async with blob:
        await blob.upload_blob("blocks.bin", data)
    assert await (await disks.download_blob("blocks.bin")).readall() == data


async def test_metadata_keeps_its_case(disks: ContainerClient) -> None:
    blob = disks.get_blob_client("metadata.txt")
    await blob.upload_blob(b"x", metadata={"TidemarkRun": "Value one", "lower": "2"})
    assert (await blob.get_blob_properties()).metadata == {"TidemarkRun": "Value one", "lower": "2"}


@pytest.mark.parametrize("name", NAMES)
async def test_any_name_is_reached(disks: ContainerClient, gateway: Gateway, name: str) -> None:
    disk = PageBlob(DISKS, disks, name)
    gateway.requests.clear()
    await disk.create(8)
    assert gateway.requests[0].path == f"/{DISKS.name}/{disks.container_name}/{name}"
    before = await disk.snapshot()
    await disk.write(3, 4)
    after = await disk.snapshot()
    assert await disk.ranges(before, after) == [(3, 4, False)]
    copy = PageBlob(DISKS, disks, f"copy of {name}")
    await copy.create(8)
    await copy.client.upload_pages_from_url(disk.source_url(after), 512, 512, 3 * 512)
    assert await copy.ranges() == [(1, 1, False)]
    await copy.client.start_copy_from_url(disk.at(after).url)
    assert await copy.ranges() == [(3, 4, False)]
    assert name in [found.name async for found in disks.list_blobs()]


async def test_errors_keep_their_status_and_code(disks: ContainerClient, gateway: Gateway) -> None:
    assert await refusal(disks.get_blob_client("none").get_blob_properties()) == (404, "BlobNotFound")
    assert await refusal(disks.get_blob_client("none").download_blob()) == (404, "BlobNotFound")
    assert gateway.requests[-1].error_code == "BlobNotFound"
    assert await refusal(disks.create_container()) == (409, "ContainerAlreadyExists")


async def test_a_wrong_key_is_refused(gateway: Gateway, disk: PageBlob) -> None:
    wrong = Account(DISKS.name, Account.named("someone else").key)
    async with service_client(gateway, wrong) as service:
        blob = service.get_blob_client(str(disk.client.container_name), str(disk.client.blob_name))
        assert (await refusal(blob.upload_page(b"x" * 512, offset=0, length=512)))[0] == 403
        assert (await refusal(blob.create_snapshot()))[0] == 403
        assert (await refusal(blob.upload_pages_from_url(disk.source_url(None), 0, 512, 0)))[0] == 403
    assert await disk.ranges() == []


async def test_conditions_are_kept(disks: ContainerClient) -> None:
    blob = disks.get_blob_client("conditions.txt")
    await blob.upload_blob(b"1")
    assert await refusal(blob.upload_blob(b"2")) == (409, "BlobAlreadyExists")


async def test_a_list_in_pages_comes_whole(disks: ContainerClient) -> None:
    for number in range(7):
        await disks.upload_blob(f"listed/{number}", b"")
    listed = [found.name async for found in disks.list_blobs(name_starts_with="listed/", results_per_page=3)]
    assert listed == [f"listed/{number}" for number in range(7)]


async def test_a_container_deleted_takes_its_blobs_past_with_it(gateway: Gateway) -> None:
    async with service_client(gateway, DISKS) as service:
        container = await service.create_container("shortlived")
        disk = PageBlob(DISKS, container, "disk.vhd")
        await disk.create(8)
        before = await disk.snapshot()
        await container.delete_container()
        await service.create_container("shortlived")
        await disk.create(8)
        assert await refusal(disk.ranges(before)) == (409, "PreviousSnapshotNotFound")


async def test_snapshots_from_before_the_gateway_have_no_difference(
    azurite: Azurite, disk: PageBlob, gateway: Gateway
) -> None:
    before = await disk.snapshot()
    async with run_gateway(azurite.blob_url, [DISKS]) as another, service_client(another, DISKS) as service:
        same = PageBlob(
            DISKS, service.get_container_client(str(disk.client.container_name)), str(disk.client.blob_name)
        )
        assert await refusal(same.ranges(before)) == (409, "PreviousSnapshotOperationNotSupported")
    assert another.url != gateway.url


async def test_a_gateway_stops_though_a_request_is_held(azurite: Azurite) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(60):
        async with run_gateway(azurite.blob_url, [DISKS]) as gateway:
            handle = gateway.faults.add(Fault(delay_until=asyncio.Event()))
            held = asyncio.create_task(session.post(gateway.url))
            await handle.struck.wait()
        with pytest.raises(aiohttp.ClientError):
            await held


async def test_the_service_answers_through_the_gateway(gateway: Gateway, disk: PageBlob) -> None:
    service: BlobServiceClient
    async with service_client(gateway, DISKS) as service:
        assert disk.client.container_name in [found.name async for found in service.list_containers()]
        assert (await service.get_account_information())["account_kind"]

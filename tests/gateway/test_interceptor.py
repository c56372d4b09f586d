"""The interceptor of calls to blobs, queues and tables: it sees each call, and strikes before or after one of them."""

import contextlib
from collections.abc import AsyncIterator

import pytest
from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient
from azure.storage.blob.aio import ContainerClient
from azure.storage.queue.aio import QueueClient

from infra.local.azurite import Azurite
from infra.local.gateway import Fault, Gateway, Interceptor, Proxy, When, run_proxy
from tests.gateway.conftest import DISKS
from tests.gateway.page_blobs import PageBlob


def connection_string(proxy: Proxy, endpoint: str) -> str:
    keys = f"AccountName={DISKS.name};AccountKey={DISKS.key}"
    return f"DefaultEndpointsProtocol=http;{keys};{endpoint}={proxy.url}/{DISKS.name};"


@pytest.fixture
async def queue_proxy(azurite: Azurite) -> AsyncIterator[Proxy]:
    async with run_proxy("queue", azurite.queue_url, [DISKS]) as proxy:
        yield proxy


@pytest.fixture
async def queue(queue_proxy: Proxy) -> AsyncIterator[QueueClient]:
    text = connection_string(queue_proxy, "QueueEndpoint")
    async with QueueClient.from_connection_string(text, "letters", api_version="2025-11-05", retry_total=0) as client:
        await client.create_queue()
        yield client
        await client.delete_queue()


@pytest.fixture
async def table_proxy(azurite: Azurite) -> AsyncIterator[Proxy]:
    async with run_proxy("table", azurite.table_url, [DISKS]) as proxy:
        yield proxy


@pytest.fixture
async def table(table_proxy: Proxy) -> AsyncIterator[TableClient]:
    text = connection_string(table_proxy, "TableEndpoint")
    async with TableClient.from_connection_string(text, "rows", retry_total=0) as client:
        await client.create_table()
        yield client
        await client.delete_table()


class Struck:
    """What an interceptor does here: it counts how often it was done."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


def interceptor_of(number: int = 0, when: When = "before", strike: Struck | None = None) -> Interceptor:
    return Interceptor(lambda _: True, number, when, strike or Struck())


def names(interceptor: Interceptor) -> list[str]:
    return [f"{call.service}: {call.request.operation}" for call in interceptor.calls]


async def test_queues_work_as_ever_behind_a_proxy_and_each_call_has_its_name(
    queue_proxy: Proxy, queue: QueueClient
) -> None:
    interceptor = queue_proxy.interceptor = interceptor_of()
    sent = await queue.send_message("dear disk, ä")
    got = await queue.receive_message(visibility_timeout=30)
    assert got is not None
    assert (got.id, got.content) == (sent.id, "dear disk, ä")
    renewed = await queue.update_message(got, visibility_timeout=60)
    await queue.delete_message(got.id, renewed.pop_receipt)
    assert (await queue.get_queue_properties()).approximate_message_count == 0
    operations = ["Put Message", "Get Messages", "Update Message", "Delete Message", "GET metadata"]
    assert names(interceptor) == [f"queue: {operation}" for operation in operations]


async def test_tables_work_as_ever_behind_a_proxy_and_each_call_has_its_name(
    table_proxy: Proxy, table: TableClient
) -> None:
    interceptor = table_proxy.interceptor = interceptor_of()
    row = {"PartitionKey": "disks|os.vhd", "RowKey": "disk", "size": 7}
    await table.create_entity(row)
    await table.upsert_entity({**row, "size": 8}, UpdateMode.REPLACE)
    await table.submit_transaction([("upsert", {**row, "size": 9}), ("create", {**row, "RowKey": "point-1"})])
    assert (await table.get_entity("disks|os.vhd", "disk"))["size"] == 9
    assert [found["RowKey"] async for found in table.list_entities()] == ["disk", "point-1"]
    await table.delete_entity("disks|os.vhd", "point-1")
    operations = ["Insert Entity", "Update Entity", "Entity Group Transaction", "Get Entity", "Query Entities"]
    assert names(interceptor) == [f"table: {operation}" for operation in (*operations, "Delete Entity")]


@pytest.mark.parametrize(("when", "messages"), [("before", 1), ("after", 2)])
async def test_at_its_call_it_strikes_before_the_effect_or_after_it_and_there_is_no_answer(
    queue_proxy: Proxy, queue: QueueClient, when: When, messages: int
) -> None:
    struck = Struck()
    interceptor = queue_proxy.interceptor = interceptor_of(2, when, struck)
    await queue.send_message("first")
    with pytest.raises(AzureError):
        await queue.send_message("second")
    assert struck.times == 1
    assert interceptor.struck == interceptor.calls[1]
    assert (await queue.get_queue_properties()).approximate_message_count == messages


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_row_is_written_only_where_it_strikes_after(table_proxy: Proxy, table: TableClient, when: When) -> None:
    table_proxy.interceptor = interceptor_of(1, when)
    with contextlib.suppress(AzureError):
        await table.create_entity({"PartitionKey": "disk", "RowKey": when})
    table_proxy.interceptor = None
    if when == "after":
        assert (await table.get_entity("disk", when))["RowKey"] == when
    else:
        with pytest.raises(ResourceNotFoundError):
            await table.get_entity("disk", when)


@pytest.mark.parametrize(("when", "snapshots"), [("before", 0), ("after", 1)])
async def test_blobs_behind_the_gateway_are_seen_too(
    gateway: Gateway, disks: ContainerClient, disk: PageBlob, when: When, snapshots: int
) -> None:
    def strike() -> None:
        """Answer no more: aiohttp would send the request once more by itself."""
        gateway.faults.add(Fault("Snapshot Blob", cut="before"))

    interceptor = gateway.interceptor = Interceptor(
        lambda call: call.request.operation == "Snapshot Blob", 1, when, strike
    )
    try:
        with pytest.raises(AzureError):
            await disk.client.create_snapshot()
    finally:
        gateway.interceptor = None
    assert (names(interceptor), interceptor.struck) == (["blob: Snapshot Blob"], interceptor.calls[0])
    found = disks.list_blobs(disk.client.blob_name, include=["snapshots"])
    assert len([blob async for blob in found if blob.snapshot]) == snapshots

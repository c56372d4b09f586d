"""What a tick and a check read from the table does not depend on the number of recovery points."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables.aio import TableClient

from shared.azure.queues import QUEUES
from shared.azure.services import telling
from shared.backup.report_tick import report_tick
from shared.backup.take_snapshots import take_snapshots
from shared.model.disk import PageBlobDisk
from shared.model.inspection import Inspection
from shared.model.job import JobKind, Stage
from shared.model.messages import TickMessage
from shared.model.names import BACKUPS_TABLE
from tests.conformance.on_azurite import AzuriteCloud, People
from tests.conformance.test_records import point_of, record_of, times

type Keys = list[tuple[str, str]]

FEW, MANY = 2, 200


@dataclass
class Requests:
    """The requests to the table `backups` that read rows."""

    urls: list[str] = field(default_factory=list)

    def rows(self, keys: Keys) -> int:
        """Count the rows that the service reads to answer them.

        It finds rows by their keys only: a query without a partition reads all rows of the table, and one without
        row keys, or with several ranges of them, all rows of the partition (Design for querying, in Azure's docs).
        """
        return sum(self._rows_of(url, keys) for url in self.urls)

    def _rows_of(self, url: str, keys: Keys) -> int:
        parts = urlsplit(url)
        asked = parse_qs(parts.query).get("$filter", [""])[0]
        if not parts.path.endswith("()"):
            return 1
        partition = re.search(r"PartitionKey eq '([^']+)'", asked)
        bounds = re.findall(r"RowKey (ge|lt|eq) '([^']+)'", asked) if " or " not in asked else []
        meets: dict[str, Callable[[str, str], bool]] = {"ge": str.__ge__, "lt": str.__lt__, "eq": str.__eq__}
        return sum(
            partition is None or (at == partition[1] and all(meets[how](row, bound) for how, bound in bounds))
            for at, row in keys
        )


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Requests:
    found, send = Requests(), AioHttpTransport.send

    async def seen(self: Any, request: Any, **how: Any) -> Any:
        if request.method == "GET" and f"/{BACKUPS_TABLE}(" in request.url:
            found.urls.append(request.url)
        return await send(self, request, **how)

    monkeypatch.setattr(AioHttpTransport, "send", seen)
    return found


@pytest.fixture
async def table(on_azurite: AzuriteCloud, people: People) -> AsyncIterator[TableClient]:  # noqa: ARG001 - it is made
    """Give an empty table; what the ticks of a test leave there, and on the queues, is removed."""
    table = people.tables.get_table_client(BACKUPS_TABLE)
    await empty(table)
    yield table
    await empty(table)
    for queue in QUEUES:
        await people.queues.get_queue_client(queue).clear_messages()


async def keys_of(table: TableClient) -> Keys:
    rows = table.list_entities(select=["PartitionKey", "RowKey"])
    return [(str(row["PartitionKey"]), str(row["RowKey"])) async for row in rows]


async def empty(table: TableClient) -> None:
    for partition, row in await keys_of(table):
        await table.delete_entity(partition, row)


async def at_rest(cloud: AzuriteCloud, disk: PageBlobDisk, points: int) -> None:
    """Make an idle disk with so many recovery points, all of which were looked for just now and are told."""
    records = cloud.services.records
    if found := await records.get(disk):
        await records.delete(disk, found[1])
    async with telling(cloud.services):
        rows = [await point_of(cloud, disk, time, backup_snapshot="") for time in times(points)]
        await records.add_points(disk, rows)
        known = replace(record_of(cloud, disk), last_point=times(points)[-1], points_checked=datetime.now(UTC))
        await records.put(disk, known, None)


def taken(requests: Requests) -> Iterator[str]:
    while requests.urls:
        yield requests.urls.pop()


async def test_a_tick_and_a_check_read_as_many_rows_with_many_recovery_points_as_with_few(
    on_azurite: AzuriteCloud, table: TableClient, requests: Requests
) -> None:
    disk, services = await on_azurite.disk(1), on_azurite.services
    await services.records.disks()  # a missing index is built once
    await on_azurite.backup(disk, 1)
    counted = []
    for points in (FEW, MANY):
        await at_rest(on_azurite, disk, points)
        requests.urls.clear()
        await take_snapshots(services)
        tick = Requests(list(taken(requests)))
        await report_tick(services, TickMessage(tick=datetime.now(UTC) - timedelta(minutes=1), disks=1))
        look, keys = Requests(list(taken(requests))), await keys_of(table)
        assert len([at for at, _ in keys if at == disk.key]) > points
        counted.append((len(tick.urls), tick.rows(keys), len(look.urls), look.rows(keys)))
    assert counted[0] == counted[1]


async def test_a_check_reads_no_record_of_an_idle_disk(
    on_azurite: AzuriteCloud, table: TableClient, requests: Requests
) -> None:
    disk, services = await on_azurite.disk(1), on_azurite.services
    await services.records.disks()  # a missing index is built once
    await at_rest(on_azurite, disk, FEW)
    requests.urls.clear()
    assert not (await services.records.disks())[disk].was_restored
    assert not [url for url in requests.urls if disk.address.container in url]
    await services.records.update(disk, lambda record: replace(record, restore="6f3c1d2e", restore_of=disk))
    requests.urls.clear()
    assert (await services.records.disks())[disk].was_restored
    assert len([url for url in requests.urls if disk.address.container in url]) == 1
    assert table


async def test_the_inspections_that_are_open_are_found_without_those_that_have_ended(
    on_azurite: AzuriteCloud, table: TableClient, requests: Requests
) -> None:
    disk, inspections = on_azurite.named("disk.vhd"), on_azurite.services.inspections
    now, read = datetime.now(UTC), []
    await inspections.open()
    for ended in range(3):
        drill = Inspection.of(f"ended-{ended}", JobKind.DRILL, disk, "latest", now)
        await inspections.add(drill)
        found = await inspections.find(disk, drill.row_key)
        assert found
        await inspections.put(replace(drill, state=Stage.DONE, ended=now), found[1])
        requests.urls.clear()
        assert not [row for row in await inspections.open() if row.disk == disk]
        read.append(Requests(list(taken(requests))).rows(await keys_of(table)))
    assert len(set(read)) == 1

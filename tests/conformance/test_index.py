"""The index is kept alike in memory and in Azurite's tables, and rebuilt when it is lost."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.azure.tables.index import Index
from shared.model.disk import Disk, PageBlobDisk, page_blob
from shared.model.index import COMPLETE_ROW, DROPPED_AFTER, Summary, job_key, open_job, read_summary, settled, unsettled
from shared.model.inspection import Inspection
from shared.model.job import JobKind, Stage
from shared.model.record import DiskRecord
from tests.conformance.clouds import Cloud
from tests.conformance.test_records import NOON, point_of, record_of, times
from tests.conformance.test_restore_rows import opened, restore_of

RESTORE: dict[str, Any] = {
    "restore": "6f3c1d2e",
    "restore_of": Disk.parse("https://disks.blob.core.windows.net/vhds/os.vhd"),
}


@pytest.fixture(autouse=True)
async def leaves_no_record(cloud: Cloud) -> AsyncIterator[None]:
    """Delete the records after a test: all tests share the table."""
    yield
    for disk in await cloud.services.records.disks():
        if page_blob(disk).parent == cloud.disks and (found := await cloud.services.records.get(disk)):
            await cloud.services.records.delete(disk, found[1])


def ticked(cloud: Cloud, disk: PageBlobDisk) -> DiskRecord:
    later = NOON + timedelta(hours=12)
    return replace(record_of(cloud, disk), first_tick=NOON, last_tick=later, adopted=True, last_point=times(1)[0])


async def row_of(cloud: Cloud, key: str) -> dict[str, Any] | None:
    rows = [*(await cloud.index.of_disks()).rows, *(await cloud.index.of_jobs()).rows]
    found = [row.values for row in rows if row.key == key]
    return (
        {name: value for name, value in found[0].items() if name not in {"PartitionKey", "RowKey"}} if found else None
    )


async def lose(cloud: Cloud) -> None:
    """Delete the whole index."""
    for row in [*(await cloud.index.of_disks()).rows, *(await cloud.index.of_jobs()).rows]:
        await cloud.index.forget(row.key)
    await cloud.index.forget(COMPLETE_ROW)


async def test_a_row_is_read_as_it_was_put_whatever_was_there(cloud: Cloud) -> None:
    disk = cloud.named("disk ü.vhd")
    key, record = disk.key, ticked(cloud, disk)
    etags = [await cloud.index.put(key, unsettled(disk.name)), await cloud.index.put(key, unsettled(disk.name))]
    etags.append(await cloud.index.put(key, settled(record)))
    assert len(set(etags)) == 3
    [row] = [row for row in (await cloud.index.of_disks()).rows if row.key == key]
    assert row.etag == etags[-1]
    assert row.written.tzinfo is not None
    assert await row_of(cloud, key) == settled(record)
    assert read_summary(row.values) == Summary(
        disk=disk.name, adopted=True, first_tick=NOON, last_tick=record.last_tick, last_point=times(1)[0]
    )


async def test_a_row_is_replaced_and_dropped_only_as_it_was_read(cloud: Cloud) -> None:
    disk = cloud.named("disk.vhd")
    key, record = disk.key, record_of(cloud, disk)
    first = await cloud.index.put(key, unsettled(disk.name))
    second = await cloud.index.put(key, unsettled(disk.name))
    assert not await cloud.index.replace(key, settled(record), first)
    await cloud.index.drop(key, first)
    assert await row_of(cloud, key) == unsettled(disk.name)
    assert await cloud.index.replace(key, settled(record), second)
    assert not await cloud.index.replace(key, unsettled(disk.name), second)
    await cloud.index.drop(key, second)
    assert await row_of(cloud, key) == settled(record)
    for _ in range(2):
        await cloud.index.forget(key)
    assert await row_of(cloud, key) is None
    assert not await cloud.index.replace(key, settled(record), second)
    await cloud.index.drop(key, second)


async def test_the_rows_of_disks_and_of_jobs_are_listed_apart(cloud: Cloud) -> None:
    disk = cloud.named("disk.vhd")
    key, job = disk.key, job_key(disk.key, "restore-1")
    await cloud.index.put(key, unsettled(disk.name))
    await cloud.index.put(job, open_job(key, "restore-1"))
    found = await cloud.index.of_disks(), await cloud.index.of_jobs()
    disks, jobs = ({row.key for row in listed.rows} for listed in found)
    assert key in disks - jobs
    assert job in jobs - disks
    assert COMPLETE_ROW not in disks | jobs


async def test_of_a_record_only_what_the_index_says_is_read(cloud: Cloud) -> None:
    disk = cloud.named("disk.vhd")
    assert await cloud.index.record(disk.key) is None
    await cloud.services.records.put(disk, replace(ticked(cloud, disk), **RESTORE, last_error="odd"), None)
    row = await cloud.index.record(disk.key)
    assert row
    assert read_summary(row) == replace(
        read_summary(settled(ticked(cloud, disk))) or Summary(disk=""), restore="6f3c1d2e"
    )


async def test_an_idle_disk_is_settled_and_a_busy_one_never(cloud: Cloud) -> None:
    disk, records = await cloud.disk(1), cloud.services.records
    key = disk.key
    await records.put(disk, ticked(cloud, disk), None)
    assert await row_of(cloud, key) == settled(ticked(cloud, disk))
    await records.update(disk, lambda record: replace(record, **RESTORE))
    assert await row_of(cloud, key) == unsettled(disk.name)
    found = await records.get(disk)
    assert found
    point = await point_of(cloud, disk)
    sealed = replace(found[0], restore="", restore_of=None, last_point=point.time)
    await records.seal(disk, sealed, found[1], point)
    assert await row_of(cloud, key) == settled(sealed)


async def test_a_record_that_was_not_written_after_all_is_read_as_it_is(cloud: Cloud) -> None:
    disk, records = cloud.named("disk.vhd"), cloud.services.records
    await records.put(disk, ticked(cloud, disk), None)
    await records.invalidate(disk)
    assert (await records.disks())[disk].was_restored


async def test_a_disk_without_a_record_is_not_listed_and_its_row_is_eventually_dropped(cloud: Cloud) -> None:
    disk, records = cloud.named("disk.vhd"), cloud.services.records
    await records.put(disk, ticked(cloud, disk), None)
    found = await records.get(disk)
    assert found
    await records.delete(disk, found[1])
    assert disk not in await records.disks()
    assert await row_of(cloud, disk.key) == unsettled(disk.name), "somebody may be about to make it"
    later = Index(cloud.index, lambda: datetime.now(UTC) + DROPPED_AFTER + timedelta(minutes=1))
    assert disk.key not in await later.disks()
    assert await row_of(cloud, disk.key) is None


async def test_a_lost_index_is_rebuilt(cloud: Cloud) -> None:
    resting, busy, services = cloud.named("disk1.vhd"), cloud.named("disk2.vhd"), cloud.services
    await services.records.put(resting, record_of(cloud, resting), None)
    await services.records.put(busy, replace(record_of(cloud, busy), **RESTORE), None)
    await services.records.add_points(resting, [await point_of(cloud, resting, time) for time in times(2)])
    restore, ended = restore_of(cloud), restore_of(cloud, state=Stage.REFUSED)
    drill = Inspection.of("d1", JobKind.DRILL, resting, "latest", NOON)
    for row in (restore, ended):
        await services.restores.add(row)
    await services.inspections.add(drill)
    await lose(cloud)
    assert not any(listed.is_complete for listed in (await cloud.index.of_disks(), await cloud.index.of_jobs()))
    found = await services.records.disks()
    told = {disk: summary.was_restored for disk, summary in found.items() if page_blob(disk).parent == cloud.disks}
    assert told == {resting: False, busy: True}
    assert all(listed.is_complete for listed in (await cloud.index.of_disks(), await cloud.index.of_jobs()))
    assert await opened(cloud) == {restore.restore}
    assert [row.inspection for row in await services.inspections.open() if row.disk == resting] == ["d1"]


async def test_a_lost_index_is_rebuilt_by_whoever_lists_jobs(cloud: Cloud) -> None:
    restore = restore_of(cloud)
    await cloud.services.restores.add(restore)
    await lose(cloud)
    assert await opened(cloud) == {restore.restore}


async def test_a_job_is_in_the_index_until_it_has_ended(cloud: Cloud) -> None:
    restore, restores = restore_of(cloud), cloud.services.restores
    key = job_key(restore.known_disk.key, restore.row_key)
    await restores.add(restore)
    assert await row_of(cloud, key) == open_job(restore.known_disk.key, restore.row_key)
    found = await restores.find(restore.known_disk, restore.row_key)
    assert found
    await restores.put(replace(restore, state=Stage.REFUSED, ended=NOON), found[1])
    assert await row_of(cloud, key) is None


@pytest.mark.parametrize("state", [Stage.REQUESTED, Stage.REFUSED])
async def test_a_row_of_a_job_that_has_ended_is_dropped_and_one_of_a_job_to_come_is_left(
    cloud: Cloud, state: Stage
) -> None:
    restore = restore_of(cloud, state=state)
    key = job_key(restore.known_disk.key, restore.row_key)
    if state is Stage.REFUSED:
        await cloud.services.restores.add(restore)
    await cloud.index.put(key, open_job(restore.known_disk.key, restore.row_key))
    assert await opened(cloud) == set()
    assert (await row_of(cloud, key) is None) is (state is Stage.REFUSED)

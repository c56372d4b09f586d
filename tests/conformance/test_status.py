"""The report is kept alike in memory and in Azurite's tables."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.azure.services import telling
from shared.azure.tables.status import APP_ROW, Listed
from shared.model.disk import Disk, PageBlobDisk, page_blob
from shared.model.record import DiskRecord
from shared.model.report import AppReport, DiskReport, State
from shared.model.restore import Restore
from shared.model.schema import with_schema
from shared.model.tick import Due
from tests.conformance.clouds import Cloud
from tests.conformance.test_records import NOON, point_of, record_of, times

HALF_A_DAY = timedelta(hours=12)


@pytest.fixture(autouse=True)
async def leaves_no_report(cloud: Cloud) -> AsyncIterator[None]:
    """Delete the records and the reports after a test: all tests share the table."""
    yield
    for disk in await cloud.services.records.disks():
        if page_blob(disk).parent == cloud.disks and (found := await cloud.services.records.get(disk)):
            await cloud.services.records.delete(disk, found[1])
    await tell(cloud)


async def tell(cloud: Cloud, *disks: PageBlobDisk, late_after: timedelta = timedelta(hours=1), **strays: str) -> None:
    """Tell these disks as a tick does, and no others."""

    async def listed() -> Listed:
        return Listed(disks, strays)

    async def read(disk: Disk) -> DiskRecord:
        assert isinstance(disk, PageBlobDisk)
        return record_of(cloud, disk)

    trials: dict[Disk, int] = {disks[0]: 1} if disks else {}
    await cloud.services.status.tell(
        listed, read, points=cloud.services.records.points, late_after=late_after, trials=trials
    )


async def tell_changed(cloud: Cloud) -> None:
    """Tell what has changed, as an invocation does that ends."""
    async with telling(cloud.services):
        pass


async def told(cloud: Cloud, disk: PageBlobDisk) -> DiskReport | None:
    """Give what the report says of a disk."""
    return next((found for found in (await cloud.services.status.read()).disks if found.disk == disk.name), None)


async def test_a_disk_is_told_as_its_record_is_written_and_no_more_once_that_is_deleted(cloud: Cloud) -> None:
    disk, records = cloud.named("disk ü.vhd"), cloud.services.records
    assert await told(cloud, disk) is None
    await records.put(disk, record_of(cloud, disk), None)
    assert await told(cloud, disk) is None, "the invocation is still at work"
    await tell_changed(cloud)
    new = await told(cloud, disk)
    assert new
    assert new.state is State.NEW
    retired = await records.update(disk, lambda record: replace(record, retired=NOON))
    assert retired
    await tell_changed(cloud)
    assert (found := await told(cloud, disk))
    assert found.state is State.RETIRED
    [_, etag] = await records.get(disk) or (None, "")
    await records.delete(disk, etag)
    await tell_changed(cloud)
    assert await told(cloud, disk) is None


async def test_what_says_nothing_else_of_a_disk_is_not_told(cloud: Cloud) -> None:
    disk, records = cloud.named("quiet.vhd"), cloud.services.records
    await records.put(disk, record_of(cloud, disk), None)
    await tell_changed(cloud)
    row = await cloud.services.status._rows.find(disk.key)  # noqa: SLF001 - what is on record
    assert row
    await records.update(disk, lambda record: replace(record, points_checked=NOON, judged_point="x"))
    await tell_changed(cloud)
    assert await cloud.services.status._rows.find(disk.key) == row  # noqa: SLF001 - ETag and all


async def test_the_history_of_a_disk_stays_when_its_report_is_told_anew(cloud: Cloud) -> None:
    disk, records = cloud.named("drawn ü.vhd"), cloud.services.records
    await records.put(disk, record_of(cloud, disk), None)
    await records.add_points(disk, [await point_of(cloud, disk, time) for time in times(3)])
    await tell_changed(cloud)
    before = (await cloud.services.status.read_all()).histories[disk.name]
    assert before.points == 3
    assert await records.update(disk, lambda record: replace(record, retired=NOON))
    await tell_changed(cloud)
    found = await cloud.services.status.read_all()
    assert found.histories[disk.name] == before
    assert next(told for told in found.report.disks if told.disk == disk.name).state is State.RETIRED


async def test_jobs_that_have_ended_are_told_and_stay_when_a_tick_tells_all_disks(cloud: Cloud) -> None:
    disk = cloud.named("ended.vhd")
    rows = cloud.services.restores
    restore = replace(Restore.unreadable("r-ended", NOON), disk=disk)
    assert await rows.add(restore)
    [(_, etag)] = [await rows.find(disk, restore.row_key) or (restore, "")]
    assert [job.restore for job in (await rows.under_way(100))[0] if job.disk == disk] == ["r-ended"]
    await rows.put(restore.refuse("it can't be", NOON), etag)
    await tell_changed(cloud)
    await tell(cloud, disk)
    [told_job] = [job for job in (await cloud.services.status.read_all()).ended if job.disk == disk.name]
    assert (told_job.kind, told_job.job, told_job.state) == ("restore", "r-ended", "refused")
    assert "it can't be" in told_job.said
    assert [job for job in (await rows.under_way(100))[0] if job.disk == disk] == []


async def test_a_tick_tells_all_disks_and_drops_those_that_are_not_on_record(cloud: Cloud) -> None:
    here, gone = cloud.named("here.vhd"), cloud.named("gone.vhd")
    late_after = timedelta(hours=2)
    await tell(cloud, here, gone, late_after=late_after, **{"some|where|else.vhd": "its row names another disk"})
    assert await told(cloud, gone)
    report = await cloud.services.status.read()
    assert ("some|where|else.vhd", State.FAILING) in {(found.disk, found.state) for found in report.disks}
    await tell(cloud, here, late_after=late_after)
    assert await told(cloud, gone) is None
    assert "some|where|else.vhd" not in {found.disk for found in (await cloud.services.status.read()).disks}
    found = await told(cloud, here)
    assert found
    assert found.late_after_seconds == late_after.total_seconds()
    assert found.flags


async def test_the_app_is_told_as_it_was_put_and_no_disk_is_taken_for_it(cloud: Cloud) -> None:
    def tick(app: AppReport) -> AppReport:
        return app.at_tick(NOON, Due(NOON + HALF_A_DAY, HALF_A_DAY), disks=3, absent=1)

    await cloud.services.status.change_app(tick)
    app = await cloud.services.status.change_app(lambda app: app)
    assert (app.last_tick, app.next_tick, app.disks, app.absent) == (NOON, NOON + HALF_A_DAY, 3, 1)
    rows: list[Any] = await cloud.services.status._rows.all()  # noqa: SLF001 - what is on record
    assert APP_ROW in [row.key for row in rows]
    assert (await cloud.services.status.read()).app == app


async def test_a_row_is_written_and_deleted_only_as_it_was_read(cloud: Cloud) -> None:
    rows, key = cloud.services.status._rows, cloud.named("row.vhd").key  # noqa: SLF001 - what is on record
    assert await rows.put(key, with_schema({"report": "a"}), None)
    assert not await rows.put(key, with_schema({"report": "b"}), None)
    first = await rows.find(key)
    assert first
    assert await rows.put(key, with_schema({"report": "b"}), first.etag)
    assert not await rows.put(key, with_schema({"report": "c"}), first.etag)
    assert not await rows.drop(key, first.etag)
    second = await rows.find(key)
    assert second
    assert (second.values["report"], second in await rows.all()) == ("b", True)
    assert await rows.drop(key, second.etag)
    assert await rows.drop(key, second.etag), "it is gone already"
    assert not await rows.put(key, with_schema({"report": "d"}), second.etag)
    assert await rows.find(key) is None

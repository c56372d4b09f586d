"""The report is kept alike in memory and in Azurite's tables."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.azure.tables.status import APP_ROW
from shared.model.disk import PageBlobDisk, page_blob
from shared.model.report import AppReport, DiskReport, State
from tests.conformance.clouds import Cloud
from tests.conformance.test_records import NOON, record_of


@pytest.fixture(autouse=True)
async def leaves_no_report(cloud: Cloud) -> AsyncIterator[None]:
    """Delete the records and the reports after a test: all tests share the table."""
    yield
    for disk in await cloud.services.records.disks():
        if page_blob(disk).parent == cloud.disks and (found := await cloud.services.records.get(disk)):
            await cloud.services.records.delete(disk, found[1])
    await cloud.services.status.tell({}, late_after=timedelta(hours=1), trials={})


async def told(cloud: Cloud, disk: PageBlobDisk) -> DiskReport | None:
    """Give what the report says of a disk."""
    return next((found for found in (await cloud.services.status.read()).disks if found.disk == disk.name), None)


async def test_a_disk_is_told_as_its_record_is_written_and_no_more_once_that_is_deleted(cloud: Cloud) -> None:
    disk, records = cloud.named("disk ü.vhd"), cloud.services.records
    assert await told(cloud, disk) is None
    await records.put(disk, record_of(cloud, disk), None)
    new = await told(cloud, disk)
    assert new
    assert new.state is State.NEW
    retired = await records.update(disk, lambda record: replace(record, retired=NOON))
    assert retired
    assert (found := await told(cloud, disk))
    assert found.state is State.RETIRED
    [_, etag] = await records.get(disk) or (None, "")
    await records.delete(disk, etag)
    assert await told(cloud, disk) is None


async def test_what_says_nothing_else_of_a_disk_is_not_told(cloud: Cloud) -> None:
    disk, records = cloud.named("quiet.vhd"), cloud.services.records
    await records.put(disk, record_of(cloud, disk), None)
    before = await told(cloud, disk)
    await records.update(disk, lambda record: replace(record, points_checked=NOON, judged_point="x"))
    assert await told(cloud, disk) == before


async def test_a_tick_tells_all_disks_and_drops_those_that_are_not_on_record(cloud: Cloud) -> None:
    here, gone = cloud.named("here.vhd"), cloud.named("gone.vhd")
    late_after = timedelta(hours=2)
    await cloud.services.status.tell(
        {disk: record_of(cloud, disk) for disk in (here, gone)}, late_after=late_after, trials={}
    )
    assert await told(cloud, gone)
    await cloud.services.status.tell({here: record_of(cloud, here)}, late_after=late_after, trials={here: 1})
    assert await told(cloud, gone) is None
    found = await told(cloud, here)
    assert found
    assert found.late_after_seconds == late_after.total_seconds()
    assert found.flags


async def test_the_app_is_told_as_it_was_put_and_no_disk_is_taken_for_it(cloud: Cloud) -> None:
    def tick(app: AppReport) -> AppReport:
        return app.at_tick(NOON, NOON + timedelta(hours=12), disks=3, absent=1)

    await cloud.services.status.change_app(tick)
    app = await cloud.services.status.app()
    assert (app.last_tick, app.next_tick, app.disks, app.absent) == (NOON, NOON + timedelta(hours=12), 3, 1)
    rows: list[Any] = await cloud.services.status._rows.all()  # noqa: SLF001 - what is on record
    assert APP_ROW in [row.key for row in rows]
    assert (await cloud.services.status.read()).app == app

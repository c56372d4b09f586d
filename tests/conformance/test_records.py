"""The record and its recovery points are kept alike in memory and in Azurite's tables."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.azure.tables.records import RecordConflictError
from shared.limits import PAGE
from shared.model.disk import PageBlobDisk, page_blob
from shared.model.point import RecoveryPoint
from shared.model.record import DiskRecord
from shared.model.run import Kind, OpenRun
from shared.model.tick import DueDisk
from tests.conformance.clouds import Cloud

NOON = datetime(2026, 11, 22, 12, 0, 0, 123456, UTC)
UNICODE = 'a\\b "quoted", ünï 磁盘 | ~ & <x>'


def record_of(cloud: Cloud, disk: PageBlobDisk) -> DiskRecord:
    return DiskRecord(disk=disk, backup_blob=cloud.services.backups.address(disk))


async def point_of(cloud: Cloud, disk: PageBlobDisk, time: str = "", **values: object) -> RecoveryPoint:
    """Make a recovery point, of an existing source snapshot unless a time is given."""
    made: dict[str, Any] = {
        "time": time or await cloud.services.disks.take_snapshot(disk),
        "kind": Kind.INCREMENTAL,
        "reason": "",
        "backup_blob": cloud.services.backups.address(disk),
        "backup_snapshot": "2026-11-22T12:00:00.7654321Z",
        "size": 4 * 1024**4,
        "started": NOON,
        "sealed": NOON + timedelta(seconds=1),
    }
    return RecoveryPoint.of_a_copy(**(made | values))


def times(count: int) -> list[str]:
    return [f"2026-11-{1 + number // 24:02}T{number % 24:02}:00:00.1234567Z" for number in range(count)]


async def test_there_is_no_record_before_it_is_put(cloud: Cloud) -> None:
    disk = cloud.named("disk.vhd")
    assert await cloud.services.records.get(disk) is None
    assert await cloud.services.records.point_times(disk) == []
    assert await cloud.services.records.point(disk, times(1)[0]) is None


async def test_a_record_is_read_as_it_was_put(cloud: Cloud) -> None:
    disk = cloud.named("Disk 1 ünï.vhd")
    run = OpenRun(
        snapshot=times(1)[0], size=2**40, started=NOON, progressed=NOON, checked=NOON, bytes_written=2**53 + 1
    )
    record = replace(
        record_of(cloud, disk),
        last_error=UNICODE,
        last_error_at=NOON,
        base_size=2**42,
        adopted=True,
        backup_etag='"0x8D"',
        run=run,
        last_success=NOON,
    )
    await cloud.services.records.put(disk, record, None)
    found = await cloud.services.records.get(disk)
    assert found
    assert found[0] == record


async def test_the_disks_that_ticks_have_asked_for_are_listed_with_what_they_have(cloud: Cloud) -> None:
    records, first = cloud.services.records, datetime(2031, 5, 6, 12, 0, 0, 123456, UTC)
    later = first + timedelta(microseconds=1)
    run = OpenRun(snapshot=times(1)[0], size=PAGE, started=NOON, tick=later, progressed=NOON, checked=NOON)
    asked: dict[str, Any] = {"first_tick": first, "last_tick": later}
    told: dict[str, dict[str, Any]] = {
        "disk1.vhd": {**asked, "run": run},
        "disk2.vhd": {**asked, "missed_tick": first, "point_tick": later},
    }
    for name, values in {**told, "disk3.vhd": {"last_success": NOON}}.items():
        disk = cloud.named(name)
        await records.put(disk, replace(record_of(cloud, disk), **values), None)
    running, missed = DueDisk(first, later, run_tick=later), DueDisk(first, later, missed_tick=first, point_tick=later)
    # Served clouds share their table: the first tick tells this test's disks from those of others.
    assert {due for due in (await records.due())[0] if due.first_tick == first} == {running, missed}


async def test_a_property_removed_from_a_record_is_removed_from_its_row(cloud: Cloud) -> None:
    disk = cloud.named("disk.vhd")
    run = OpenRun(snapshot=times(1)[0], size=PAGE, started=NOON, progressed=NOON, checked=NOON)
    record = record_of(cloud, disk)
    await cloud.services.records.put(disk, replace(record, run=run, last_success=NOON), None)
    found = await cloud.services.records.get(disk)
    assert found
    await cloud.services.records.put(disk, record, found[1])
    found = await cloud.services.records.get(disk)
    assert found
    assert found[0] == record


async def test_a_new_record_is_not_put_over_another(cloud: Cloud) -> None:
    disk, records = cloud.named("disk.vhd"), cloud.services.records
    await records.put(disk, record_of(cloud, disk), None)
    with pytest.raises(RecordConflictError):
        await records.put(disk, replace(record_of(cloud, disk), base_size=1), None)
    found = await records.get(disk)
    assert found
    assert found[0].base_size == 0


async def test_a_record_that_was_changed_meanwhile_is_not_put(cloud: Cloud) -> None:
    disk, records = cloud.named("disk.vhd"), cloud.services.records
    await records.put(disk, record_of(cloud, disk), None)
    first = await records.get(disk)
    assert first
    await records.put(disk, first[0], first[1])
    second = await records.get(disk)
    assert second
    assert second[1] != first[1]
    with pytest.raises(RecordConflictError):
        await records.put(disk, replace(first[0], base_size=1), first[1])
    assert await records.get(disk) == second


async def test_a_deleted_record_is_neither_put_nor_sealed(cloud: Cloud) -> None:
    disk, records = cloud.named("disk.vhd"), cloud.services.records
    await records.put(disk, record_of(cloud, disk), None)
    found = await records.get(disk)
    assert found
    await records.delete(disk, found[1])
    with pytest.raises(RecordConflictError):
        await records.put(disk, *found)
    with pytest.raises(RecordConflictError):
        await records.seal(disk, *found, await point_of(cloud, disk, times(1)[0]))
    assert await records.get(disk) is None
    assert await records.point_times(disk) == []


async def test_a_record_deleted_twice_is_fine(cloud: Cloud) -> None:
    disk, records = cloud.named("disk.vhd"), cloud.services.records
    await records.put(disk, record_of(cloud, disk), None)
    found = await records.get(disk)
    assert found
    for _ in range(2):
        await records.delete(disk, found[1])
    assert await records.get(disk) is None


async def test_a_record_is_updated_by_what_it_says_now(cloud: Cloud) -> None:
    disk, records = cloud.named("disk.vhd"), cloud.services.records
    assert await records.update(disk, lambda record: record) is None
    await records.put(disk, record_of(cloud, disk), None)
    for expected in (1, 2, 3):
        now = await records.update(disk, lambda record: replace(record, base_size=record.base_size + 1))
        assert now
        assert now.base_size == expected
    before = await records.get(disk)
    await records.update(disk, lambda record: record)
    assert await records.get(disk) == before


async def test_a_record_is_deleted_as_it_was_read_only_and_its_points_stay(cloud: Cloud) -> None:
    disk, records = await cloud.disk(1), cloud.services.records
    await records.put(disk, record_of(cloud, disk), None)
    point = await point_of(cloud, disk)
    await records.add_points(disk, [point])
    first = await records.get(disk)
    assert first
    await records.put(disk, *first)
    with pytest.raises(RecordConflictError):
        await records.delete(disk, first[1])
    found = await records.get(disk)
    assert found
    await records.delete(disk, found[1])
    assert await records.get(disk) is None
    assert await records.point_times(disk) == [point.time]


async def test_a_seal_writes_the_record_and_the_recovery_point(cloud: Cloud) -> None:
    disk, records = await cloud.disk(1), cloud.services.records
    await records.put(disk, record_of(cloud, disk), None)
    found, point = await records.get(disk), await point_of(cloud, disk, reason=UNICODE, bytes_written=PAGE)
    assert found
    sealed = replace(found[0], last_point=point.time)
    await records.seal(disk, sealed, found[1], point)
    then = await records.get(disk)
    assert then
    assert then[0] == sealed
    assert then[1] != found[1]
    assert await records.point(disk, point.time) == point
    assert await records.point_times(disk) == [point.time]


async def test_a_seal_of_a_record_that_was_changed_meanwhile_writes_neither(cloud: Cloud) -> None:
    disk, records = await cloud.disk(1), cloud.services.records
    await records.put(disk, record_of(cloud, disk), None)
    found, point = await records.get(disk), await point_of(cloud, disk)
    assert found
    await records.put(disk, *found)
    then = await records.get(disk)
    with pytest.raises(RecordConflictError):
        await records.seal(disk, replace(found[0], last_point=point.time), found[1], point)
    assert await records.get(disk) == then
    assert await records.point(disk, point.time) is None


async def test_recovery_points_are_listed_oldest_first_each_disk_its_own(cloud: Cloud) -> None:
    disk, other, records = cloud.named("disk.vhd"), cloud.named("disk.vhd2"), cloud.services.records
    early, middle, late = times(3)
    await records.add_points(disk, [await point_of(cloud, disk, time) for time in (late, early)])
    await records.add_points(other, [await point_of(cloud, other, times(4)[3])])
    await records.add_points(disk, [await point_of(cloud, disk, middle)])
    await records.put(disk, record_of(cloud, disk), None)
    assert await records.point_times(disk) == [early, middle, late]
    assert await records.point_times(other) == [times(4)[3]]


async def test_the_recovery_points_between_two_times_are_read_both_included(cloud: Cloud) -> None:
    disk, records = cloud.named("between ü.vhd"), cloud.services.records
    points = [await point_of(cloud, disk, time) for time in times(5)]
    await records.add_points(disk, points)
    assert await records.points_between(disk, points[1].time, points[3].time) == points[1:4]
    assert await records.points_between(disk, points[2].time, points[2].time) == points[2:3]


async def test_a_drill_does_not_undo_what_is_known_of_a_recovery_point_nor_a_deletion_its_damage(cloud: Cloud) -> None:
    disk, records = cloud.named("disk.vhd"), cloud.services.records
    point = await point_of(cloud, disk, times(1)[0])
    await records.add_points(disk, [point])
    changes: list[Callable[[RecoveryPoint], RecoveryPoint]] = [
        lambda found: found.as_damaged("bytes 0-511 differ", NOON),
        lambda found: found.as_damaged("it was deleted", NOON, lost=True),
        lambda found: found.as_drilled(NOON, 4.5, "done: identical"),
    ]
    for change in changes:
        await records.update_point(disk, point.time, change)
    known = point.as_damaged("bytes 0-511 differ", NOON).as_drilled(NOON, 4.5, "done: identical")
    assert await records.point(disk, point.time) == known


async def test_a_recovery_point_that_is_undeleted_has_nothing_of_its_damage_on_record(cloud: Cloud) -> None:
    disk, records = cloud.named("disk.vhd"), cloud.services.records
    point = await point_of(cloud, disk, times(1)[0])
    await records.add_points(disk, [point])
    await records.update_point(disk, point.time, lambda found: found.as_damaged("it was deleted", NOON, lost=True))
    await records.update_point(disk, point.time, RecoveryPoint.as_found)
    assert await records.point(disk, point.time) == point


async def test_a_recovery_point_that_is_kept_for_ever_is_not_kept_until_what_was_said_before(cloud: Cloud) -> None:
    disk, records = cloud.named("disk.vhd"), cloud.services.records
    point = await point_of(cloud, disk, times(1)[0])
    await records.add_points(disk, [point])
    await records.update_point(disk, point.time, lambda found: found.as_kept(NOON, "audit"))
    assert await records.point(disk, point.time) == point.as_kept(NOON, "audit")
    await records.update_point(disk, point.time, lambda found: found.as_kept(None, ""))
    assert await records.point(disk, point.time) == point.as_kept(None, "")


async def test_nothing_is_put_on_record_of_a_recovery_point_that_is_not_there(cloud: Cloud) -> None:
    disk, records = cloud.named("disk.vhd"), cloud.services.records
    assert await records.update_point(disk, times(1)[0], lambda found: found.as_damaged("it was deleted", NOON)) is None
    assert await records.points(disk) == []


async def test_of_changes_of_a_recovery_point_at_the_same_time_none_is_lost(cloud: Cloud) -> None:
    disk, records = cloud.named("disk.vhd"), cloud.services.records
    point = await point_of(cloud, disk, times(1)[0])
    await records.add_points(disk, [point])

    async def add(letter: str) -> None:
        await records.update_point(disk, point.time, lambda found: found.as_damaged(f"{found.damage}{letter}", NOON))

    await asyncio.gather(*map(add, "abcdef"))
    found = await records.point(disk, point.time)
    assert found
    assert sorted(found.damage) == list("abcdef")


async def test_recovery_points_on_record_are_not_overwritten(cloud: Cloud) -> None:
    disk, records = cloud.named("disk.vhd"), cloud.services.records
    all_times = times(130)
    kept = [await point_of(cloud, disk, time, reason="kept") for time in all_times[60:120:20]]
    await records.add_points(disk, kept)
    await records.add_points(disk, [await point_of(cloud, disk, time, reason="new") for time in all_times])
    assert await records.point_times(disk) == all_times
    for point in kept:
        assert await records.point(disk, point.time) == point
    found = await records.point(disk, all_times[129])
    assert found
    assert found.reason == "new"


async def test_all_disks_that_have_a_record_are_listed(cloud: Cloud) -> None:
    plain, adopted, restored = (cloud.named(f"{name}.vhd") for name in ("a", "b", "c"))
    changes: tuple[dict[str, Any], ...] = ({}, {"adopted": True}, {"restore": "r", "restore_of": plain})
    for disk, change in zip((plain, adopted, restored), changes, strict=True):
        record = replace(record_of(cloud, disk), **change)
        await cloud.services.records.put(disk, record, None)
    only_points = cloud.named("d.vhd")
    await cloud.services.records.add_points(only_points, [await point_of(cloud, only_points, times(1)[0])])
    found = await cloud.services.records.disks()
    mine = {disk: told.was_restored for disk, told in found.items() if page_blob(disk).parent == cloud.disks}
    assert mine == {plain: False, adopted: True, restored: True}


async def test_updates_at_the_same_time_all_count(cloud: Cloud) -> None:
    disk, records = cloud.named("disk.vhd"), cloud.services.records
    await records.put(disk, record_of(cloud, disk), None)

    def counted(record: DiskRecord) -> DiskRecord:
        return replace(record, base_size=record.base_size + 1)

    await asyncio.gather(*(records.update(disk, counted) for _ in range(5)))
    found = await records.get(disk)
    assert found
    assert found[0].base_size == 5

"""What versions of a backup blob hold is counted alike in memory and on Azurite."""

from datetime import UTC, datetime

import pytest

from shared.changes.ranges import Window
from shared.errors import DiffRefusedError
from shared.limits import PAGE
from shared.model.point import RecoveryPoint
from shared.model.run import Kind
from shared.model.sizes import Bytes, PageDiff
from shared.sizes.costs import freed_bytes
from tests.conformance.clouds import Cloud, at

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def point_of(cloud: Cloud, disk: str, taken: str) -> RecoveryPoint:
    backup = cloud.services.backups.address(cloud.named(disk))
    return RecoveryPoint.of_a_copy(
        time=taken,
        kind=Kind.RESTORE,
        reason="",
        backup_blob=backup,
        backup_snapshot=taken,
        size=4 * PAGE,
        started=NOON,
        sealed=NOON,
    )


async def three_points(cloud: Cloud, name: str) -> list[str]:
    """Make three recovery points of a backup blob of four pages; give their times."""
    backup, taken = cloud.services.backups.address(cloud.named(name)), list[str]()
    await cloud.make(backup, 4)
    for first, *content in ((0, 1, 2, 3), (0, 4, 5), (1, 6)):
        await cloud.write(backup, first, *content)
        taken.append(await cloud.snapshot(backup))
    await cloud.services.records.add_points(cloud.named(name), [point_of(cloud, name, time) for time in taken])
    return taken


async def test_what_deleting_snapshots_frees_is_counted_by_their_diffs(cloud: Cloud) -> None:
    disk = cloud.named("disk-sizes.vhd")
    taken = await three_points(cloud, "disk-sizes.vhd")
    assert await cloud.services.snapshots.sizes(cloud.services.backups.address(disk)) == dict.fromkeys(taken, 4 * PAGE)
    assert await freed_bytes(cloud.services, disk, taken[:1]) == Bytes.exactly(2 * PAGE)
    assert await freed_bytes(cloud.services, disk, taken[1:2]) == Bytes.exactly(PAGE)
    assert await freed_bytes(cloud.services, disk, taken[:2]) == Bytes.exactly(3 * PAGE)
    assert await freed_bytes(cloud.services, disk, taken[2:]) == Bytes.exactly(0), "the backup blob has the same"


async def test_after_a_copy_over_the_blob_its_snapshots_share_nothing_with_it(cloud: Cloud) -> None:
    disk = cloud.named("disk-copied.vhd")
    backup, taken = cloud.services.backups.address(disk), await three_points(cloud, "disk-copied.vhd")
    await cloud.copy_over(backup, at(backup, taken[-1]))
    assert await freed_bytes(cloud.services, disk, taken) == Bytes.exactly(6 * PAGE)
    with pytest.raises(DiffRefusedError) as refused:
        async for _ in cloud.services.pages.changes(at(backup), at(backup, taken[2]), Window(0, PAGE)):
            pass
    assert refused.value.overwritten


async def test_soft_delete_keeps_nothing_of_a_disk_of_which_nothing_was_deleted(cloud: Cloud) -> None:
    disk = cloud.named("disk-kept.vhd")
    await cloud.make(cloud.services.backups.address(disk), 1)
    await cloud.snapshot(cloud.services.backups.address(disk))
    assert await cloud.services.backups.soft_deleted(disk) == []


async def test_counted_diffs_stay_on_record_until_they_are_dropped(cloud: Cloud) -> None:
    disk = cloud.named("disk-diffs.vhd")
    diffs = [PageDiff(since=since, version=version, bytes_written=2**40) for since, version in ("0a", "ab")]
    for diff in (*diffs, diffs[0]):
        await cloud.services.diffs.put(disk, diff)
    assert sorted(await cloud.services.diffs.of(disk), key=repr) == sorted(diffs, key=repr)
    await cloud.services.diffs.drop(disk, diffs[0])
    await cloud.services.diffs.drop(disk, diffs[0])
    assert await cloud.services.diffs.of(disk) == [diffs[1]]
    assert await cloud.services.diffs.of(cloud.named("disk.vhd")) == []

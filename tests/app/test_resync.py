"""What the diff can't be trusted with: refusals, a base that is gone, foreign hands, and disks of another size."""

import pytest

from infra.local.gateway import Fault
from infra.local.local_azure import BACKUPS
from shared.limits import PAGE
from shared.model.names import BACKUPS_TABLE
from shared.model.run import Kind
from tests.app.cloud import MIB, Cloud, Disk, pages

REFUSALS = [
    (409, "BlobOverwritten"),
    (409, "BlobGenerationMismatch"),
    (409, "PreviousSnapshotNotFound"),
    (409, "PreviousSnapshotOperationNotSupported"),
    (400, "PreviousSnapshotCannotBeNewer"),
    (501, "NotImplemented"),
]


async def _disk_with_pages(cloud: Cloud) -> Disk:
    disk = await cloud.disk(2 * MIB)
    await disk.write(0, pages(8))
    await disk.write(MIB, pages(8))
    return disk


@pytest.mark.nightly
async def test_a_refused_diff_turns_the_run_into_a_resync(cloud: Cloud) -> None:
    disk = await _disk_with_pages(cloud)
    async with cloud.app(disk) as app:
        await app.back_up(disk)
        for number, (status, code) in enumerate(REFUSALS, 2):
            await disk.clear(0, number * PAGE)
            await disk.write(MIB - PAGE, pages(2, seed=number))
            refusal = cloud.azure.gateway.faults.add(
                Fault("Get Page Ranges", disk.path, times=1, refuse=(status, code, "no diff"))
            )
            [point] = await app.back_up(disk)
            assert (refusal.hits, point.kind, code in point.reason) == (1, Kind.RESYNC, True), (code, point)
            assert await disk.content_of(point) == disk.expected, code


async def test_whatever_others_change_the_next_recovery_point_is_the_disk(cloud: Cloud) -> None:
    disk = await _disk_with_pages(cloud)
    async with cloud.app(disk) as app:
        await app.back_up(disk)
        await disk.create()
        disk.expected = bytearray(2 * MIB)
        await disk.write(3 * PAGE, pages(2, seed=3))
        [point] = await app.back_up(disk)
        assert (point.kind, "BlobOverwritten" in point.reason) == (Kind.RESYNC, True), "replaced by another blob"
        assert await disk.content_of(point) == disk.expected
        [point] = await app.back_up(disk)
        assert point.kind is Kind.INCREMENTAL

        await disk.clear(0, 4 * PAGE)
        await _delete(cloud, disk, point.source_snapshot)
        [point] = await app.back_up(disk)
        assert (point.kind, "PreviousSnapshotNotFound" in point.reason) == (Kind.RESYNC, True), "its base was deleted"
        assert await disk.content_of(point) == disk.expected


@pytest.mark.nightly
async def test_whatever_others_do_to_its_backups_the_next_recovery_point_is_the_disk(cloud: Cloud) -> None:
    disk = await _disk_with_pages(cloud)
    async with cloud.app(disk) as app:
        await app.back_up(disk)
        await disk.backup_blob.upload_page(pages(3, seed=66), 5 * PAGE, 3 * PAGE)
        await disk.backup_blob.upload_page(pages(1, seed=66), 2 * MIB - PAGE, PAGE)
        [point] = await app.back_up(disk)
        assert (point.kind, point.reason) == (Kind.RESYNC, "the backup blob was changed outside a run")
        assert await disk.content_of(point) == disk.expected

        before = len(await disk.own_snapshots())
        await disk.clear(4 * PAGE, PAGE)
        await cloud.tables.delete_table(BACKUPS_TABLE)
        [point] = await app.back_up(disk)
    reason = "the backup blob exists, but has no recovery point on record"
    assert (point.kind, point.reason) == (Kind.RESYNC, reason)
    assert await disk.content_of(point) == disk.expected
    assert len(await disk.own_snapshots()) == before == 1


@pytest.mark.nightly
async def test_a_backup_blob_that_is_gone_is_made_anew(cloud: Cloud) -> None:
    disk = await _disk_with_pages(cloud)
    async with cloud.app(disk) as app:
        await app.back_up(disk)
        await disk.backup_blob.delete_blob(delete_snapshots="include")
        [point] = await app.back_up(disk)
    assert (point.kind, point.reason) == (Kind.FULL, "the backup blob was missing")
    assert await disk.content_of(point) == disk.expected
    [lost, _] = await disk.points()
    table = cloud.tables.get_table_client(BACKUPS_TABLE)
    unhealthy = table.query_entities("RowKey eq 'disk' and damaged_point ne ''")
    [row] = [row async for row in unhealthy if row["disk"] == disk.url]
    assert (row["damaged_points"].value, row["damaged_point"]) == (1, lost.time), "one query tells that they are gone"


@pytest.mark.nightly
async def test_after_a_change_of_the_backup_container_the_whole_disk_is_written_to_the_new_one(cloud: Cloud) -> None:
    disk = await _disk_with_pages(cloud)
    service = cloud.services[BACKUPS]
    async with cloud.app(disk) as app:
        [old] = await app.back_up(disk)
    before = (await disk.record()).backup_blob
    assert before
    container = f"{before.service_url}/{cloud.container}-moved"
    async with cloud.app(disk, BACKUP_CONTAINER=container, BACKUP_CONTAINER_MOVED_FROM=before.parent.url) as app:
        [new] = await app.back_up(disk)
        [kept, _] = await disk.points()
        [after] = await app.back_up(disk)
    assert (new.kind, after.kind) == (Kind.FULL, Kind.INCREMENTAL)
    assert new.reason.startswith(f"the backup container was moved from {before.parent.url} to {container}: ")
    assert kept == old
    assert await disk.own_snapshots() == [after.source_snapshot]
    record = await disk.record()
    assert record.backup_blob
    assert record.backup_blob.parent.url == container
    moved = service.get_blob_client(record.backup_blob.container, record.backup_blob.blob)
    assert await cloud.read(moved, BACKUPS, after.backup_snapshot) == disk.expected


@pytest.mark.nightly
async def test_a_disk_that_grew_or_shrank_is_no_resync_and_nothing_of_its_tail_is_lost(cloud: Cloud) -> None:
    disk = await _disk_with_pages(cloud)
    await disk.write(2 * MIB - PAGE, b"conectix".ljust(PAGE, b"\0"))
    async with cloud.app(disk) as app:
        await app.back_up(disk)
        for number, sizes in enumerate([(3 * MIB,), (MIB + PAGE,), (MIB, 3 * MIB), (4 * MIB, MIB)], 5):
            for size in sizes:
                await disk.resize(size)
                await disk.write(size - PAGE, b"conectix".ljust(PAGE, b"!"))
            await disk.write(0, pages(1, seed=number))
            [point] = await app.back_up(disk)
            assert point.kind is Kind.INCREMENTAL, sizes
            assert await disk.content_of(point) == disk.expected, sizes
            await disk.write(PAGE, pages(1, seed=number))
            [point] = await app.back_up(disk)
            assert (point.kind, point.write_calls) == (Kind.INCREMENTAL, 1), sizes
            assert await disk.content_of(point) == disk.expected, sizes


async def _delete(cloud: Cloud, disk: Disk, snapshot: str) -> None:
    service = cloud.services[disk.account]
    await service.get_blob_client(disk.address.container, disk.address.blob, snapshot=snapshot).delete_blob()

"""A restore is tried: the newest recovery point is promoted to a scratch blob, compared whole, and looked at."""

import asyncio
import json
from dataclasses import replace

import pytest

from infra.local.gateway import Fault
from infra.local.gateway.deletions import Kept
from infra.local.local_azure import BACKUP_CONTAINER, BACKUPS
from shared.limits import PAGE
from shared.model.disk import PageBlobDisk
from shared.model.job import JobKind, Stage
from shared.model.names import SCRATCH_PREFIX
from shared.model.point import PointState
from shared.model.run import SERVER_SIDE
from tests.app.cloud import MIB, Cloud, Disk, pages, until
from tests.app.inspecting import ask_for, has_ended, inspected, inspections
from tests.app.restoring import ask, ended, over, request
from tests.logic.made_disks import gpt_disk
from tests.logic.made_disks import made as made_volume


async def _disk_with_pages(cloud: Cloud) -> Disk:
    disk = await cloud.disk(2 * MIB)
    await disk.write(0, pages(8))
    await disk.write(MIB, pages(8, seed=2))
    return disk


async def _scratch_blobs(cloud: Cloud) -> list[str]:
    container = cloud.services[BACKUPS].get_container_client(BACKUP_CONTAINER)
    return [name async for name in container.list_blob_names(name_starts_with=SCRATCH_PREFIX)]


def _kept_of_scratch_blobs(cloud: Cloud) -> list[Kept]:
    """List what soft delete would keep of the test's drills."""
    scratch = f"/{BACKUPS.name}/{BACKUP_CONTAINER}/{SCRATCH_PREFIX}"
    paths = {request.path for request in cloud.requests if request.path.startswith(scratch)}
    return [kept for kept in cloud.azure.gateway.deletions.kept if kept.path in paths]


async def test_a_drill_restores_the_newest_recovery_point_whole_and_leaves_nothing(cloud: Cloud) -> None:
    disk = await _disk_with_pages(cloud)
    async with cloud.app(disk) as app:
        await app.back_up(disk)
        await disk.write(0, pages(1, seed=3))
        [point] = await app.back_up(disk)
        drill = await inspected(cloud, JobKind.DRILL, disk)
        assert await _scratch_blobs(cloud) == []
        record = await disk.record()
        [again] = await app.back_up(disk)
    assert (drill.state, drill.recovery_point) == (Stage.DONE, point.time)
    assert drill.reason == (
        "the disk may already have been unusable when it was backed up: no VHD footer, no known filesystem;"
        " identical: all 2 MiB (8 KiB compared, the rest empty on both sides);"
        " no VHD footer; no partition table; no known filesystem"
    )
    assert (record.last_drill_point, record.last_drill_result) == (point.time, f"done: {drill.reason}")
    _, drilled, _ = await disk.points()
    assert drilled == replace(
        point,
        used_by=drill.row_key,
        drilled=drill.ended,
        drill_seconds=drill.duration_seconds,
        drill_result=f"done: {drill.reason}",
    )
    assert record.last_drill_seconds == drill.duration_seconds > 0
    assert (again.bytes_written, record.last_error) == (0, ""), "backups go on as if nothing had been"
    [deleted] = _kept_of_scratch_blobs(cloud)
    assert (deleted.operation, deleted.bytes) == ("Delete Blob", 0), "soft delete keeps nothing of the disk"
    done = [request for request in cloud.requests if request.path == deleted.path and request.method != "HEAD"]
    emptied, last = done[-2:]
    assert (emptied.operation, emptied.headers["x-ms-blob-content-length"]) == ("Set Blob Properties", "0")
    assert last.operation == "Delete Blob"
    assert all(request.headers["if-match"] for request in (emptied, last)), "only what the drill has left"


@pytest.mark.nightly
async def test_a_disk_that_has_lost_its_partition_table_does_not_read_as_a_good_one(cloud: Cloud) -> None:
    made = gpt_disk([(2048, 4000)], 8192)
    disk = await cloud.disk(made.size)
    await disk.write(0, made.read(0, 34 * PAGE))
    await disk.write(made.size - 33 * PAGE, made.read(made.size - 33 * PAGE, 33 * PAGE))
    await disk.write(MIB, made_volume("XFS", 64 * PAGE))
    async with cloud.app(disk) as app:
        await app.back_up(disk)
        good = await inspected(cloud, JobKind.DRILL, disk)
        for start in (0, made.size - 33 * PAGE):
            await disk.clear(start, 33 * PAGE)
            await app.back_up(disk)
            await inspected(cloud, JobKind.DRILL, disk)
            log = cloud.log.read_text()
        record = await disk.record()
    before, after = "no VHD footer; GPT with 1 partition: XFS", "no VHD footer; no partition table; no known filesystem"
    second = f"{before}; no protective MBR for the GPT; primary GPT damaged, backup GPT used"
    assert good.reason.endswith(before)
    assert f"{second}; found by the previous drill: {before}" in log
    assert record.last_drill_result.startswith("done: the disk may already have been unusable")
    assert record.last_drill_result.endswith(f"; {after}; found by the previous drill: {second}")
    assert record.last_drill_seen == after
    assert log.count('"drill-doubtful"') >= 3


@pytest.mark.nightly
async def test_where_the_service_refuses_an_unsigned_copy_within_the_account_it_is_given_a_signature(
    cloud: Cloud,
) -> None:
    disk = await _disk_with_pages(cloud)
    async with cloud.app(disk) as app:
        await app.back_up(disk)
        for refused in (
            Fault("Copy Blob", only_unsigned=True, refuse_source=(403, "AuthorizationPermissionMismatch")),
            Fault("Copy Blob", only_unsigned=True, refuse=(500, "CannotVerifyCopySource", "not verified")),
            Fault("Copy Blob", only_unsigned=True, refuse=(404, "BlobNotFound", "not found")),
        ):
            unsigned = cloud.azure.gateway.faults.add(refused)
            cloud.requests.clear()
            drill = await inspected(cloud, JobKind.DRILL, disk)
            assert (drill.state, drill.attempt, drill.last_error) == (Stage.DONE, 1, "")
            assert unsigned.hits
            assert not cloud.count("Create Container")
            unsigned.remove()
        refused = Fault("Copy Blob", only_unsigned=True, refuse_source=(403, "AuthorizationPermissionMismatch"))
        unsigned = cloud.azure.gateway.faults.add(refused)
        restore = await ended(cloud, await ask(cloud, request(disk, **over(disk))))
    assert (restore.state, restore.copying, restore.last_error) == (Stage.DONE, SERVER_SIDE, "")
    assert unsigned.hits == 2, "the promotion, and the disk from its own snapshot"
    assert "sig=" not in cloud.log.read_text()


@pytest.mark.nightly
async def test_a_scratch_blob_is_made_anew_if_somebody_wrote_to_it_and_an_error_on_record_if_its_copy_is_wrong(
    cloud: Cloud,
) -> None:
    disk = await _disk_with_pages(cloud)
    async with cloud.app(disk) as app:
        await app.back_up(disk)
        hold = asyncio.Event()
        path = f"/{BACKUPS.name}/{BACKUP_CONTAINER}/{SCRATCH_PREFIX}*"
        held = cloud.azure.gateway.faults.add(Fault("Get Page Ranges", path, times=1, delay_until=hold))
        asked = await ask_for(cloud, JobKind.DRILL, json.dumps({"disk": disk.url}))
        await held.struck.wait()
        [scratch] = await _scratch_blobs(cloud)
        blob = cloud.services[BACKUPS].get_blob_client(BACKUP_CONTAINER, scratch)
        await blob.upload_page(pages(1, seed=66), 0, PAGE)
        hold.set()
        drill = await has_ended(cloud, JobKind.DRILL, asked)
        assert (drill.state, drill.attempt) == (Stage.DONE, 2)
        kept = _kept_of_scratch_blobs(cloud)
        assert [(found.operation, found.bytes) for found in kept] == [("Copy Blob", 0), ("Delete Blob", 0)]

        copying = cloud.azure.gateway.copies.hold(path)
        asked = await ask_for(cloud, JobKind.DRILL, json.dumps({"disk": disk.url}))
        await copying.started.wait()
        path = f"/{BACKUPS.name}/{BACKUP_CONTAINER}/{PageBlobDisk(disk.address).scratch_name(asked)}"
        cloud.azure.gateway.pretend_ranges(path, lambda _start, _end: iter([(0, 4 * PAGE, False)]))
        await copying.finish()
        drill = await has_ended(cloud, JobKind.DRILL, asked)
        assert (drill.state, "has data in bytes" in drill.reason) == (Stage.FAILED, True)
        assert f"drill of recovery point {drill.recovery_point}: " in (await disk.record()).last_error
        assert await _scratch_blobs(cloud) == []
        [point] = await disk.points()
    assert point.state is PointState.SEALED, "a drill tells of the restore, a verify of the recovery point"


@pytest.mark.nightly
async def test_drills_of_several_disks_at_once_do_not_touch_each_other(cloud: Cloud) -> None:
    disks = [await _disk_with_pages(cloud) for _ in range(2)]
    for number, disk in enumerate(disks):
        await disk.write(PAGE, pages(3, seed=100 + number))
    async with cloud.app(*disks, DRILL_SCHEDULE="0 0 4 * * 0") as app:
        await app.back_up(*disks)
        await app.host.start("drill_disks")

        async def all_ended() -> bool:
            rows = await inspections(cloud, JobKind.DRILL)
            return len(rows) == len(disks) and all(row.has_ended for row in rows)

        await until(all_ended, "the end of the drills")
        drills = await inspections(cloud, JobKind.DRILL)
    assert [(drill.state, drill.attempt) for drill in drills] == [(Stage.DONE, 1)] * 2
    assert len({drill.inspection for drill in drills}) == 1, "of one timer"


@pytest.mark.nightly
async def test_a_worker_that_dies_in_the_midst_of_a_drill_leaves_it_to_the_next(cloud: Cloud) -> None:
    disk = await _disk_with_pages(cloud)
    async with cloud.app(disk, lease=2) as app:
        await app.back_up(disk)
        path = f"/{BACKUPS.name}/{BACKUP_CONTAINER}/{SCRATCH_PREFIX}*"
        held = cloud.azure.gateway.faults.add(Fault("Get Blob", path, times=1, delay_until=asyncio.Event()))
        asked = await ask_for(cloud, JobKind.DRILL, json.dumps({"disk": disk.url}))
        await held.struck.wait()
        app.host.kill()
    async with cloud.app(disk, lease=2):
        drill = await has_ended(cloud, JobKind.DRILL, asked)
    assert (drill.state, drill.attempt) == (Stage.DONE, 1)
    assert await _scratch_blobs(cloud) == []

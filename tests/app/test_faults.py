"""Crashes, duplicates, late writes and refusals, each once, over the whole app."""

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal

import pytest
from azure.storage.blob.aio import BlobLeaseClient

from infra.local.gateway import Fault
from shared.events import Event
from shared.limits import PAGE
from shared.model.disk import PageBlobDisk
from shared.model.messages import BatchMessage, FinishMessage, PlanMessage, RunMessage
from shared.model.names import FINISH_BACKUP_QUEUE
from shared.model.run import Kind
from tests.app.cloud import MIB, SOON_TAKEN_FOR_DEAD, App, Cloud, Disk, pages, until

WRITES = ("Put Page", "Put Page From URL", "Clear Pages")
SHORT_LEASE = 2


async def test_a_host_killed_in_mid_copy_leaves_a_run_that_is_finished_by_the_next(cloud: Cloud) -> None:
    disk = await cloud.disk()
    await disk.write(0, pages(8))
    killed_in = cloud.azure.gateway.faults.add(
        Fault("Put Page From URL", disk.backup_path, times=1, delay_until=asyncio.Event())
    )
    async with cloud.app(disk, lease=SHORT_LEASE) as app:
        await app.tick()
        await killed_in.struck.wait()
        app.host.kill()
    async with cloud.app(disk, lease=SHORT_LEASE, changed=SOON_TAKEN_FOR_DEAD) as app:
        [point] = await app.next_points([disk], [0])
    assert await disk.content_of(point) == disk.expected
    assert len(await disk.backup_snapshots()) == len(await disk.own_snapshots()) == 1


@pytest.mark.nightly
async def test_a_write_of_an_old_run_that_lands_after_a_newer_one_is_refused(cloud: Cloud) -> None:
    disk = await cloud.disk()
    await disk.write(0, pages(2, seed=1))
    release = asyncio.Event()
    # Through the function, so that the old page itself is on its way, and not only the wish to copy it.
    cloud.azure.gateway.faults.add(Fault("Put Page From URL", refuse=(501, "NotImplemented", "not here")))
    held = cloud.azure.gateway.faults.add(Fault("Put Page", disk.backup_path, times=1, delay_until=release))
    async with cloud.app(disk, lease=SHORT_LEASE) as app:
        await app.tick()
        await held.struck.wait()
        late = next(r for r in cloud.requests if (r.operation, r.path) == ("Put Page", disk.backup_path))
        app.host.kill()
    async with cloud.app(disk, lease=SHORT_LEASE, changed=SOON_TAKEN_FOR_DEAD) as app:
        await app.next_points([disk], [0])
        await disk.write(0, pages(2, seed=2))
        [point] = await app.back_up(disk)
        release.set()
        await until(lambda: _answered(late.status), "the late write's answer")
        assert (late.status, late.error_code) == (412, "LeaseNotPresentWithBlobOperation")
        assert await disk.content_of(point) == disk.expected
        await disk.write(PAGE, pages(1, seed=3))
        [point] = await app.back_up(disk)
    assert point.kind is Kind.INCREMENTAL
    assert await disk.content_of(point) == disk.expected


@pytest.mark.nightly
async def test_every_message_of_a_sealed_run_can_come_again_without_an_effect(cloud: Cloud) -> None:
    disk = await cloud.disk()
    await disk.write(0, pages(4, seed=1))
    async with cloud.app(disk) as app:
        [first] = await app.back_up(disk)
        await disk.write(0, pages(4, seed=2))
        [second] = await app.back_up(disk)
        snapshots = await disk.backup_snapshots()
        cloud.requests.clear()
        for run in (first.time, second.time):
            again = [
                PlanMessage(disk=PageBlobDisk(disk.address), run=run),
                *(BatchMessage(disk=PageBlobDisk(disk.address), run=run, number=number) for number in range(3)),
                FinishMessage(disk=PageBlobDisk(disk.address), run=run),
            ]
            await app.after(again)
    assert not [r for r in cloud.requests if r.operation in WRITES and r.status == 201]
    assert await disk.backup_snapshots() == snapshots
    assert len(await disk.points()) == 2
    assert await disk.content_of(second) == disk.expected


@pytest.mark.nightly
async def test_ticks_at_once_of_a_host_or_of_two_make_one_run_of_each_disk(cloud: Cloud) -> None:
    disks = [await cloud.disk() for _ in range(2)]
    ticks = 0
    async with cloud.app(*disks) as one, cloud.app(*disks) as other:
        for number, at_once in enumerate((3, 1)):
            for disk in disks:
                await disk.write(number * PAGE, pages(2, seed=number))
            with _runs_held(cloud):
                await asyncio.gather(*(one.tick() for _ in range(at_once)), other.tick())
                ticks += at_once
                await until(partial(_has_ticked, one, ticks), "the end of the ticks")
                await until(partial(_has_ticked, other, number + 1), "the end of the other host's tick")
            points = await one.next_points(disks, [number] * 2)
            await until(other.idle, "the other host's rest")
            assert [await disk.content_of(point) for disk, point in zip(disks, points, strict=True)] == [
                disk.expected for disk in disks
            ]
            assert [len(await disk.points()) for disk in disks] == [number + 1] * 2
            assert [len(await disk.backup_snapshots()) for disk in disks] == [number + 1] * 2
            assert [await disk.own_snapshots() for disk in disks] == [[point.source_snapshot] for point in points]


@pytest.mark.nightly
async def test_a_request_that_is_cut_off_before_or_after_its_effect_is_made_again(cloud: Cloud) -> None:
    disks, cut_off = [], {}
    moments: tuple[Literal["before", "after"], ...] = ("before", "after")
    for cut in moments:
        disks.append(disk := await cloud.disk())
        await disk.write(0, pages(4))
        for operation in ("Put Page From URL", "Clear Pages", "Put Blob", "Lease Blob", "Get Page Ranges"):
            path = disk.path if operation == "Get Page Ranges" else disk.backup_path
            cut_off[cut, operation] = cloud.azure.gateway.faults.add(Fault(operation, path, times=1, cut=cut))
    async with cloud.app(*disks) as app:
        points = await app.back_up(*disks)
        for cut, disk, point in zip(moments, disks, points, strict=True):
            assert await disk.content_of(point) == disk.expected, cut
        for disk in disks:
            await disk.clear(0, PAGE)
        points = await app.back_up(*disks)
    assert {each: fault.hits for each, fault in cut_off.items()} == dict.fromkeys(cut_off, 1)
    for cut, disk, point in zip(moments, disks, points, strict=True):
        assert await disk.content_of(point) == disk.expected, cut


async def test_a_seal_or_a_source_snapshot_whose_answer_is_lost_leaves_one_recovery_point_and_one_snapshot(
    cloud: Cloud,
) -> None:
    seal, source = await cloud.disk(), await cloud.disk()
    for disk in (seal, source):
        await disk.write(0, pages(4))
    for path in (seal.backup_path, source.path):
        cloud.azure.gateway.faults.add(Fault("Snapshot Blob", path, times=1, cut="after"))
    async with cloud.app(seal, source) as app:
        sealed, taken = await app.back_up(seal, source)
    assert cloud.count("Snapshot Blob", seal.backup_path) == cloud.count("Snapshot Blob", source.path) == 2
    assert await seal.backup_snapshots() == [sealed.backup_snapshot]
    assert await source.own_snapshots() == [taken.source_snapshot], "the one that nobody knew of is removed"
    assert await seal.content_of(sealed) == seal.expected


@pytest.mark.nightly
async def test_a_run_whose_finish_message_is_lost_is_resumed_by_the_next_tick(cloud: Cloud) -> None:
    disk = await cloud.disk()
    await disk.write(0, pages(2))
    fault = Fault("Put Page From URL", disk.backup_path, refuse=(403, "AuthorizationFailure", "not now"))
    held = cloud.azure.gateway.faults.add(fault)
    async with cloud.app(disk, RUN_STALLED_AFTER_SECONDS="1") as app:
        await app.tick()
        await held.struck.wait()
    await cloud.queues.get_queue_client(FINISH_BACKUP_QUEUE).clear_messages()
    for queue in ("copy-ranges", "plan-changes"):
        await cloud.queues.get_queue_client(queue).clear_messages()
    held.remove()
    assert "AuthorizationFailure (403)" in (await disk.record()).last_error
    async with cloud.app(disk, RUN_STALLED_AFTER_SECONDS="1") as app:
        await until(partial(_is_forgotten, disk), "a run that nobody looks at")
        await app.tick()
        await app.next_points([disk], [1])
    first, second = await disk.points()
    assert await disk.content_of(first) == await disk.content_of(second) == disk.expected
    assert first.sealed <= datetime.fromisoformat(second.time), "this tick's own run, once the first has ended"
    assert len(await disk.own_snapshots()) == 1


@pytest.mark.nightly
async def test_pages_half_copied_and_then_reverted_on_the_disk_do_not_stay_in_the_backup(cloud: Cloud) -> None:
    disk = await cloud.disk(16 * MIB)
    await disk.write(0, pages(8, seed=1))
    async with cloud.app(disk, lease=SHORT_LEASE, RUN_STALLED_AFTER_SECONDS="1") as app:
        await app.back_up(disk)
        await disk.write(0, pages(4, seed=2))
        await disk.write(8 * MIB, pages(4, seed=2))
        fault = Fault("Put Page From URL", disk.backup_path, after=1, refuse=(403, "AuthorizationFailure", "not now"))
        held = cloud.azure.gateway.faults.add(fault)
        await app.tick()
        await held.struck.wait()
        half = bytes(disk.expected)
        await disk.write(0, pages(4, seed=1))
        await disk.clear(8 * MIB, 4 * PAGE)
        held.remove()
        [point] = await app.next_points([disk], [1])
        assert await disk.content_of(point) == half
        [point] = await app.back_up(disk)
    assert await disk.content_of(point) == disk.expected


@pytest.mark.nightly
async def test_a_run_whose_source_snapshot_is_gone_is_given_up_and_the_next_is_a_resync(cloud: Cloud) -> None:
    disk = await cloud.disk()
    await disk.write(0, pages(2, seed=1))
    async with cloud.app(disk) as app:
        await app.back_up(disk)
        await disk.write(0, pages(2, seed=2))
        hold = asyncio.Event()
        held = cloud.azure.gateway.faults.add(Fault("Get Page Ranges", disk.path, times=1, delay_until=hold))
        await app.tick()
        await held.struck.wait()
        newest = (await disk.own_snapshots())[-1]
        service = cloud.services[disk.account]
        await service.get_blob_client(disk.address.container, disk.address.blob, snapshot=newest).delete_blob()
        hold.set()

        async def given_up() -> bool:
            return (await disk.record()).run is None and await app.idle()

        await until(given_up, "the end of the run")
        assert "no longer exists" in (await disk.record()).last_error
        await disk.write(PAGE, pages(1, seed=3))
        [point] = await app.back_up(disk)
    assert (point.kind, "was given up" in point.reason) == (Kind.RESYNC, True)
    assert await disk.content_of(point) == disk.expected


@pytest.mark.nightly
async def test_what_a_batch_does_that_was_taken_for_dead_does_not_count(cloud: Cloud) -> None:
    disk = await cloud.disk(16 * MIB)
    await disk.write(0, pages(4))
    await disk.write(8 * MIB, pages(4))
    hold = asyncio.Event()
    held = cloud.azure.gateway.faults.add(Fault("Put Page From URL", disk.backup_path, times=1, delay_until=hold))
    async with cloud.app(disk, RUN_STALLED_AFTER_SECONDS="1") as app:
        await app.tick()
        await held.struck.wait()
        await until(partial(_has_batches_done, cloud, 1), "the batch in its place")
        hold.set()
        [point] = await app.next_points([disk], [0])
        await until(app.idle, "the end of the late one")
    assert await disk.content_of(point) == disk.expected
    assert (point.ranges, point.write_calls, point.bytes_written, point.batches) == (2, 2, 8 * PAGE, 1)
    assert len(cloud.events(Event.BATCH_DONE)) == 1


@pytest.mark.nightly
async def test_a_run_whose_lease_is_broken_or_whose_backup_blob_is_deleted_begins_anew(cloud: Cloud) -> None:
    broken, deleted = await cloud.disk(), await cloud.disk()
    async with cloud.app(broken, deleted, RUN_STALLED_AFTER_SECONDS="1") as app:
        for disk in (broken, deleted):
            await disk.write(0, pages(4, seed=1))
        await app.back_up(broken, deleted)
        for disk in (broken, deleted):
            await disk.write(0, pages(2, seed=2))
        hold, faults = asyncio.Event(), cloud.azure.gateway.faults
        copying = faults.add(Fault("Put Page From URL", broken.backup_path, times=1, delay_until=hold))
        sealing = faults.add(Fault("Snapshot Blob", deleted.backup_path, times=1, delay_until=hold))
        await app.tick()
        await copying.struck.wait()
        # In this order: between a broken lease and a write the run may be planned again, and take the lease again.
        lease = await _lease_of_run(broken)
        await broken.backup_blob.upload_page(pages(3, seed=66), MIB // 2, 3 * PAGE, lease=lease)
        await BlobLeaseClient(broken.backup_blob).break_lease(0)
        await sealing.struck.wait()
        await BlobLeaseClient(deleted.backup_blob).break_lease(0)
        await deleted.backup_blob.delete_blob(delete_snapshots="include")
        hold.set()
        resynced, full = await app.next_points([broken, deleted], [1, 1])
    assert (resynced.kind, "lease was broken" in resynced.reason) == (Kind.RESYNC, True)
    assert (full.kind, "missing" in full.reason) == (Kind.FULL, True)
    assert await broken.content_of(resynced) == broken.expected
    assert await deleted.content_of(full) == deleted.expected


async def _has_batches_done(cloud: Cloud, count: int) -> bool:
    return len(cloud.events(Event.BATCH_DONE)) >= count


async def _answered(status: int | None) -> bool:
    return status is not None


async def _is_forgotten(disk: Disk) -> bool:
    run = (await disk.record()).run
    return run is not None and run.is_check_overdue(datetime.now(UTC), timedelta(seconds=1))


async def _lease_of_run(disk: Disk) -> str:
    """Give the lease id of a disk's open run."""
    run = (await disk.record()).run
    assert run
    return RunMessage(disk=PageBlobDisk(disk.address), run=run.snapshot, plan=run.plan).lease_id


@contextlib.contextmanager
def _runs_held(cloud: Cloud) -> Iterator[None]:
    """Let no run come to its end meanwhile: a tick that is slower than a whole run rightly begins another."""
    end = asyncio.Event()
    held = cloud.azure.gateway.faults.add(Fault("Put Page From URL", delay_until=end))
    yield
    held.remove()
    end.set()


async def _has_ticked(app: App, times: int) -> bool:
    return await app.invocations("take_snapshots") == times

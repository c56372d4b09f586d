"""A disk is written over only once an undo point holds its state, however the restore is interrupted."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any, NoReturn

import pytest

from shared.limits import PAGE
from shared.model.addresses import BlobAddress
from shared.model.job import Stage
from shared.model.names import CONTINUE_RESTORE_QUEUE, MANAGE_QUEUE, RESTORE_REQUESTS_QUEUE
from shared.model.restore import Restore
from shared.model.run import Kind
from tests.simulation.blobs import FAILED, SUCCESS, Blob
from tests.simulation.refusals import refusal
from tests.simulation.scenes import Scene
from tests.simulation.small import make_small
from tests.simulation.world import DISKS, VM

HOUR = timedelta(hours=1)
OTHER = DISKS.blob("other.vhd")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


async def backed_up(mode: str = "incremental") -> Scene:
    """Back a disk up, and have its guest write afterwards: that is not in any recovery point."""
    scene = Scene(mode)
    await scene.tick()
    await scene.pass_time(12 * HOUR)
    scene.world.blobs[scene.disk].set(1, [scene.world.number()])
    return scene


def ask(scene: Scene, target: BlobAddress | None = None, **more: Any) -> str:
    """Ask for a restore over a disk, by default over the one that was backed up."""
    over = target or scene.disk
    body = {"disk": scene.disk.url, "point": "latest", "target": over.url, "overwrite": over.blob, **more}
    return scene.world.enqueue(RESTORE_REQUESTS_QUEUE, json.dumps(body).encode())


def row(scene: Scene) -> Restore:
    *_, last = scene.world.restore_rows()
    return last


def pages(scene: Scene, disk: BlobAddress | None = None) -> list[int]:
    return [page or 0 for page in scene.world.blobs[disk or scene.disk].pages]


async def until(scene: Scene, state: Stage) -> None:
    while not any(restore.state is state for restore in scene.world.restore_rows()):
        await scene.deliver_next()
        for blob in scene.world.pending():
            scene.world.end_copy(blob, SUCCESS)


async def done(scene: Scene, hours: int = 2) -> Restore:
    await scene.pass_time(hours * HOUR)
    assert row(scene).state is Stage.DONE, row(scene).reason or row(scene).last_error
    assert not scene.waiting()
    assert scene.world.violations == []
    return row(scene)


@pytest.mark.parametrize("mode", ["incremental", "full"])
async def test_what_was_written_after_the_last_backup_comes_back_from_the_undo_point(mode: str) -> None:
    scene = await backed_up(mode)
    before, [point] = pages(scene), scene.world.points_of(scene.disk)
    ask(scene)
    restore = await done(scene)
    assert restore.recovery_point == point.time, "the latest when it was asked for, not the undo point"
    assert pages(scene) != before
    ask(scene, point=restore.undo_point)
    again = await done(scene)
    assert pages(scene) == before
    assert [found.time for found in scene.world.points_of(scene.disk)] == [
        point.time,
        restore.undo_point,
        restore.target_snapshot,
        again.undo_point,
        again.target_snapshot,
    ]


async def test_nothing_is_written_over_before_the_undo_point_is_sealed() -> None:
    scene = await backed_up()
    before, put = pages(scene), scene.services.blobs.put_from_url

    async def is_busy(*_: Any, **__: Any) -> NoReturn:
        raise refusal(503, "ServerBusy")

    scene.services.blobs.put_from_url = is_busy
    ask(scene)
    await scene.pass_time(timedelta(minutes=20))
    assert row(scene).state is Stage.SAVING
    assert "which makes the undo point" in row(scene).reason
    assert pages(scene) == before
    await scene.tick()
    await scene.pass_time(timedelta(minutes=1))
    assert scene.snapshots_taken() == 2, "a tick takes none of a disk that is being restored"
    scene.services.blobs.put_from_url = put
    await done(scene)
    assert len(scene.world.heartbeats) == 2


async def test_without_an_undo_point_if_the_request_says_so() -> None:
    scene = await backed_up()
    ask(scene, undo=False)
    assert (await done(scene)).undo_point == ""
    assert [point.kind for point in scene.world.points_of(scene.disk)] == [Kind.FULL, Kind.RESTORE]


async def test_a_disk_that_was_never_backed_up_gets_its_first_recovery_point_before_it_is_written_over() -> None:
    scene = await backed_up()
    scene.world.blobs[OTHER] = Blob([7, 8], scene.world.number)
    ask(scene, OTHER, replaceOther=True)
    restore = await done(scene)
    first, second = scene.world.points_of(OTHER)
    assert (first.time, first.kind, second.kind) == (restore.undo_point, Kind.FULL, Kind.RESTORE)
    assert scene.world.held[first.time] == (7, 8)
    ask(scene, OTHER, disk=OTHER.url, point=first.time, replaceOther=True)
    await done(scene)
    assert pages(scene, OTHER) == [7, 8]


async def test_a_restore_is_refused_if_the_undo_point_can_not_be_taken_and_says_how_to_do_without() -> None:
    scene = await backed_up()
    before, put = pages(scene), scene.services.blobs.put_from_url

    async def refuse(*_: Any, **__: Any) -> NoReturn:
        raise refusal(403, "AuthorizationPermissionMismatch")

    scene.services.blobs.put_from_url = refuse
    ask(scene)
    await scene.pass_time(HOUR)
    assert row(scene).state is Stage.SAVING
    assert "Its last error: AuthorizationPermissionMismatch" in row(scene).reason
    await scene.pass_time(20 * HOUR)
    assert (row(scene).state, row(scene).undo_point) == (Stage.REFUSED, "")
    assert "its undo point could not be taken: backup run" in row(scene).reason
    assert row(scene).reason.endswith('or set "undo": false to write over the disk without a way back')
    assert pages(scene) == before
    assert not scene.world.blobs[scene.disk].lease
    record = scene.world.record(scene.disk)
    assert record
    assert (record.run, record.restore) == (None, "")
    scene.services.blobs.put_from_url = put
    await scene.tick()
    await scene.pass_time(HOUR)
    newest = scene.world.points_of(scene.disk)[-1]
    assert [page or 0 for page in scene.world.held[newest.time]] == before
    assert scene.world.own_snapshots(scene.disk) == [newest.time]
    assert scene.world.violations == []


async def test_a_restore_that_is_cancelled_before_its_undo_point_is_sealed_writes_nothing_over() -> None:
    scene = await backed_up()
    before = pages(scene)
    asked = ask(scene)
    await until(scene, Stage.SAVING)
    scene.world.enqueue(MANAGE_QUEUE, json.dumps({"do": "cancel", "job": asked}).encode())
    await scene.pass_time(2 * HOUR)
    assert (row(scene).state, pages(scene)) == (Stage.REFUSED, before)
    assert row(scene).reason.startswith("cancelled by an operator")
    assert not scene.world.blobs[scene.disk].lease
    assert scene.world.violations == []


async def test_a_vm_that_has_attached_the_disk_meanwhile_keeps_it() -> None:
    scene = await backed_up()
    before, take = pages(scene), scene.services.disks.take_snapshot

    async def attach(*_: Any) -> NoReturn:
        scene.services.disks.take_snapshot = take
        scene.world.blobs[scene.disk].break_lease()
        scene.world.blobs[scene.disk].acquire(VM)
        raise refusal(503, "ServerBusy")

    scene.services.disks.take_snapshot = attach
    ask(scene)
    await scene.pass_time(HOUR)
    assert (row(scene).state, pages(scene)) == (Stage.REFUSED, before)
    assert "detach the disk" in row(scene).reason


async def test_premium_storage_that_takes_a_snapshot_each_ten_minutes_is_waited_for() -> None:
    scene = Scene()
    scene.world.premium.add(scene.disk.account)
    await scene.tick()
    await scene.pass_time(timedelta(minutes=2))
    scene.world.blobs[scene.disk].set(1, [scene.world.number()])
    before = pages(scene)
    ask(scene)
    restore = await done(scene)
    assert restore.attempt == 1
    assert [page or 0 for page in scene.world.held[restore.undo_point]] == before


async def test_a_state_that_is_still_a_source_snapshot_is_copied_from_there_and_deleted_afterwards() -> None:
    scene = await backed_up()
    [point] = scene.world.points_of(scene.disk)
    ask(scene)
    await until(scene, Stage.PROVING)
    assert row(scene).copied_from == f"{scene.disk.url}?snapshot={point.time.replace(':', '%3A')}"
    restore = await done(scene)
    assert scene.world.own_snapshots(scene.disk) == [restore.target_snapshot]


async def test_a_restore_whose_every_step_is_delivered_twice_takes_one_undo_point(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = await backed_up()
    enqueue = scene.world.enqueue

    def enqueue_twice(queue: str, body: bytes, delay: timedelta = timedelta()) -> str:
        if queue == CONTINUE_RESTORE_QUEUE and len(scene.world.messages) < 20:
            enqueue(queue, body, delay)
        return enqueue(queue, body, delay)

    monkeypatch.setattr(scene.world, "enqueue", enqueue_twice)
    ask(scene)
    await until(scene, Stage.COPYING)
    monkeypatch.setattr(scene.world, "enqueue", enqueue)
    restore = await done(scene)
    assert [point.time for point in scene.world.points_of(scene.disk)[1:]] == [
        restore.undo_point,
        restore.target_snapshot,
    ]
    assert scene.world.own_snapshots(scene.disk) == [restore.target_snapshot]


async def test_two_steps_at_once_that_each_snapshot_the_restored_disk_leave_one_snapshot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = await backed_up()
    ask(scene)
    await until(scene, Stage.PROVING)
    assert not row(scene).target_snapshot
    take = scene.services.disks.take_snapshot
    [message] = [found for found in scene.world.messages if found.queue == CONTINUE_RESTORE_QUEUE]
    before = scene.snapshots_taken()

    async def take_and_be_overtaken(*given: Any) -> str:
        monkeypatch.setattr(scene.services.disks, "take_snapshot", take)
        await scene.deliver(replace(message))
        return str(await take(*given))

    monkeypatch.setattr(scene.services.disks, "take_snapshot", take_and_be_overtaken)
    restore = await done(scene)
    assert scene.snapshots_taken() == before + 2
    assert scene.world.own_snapshots(scene.disk) == [restore.target_snapshot]


@pytest.mark.parametrize("lost", ["take_snapshot", "open_run", "send"])
async def test_a_worker_that_dies_while_it_saves_the_disk_leaves_it_to_the_next(
    lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = await backed_up()
    place = {
        "take_snapshot": (scene.services.disks, "take_snapshot"),
        "open_run": (scene.services.records, "update"),
        "send": (scene.services.queues, "send"),
    }[lost]
    real = getattr(*place)

    async def die_after(*given: Any, **named: Any) -> Any:
        if lost == "open_run" and not row(scene).undo_run:
            return await real(*given, **named)
        if lost == "send" and "PlanMessage" not in repr(given[0]):
            return await real(*given, **named)
        monkeypatch.setattr(*place, real)
        if lost != "send":
            await real(*given, **named)
        raise BrokenPipeError("the worker died")

    ask(scene)
    monkeypatch.setattr(*place, die_after)
    restore = await done(scene)
    assert [point.time for point in scene.world.points_of(scene.disk)[1:]] == [
        restore.undo_point,
        restore.target_snapshot,
    ]
    assert scene.world.own_snapshots(scene.disk) == [restore.target_snapshot]


async def test_a_copy_that_is_begun_anew_takes_no_second_undo_point() -> None:
    scene = await backed_up()
    ask(scene)
    await until(scene, Stage.COPYING)
    while not scene.world.blobs[scene.disk].is_pending:
        await scene.deliver_next()
    scene.world.end_copy(scene.disk, FAILED)
    restore = await done(scene)
    assert restore.attempt == 2
    assert len(scene.world.points_of(scene.disk)) == 3


async def test_what_somebody_writes_by_force_after_the_undo_point_is_not_written_over() -> None:
    scene = await backed_up()
    ask(scene)
    await until(scene, Stage.PROMOTING)
    disk = scene.world.blobs[scene.disk]
    disk.break_lease()
    disk.set(3, [scene.world.number()])
    written = pages(scene)
    await scene.pass_time(2 * HOUR)
    assert (row(scene).state, pages(scene)) == (Stage.FAILED, written)
    assert "was changed since its undo point was taken" in row(scene).reason
    assert f"was not written over. Its state before is recovery point {row(scene).undo_point}" in row(scene).reason


@pytest.mark.parametrize("size", [PAGE, 8 * PAGE])
async def test_an_undo_point_has_the_size_that_the_disk_had(size: int) -> None:
    scene = await backed_up()
    scene.world.blobs[scene.disk].resize(size // PAGE, None)
    before = pages(scene)
    ask(scene)
    await scene.pass_time(HOUR)
    assert '"replaceOther": true beside "overwrite": "os.vhd"' in row(scene).reason
    assert pages(scene) == before
    ask(scene, replaceOther=True)
    restore = await done(scene)
    assert [page or 0 for page in scene.world.held[restore.undo_point]] == before

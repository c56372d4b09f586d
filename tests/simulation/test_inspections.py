"""What verifies and drills come to where what they look at is damaged, gone or refused, and what they leave."""

import json
from datetime import timedelta
from typing import Any

import pytest

from shared.inspection.request import inspect_all, open_inspection
from shared.model.disk import PageBlobDisk
from shared.model.inspection import INSPECTION_KINDS, Inspection
from shared.model.job import JobKind, Stage
from shared.model.names import CONTINUE_INSPECTION_QUEUE, DRILL_QUEUE, RESTORE_REQUESTS_QUEUE, VERIFY_QUEUE
from shared.model.point import PointState
from tests.simulation.refusals import refusal
from tests.simulation.scenes import Scene
from tests.simulation.small import make_small

HOUR = timedelta(hours=1)
QUEUES = pytest.mark.parametrize("queue", [VERIFY_QUEUE, DRILL_QUEUE])


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


async def backed_up() -> Scene:
    scene = Scene()
    await scene.tick()
    await scene.pass_time(HOUR)
    return scene


async def inspected(scene: Scene, queue: str, **request: Any) -> Inspection:
    """Ask for an inspection, and have it come to its end."""
    scene.world.enqueue(queue, json.dumps({"disk": scene.disk.url, **request}).encode())
    return await last(scene)


async def last(scene: Scene) -> Inspection:
    await scene.pass_time(HOUR)
    *_, (row, _) = scene.world.inspections.values()
    assert not scene.waiting()
    return row


@pytest.mark.parametrize("task", INSPECTION_KINDS)
async def test_on_schedule_every_disk_with_a_recovery_point_is_inspected(task: JobKind) -> None:
    scene = await backed_up()
    await inspect_all(scene.services, task)
    row = await last(scene)
    [point] = scene.world.points_of(scene.disk)
    assert (row.task, row.state, row.recovery_point) == (task, Stage.DONE, point.time)


@pytest.mark.parametrize("task", INSPECTION_KINDS)
async def test_on_schedule_a_disk_without_a_recovery_point_is_left_alone(task: JobKind) -> None:
    scene = Scene()
    await scene.tick()
    scene.world.messages.clear()
    await inspect_all(scene.services, task)
    assert not scene.world.inspections
    assert not scene.waiting()


@QUEUES
async def test_a_request_that_nobody_can_read_is_refused_under_its_id(queue: str) -> None:
    scene = await backed_up()
    asked = scene.world.enqueue(queue, b"the disk of yesterday")
    row = await last(scene)
    assert (row.inspection, row.state, row.disk) == (asked, Stage.REFUSED, None)
    assert "What to do: " in row.reason


@QUEUES
async def test_a_disk_that_has_no_recovery_point_at_or_before_that_time_is_refused(queue: str) -> None:
    row = await inspected(await backed_up(), queue, point="2020-01-01T00:00:00Z")
    assert row.state is Stage.REFUSED
    assert "has no recovery point at or before 2020-01-01T00:00:00" in row.reason
    assert "What to do: " in row.reason


@QUEUES
async def test_a_recovery_point_that_is_gone_is_found_to_be(queue: str) -> None:
    scene = await backed_up()
    [point] = scene.world.points_of(scene.disk)
    del scene.world.blobs[scene.world.backup_of(scene.disk)].snapshots[point.backup_snapshot]
    row = await inspected(scene, queue)
    [lost] = scene.world.points_of(scene.disk)
    assert row.state is Stage.FAILED
    assert "was deleted outside Tidemark" in row.reason
    assert "What to do: undelete it" in row.reason
    assert (lost.state, lost.lost, lost.damage) == (PointState.DAMAGED, True, row.reason)


@QUEUES
async def test_a_recovery_point_that_was_deleted_and_undeleted_is_inspected_like_any_other(queue: str) -> None:
    scene = await backed_up()
    [point] = scene.world.points_of(scene.disk)
    snapshots = scene.world.blobs[scene.world.backup_of(scene.disk)].snapshots
    deleted = snapshots.pop(point.backup_snapshot)
    assert (await inspected(scene, queue)).state is Stage.FAILED
    snapshots[point.backup_snapshot] = deleted
    assert (await inspected(scene, queue)).state is Stage.DONE
    [found] = scene.world.points_of(scene.disk)
    assert (found.state is PointState.DAMAGED, found.lost) == (False, False)


@QUEUES
async def test_a_recovery_point_that_is_damaged_stays_so_when_it_is_deleted_and_undeleted(queue: str) -> None:
    scene = await backed_up()
    [point] = scene.world.points_of(scene.disk)
    snapshots = scene.world.blobs[scene.world.backup_of(scene.disk)].snapshots
    held = snapshots[point.backup_snapshot]
    snapshots[point.backup_snapshot] = held._replace(pages=(*held.pages, None))
    await inspected(scene, VERIFY_QUEUE)
    [damaged] = scene.world.points_of(scene.disk)
    assert damaged.state is PointState.DAMAGED
    deleted = snapshots.pop(point.backup_snapshot)
    assert "was deleted outside Tidemark" in (await inspected(scene, queue)).reason
    assert known_of(scene) == (PointState.DAMAGED, damaged.damage, False)
    snapshots[point.backup_snapshot] = deleted
    assert (await inspected(scene, queue)).state is Stage.FAILED
    assert known_of(scene) == (PointState.DAMAGED, damaged.damage, False)


@pytest.mark.parametrize("task", INSPECTION_KINDS)
async def test_the_timer_of_inspections_waits_for_storage_that_is_away_for_minutes(task: JobKind) -> None:
    scene = await backed_up()
    ensure, until = scene.services.queues.ensure, scene.world.now + timedelta(minutes=5)

    async def away() -> None:
        if scene.world.now < until:
            raise refusal(503, "ServerBusy")
        await ensure()

    scene.services.queues.ensure = away
    await inspect_all(scene.services, task)
    assert (await last(scene)).state is Stage.DONE


@pytest.mark.parametrize("by", ["run", "restore"])
async def test_the_source_snapshot_that_a_verify_is_to_compare_outlives_a_run_and_a_restore_in_place(by: str) -> None:
    scene = await backed_up()
    [point] = scene.world.points_of(scene.disk)
    await open_inspection(scene.services, JobKind.VERIFY, PageBlobDisk(scene.disk), point.time, "v")
    [held] = [message for message in scene.world.messages if message.queue == CONTINUE_INSPECTION_QUEUE]
    scene.world.messages.remove(held)
    if by == "run":
        await scene.tick()
    else:
        body = {"disk": scene.disk.url, "point": "latest", "target": scene.disk.url, "overwrite": scene.disk.url}
        scene.world.enqueue(RESTORE_REQUESTS_QUEUE, json.dumps(body).encode())
    await scene.pass_time(HOUR)
    assert len(scene.world.points_of(scene.disk)) == (2 if by == "run" else 3), "with the undo point"
    scene.world.messages.append(held)
    await scene.pass_time(HOUR)
    [verify] = [found for found, _ in scene.world.inspections.values() if found.inspection == "v"]
    assert verify.state is Stage.DONE, verify.reason


def known_of(scene: Scene) -> tuple[PointState, str, bool]:
    [point] = scene.world.points_of(scene.disk)
    return point.state, point.damage, point.lost


async def test_a_source_snapshot_that_is_deleted_before_it_is_compared_leaves_a_refusal_that_says_what_to_do() -> None:
    scene = await backed_up()
    [point] = scene.world.points_of(scene.disk)
    del scene.world.blobs[scene.disk].snapshots[point.source_snapshot]
    row = await inspected(scene, VERIFY_QUEUE)
    assert row.state is Stage.REFUSED
    assert "What to do: " in row.reason


@QUEUES
async def test_a_recovery_point_that_was_resized_is_found_to_be_damaged_and_no_drill_restores_it(queue: str) -> None:
    scene = await backed_up()
    [point] = scene.world.points_of(scene.disk)
    backup = scene.world.blobs[scene.world.backup_of(scene.disk)]
    held = backup.snapshots[point.backup_snapshot]
    backup.snapshots[point.backup_snapshot] = held._replace(pages=(*held.pages, None))
    row = await inspected(scene, queue)
    assert row.state is not Stage.DONE
    assert "when it was sealed" in row.reason
    drilled = await inspected(scene, DRILL_QUEUE)
    assert drilled.state is Stage.FAILED
    assert "when it was sealed" in drilled.reason

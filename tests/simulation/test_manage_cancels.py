"""`cancel`: a restore, a verify or a drill ends, cleans up after itself and lets go of its disk."""

import json
from datetime import timedelta

import pytest

from shared.model.job import Stage
from shared.model.names import DRILL_QUEUE, RESTORE_REQUESTS_QUEUE, SCRATCH_PREFIX, VERIFY_QUEUE
from shared.model.restore import Restore
from tests.simulation.operators import intents
from tests.simulation.scenes import Scene
from tests.simulation.small import make_small
from tests.simulation.test_manage import HOUR, MINUTE, ask, backed_up, outcome, points
from tests.simulation.world import DISKS

NEW = DISKS.blob("new.vhd")
MOMENT = timedelta(seconds=2)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


def request(scene: Scene, queue: str, **fields: object) -> str:
    return scene.world.enqueue(queue, json.dumps({"disk": scene.disk.url, "point": "latest", **fields}).encode())


async def begin(scene: Scene, queue: str, monkeypatch: pytest.MonkeyPatch, **fields: object) -> str:
    """Have a job begin to copy, and the service take its time."""
    monkeypatch.setattr(scene.world, "pending", list)
    job = request(scene, queue, **fields)
    await scene.pass_time(MOMENT)
    return job


async def cancelled(scene: Scene, job: str) -> None:
    """Cancel it, and wait until nothing is under way."""
    ask(scene, "cancel", job=job)
    await scene.pass_time(5 * MINUTE)
    [row] = intents(scene.world)
    assert row.state is Stage.DONE
    assert row.outcome.endswith(": has ended; its row says how")
    assert not scene.waiting()


def restored(scene: Scene) -> Restore:
    [restore] = scene.world.restore_rows()
    return restore


async def test_a_restore_to_a_new_disk_that_is_cancelled_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = await backed_up()
    job = await begin(scene, RESTORE_REQUESTS_QUEUE, monkeypatch, target=NEW.url)
    assert scene.world.backup_of(NEW) in scene.world.blobs
    await cancelled(scene, job)
    assert restored(scene).state is Stage.FAILED
    assert restored(scene).reason.startswith("cancelled by an operator (intent-message-")
    assert "The incomplete copy is deleted" in restored(scene).reason
    assert NEW not in scene.world.blobs
    assert scene.world.backup_of(NEW) not in scene.world.blobs
    assert scene.world.record(NEW) is None


async def test_a_restore_over_a_disk_that_is_cancelled_says_what_it_leaves_and_lets_go_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = await backed_up(2)
    disk, point = scene.world.blobs[scene.disk], points(scene)[0].time
    job = await begin(
        scene, RESTORE_REQUESTS_QUEUE, monkeypatch, point=point, target=scene.disk.url, overwrite="os.vhd", undo=False
    )
    [promoted] = [blob for blob, found in scene.world.blobs.items() if found.is_pending]
    scene.world.end_copy(promoted, "success")
    await scene.pass_time(MOMENT)
    assert disk.is_pending
    await cancelled(scene, job)
    assert not disk.is_pending
    assert not disk.lease
    assert f"{scene.disk.url} is incomplete. What to do: send the request again" in restored(scene).reason
    record = scene.world.record(scene.disk)
    assert record is not None
    assert not record.restore
    assert record.resync_reason


async def test_a_restore_that_waits_for_a_run_is_refused_when_it_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene("full")
    await scene.tick()
    await scene.pass_time(HOUR)
    monkeypatch.setattr(scene.world, "pending", list)
    await scene.tick()
    job = request(scene, RESTORE_REQUESTS_QUEUE, target=scene.disk.url, overwrite="os.vhd", undo=False)
    await scene.pass_time(MOMENT)
    assert restored(scene).reason.startswith("waiting for backup run ")
    ask(scene, "cancel", job=job)
    await scene.pass_time(5 * MINUTE)
    assert restored(scene).state is Stage.REFUSED
    assert "cancelled by an operator" in restored(scene).reason
    record = scene.world.record(scene.disk)
    assert record is not None
    assert not record.restore
    assert record.run is not None


@pytest.mark.parametrize("queue", [VERIFY_QUEUE, DRILL_QUEUE])
async def test_an_inspection_that_is_cancelled_leaves_nothing_and_says_nothing_of_its_point(
    queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = await backed_up()
    before = points(scene)
    monkeypatch.setattr("shared.inspection.compare.next_parts", lambda _: range(0))
    job = await begin(scene, queue, monkeypatch)
    await cancelled(scene, job)
    [(row, _)] = scene.world.inspections.values()
    assert row.state is Stage.FAILED
    assert "cancelled by an operator" in row.reason
    assert [point.state for point in points(scene)] == [point.state for point in before]
    assert not [blob for blob in scene.world.blobs if blob.blob.startswith(SCRATCH_PREFIX)]


async def test_what_is_not_under_way_can_not_be_cancelled() -> None:
    scene = await backed_up()
    job = request(scene, VERIFY_QUEUE)
    await scene.pass_time(HOUR)
    row = await outcome(scene, "cancel", job=job)
    assert row.state is Stage.REFUSED
    assert f"no restore, verify or drill with the ID {job} is open" in row.reason
    row = await outcome(scene, "cancel", job=points(scene)[0].time)
    assert "a run can't be cancelled" in row.reason

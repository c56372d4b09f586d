"""`backup`: one disk, now; and once, however often the intent is delivered."""

from datetime import timedelta

import pytest

from shared.model.disk import PageBlobDisk
from shared.model.intent_row import IntentRow
from shared.model.intents import BackupIntent
from shared.model.job import Stage
from shared.model.names import MANAGE_QUEUE
from tests.simulation.blobs import SUCCESS
from tests.simulation.operators import intents
from tests.simulation.scenes import Scene
from tests.simulation.small import make_small
from tests.simulation.test_manage import HOUR, MINUTE, about, ask, backed_up, outcome, points
from tests.simulation.world import DISKS


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


async def test_a_disk_is_backed_up_when_asked_for_and_its_recovery_point_is_kept() -> None:
    scene = await backed_up()
    scene.world.blobs[scene.disk].set(1, [7])
    asked = scene.world.now
    row = await outcome(scene, "backup", **about(scene, keep=True))
    newest = points(scene)[-1]
    assert (row.state, row.point) == (Stage.DONE, newest.time)
    assert row.outcome == f"recovery point {newest.time} of {scene.disk.url} is sealed and kept"
    assert [point.kept for point in points(scene)] == [False, True]
    assert newest.started > asked
    assert not scene.waiting()


async def test_a_backup_that_is_asked_for_once_and_delivered_twice_is_one() -> None:
    scene = await backed_up()
    ask(scene, "backup", **about(scene))
    [message] = [found for found in scene.world.messages if found.queue == MANAGE_QUEUE]
    await scene.pass_time(timedelta(seconds=1))
    scene.world.messages.append(message)
    await scene.pass_time(MINUTE)
    scene.world.messages.append(message)
    await scene.pass_time(MINUTE)
    assert len(points(scene)) == 2
    assert scene.snapshots_taken() == 2


async def test_a_backup_waits_for_an_open_run_and_holds_what_was_written_since() -> None:
    scene = await backed_up()
    scene.world.blobs[scene.disk].set(1, [7])
    await scene.tick()
    scene.world.blobs[scene.disk].set(2, [8])
    asked = ask(scene, "backup", **about(scene))
    await scene.pass_time(timedelta(milliseconds=100))
    [row] = intents(scene.world)
    assert row.state is Stage.REQUESTED
    assert row.reason.startswith("waits for backup run ")
    await scene.pass_time(10 * MINUTE)
    [row] = intents(scene.world)
    assert (row.intent, row.state, row.point) == (asked, Stage.DONE, points(scene)[-1].time)
    assert scene.world.held[row.point][2] == 8
    assert len(points(scene)) == 3


async def test_a_run_of_a_tick_counts_if_its_snapshot_was_taken_after_the_backup_was_asked_for() -> None:
    scene = await backed_up()
    ask(scene, "backup", **about(scene))
    [message] = [found for found in scene.world.messages if found.queue == MANAGE_QUEUE]
    scene.world.messages.remove(message)
    request = BackupIntent.read(message.body).request
    row = IntentRow.of(message.id, scene.world.now, do="backup", disk=PageBlobDisk(scene.disk), request=request)
    await scene.services.intents.add(row)
    await scene.tick()
    scene.world.messages.append(message)
    await scene.pass_time(HOUR)
    assert len(points(scene)) == 2
    [row] = intents(scene.world)
    assert (row.state, row.point) == (Stage.DONE, points(scene)[-1].time)


async def test_a_backup_whose_run_is_given_up_fails_and_says_why() -> None:
    scene = await backed_up()
    ask(scene, "backup", **about(scene))
    await scene.pass_time(timedelta(milliseconds=100))
    record = scene.world.record(scene.disk)
    assert record is not None
    assert record.run is not None
    scene.world.blobs[scene.disk].snapshots.pop(record.run.snapshot)
    await scene.pass_time(HOUR)
    [row] = intents(scene.world)
    assert row.state is Stage.FAILED
    assert f"backup run {record.run.snapshot} of {scene.disk.url} was given up. Last error: " in row.reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (
            {"disk": DISKS.blob("other.vhd").url},
            "is not backed up. What to do: check the URL, or add it to SOURCE_DISKS",
        ),
        ({"keep": "yes"}, "keep: must be true or false"),
        ({"point": "latest"}, 'unknown field "point"'),
    ],
)
async def test_a_backup_that_can_not_be_made_is_refused(fields: dict[str, object], reason: str) -> None:
    scene = await backed_up()
    row = await outcome(scene, "backup", **{**about(scene), **fields})
    assert row.state is Stage.REFUSED
    assert reason in row.reason
    assert scene.snapshots_taken() == 1


async def test_a_backup_in_mode_full_is_a_full_copy() -> None:
    scene = Scene("full")
    ask(scene, "backup", **about(scene))
    await scene.pass_time(10 * MINUTE)
    for blob in scene.world.pending():
        scene.world.end_copy(blob, SUCCESS)
    [row] = intents(scene.world)
    assert (row.state, row.point) == (Stage.DONE, points(scene)[0].time)

"""What lasts for long neither floods the queues, nor is done over and over, nor goes without an end."""

import json
from datetime import datetime, timedelta
from typing import Any, NoReturn

import pytest

from shared.errors import SourceGoneError
from shared.model.batches import DEAD_AFTER
from shared.model.disk import PageBlobDisk
from shared.model.job import Stage
from shared.model.messages import FinishMessage
from shared.model.names import CONTINUE_RESTORE_QUEUE, DRILL_QUEUE, RESTORE_REQUESTS_QUEUE, VERIFY_QUEUE
from shared.model.run import Kind
from tests.simulation.refusals import refusal
from tests.simulation.scenes import Scene
from tests.simulation.small import make_small
from tests.simulation.world import LAB, OWN

MOST_MESSAGES = 8
"""Messages that one disk may have waiting while something lasts."""

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)
    monkeypatch.setattr("shared.model.retry_policy.GIVE_UP_AFTER", DAY)


async def refuse(*_: Any, **__: Any) -> NoReturn:
    raise refusal(403, "AuthorizationPermissionMismatch")


async def backed_up() -> Scene:
    scene = Scene()
    await scene.tick()
    await scene.pass_time(HOUR)
    assert len(scene.world.points_of(scene.disk)) == 1
    return scene


def ask(scene: Scene, queue: str, **request: Any) -> str:
    body = json.dumps({"disk": scene.disk.url, "point": "latest", **request}).encode()
    return scene.world.enqueue(queue, body)


@pytest.mark.parametrize("mode", ["full", "incremental"])
async def test_a_run_that_can_not_go_on_does_not_multiply_its_messages(mode: str) -> None:
    scene = Scene(mode)
    if mode == "full":
        scene.world.forbidden.add(OWN)
    else:
        scene.services.blobs.put_from_url = refuse
    await scene.tick()
    await scene.pass_time(HOUR)
    assert sum(scene.waiting().values()) <= MOST_MESSAGES
    assert scene.handled["finish-backup"] <= 2 * 60


@pytest.mark.parametrize("ticks", [1, 2])
async def test_runs_that_are_given_up_are_not_made_anew_but_once_for_a_tick_that_found_one_open(ticks: int) -> None:
    scene = Scene()

    async def gone(*_: Any, **__: Any) -> Any:
        raise SourceGoneError("the snapshot is gone")
        yield

    scene.services.pages.changes = gone
    for _ in range(ticks):
        await scene.tick()
    await scene.pass_time(HOUR)
    assert scene.snapshots_taken() == ticks
    assert not scene.waiting()
    await scene.tick()
    assert scene.snapshots_taken() == ticks + 1


async def test_what_can_not_be_tidied_up_after_a_run_does_not_multiply_the_messages_of_the_next() -> None:
    scene = Scene("full")
    await scene.tick()
    await scene.pass_time(HOUR)
    [point] = scene.world.points_of(scene.disk)
    scene.world.forbidden.add(OWN)
    await scene.tick()
    scene.world.messages.clear()
    await scene.services.queues.send(FinishMessage(disk=PageBlobDisk(scene.disk), run=point.time))
    scene.services.leases.release = refuse
    await scene.pass_time(3 * HOUR)
    assert scene.handled["plan-changes"]
    assert sum(scene.waiting().values()) <= MOST_MESSAGES


async def test_a_disk_whose_snapshot_is_refused_for_a_while_is_caught_up_all_the_same() -> None:
    scene = Scene()
    await scene.tick()
    await scene.tick()
    tick = scene.world.now
    take = scene.services.disks.take_snapshot
    scene.services.disks.take_snapshot = refuse
    await scene.pass_time(timedelta(minutes=30))
    assert len(scene.world.points_of(scene.disk)) == 1
    scene.services.disks.take_snapshot = take
    await scene.pass_time(timedelta(minutes=30))
    times = [datetime.fromisoformat(point.time) for point in scene.world.points_of(scene.disk)]
    assert len(times) == 2
    assert times[-1] >= tick
    assert not scene.waiting()


@pytest.mark.nightly
async def test_a_restore_that_has_adopted_its_target_copies_nothing_anew() -> None:
    scene = await backed_up()

    async def can_not_be_deleted(*_: Any) -> NoReturn:
        raise refusal(409, "BlobImmutableDueToPolicy")

    scene.services.disks.delete_snapshot = can_not_be_deleted
    ask(scene, RESTORE_REQUESTS_QUEUE, target=scene.disk.url, overwrite=scene.disk.blob)
    await scene.pass_time(2 * HOUR)
    restored = [point for point in scene.world.points_of(scene.disk) if point.kind is Kind.RESTORE]
    assert len(restored) == 1
    await scene.pass_time(DAY)
    [restore] = scene.world.restore_rows()
    assert (restore.state, restore.attempt) == (Stage.DONE, 1)
    record = scene.world.record(scene.disk)
    assert record
    assert record.restore == ""


@pytest.mark.nightly
async def test_a_second_restore_to_what_can_not_be_cleaned_up_does_not_multiply_messages() -> None:
    scene = await backed_up()
    target = LAB.blob("new.vhd").url
    first = ask(scene, RESTORE_REQUESTS_QUEUE, target=target)
    scene.services.copies.forget_source = refuse
    scene.services.leases.release = refuse
    await scene.pass_time(timedelta(minutes=10))
    scene.world.forbidden.add(LAB)
    await scene.pass_time(DAY + HOUR)
    second = ask(scene, RESTORE_REQUESTS_QUEUE, target=target)
    await scene.pass_time(3 * HOUR)
    rows = {restore.restore: restore for restore in scene.world.restore_rows()}
    assert rows[first].state is Stage.FAILED
    assert rows.keys() == {first, second}
    assert sum(scene.waiting().values()) <= MOST_MESSAGES


async def test_a_request_that_the_table_and_a_queue_refuse_at_once_has_its_one_outcome() -> None:
    scene = await backed_up()
    add = scene.services.restores.add
    scene.services.restores.add = refuse
    asked = ask(scene, RESTORE_REQUESTS_QUEUE)
    await scene.pass_time(timedelta(seconds=5))
    scene.world.refusing.add(CONTINUE_RESTORE_QUEUE)
    await scene.pass_time(timedelta(minutes=3))
    assert scene.handled[f"{CONTINUE_RESTORE_QUEUE}-poison"]
    scene.services.restores.add = add
    await scene.pass_time(HOUR)
    scene.world.refusing.clear()
    await scene.tick()
    await scene.pass_time(HOUR)
    [restore] = scene.world.restore_rows()
    assert (restore.restore, restore.state) == (asked, Stage.REFUSED)


@pytest.mark.parametrize("queue", [RESTORE_REQUESTS_QUEUE, VERIFY_QUEUE, DRILL_QUEUE])
async def test_a_job_whose_steps_went_wrong_before_the_app_was_stopped_for_a_day_goes_on(queue: str) -> None:
    scene = await backed_up()
    scene.world.forbidden.add(OWN)
    ask(scene, queue)
    await scene.pass_time(timedelta(minutes=10))
    scene.world.now += DAY
    scene.world.forbidden.clear()
    await scene.pass_time(HOUR)
    rows = [*scene.world.restore_rows(), *(found for found, _ in scene.world.inspections.values())]
    assert [row.state for row in rows] == [Stage.DONE], rows[0].reason


async def test_a_verify_of_which_nothing_can_be_told_ends() -> None:
    scene = await backed_up()
    compared = scene.services.parts.compared

    async def gone(*_: Any) -> Any:
        scene.world.blobs[scene.disk].snapshots.clear()
        scene.world.forbidden.add(OWN)
        return await compared(*_)

    scene.services.parts.compared = gone
    ask(scene, VERIFY_QUEUE)
    await scene.pass_time(2 * DAY)
    [(verify, _)] = scene.world.inspections.values()
    assert verify.state is Stage.FAILED
    assert "AuthorizationPermissionMismatch" in verify.reason


async def test_a_verify_that_can_not_be_cleaned_up_after_ends_whatever_keeps_it() -> None:
    scene = await backed_up()

    async def spoilt(*_: Any) -> NoReturn:
        raise ValueError("a row that somebody has spoilt")

    scene.services.parts.drop = spoilt
    ask(scene, VERIFY_QUEUE)
    await scene.pass_time(DAY + timedelta(minutes=10))
    [(verify, _)] = scene.world.inspections.values()
    assert verify.state is Stage.DONE
    assert verify.last_error == "ValueError: a row that somebody has spoilt"
    assert scene.handled["continue-inspection"] <= 26 * 60


async def test_a_request_that_is_given_up_long_after_the_same_one_was_done_has_an_outcome_of_its_own() -> None:
    scene = await backed_up()
    first = ask(scene, RESTORE_REQUESTS_QUEUE)
    await scene.pass_time(HOUR)
    await scene.pass_time(DAY)
    ask(scene, f"{RESTORE_REQUESTS_QUEUE}-poison")
    await scene.pass_time(HOUR)
    states = {restore.restore: restore.state for restore in scene.world.restore_rows()}
    assert states.pop(first) is Stage.DONE
    assert list(states.values()) == [Stage.REFUSED]


async def test_a_batch_that_waits_for_a_busy_service_shows_that_it_is_alive() -> None:
    scene = Scene()
    copy, asked, silent = scene.services.blobs.put_from_url, list[datetime](), list[timedelta]()

    async def busy(*arguments: Any) -> None:
        asked.append(scene.world.now)
        alive = scene.world.records[PageBlobDisk(scene.disk).key][0]["run_alive"]
        silent.append(scene.world.now - alive)
        if len(asked) <= 12:
            raise refusal(503, "ServerBusy")
        await copy(*arguments)

    scene.services.blobs.put_from_url = busy
    await scene.tick()
    await scene.pass_time(HOUR)
    assert asked[11] - asked[0] > DEAD_AFTER
    assert max(silent) < DEAD_AFTER / 2
    assert len(scene.world.points_of(scene.disk)) == 1


@pytest.mark.parametrize("status", [503, 403])
async def test_a_run_outlasts_a_table_that_can_not_be_read_for_longer_than_a_queue_tries(
    status: int,
) -> None:
    scene = Scene()
    await scene.tick()
    get, until = scene.services.records.get, scene.world.now + timedelta(minutes=20)

    async def refused(disk: Any) -> Any:
        if scene.world.now < until:
            raise refusal(status, "ServerBusy" if status == 503 else "AuthorizationPermissionMismatch")
        return await get(disk)

    scene.services.records.get = refused
    await scene.pass_time(timedelta(hours=2))
    assert len(scene.world.points_of(scene.disk)) == 1
    assert not scene.waiting()


@pytest.mark.nightly
async def test_a_run_whose_backup_blob_is_busy_for_days_is_tried_again_and_then_gives_way_to_the_next() -> None:
    scene = Scene()

    async def busy(*_: Any, **__: Any) -> NoReturn:
        raise refusal(503, "ServerBusy")

    scene.services.blobs.put_from_url = busy
    for _ in range(5):
        await scene.tick()
        await scene.pass_time(DAY / 2)
        assert sum(scene.waiting().values()) <= MOST_MESSAGES
    assert scene.snapshots_taken() > 1, "the first run was given up, and another has begun"


async def test_a_copy_that_the_service_refuses_for_days_has_no_more_messages_each_day() -> None:
    scene = Scene("full")
    scene.world.source_answers = 500
    for _ in range(8):
        await scene.tick()
        await scene.pass_time(DAY / 2)
        assert sum(scene.waiting().values()) <= MOST_MESSAGES
    record = scene.world.record(scene.disk)
    assert record
    assert scene.snapshots_taken() > 1, "the first run was given up, and another has begun"

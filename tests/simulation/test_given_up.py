"""What a queue gives up is put on record, with what to do where a person has to; and what was under way goes on."""

import json
from datetime import timedelta
from typing import Any, NoReturn

import pytest

from shared.azure.queues import POISON_SUFFIX, QUEUES
from shared.jobs.poison import report_poison
from shared.jobs.request import request_job
from shared.model.job import JobKind, Stage
from shared.model.names import (
    COMPARE_PARTS_QUEUE,
    CONTINUE_INSPECTION_QUEUE,
    CONTINUE_RESTORE_QUEUE,
    DRILL_QUEUE,
    FINISH_BACKUP_QUEUE,
    PLAN_CHANGES_QUEUE,
    REBUILD_CATALOGUE_QUEUE,
    REPORT_TICK_QUEUE,
    RESTORE_REQUESTS_QUEUE,
    VERIFY_QUEUE,
)
from shared.model.retry_policy import MIN_FAILURES
from tests.simulation.scenes import Scene
from tests.simulation.small import make_small

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
STEPS = tuple(queue for queue in QUEUES if queue != REBUILD_CATALOGUE_QUEUE)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


async def backed_up() -> Scene:
    scene = Scene()
    await scene.tick()
    await scene.pass_time(HOUR)
    return scene


def ask(scene: Scene, queue: str, **request: Any) -> str:
    return scene.world.enqueue(queue, request_of(scene, **request))


def request_of(scene: Scene, **request: Any) -> bytes:
    return json.dumps({"disk": scene.disk.url, "point": "latest", **request}).encode()


def give_up_first(scene: Scene, queue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the next message of a queue given up, as though its worker died each time."""
    enqueue = scene.world.enqueue

    def enqueue_or_give_up(name: str, body: bytes, delay: timedelta = timedelta()) -> str:
        if name != queue:
            return enqueue(name, body, delay)
        monkeypatch.setattr(scene.world, "enqueue", enqueue)
        return enqueue(f"{queue}{POISON_SUFFIX}", body)

    monkeypatch.setattr(scene.world, "enqueue", enqueue_or_give_up)


@pytest.mark.parametrize("queue", [PLAN_CHANGES_QUEUE, FINISH_BACKUP_QUEUE])
async def test_a_run_of_which_a_message_is_given_up_says_so_and_is_finished_from_its_own_snapshot(
    queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene()
    give_up_first(scene, queue, monkeypatch)
    await scene.tick()
    await scene.pass_time(timedelta(seconds=10))
    [first] = scene.world.own_snapshots(scene.disk)
    record = scene.world.record(scene.disk)
    assert record is not None
    assert "the worker died each time" in record.last_error
    await scene.pass_time(HOUR)
    await scene.tick()
    await scene.pass_time(HOUR)
    assert first in [point.time for point in scene.world.points_of(scene.disk)]
    assert not scene.waiting()


async def test_a_message_that_is_given_up_late_changes_nothing_of_a_run_that_is_sealed() -> None:
    scene = Scene()
    await scene.tick()
    [plan] = [message for message in scene.world.messages if message.queue == PLAN_CHANGES_QUEUE]
    await scene.pass_time(HOUR)
    sealed = scene.world.record(scene.disk)
    scene.world.enqueue(f"{PLAN_CHANGES_QUEUE}{POISON_SUFFIX}", plan.body)
    await scene.pass_time(HOUR)
    assert scene.world.record(scene.disk) == sealed


@pytest.mark.parametrize("queue", [VERIFY_QUEUE, DRILL_QUEUE])
async def test_an_inspection_that_could_not_be_asked_for_is_refused_with_what_to_do(queue: str) -> None:
    scene = await backed_up()
    ask(scene, f"{queue}{POISON_SUFFIX}")
    await scene.pass_time(MINUTE)
    [(row, _)] = scene.world.inspections.values()
    assert row.state is Stage.REFUSED
    assert "What to do: send the request again" in row.reason
    record = scene.world.record(scene.disk)
    assert record is not None
    assert record.last_error == row.reason


async def test_a_restore_that_could_not_be_asked_for_is_refused_with_what_to_do() -> None:
    scene = await backed_up()
    ask(scene, f"{RESTORE_REQUESTS_QUEUE}{POISON_SUFFIX}")
    await scene.pass_time(MINUTE)
    [restore] = scene.world.restore_rows()
    assert restore.state is Stage.REFUSED
    assert "What to do: send the request again" in restore.reason


@pytest.mark.parametrize("queue", [CONTINUE_INSPECTION_QUEUE, COMPARE_PARTS_QUEUE])
async def test_an_inspection_of_which_a_message_is_given_up_goes_on_to_its_end(
    queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = await backed_up()
    give_up_first(scene, queue, monkeypatch)
    ask(scene, VERIFY_QUEUE)
    await scene.pass_time(MINUTE)
    [(row, _)] = scene.world.inspections.values()
    assert "the worker died each time" in row.last_error
    await scene.pass_time(6 * HOUR)
    await scene.tick()
    await scene.pass_time(6 * HOUR)
    [(row, _)] = scene.world.inspections.values()
    assert row.state is Stage.DONE
    assert not scene.waiting()


async def test_a_restore_of_which_a_message_is_given_up_goes_on_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = await backed_up()
    give_up_first(scene, CONTINUE_RESTORE_QUEUE, monkeypatch)
    ask(scene, RESTORE_REQUESTS_QUEUE)
    await scene.pass_time(timedelta(seconds=10))
    [restore] = scene.world.restore_rows()
    assert "the worker died each time" in restore.last_error
    await scene.pass_time(HOUR)
    [restore] = scene.world.restore_rows()
    assert restore.state is Stage.DONE
    assert not scene.waiting()


@pytest.mark.parametrize("kind", JobKind)
async def test_a_job_whose_worker_dies_at_every_step_for_a_day_ends_without_another(kind: JobKind) -> None:
    scene = await backed_up()
    request = json.dumps({"disk": scene.disk.url, "point": "latest"}).encode()
    await request_job(scene.services, kind, request, "asked")
    [message] = [found for found in scene.world.messages if found.queue.startswith("continue-")]
    for _ in range(MIN_FAILURES):
        scene.world.messages.clear()
        scene.world.now += timedelta(hours=7)
        await report_poison(scene.services, message.queue, message.body, "given-up")
    scene.services.records.point_times = died
    await scene.pass_time(timedelta(minutes=5))
    rows = [*scene.world.restore_rows(), *(found for found, _ in scene.world.inspections.values())]
    assert [row.state for row in rows] == [Stage.FAILED]
    assert "every step has failed since" in rows[0].reason
    assert "the step was tried again" not in rows[0].reason


async def died(*_: Any) -> NoReturn:
    """Be the step that nobody has come back from."""
    raise AssertionError("the step was tried again")


async def test_a_tick_whose_message_is_given_up_is_told_of_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    give_up_first(scene, REPORT_TICK_QUEUE, monkeypatch)
    await scene.tick()
    assert not scene.world.heartbeats
    await scene.pass_time(HOUR)
    assert len(scene.world.heartbeats) == 1


@pytest.mark.parametrize("queue", STEPS)
async def test_what_nobody_can_read_is_kept_with_its_queue_and_what_is_wrong_with_it(queue: str) -> None:
    scene = Scene()
    scene.world.enqueue(f"{queue}{POISON_SUFFIX}", b'{"disk": "nowhere')
    await scene.pass_time(MINUTE)
    [kept] = scene.world.poison.values()
    assert kept["queue"] == queue
    assert kept["reason"]
    assert kept["body"] == '{"disk": "nowhere'


async def test_what_no_disk_is_named_in_is_kept_with_its_queue() -> None:
    scene = Scene()
    scene.world.enqueue(f"{REBUILD_CATALOGUE_QUEUE}{POISON_SUFFIX}", b"please")
    await scene.pass_time(MINUTE)
    [kept] = scene.world.poison.values()
    assert (kept["queue"], kept["body"]) == (REBUILD_CATALOGUE_QUEUE, "please")

"""Source snapshots that are refused at one tick after another, or while the app itself is disturbed."""

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

import pytest

from shared.model import retry_policy
from shared.model.messages import PlanMessage, TickMessage
from shared.model.names import REPORT_TICK_QUEUE
from shared.model.report import State
from tests.simulation.refusals import refusal
from tests.simulation.refused_snapshots import Refusing
from tests.simulation.reported import HALF_A_DAY, backed_up, disk
from tests.simulation.scenes import Scene
from tests.simulation.small import make_small

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)
    monkeypatch.setattr(retry_policy, "GIVE_UP_AFTER", timedelta(days=1))


@pytest.mark.parametrize("code", ["AuthorizationPermissionMismatch (403)", "ContainerNotFound (404)"])
async def test_a_disk_that_fails_does_so_until_it_is_backed_up_though_another_tick_tries(code: str) -> None:
    scene = Scene()
    name, _, status = code.partition(" ")
    first = Refusing(scene, refusal(int(status.strip("()")), name))
    await scene.tick()
    await scene.pass_time(HALF_A_DAY)
    assert (await disk(scene)).state is State.FAILING
    first.end()
    second = Refusing(scene, refusal(503, "ServerBusy"))
    await scene.tick()
    told = await disk(scene)
    assert (told.state, told.needs_attention) == (State.FAILING, True)
    assert "ServerBusy (503)" in told.reason
    second.end()
    await scene.pass_time(5 * MINUTE)
    assert (await disk(scene)).state is State.SAFE


async def test_a_refused_snapshot_is_tried_again_though_the_queue_was_away_when_the_tick_began() -> None:
    scene = await backed_up()
    Refusing(scene, refusal(503, "ServerBusy"), times=1)
    send, away = scene.services.queues.send, iter([True])

    async def refuse_once(message: Any, *others: Any) -> None:
        if isinstance(message, TickMessage) and next(away, False):
            raise refusal(503, "ServerBusy")
        await send(message, *others)

    scene.services.queues.send = refuse_once
    tick = scene.world.now
    await scene.tick()
    await scene.pass_time(10 * MINUTE)
    assert len(scene.world.points_of(scene.disk)) == 2
    assert tick in scene.world.heartbeats


@pytest.mark.parametrize("comes", ["an error", "the worker's death"])
async def test_a_run_that_is_opened_late_begins_within_minutes_whatever_comes_after_it_is_on_record(comes: str) -> None:
    scene = await backed_up()
    Refusing(scene, refusal(503, "ServerBusy"), times=1)
    tick = scene.world.now
    await scene.tick()
    send, lost = scene.services.queues.send, iter([True])

    async def lose_the_first_plan(message: Any, *others: Any) -> None:
        if isinstance(message, PlanMessage) and next(lost, False):
            raise refusal(503, "ServerBusy") if comes == "an error" else asyncio.CancelledError
        await send(message, *others)

    scene.services.queues.send = lose_the_first_plan
    with contextlib.suppress(asyncio.CancelledError):
        await scene.pass_time(30 * MINUTE)
    if comes != "an error":  # the queue delivers the dead worker's message again
        again = TickMessage(tick=tick, disks=1)
        scene.world.enqueue(REPORT_TICK_QUEUE, again.body.encode())
    await scene.pass_time(30 * MINUTE)
    assert len(scene.world.points_of(scene.disk)) == 2
    assert scene.snapshots_taken() == 2


async def test_a_disk_that_was_busy_is_caught_up_within_minutes_though_the_queue_is_away_just_then() -> None:
    scene = await backed_up()
    [done] = scene.world.points_of(scene.disk)
    await scene.tick()
    scene.world.now += timedelta(seconds=1)
    await scene.tick()
    [first] = [taken for taken in scene.world.own_snapshots(scene.disk) if taken > done.time]
    send, away = scene.services.queues.send, iter([True])

    async def refuse_its_plan(message: Any, *others: Any) -> None:
        if isinstance(message, PlanMessage) and message.run != first and next(away, False):
            raise refusal(503, "ServerBusy")
        await send(message, *others)

    scene.services.queues.send = refuse_its_plan
    await scene.pass_time(15 * MINUTE)
    assert len(scene.world.points_of(scene.disk)) == 3

"""Source snapshots that are refused at one tick after another, or while the app itself is disturbed."""

from datetime import timedelta
from typing import Any

import pytest

from shared.model import retry_policy
from shared.model.messages import TickMessage
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

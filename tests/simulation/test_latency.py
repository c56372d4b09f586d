"""From the tick to the recovery point of a disk with little change: nothing waits that need not wait."""

from datetime import timedelta

import pytest

from shared.backup import copy_ranges, plan_changes
from shared.model.names import REPORT_TICK_QUEUE
from tests.simulation.blobs import Blob
from tests.simulation.scenes import Scene
from tests.simulation.test_calls import HALF_A_DAY

SECOND = timedelta(seconds=1)


async def idle_times(scene: Scene) -> list[timedelta]:
    """Have the timer go off; give each time, until the recovery point, in which nothing is done."""
    await scene.tick()
    before, idle = len(scene.world.points_of(scene.disk)), list[timedelta]()
    while len(scene.world.points_of(scene.disk)) == before:
        due = min(found.visible_at for found in scene.world.messages if found.queue != REPORT_TICK_QUEUE)
        idle.append(max(timedelta(), due - scene.world.now))
        await scene.deliver_next()
    return idle


async def backed_up() -> Scene:
    scene = Scene()
    scene.world.blobs[scene.disk] = Blob([1, 2, None, 3] * 16, scene.world.number)
    await scene.tick()
    await scene.pass_time(HALF_A_DAY)
    return scene


@pytest.mark.parametrize("pages", [pytest.param((), id="none"), pytest.param((0,), id="one"), (0, 3, 16, 40)])
async def test_a_run_with_little_change_is_never_idle_for_more_than_a_second(pages: tuple[int, ...]) -> None:
    scene = await backed_up()
    for page in pages:
        scene.world.blobs[scene.disk].set(page, [1000 + page])
    began = scene.world.now
    idle = await idle_times(scene)
    assert sum(idle, timedelta()) <= SECOND
    assert scene.world.now - began < 3 * SECOND


async def test_nor_is_one_of_several_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_changes, "FIRST_TURN", timedelta())
    monkeypatch.setattr(copy_ranges, "TURN", timedelta())
    monkeypatch.setattr(copy_ranges, "TURNS", 1)
    scene = await backed_up()
    for page in range(0, 64, 4):
        scene.world.blobs[scene.disk].set(page, [1000 + page])
    idle = await idle_times(scene)
    assert scene.world.points_of(scene.disk)[-1].batches > 2
    assert max(idle) <= SECOND

"""`forget`: one recovery point is deleted, unless something needs it; no other in its place."""

from datetime import timedelta
from typing import Any

import pytest

from shared.model.job import Stage
from shared.model.names import MANAGE_QUEUE
from tests.simulation.operators import intents
from tests.simulation.scenes import Scene
from tests.simulation.small import make_small
from tests.simulation.test_manage import HOUR, MINUTE, about, ask, backed_up, outcome, points

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)
    monkeypatch.setattr("shared.model.retention.GOOD_POINTS", 2)


@pytest.fixture
async def scene() -> Scene:
    """Give a disk with four recovery points, three of them old enough to be deleted."""
    scene = await backed_up(3)
    scene.world.now += 3 * DAY
    await scene.tick()
    await scene.pass_time(HOUR)
    return scene


def backups(scene: Scene) -> list[str]:
    return sorted(scene.world.blobs[scene.world.backup_of(scene.disk)].snapshots)


async def test_a_recovery_point_is_forgotten_and_the_others_stay(scene: Scene) -> None:
    first, *others = points(scene)
    row = await outcome(scene, "forget", **about(scene, point=first.time))
    assert (row.state, row.outcome) == (Stage.DONE, f"recovery point {first.time} was deleted")
    assert points(scene) == others
    assert backups(scene) == [point.backup_snapshot for point in others]
    assert scene.world.violations == []


async def test_a_forget_whose_worker_dies_after_it_has_deleted_forgets_nothing_else(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *others = points(scene)

    async def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("shared.manage.carry_out._end", die)
        ask(scene, "forget", **about(scene, point=first.time))
        [message] = [found for found in scene.world.messages if found.queue == MANAGE_QUEUE]
        with pytest.raises(KeyboardInterrupt):
            await scene.pass_time(MINUTE)
    scene.world.messages.append(message)
    await scene.pass_time(MINUTE)
    [row] = intents(scene.world)
    assert (row.state, row.outcome) == (Stage.DONE, f"recovery point {first.time} was deleted before")
    assert points(scene) == others


async def test_a_time_that_no_recovery_point_has_forgets_none(scene: Scene) -> None:
    before = points(scene)
    row = await outcome(scene, "forget", **about(scene, point="2026-01-01T00:30:00Z"))
    assert row.state is Stage.REFUSED
    assert f"the last one before is {before[0].time}. What to do: name the one to delete by its own time" in row.reason
    assert points(scene) == before


@pytest.mark.parametrize("which", [-1, -2])
async def test_the_last_good_recovery_points_are_not_forgotten(scene: Scene, which: int) -> None:
    before = points(scene)
    row = await outcome(scene, "forget", **about(scene, point=before[which].time))
    assert row.state is Stage.REFUSED
    assert "can't be deleted: of the last 2 good points" in row.reason
    assert points(scene) == before


async def test_a_recovery_point_that_is_kept_is_not_forgotten_until_it_is_let_go_of(scene: Scene) -> None:
    first = points(scene)[0]
    await outcome(scene, "keep", **about(scene, point=first.time))
    row = await outcome(scene, "forget", **about(scene, point=first.time))
    assert row.state is Stage.REFUSED
    assert "kept" in row.reason
    await outcome(scene, "unkeep", **about(scene, point=first.time))
    row = await outcome(scene, "forget", **about(scene, point=first.time))
    assert row.state is Stage.DONE

"""What looks wrong though nothing failed is told once: per run, or per day."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from shared.model.messages import FinishMessage
from shared.model.names import FINISH_BACKUP_QUEUE, VERIFY_QUEUE
from shared.model.run import Kind
from shared.model.unusual import OVERDUE_AFTER
from tests.simulation.scenes import Scene
from tests.simulation.small import make_small

HALF_A_DAY = timedelta(hours=12)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


async def back_up(scene: Scene) -> None:
    await scene.tick()
    await scene.pass_time(HALF_A_DAY)


async def resync(scene: Scene) -> None:
    """Back the disk up after somebody has deleted its base snapshot."""
    record = scene.world.record(scene.disk)
    assert record
    del scene.world.blobs[scene.disk].snapshots[record.base_snapshot]
    await back_up(scene)


async def test_two_resyncs_in_a_row_are_told_once_however_often_the_run_is_cleaned_up_after(
    told: Callable[..., list[dict[str, Any]]],
) -> None:
    scene = Scene()
    await back_up(scene)
    await resync(scene)
    assert told("resync-again") == []
    await resync(scene)
    last = scene.world.points_of(scene.disk)[-1]
    assert last.kind is Kind.RESYNC
    again = FinishMessage(disk=scene.services.settings.source_disks[0].disk, run=last.time)
    scene.world.enqueue(FINISH_BACKUP_QUEUE, again.body.encode())
    await scene.pass_time(HALF_A_DAY)
    [event] = told("resync-again")
    assert (event["run"], "What to do: " in event["reason"]) == (last.time, True)
    await back_up(scene)
    assert len(told("resync-again")) == 1


@pytest.mark.parametrize("schedule", ["0 0 3 1 * *", ""])
async def test_a_disk_that_nothing_has_looked_at_for_long_is_told_once_a_day_if_anything_should(
    schedule: str, told: Callable[..., list[dict[str, Any]]]
) -> None:
    scene = Scene()
    with_schedule = scene.services.settings.model_copy(update={"verify_schedule": schedule})
    object.__setattr__(scene.services, "settings", with_schedule)
    await back_up(scene)
    await scene.pass_time(OVERDUE_AFTER)
    assert told("inspection-overdue") == []
    for _ in range(4):
        await back_up(scene)
    overdue = told("inspection-overdue")
    assert [event["disk"] for event in overdue] == ([scene.disk.url] * 2 if schedule else [])
    scene.world.enqueue(VERIFY_QUEUE, json.dumps({"disk": scene.disk.url, "point": "latest"}).encode())
    await scene.pass_time(HALF_A_DAY)
    for _ in range(4):
        await back_up(scene)
    assert len(told("inspection-overdue")) == len(overdue)

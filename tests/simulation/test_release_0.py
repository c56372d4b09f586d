"""Whoever upgrades from the release before any schema was told loses nothing: all that was under way goes on."""

from datetime import timedelta

import pytest

from shared.model.job import Stage
from shared.model.messages import RestoreMessage
from shared.model.names import CONTINUE_RESTORE_QUEUE
from shared.model.point import PointState
from shared.model.schema import SCHEMA
from tests.data.recorded import RELEASE_0, messages
from tests.simulation import model, ticks
from tests.simulation.recorded import upgraded
from tests.simulation.scenes import Scene
from tests.simulation.small import make_small
from tests.simulation.world import DISKS, LAB

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


@pytest.fixture
async def gone_on() -> Scene:
    """Give what has become of the storage some hours after the upgrade; no tick of the timer has come yet."""
    scene = upgraded(RELEASE_0)
    await scene.pass_time(6 * HOUR)
    assert scene.world.violations == []
    return scene


async def test_a_run_that_was_open_is_sealed_from_its_own_source_snapshot(gone_on: Scene) -> None:
    world = upgraded(RELEASE_0).world
    for name in ("new", "mail", "db", "files", "wiki", "archive"):
        disk = DISKS.blob(f"{name}.vhd")
        before = world.record(disk)
        assert before, name
        assert before.run, name
        assert before.run.snapshot in [point.time for point in gone_on.world.points_of(disk)], name


async def test_every_restore_that_was_under_way_is_done(gone_on: Scene) -> None:
    began = [row.restore for row in upgraded(RELEASE_0).world.restore_rows() if not row.has_ended]
    states = {row.restore: row.state for row in gone_on.world.restore_rows()}
    assert len(began) == 4
    assert {states[restore] for restore in began} == {Stage.DONE}


async def test_what_people_had_asked_for_is_done_and_what_a_message_carried_too(gone_on: Scene) -> None:
    [carried] = [
        message.restore
        for message in map(RestoreMessage.read, messages(RELEASE_0)[CONTINUE_RESTORE_QUEUE])
        if message.request
    ]
    states = {str(row.target): row.state for row in gone_on.world.restore_rows()}
    assert [states[LAB.blob(f"{name}.vhd").url] for name in ("asked", "asked-2", "carried")] == [Stage.DONE] * 3
    assert carried in {row.restore for row in gone_on.world.restore_rows()}


async def test_every_inspection_that_was_under_way_comes_to_its_end(gone_on: Scene) -> None:
    inspections = [found for found, _ in gone_on.world.inspections.values()]
    assert len(inspections) > len(upgraded(RELEASE_0).world.inspections), "those that were asked for"
    assert all(found.has_ended for found in inspections)


async def test_what_is_known_of_recovery_points_stays_known(gone_on: Scene) -> None:
    states = {point.time: point.state for point in gone_on.world.points_of(DISKS.blob("web.vhd"))}
    assert {states[time] for time in states if time < "2026-11-02T12"} == set(PointState) - {PointState.DELETING}


async def test_after_the_next_tick_every_disk_is_backed_up_by_this_schema_and_nothing_is_left_behind(
    gone_on: Scene,
) -> None:
    world, tick = gone_on.world, gone_on.world.now
    await gone_on.tick()
    await gone_on.pass_time(6 * HOUR)
    assert world.violations == []
    assert list(ticks.wrong_after_tick(world, tick)) == []
    # What had ended says what the release before wrote: a refusal of it has no advice.
    ended = tuple(row.restore for row in upgraded(RELEASE_0).world.restore_rows() if row.has_ended)
    assert [wrong for wrong in model.wrong_at_rest(world) if not wrong.startswith(ended)] == []
    due = model.backed_up(world, gone_on.services.settings)
    assert len(due) > 10
    assert [disk.name for disk in due if max(point.time for point in world.points_of(disk)) < tick.isoformat()] == []
    rows = [world.records[disk.key][0] for disk in due]
    assert {row.get("schema") for row in rows} == {SCHEMA}

"""Source snapshots that can be read only after a while: a run waits for its own, and nothing else does."""

from datetime import timedelta
from itertools import chain, repeat
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from shared.backup import plan_changes
from shared.errors import DiskError
from shared.model.job import Stage
from shared.model.report import State
from tests.simulation.reported import backed_up, disk
from tests.simulation.small import make_small

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


async def test_a_run_waits_until_its_source_snapshot_can_be_read_and_is_sealed_then() -> None:
    scene = await backed_up()
    scene.world.takes = repeat(3 * HOUR).__next__
    await scene.tick()
    await scene.pass_time(2 * HOUR)
    record = scene.world.record(scene.disk)
    assert record
    assert record.run
    assert (record.run.state, record.run.reason) == (Stage.REQUESTED, "it is not ready")
    assert (await disk(scene)).state is State.RUNNING
    await scene.pass_time(2 * HOUR)
    assert len(scene.world.points_of(scene.disk)) == 2
    assert (await disk(scene)).state is State.SAFE
    assert scene.world.violations == []


async def test_what_is_slower_than_the_ticks_is_waited_for_and_the_next_snapshot_is_taken_after_it() -> None:
    scene = await backed_up()
    scene.world.takes = repeat(20 * HOUR).__next__
    await scene.tick()
    await scene.pass_time(12 * HOUR)
    taken = scene.snapshots_taken()
    await scene.tick()
    assert scene.snapshots_taken() == taken, "a run is open"
    await scene.pass_time(12 * HOUR)
    assert len(scene.world.points_of(scene.disk)) == 2
    assert scene.snapshots_taken() <= taken + 1
    assert scene.world.violations == []


async def test_a_run_whose_source_snapshot_is_gone_while_it_waits_is_given_up() -> None:
    scene = await backed_up()
    scene.world.takes = repeat(3 * HOUR).__next__
    await scene.tick()
    record = scene.world.record(scene.disk)
    assert record
    assert record.run
    del scene.world.blobs[scene.disk].snapshots[record.run.snapshot]
    scene.world.readable.clear()
    await scene.pass_time(HOUR)
    record = scene.world.record(scene.disk)
    assert record
    assert record.run is None


async def test_a_run_whose_source_snapshot_can_never_be_read_is_given_up_and_the_next_tick_takes_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = await backed_up()

    async def denied(*_: object) -> str:
        raise DiskError("its network access is off. What to do: exempt the resource group")

    with monkeypatch.context() as policy:
        policy.setattr(type(scene.services.disks), "pending", denied)
        await scene.tick()
        await scene.pass_time(HOUR)
    record, told = scene.world.record(scene.disk), await disk(scene)
    assert record
    assert record.run is None
    assert (told.state, "exempt the resource group" in told.reason) == (State.FAILING, True)
    assert list(scene.world.blobs[scene.disk].snapshots) == [record.base_snapshot], "what can't be read is deleted"
    await scene.pass_time(11 * HOUR)
    await scene.tick()
    await scene.pass_time(HOUR)
    assert len(scene.world.points_of(scene.disk)) == 2
    assert (await disk(scene)).state is State.SAFE


async def test_a_run_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_changes, "WAITS_AT_MOST", 6 * HOUR)
    scene = await backed_up()
    scene.world.takes = chain([10_000 * HOUR], repeat(0 * HOUR)).__next__
    await scene.tick()
    await scene.pass_time(7 * HOUR)
    told = await disk(scene)
    assert (told.state, "still can't be read" in told.reason) == (State.FAILING, True)
    await scene.pass_time(5 * HOUR)
    await scene.tick()
    await scene.pass_time(HOUR)
    assert len(scene.world.points_of(scene.disk)) == 2
    assert (await disk(scene)).state is State.SAFE


async def test_an_error_that_has_passed_is_no_trouble_of_a_run_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = await backed_up()
    scene.world.takes = repeat(5 * HOUR).__next__
    ask, is_busy = scene.services.disks.pending, iter([True])

    async def busy_at_first(_: object, *asked: Any) -> Any:
        if next(is_busy, False):
            raise HttpResponseError("busy")
        return await ask(*asked)

    monkeypatch.setattr(type(scene.services.disks), "pending", busy_at_first)
    await scene.tick()
    await scene.pass_time(3 * HOUR)
    told = await disk(scene)
    assert (told.state, told.trouble) == (State.RUNNING, "")

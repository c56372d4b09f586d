"""A run that no tick asked for: a recovery point like any other, and the ticks are none the wiser."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.model.disk import PageBlobDisk
from shared.model.names import MANAGE_QUEUE
from shared.runs.open_run import open_run
from tests.simulation.refusals import refusal
from tests.simulation.scenes import Scene
from tests.simulation.small import make_small

HALF_A_DAY = timedelta(hours=12)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


async def backed_up() -> tuple[Scene, PageBlobDisk]:
    scene = Scene()
    await scene.tick()
    await scene.pass_time(HALF_A_DAY)
    return scene, PageBlobDisk(scene.disk)


async def test_a_run_without_a_tick_changes_no_tick_on_record() -> None:
    scene, disk = await backed_up()
    before = scene.world.record(scene.disk)
    assert before
    snapshot = await scene.services.disks.take_snapshot(disk)
    assert await open_run(scene.services, disk, snapshot)
    await scene.pass_time(HALF_A_DAY)
    after = scene.world.record(scene.disk)
    assert after
    assert after.last_point == snapshot
    ticks = ("first_tick", "last_tick", "missed_tick", "late_tick", "point_tick")
    assert [getattr(after, name) for name in ticks] == [getattr(before, name) for name in ticks]
    assert scene.world.violations == []


async def test_a_source_snapshot_that_can_not_be_read_is_not_left_each_time_its_run_is_asked_for_again() -> None:
    scene, _ = await backed_up()
    properties = scene.services.pages.properties

    async def refuse_of_the_disk(version: Any) -> Any:
        if version.blob == scene.disk:
            raise refusal(403, "AuthorizationPermissionMismatch")
        return await properties(version)

    scene.services.pages.properties = refuse_of_the_disk
    scene.world.enqueue(MANAGE_QUEUE, json.dumps({"do": "backup", "disk": scene.disk.url}).encode())
    await scene.pass_time(timedelta(minutes=20))
    assert scene.snapshots_taken() > 5
    assert len(scene.world.blobs[scene.disk].snapshots) == 1, "the base"
    scene.services.pages.properties = properties
    await scene.pass_time(timedelta(minutes=20))
    assert len(scene.world.points_of(scene.disk)) == 2
    assert scene.world.violations == []


@pytest.mark.parametrize("named", ["the restore that holds it", "another restore", ""])
async def test_a_disk_that_a_restore_holds_gets_only_the_run_that_this_restore_asks_for(named: str) -> None:
    scene, disk = await backed_up()
    await scene.services.records.update(disk, lambda record: replace(record, restore="first", restore_of=disk))
    snapshot = await scene.services.disks.take_snapshot(disk)
    restore = {"the restore that holds it": "first", "another restore": "second"}.get(named, "")
    assert await open_run(scene.services, disk, snapshot, restore=restore) is (restore == "first")
    assert (snapshot in scene.world.blobs[scene.disk].snapshots) is (restore == "first")

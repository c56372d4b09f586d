"""Whatever becomes of the index, every disk is backed up and found; what hands have done to it is mended by a tick."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, NoReturn

import pytest

from shared.model.disk import PageBlobDisk
from shared.model.index import COMPLETE_ROW, is_settled, settled
from tests.simulation.blobs import Blob
from tests.simulation.index import wrong_index
from tests.simulation.refusals import refusal
from tests.simulation.scenes import Scene
from tests.simulation.small import make_small
from tests.simulation.world import LAB

HALF_A_DAY = timedelta(hours=12)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


@pytest.fixture
async def scene() -> Scene:
    """Give a scene with two disks that are backed up: one that the settings name, and one that was restored."""
    scene = Scene()
    adopted = LAB.blob("adopted.vhd")
    scene.world.blobs[adopted] = Blob([4, 5], scene.world.number)
    await scene.tick()
    await scene.pass_time(HALF_A_DAY)
    record = scene.world.record(scene.disk)
    assert record
    new = replace(record, disk=PageBlobDisk(adopted), backup_blob=scene.world.backup_of(adopted), adopted=True)
    await scene.services.records.put(
        PageBlobDisk(adopted), replace(new, base_snapshot="", last_point="", backup_etag=""), None
    )
    await scene.tick()
    await scene.pass_time(HALF_A_DAY)
    assert len(scene.world.points_of(adopted)) == 1
    return scene


async def refuse(*_: Any, **__: Any) -> NoReturn:
    raise refusal(403, "AuthorizationPermissionMismatch")


def settled_keys(scene: Scene) -> set[str]:
    return {key for key, row in scene.world.index.items() if is_settled(row.values)}


async def test_after_a_tick_every_disk_is_settled(scene: Scene) -> None:
    assert settled_keys(scene) == set(scene.world.records)
    assert list(wrong_index(scene.world)) == []


async def test_a_lost_index_is_made_anew_and_no_disk_is_forgotten(scene: Scene) -> None:
    scene.world.index.clear()
    await scene.tick()
    assert COMPLETE_ROW in scene.world.index
    await scene.pass_time(HALF_A_DAY)
    assert len(scene.world.points_of(scene.disk)) == 3
    assert len(scene.world.points_of(LAB.blob("adopted.vhd"))) == 2
    assert settled_keys(scene) == set(scene.world.records)
    assert scene.world.violations == []


async def test_a_lost_index_is_made_anew_by_a_look_in_the_middle_of_a_run(scene: Scene) -> None:
    await scene.tick()
    scene.world.index.clear()
    await scene.pass_time(HALF_A_DAY)
    assert len(scene.world.heartbeats) == 3
    assert COMPLETE_ROW in scene.world.index
    assert list(wrong_index(scene.world)) == []
    await scene.tick()
    await scene.pass_time(HALF_A_DAY)
    assert settled_keys(scene) == set(scene.world.records)
    assert scene.world.violations == []


async def test_a_disk_that_is_missing_in_the_index_is_put_back_by_a_tick(scene: Scene) -> None:
    del scene.world.index[PageBlobDisk(scene.disk).key]
    assert list(wrong_index(scene.world)) == [f"{scene.disk.url} is not in the index"]
    scene.services.disks.take_snapshot = refuse  # a run would put it back too
    scene.services.records.update = refuse  # and so would the failure
    await scene.tick()
    assert list(wrong_index(scene.world)) == []


async def test_a_disk_whose_record_was_deleted_by_hand_is_listed_no_more_after_a_tick(scene: Scene) -> None:
    adopted = LAB.blob("adopted.vhd")
    del scene.world.records[PageBlobDisk(adopted).key]
    await scene.tick()
    assert list(await scene.services.records.disks()) == [PageBlobDisk(scene.disk)]


async def test_a_record_that_changes_between_two_lists_is_never_told_as_it_was(scene: Scene) -> None:
    adopted, listed = PageBlobDisk(LAB.blob("adopted.vhd")), PageBlobDisk(scene.disk)
    record = scene.world.record(adopted.address)
    assert record
    assert settled(record)["adopted"] is True
    await scene.services.records.update(adopted, lambda now: replace(now, adopted=False))
    found = await scene.services.records.disks()
    assert {disk: summary.was_restored for disk, summary in found.items()} == {listed: False, adopted: False}

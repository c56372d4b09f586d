"""`orphans`: what no row knows is listed, and deleted when that list is approved; all else stays."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.model.disk import PageBlobDisk
from shared.model.job import Stage
from shared.model.names import BACKUP_METADATA, DISK_METADATA, TAKEN_METADATA
from shared.model.point import RecoveryPoint
from tests.simulation.scenes import Scene
from tests.simulation.services import HOST
from tests.simulation.small import make_small
from tests.simulation.test_manage import backed_up, outcome, points
from tests.simulation.world import OWN, place_of

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


async def with_orphans(*, of_points: int = 1) -> tuple[Scene, list[RecoveryPoint], str]:
    """Give a scene in which the rows of recovery points are lost, and a run has left a source snapshot behind."""
    scene = await backed_up(4)
    lost = points(scene)[:of_points]
    for point in lost:
        del scene.world.points[PageBlobDisk(scene.disk).key][point.row_key]
    about = {DISK_METADATA: scene.disk.url, BACKUP_METADATA: OWN.url, TAKEN_METADATA: scene.world.now.isoformat()}
    left = scene.world.snapshot(scene.disk, about)
    await scene.pass_time(8 * DAY)
    return scene, lost, left


def backups(scene: Scene) -> set[str]:
    return set(scene.world.blobs[scene.world.backup_of(scene.disk)].snapshots)


async def test_orphans_are_listed_and_deleted_when_their_list_is_approved() -> None:
    scene, [lost], left = await with_orphans()
    user = scene.world.snapshot(scene.disk, None)
    before = backups(scene)
    listed = await outcome(scene, "orphans")
    assert listed.outcome.startswith("2 orphans: ")
    assert f"{place_of(lost)}?snapshot={lost.backup_snapshot}" in listed.outcome
    assert f"{scene.disk}?snapshot={left}" in listed.outcome
    assert listed.outcome.endswith(f'send {{"do": "orphans", "approve": "{listed.subject}"}}')
    assert backups(scene) == before
    approved = await outcome(scene, "orphans", approve=listed.subject)
    assert approved.state is Stage.DONE
    assert backups(scene) == before - {lost.backup_snapshot}
    assert set(scene.world.blobs[scene.disk].snapshots) == {points(scene)[-1].source_snapshot, user}
    assert (await outcome(scene, "orphans")).outcome == "there are no orphans."


async def test_what_is_an_orphan_no_more_or_was_not_listed_is_not_deleted() -> None:
    scene, [lost], left = await with_orphans()
    listed = await outcome(scene, "orphans")
    scene.world.points[PageBlobDisk(scene.disk).key][lost.row_key] = lost
    other = points(scene)[1]
    del scene.world.points[PageBlobDisk(scene.disk).key][other.row_key]
    before = backups(scene)
    await outcome(scene, "orphans", approve=listed.subject)
    assert backups(scene) == before
    assert left not in scene.world.blobs[scene.disk].snapshots


async def test_a_list_that_nobody_has_made_can_not_be_approved() -> None:
    scene, _, left = await with_orphans()
    row = await outcome(scene, "orphans", approve="0123456789abcdef")
    assert row.state is Stage.REFUSED
    assert "no list has the hash 0123456789abcdef" in row.reason
    assert left in scene.world.blobs[scene.disk].snapshots


async def test_backups_of_a_disk_with_more_unknown_than_known_recovery_points_are_left_alone() -> None:
    scene, lost, left = await with_orphans(of_points=3)
    row = await outcome(scene, "orphans")
    assert left in row.outcome
    assert not any(point.backup_snapshot in row.outcome for point in lost)
    assert "Left alone, as more recovery points are unknown than on record: " in row.outcome
    assert "What to do: rebuild the catalogue" in row.outcome


async def test_snapshots_younger_than_a_week_are_no_orphans() -> None:
    scene, _, _ = await with_orphans()
    scene.world.now -= 2 * DAY
    assert (await outcome(scene, "orphans")).outcome == "there are no orphans."


async def test_nothing_of_a_busy_disk_is_deleted() -> None:
    scene, _, left = await with_orphans()
    listed = await outcome(scene, "orphans")
    before, disk = backups(scene), PageBlobDisk(scene.disk)
    await scene.services.records.update(disk, lambda record: replace(record, restore="one", restore_of=disk))
    await outcome(scene, "orphans", approve=listed.subject)
    assert backups(scene) == before
    assert left in scene.world.blobs[scene.disk].snapshots


async def test_orphans_and_backups_of_a_container_that_belongs_to_another_app_are_refused() -> None:
    scene, _, left = await with_orphans()
    listed = await outcome(scene, "orphans")
    other = scene.of_another_app(name="other-app", AzureWebJobsStorage=HOST.replace("host", "second"))
    other.world.intents.update(scene.world.intents)
    other.catch_up_with(scene)
    for fields in ({"do": "orphans", "approve": listed.subject}, {"do": "backup", "disk": scene.disk.url}):
        row = await outcome(other, **fields)
        assert row.state is Stage.REFUSED
        assert "belongs to" in row.reason
    assert left in scene.world.blobs[scene.disk].snapshots
    assert len(scene.world.own_snapshots(scene.disk)) == 2

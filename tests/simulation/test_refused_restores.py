"""A restore that can't be done is refused once: its row says why and what to do, and nothing is written."""

import json
from datetime import timedelta
from typing import Any

import pytest

from shared.model.addresses import BlobAddress
from shared.model.disk import PageBlobDisk
from shared.model.job import Stage
from shared.model.names import RESTORE_REQUESTS_QUEUE
from shared.model.point import PointState, RecoveryPoint
from shared.model.restore import Restore
from tests.simulation.blobs import Blob
from tests.simulation.scenes import Scene
from tests.simulation.small import make_small
from tests.simulation.world import DISKS

HOUR = timedelta(hours=1)
TARGET = DISKS.blob("restored.vhd")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


async def backed_up() -> Scene:
    scene = Scene()
    await scene.tick()
    await scene.pass_time(HOUR)
    return scene


async def refused(scene: Scene, disk: BlobAddress | None = None, **request: Any) -> Restore:
    """Ask for a restore, which is to be refused and to change no blob."""
    before = {address: (blob.etag, list(blob.pages)) for address, blob in scene.world.blobs.items()}
    body = {"disk": (disk or scene.disk).url, "point": "latest", **request}
    scene.world.enqueue(RESTORE_REQUESTS_QUEUE, json.dumps(body).encode())
    await scene.pass_time(HOUR)
    *_, restore = scene.world.restore_rows()
    assert restore.state is Stage.REFUSED
    assert "What to do: " in restore.reason
    assert {address: (blob.etag, list(blob.pages)) for address, blob in scene.world.blobs.items()} == before
    assert not scene.waiting()
    return restore


def damaged_on_record(scene: Scene) -> tuple[int, str]:
    """Give what the disk's record says of its damaged recovery points: how many, and the newest."""
    record = scene.world.record(scene.disk)
    assert record
    return record.damaged_points, record.damaged_point


async def test_a_disk_that_has_no_recovery_point_yet() -> None:
    restore = await refused(Scene())
    assert "it has no recovery point yet" in restore.reason


async def test_a_disk_that_nobody_knows() -> None:
    restore = await refused(await backed_up(), DISKS.blob("unknown.vhd"))
    assert "it is not in SOURCE_DISKS and has no record" in restore.reason


async def test_a_time_before_the_oldest_recovery_point() -> None:
    scene = await backed_up()
    restore = await refused(scene, point="2020-01-01T00:00:00Z")
    [point] = scene.world.points_of(scene.disk)
    assert f"the oldest is {point.time}" in restore.reason


async def test_a_target_that_is_there() -> None:
    scene = await backed_up()
    scene.world.blobs[TARGET] = Blob([9] * 4, scene.world.number)
    restore = await refused(scene, target=TARGET.url)
    assert restore.reason.startswith(f"{TARGET.url} already exists. What to do: choose another target")


async def test_a_target_that_is_in_an_account_of_which_no_setting_speaks() -> None:
    elsewhere = TARGET.url.replace(TARGET.account, "strangers")
    restore = await refused(await backed_up(), target=elsewhere)
    assert restore.reason


async def test_a_target_that_another_restore_is_under_way_to() -> None:
    scene = await backed_up()
    first = scene.world.enqueue(
        RESTORE_REQUESTS_QUEUE, json.dumps({"disk": scene.disk.url, "point": "latest", "target": TARGET.url}).encode()
    )
    while not (TARGET in scene.world.blobs and scene.world.blobs[TARGET].lease):
        await scene.pass_time(timedelta(seconds=1))
        assert scene.world.messages, "the first restore has ended"
    second = scene.world.enqueue(
        RESTORE_REQUESTS_QUEUE, json.dumps({"disk": scene.disk.url, "point": "latest", "target": TARGET.url}).encode()
    )
    await scene.pass_time(HOUR)
    found = {restore.restore: restore for restore in scene.world.restore_rows()}
    assert found[first].state is Stage.DONE
    assert found[second].state is Stage.REFUSED
    assert f" to {TARGET.url} is already under way" in found[second].reason


async def test_a_recovery_point_whose_blob_somebody_has_resized() -> None:
    scene = await backed_up()
    [point] = scene.world.points_of(scene.disk)
    backup = scene.world.blobs[scene.world.backup_of(scene.disk)]
    held = backup.snapshots[point.backup_snapshot]
    backup.snapshots[point.backup_snapshot] = held._replace(pages=(*held.pages, None))
    restore = await refused(scene)
    assert "it was changed outside Tidemark" in restore.reason


async def test_a_recovery_point_whose_snapshot_was_deleted() -> None:
    scene = await backed_up()
    [point] = scene.world.points_of(scene.disk)
    backup = scene.world.backup_of(scene.disk)
    del scene.world.blobs[backup].snapshots[point.backup_snapshot]
    restore = await refused(scene)
    assert f"{point.time} of {scene.disk.url} was deleted outside Tidemark" in restore.reason
    assert (
        f"az storage blob undelete --account-name {backup.account} --auth-mode login --container-name"
        f" {backup.container} --name {backup.blob}"
    ) in restore.reason
    assert "use another recovery point" in restore.reason
    assert damaged_on_record(scene) == (1, point.time)


async def test_a_recovery_point_that_is_on_record_as_deleted_until_it_is_undeleted() -> None:
    scene = await backed_up()
    [point] = scene.world.points_of(scene.disk)
    snapshots = scene.world.blobs[scene.world.backup_of(scene.disk)].snapshots
    deleted = snapshots.pop(point.backup_snapshot)
    await scene.tick()
    await scene.pass_time(HOUR)
    [lost, _] = scene.world.points_of(scene.disk)
    assert (lost.state, lost.lost) == (PointState.DAMAGED, True)
    assert damaged_on_record(scene) == (1, point.time)
    for allow in (False, True):
        restore = await refused(scene, point=point.time, allowDamaged=allow)
        assert "az storage blob undelete" in restore.reason
    snapshots[point.backup_snapshot] = deleted
    asked = {"disk": scene.disk.url, "point": point.time, "target": TARGET.url}
    scene.world.enqueue(RESTORE_REQUESTS_QUEUE, json.dumps(asked).encode())
    await scene.pass_time(HOUR)
    *_, restore = scene.world.restore_rows()
    [found, _] = scene.world.points_of(scene.disk)
    assert restore.state is Stage.DONE
    assert (found.state, found.lost, found.damage) == (PointState.SEALED, False, "")
    assert damaged_on_record(scene) == (0, "")


async def test_a_damaged_recovery_point_that_was_deleted_too_stays_damaged_when_it_is_undeleted() -> None:
    scene = await backed_up()
    [point] = scene.world.points_of(scene.disk)
    damaged = point.as_damaged("bytes 0-511 differ", scene.world.now)
    scene.world.points[PageBlobDisk(scene.disk).key][point.row_key] = damaged
    snapshots = scene.world.blobs[scene.world.backup_of(scene.disk)].snapshots
    deleted = snapshots.pop(point.backup_snapshot)
    assert "was deleted outside Tidemark" in (await refused(scene, allowDamaged=True)).reason
    assert _known(scene.world.points_of(scene.disk)) == _known([damaged])
    snapshots[point.backup_snapshot] = deleted
    assert "bytes 0-511 differ" in (await refused(scene)).reason
    assert _known(scene.world.points_of(scene.disk)) == _known([damaged])


def _known(points: list[RecoveryPoint]) -> list[tuple[PointState, str, bool]]:
    return [(point.state, point.damage, point.lost) for point in points]

"""A trial makes a disk that is not backed up, and nothing else; the disk expires unless somebody has made it theirs."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NoReturn

import pytest

from shared.model.addresses import BlobAddress
from shared.model.job import Stage
from shared.model.names import MANAGE_QUEUE, RESTORE_REQUESTS_QUEUE
from shared.model.restore import Restore
from shared.model.run import SERVER_SIDE
from tests.simulation.blobs import ABORTED, Blob, same_content
from tests.simulation.refusals import refusal
from tests.simulation.scenes import Scene
from tests.simulation.small import make_small
from tests.simulation.world import DISKS, LAB, VM, World

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TRIAL = LAB.blob("trial.vhd")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


async def backed_up(mode: str = "incremental") -> Scene:
    scene = Scene(mode)
    await scene.tick()
    await scene.pass_time(HOUR)
    return scene


def ask(scene: Scene, target: BlobAddress = TRIAL, **more: Any) -> None:
    body = {"disk": scene.disk.url, "point": "latest", "target": target.url, "adopt": False, **more}
    scene.world.enqueue(RESTORE_REQUESTS_QUEUE, json.dumps(body).encode())


def row(scene: Scene) -> Restore:
    *_, last = scene.world.restore_rows()
    return last


async def expiring(scene: Scene, expires: str = "7d") -> Restore:
    """Make a trial whose disk expires."""
    ask(scene, expires=expires)
    await scene.pass_time(HOUR)
    assert row(scene).state is Stage.EXPIRING, row(scene).reason
    return row(scene)


def traces(scene: Scene) -> list[object]:
    """List what there is of a disk beside itself: its record, snapshots, lease, recovery points and backup blob."""
    blob = scene.world.blobs[TRIAL]
    backup = [address for address in scene.world.blobs if address == scene.world.backup_of(TRIAL)]
    return [scene.world.record(TRIAL), blob.snapshots, blob.lease, scene.world.points_of(TRIAL), backup]


@pytest.mark.parametrize("mode", ["incremental", "full"])
@pytest.mark.parametrize("way", ["by the service", "through the function"])
async def test_a_trial_is_the_recovery_point_and_leaves_nothing_but_its_disk(mode: str, way: str) -> None:
    scene = await backed_up(mode)
    if way != "by the service":
        scene.world.source_answers = 403
    [point] = scene.world.points_of(scene.disk)
    ask(scene)
    await scene.pass_time(HOUR)
    assert (row(scene).state, row(scene).reason) == (Stage.DONE, "")
    assert (row(scene).copying == SERVER_SIDE) is (way == "by the service")
    assert same_content(scene.world.blobs[TRIAL].pages, scene.world.held[point.time])
    assert "matches the recovery point" in row(scene).proof
    assert "its backup blob" not in row(scene).proof
    await scene.tick()
    await scene.pass_time(DAY)
    assert traces(scene) == [None, {}, "", [], []]
    assert scene.world.violations == []


async def test_a_trial_is_usable_until_it_expires_and_then_its_disk_is_deleted() -> None:
    scene = await backed_up()
    restore = await expiring(scene)
    for _ in range(13):
        await scene.tick()
        await scene.pass_time(DAY / 2)
    assert TRIAL in scene.world.blobs
    assert scene.handled["continue-restore"] < 20, "it is looked at once a day, and no tick takes its message for lost"
    await scene.pass_time(DAY)
    assert TRIAL not in scene.world.blobs
    assert (row(scene).state, row(scene).reason) == (Stage.DONE, "the disk expired and was deleted")
    assert row(scene).ended == restore.ended, "when it became usable"
    assert not scene.waiting()
    assert scene.world.violations == []


def is_written(world: World, disk: Blob) -> None:
    disk.set(0, [world.number()])


def is_attached(_: World, disk: Blob) -> None:
    disk.acquire(VM)


def is_snapshotted(world: World, _: Blob) -> None:
    world.foreign_snapshots.add((TRIAL, world.snapshot(TRIAL, None)))


def is_replaced(_: World, disk: Blob) -> None:
    disk.put_blob(len(disk.pages))


@pytest.mark.parametrize(
    ("happens", "why"),
    [
        (is_written, "it was changed"),
        (is_attached, "it is attached to a VM"),
        (is_snapshotted, "it has snapshots"),
        (is_replaced, "it was changed"),
    ],
)
async def test_what_somebody_has_made_theirs_is_kept(happens: Callable[[World, Blob], None], why: str) -> None:
    scene = await backed_up()
    await expiring(scene)
    disk = scene.world.blobs[TRIAL]
    happens(scene.world, disk)
    before = list(disk.pages), disk.lease, dict(disk.snapshots)
    await scene.pass_time(8 * DAY)
    assert (disk.pages, disk.lease, disk.snapshots) == before
    assert scene.world.blobs[TRIAL] is disk
    assert row(scene).state is Stage.DONE
    assert row(scene).reason.startswith(f"the disk is kept: {why}")


@pytest.mark.parametrize("name", ["empty", "delete"])
async def test_a_worker_that_dies_while_it_deletes_a_disk_leaves_it_to_the_next(name: str) -> None:
    scene = await backed_up()
    await expiring(scene)
    real = getattr(scene.services.blobs, name)

    async def die_after(*given: Any, **named: Any) -> NoReturn:
        setattr(scene.services.blobs, name, real)
        await real(*given, **named)
        raise BrokenPipeError("the worker died")

    setattr(scene.services.blobs, name, die_after)
    await scene.pass_time(8 * DAY)
    assert TRIAL not in scene.world.blobs
    assert row(scene).reason == "the disk expired and was deleted"


async def test_a_disk_that_can_not_be_deleted_for_a_day_is_kept_and_its_row_says_so() -> None:
    scene = await backed_up()
    await expiring(scene)

    async def refuse(*_: Any, **__: Any) -> NoReturn:
        raise refusal(403, "AuthorizationPermissionMismatch")

    scene.services.blobs.empty = refuse
    await scene.pass_time(9 * DAY)
    assert row(scene).state is Stage.DONE
    assert row(scene).reason.startswith("the disk is kept: every step has failed since")
    assert not scene.world.blobs[TRIAL].lease
    assert not scene.waiting()


async def test_a_trial_that_is_cancelled_once_it_is_usable_keeps_its_disk() -> None:
    scene = await backed_up()
    restore = await expiring(scene)
    scene.world.enqueue(MANAGE_QUEUE, json.dumps({"do": "cancel", "job": restore.restore}).encode())
    await scene.pass_time(8 * DAY)
    assert row(scene).state is Stage.DONE
    assert row(scene).reason.startswith("the disk is kept: cancelled by an operator")
    assert TRIAL in scene.world.blobs


async def test_a_trial_whose_copy_is_aborted_leaves_nothing() -> None:
    scene = await backed_up()
    ask(scene, expires="7d")
    while not (TRIAL in scene.world.blobs and scene.world.blobs[TRIAL].is_pending):
        await scene.deliver_next()
    scene.world.end_copy(TRIAL, ABORTED)
    await scene.pass_time(HOUR)
    assert row(scene).state is Stage.FAILED
    assert TRIAL not in scene.world.blobs
    assert scene.world.record(TRIAL) is None


@pytest.mark.parametrize(
    ("target", "fields", "why"),
    [
        (DISKS.blob("os.vhd"), {}, "SOURCE_DISKS names it"),
        (LAB.blob("adopted.vhd"), {}, "is on record as a disk that is backed up"),
        (TRIAL, {"expires": "2020-01-01"}, "2020-01-01T23:59:59Z is past"),
        (LAB.blob("taken.vhd"), {}, "already exists, and a trial makes a new disk. What to do: choose another target"),
    ],
)
async def test_a_trial_is_refused_where_a_disk_is_backed_up_or_would_expire_at_once(
    target: BlobAddress, fields: dict[str, str], why: str
) -> None:
    scene = await backed_up()
    ask(scene, LAB.blob("adopted.vhd"), adopt=True)
    await scene.pass_time(HOUR)
    del scene.world.blobs[LAB.blob("adopted.vhd")]
    scene.world.blobs[LAB.blob("taken.vhd")] = Blob([7], scene.world.number)
    ask(scene, target, **fields)
    await scene.pass_time(HOUR)
    assert row(scene).state is Stage.REFUSED
    assert why in row(scene).reason
    assert TRIAL not in scene.world.blobs

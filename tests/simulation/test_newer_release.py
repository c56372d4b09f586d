"""What a newer release has written stops its own disk, and is left as it is; the other disks are backed up."""

import json
from datetime import timedelta
from typing import Any, NoReturn

import pytest

from shared.azure.queues import QUEUE_OF
from shared.model.disk import Disk, PageBlobDisk
from shared.model.job import JobKind, job_row
from shared.model.messages import FinishMessage, Message, PlanMessage, RestoreMessage, TickMessage
from shared.model.names import DISK_METADATA, DRILL_METADATA, SCRATCH_PREFIX, VERIFY_QUEUE
from shared.model.schema import SCHEMA, UnknownSchemaError
from tests.simulation.blobs import Blob
from tests.simulation.scenes import Scene, services_on
from tests.simulation.services import settings_of
from tests.simulation.small import make_small
from tests.simulation.world import DISKS, OWN

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
NEWER = {"schema": SCHEMA + 1, "run_began": "another name"}


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


@pytest.fixture
def scene() -> Scene:
    """Give a scene with two disks."""
    scene = Scene()
    scene.world.blobs[DISKS.blob("data.vhd")] = Blob([4, 5], scene.world.number)
    scene.services = services_on(scene.world, settings_of(DISKS.blob("*.vhd").url))
    return scene


def rewrite(rows: dict[Any, tuple[dict[str, Any], str]], key: Any) -> Any:
    """Have a newer release write a row."""
    rows[key] = ({**rows[key][0], **NEWER}, "of the newer release")
    return rows[key]


def send_newer(scene: Scene, message: Message) -> None:
    scene.world.enqueue(QUEUE_OF[type(message)], json.dumps(json.loads(message.body) | NEWER).encode())


@pytest.mark.parametrize("at", ["rest", "work"])
async def test_a_record_stops_its_own_disk_and_is_left_as_it_is(scene: Scene, at: str) -> None:
    await scene.tick()
    if at == "rest":
        await scene.pass_time(HOUR)
    before = rewrite(scene.world.records, PageBlobDisk(scene.disk).key)
    snapshots, points = scene.snapshots_taken(), len(scene.world.points_of(scene.disk))
    scene.world.enqueue(VERIFY_QUEUE, json.dumps({"disk": scene.disk.url, "point": "latest"}).encode())
    for _ in range(3):
        await scene.pass_time(12 * HOUR)
        await scene.tick()
    await scene.pass_time(HOUR)
    assert scene.world.records[PageBlobDisk(scene.disk).key] == before
    assert scene.snapshots_taken() == snapshots
    assert len(scene.world.points_of(scene.disk)) == points
    assert len(scene.world.points_of(DISKS.blob("data.vhd"))) == 4
    assert scene.world.violations == []


async def test_the_messages_of_a_record_that_can_not_be_read_are_kept_aside_with_what_to_do(scene: Scene) -> None:
    await scene.tick()
    rewrite(scene.world.records, PageBlobDisk(scene.disk).key)
    await scene.pass_time(HOUR)
    said = [row for row in scene.world.poison.values() if scene.disk.url in row["body"]]
    assert {row["queue"] for row in said} == {"plan-changes", "finish-backup"}
    assert all("What to do: deploy the release that wrote it" in row["reason"] for row in said)


async def test_a_restore_is_left_as_it_is(scene: Scene) -> None:
    await scene.tick()
    await scene.pass_time(HOUR)
    asked = scene.world.enqueue("restore-requests", json.dumps({"disk": scene.disk.url, "point": "latest"}).encode())
    [request] = [found for found in scene.world.messages if found.id == asked]
    scene.world.messages.remove(request)
    await scene.deliver(request)  # its first step alone
    before = rewrite(scene.world.restores, (PageBlobDisk(scene.disk).key, job_row(JobKind.RESTORE, asked)))
    for _ in range(3):
        await scene.pass_time(12 * HOUR)
        await scene.tick()
    assert scene.world.restores[PageBlobDisk(scene.disk).key, job_row(JobKind.RESTORE, asked)] == before
    assert {row["queue"] for row in scene.world.poison.values()} == {"continue-restore"}
    assert len(scene.world.points_of(scene.disk)) == 3, "the disk is backed up all the same"


async def test_what_a_verify_may_compare_is_kept_and_a_deleted_recovery_point_is_marked_all_the_same(
    scene: Scene,
) -> None:
    await scene.tick()
    await scene.pass_time(HOUR)
    [point] = scene.world.points_of(scene.disk)
    del scene.world.blobs[scene.world.backup_of(scene.disk)].snapshots[point.backup_snapshot]

    opened = scene.services.inspections.open

    async def newer(disk: Disk | None = None) -> Any:
        if disk:
            raise UnknownSchemaError("a newer release wrote it")
        return await opened()

    scene.services.inspections.open = newer
    await scene.tick()
    await scene.pass_time(HOUR)
    [lost, _] = scene.world.points_of(scene.disk)
    assert lost.lost
    assert point.source_snapshot in scene.world.blobs[scene.disk].snapshots
    record = scene.world.record(scene.disk)
    assert record
    assert "a newer release wrote it" in record.last_error


async def test_a_drill_that_left_a_scratch_blob_stops_nothing_and_its_blob_is_kept(scene: Scene) -> None:
    gone = DISKS.blob("data.vhd")
    await scene.tick()
    await scene.pass_time(HOUR)
    del scene.world.blobs[gone]
    scratch = OWN.blob(f"{SCRATCH_PREFIX}0123-6f3c1d2e")
    about = {DISK_METADATA: scene.disk.url, DRILL_METADATA: "6f3c1d2e"}
    scene.world.blobs[scratch] = Blob([1], scene.world.number, about)

    async def newer(*_: Any, **__: Any) -> NoReturn:
        raise UnknownSchemaError("a newer release wrote it")

    scene.services.inspections.find = newer
    await scene.tick()
    record = scene.world.record(gone)
    assert record
    assert "no longer exists" in record.absence_reason
    assert scratch in scene.world.blobs


async def test_a_message_has_no_effect_and_is_kept_aside(scene: Scene) -> None:
    await scene.tick()
    await scene.pass_time(HOUR)
    [point] = scene.world.points_of(scene.disk)
    before = dict(scene.world.records)
    sent: list[Message] = [
        PlanMessage(disk=PageBlobDisk(scene.disk), run=point.time),
        FinishMessage(disk=PageBlobDisk(scene.disk), run=point.time),
        RestoreMessage(disk=PageBlobDisk(scene.disk), restore="6f3c1d2e"),
        TickMessage(tick=scene.world.now, disks=2),
    ]
    for message in sent:
        send_newer(scene, message)
    await scene.pass_time(HOUR)
    assert scene.world.records == before
    assert sorted(row["queue"] for row in scene.world.poison.values()) == sorted(QUEUE_OF[type(told)] for told in sent)
    assert all("What to do: deploy the release that wrote it" in row["reason"] for row in scene.world.poison.values())
    assert scene.waiting() == {}

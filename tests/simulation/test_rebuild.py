"""A rebuild of the catalog: no disk stands in the way of another, and what is under way is left to itself."""

import json
from datetime import timedelta
from typing import Any

import pytest

from shared.azure.tables.records import RecordConflictError
from shared.errors import StepFailedError
from shared.model.absence import Absence
from shared.model.disk import PageBlobDisk
from shared.model.job import Stage
from shared.model.names import RESTORE_REQUESTS_QUEUE
from shared.model.schema import SCHEMA
from shared.points.rebuild_catalogue import rebuild_catalogue
from tests.simulation.blobs import Blob
from tests.simulation.refusals import refusal
from tests.simulation.scenes import Scene, services_on
from tests.simulation.services import settings_of
from tests.simulation.small import make_small
from tests.simulation.world import DISKS, LAB

HOUR = timedelta(hours=1)
FIRST = DISKS.blob("aaa.vhd")
"""The name that the list of the backup container begins with."""


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


async def backed_up() -> Scene:
    """Back up two disks."""
    scene = Scene()
    scene.world.blobs[FIRST] = Blob([4, 5], scene.world.number)
    scene.services = services_on(scene.world, settings_of(DISKS.blob("*.vhd").url))
    await scene.tick()
    await scene.pass_time(HOUR)
    return scene


def request_restore(scene: Scene, target: str) -> None:
    body = {"disk": scene.disk.url, "point": "latest", "target": target}
    scene.world.enqueue(RESTORE_REQUESTS_QUEUE, json.dumps(body).encode())


@pytest.mark.parametrize("changed", [{"base_size": "x"}, {"schema": SCHEMA + 1}])
async def test_a_record_that_can_not_be_read_is_named_and_the_others_are_rebuilt(changed: dict[str, Any]) -> None:
    scene = await backed_up()
    world, unreadable, lost = scene.world, PageBlobDisk(FIRST).key, PageBlobDisk(scene.disk).key
    entity, etag = world.records[unreadable]
    world.records[unreadable] = ({**entity, **changed}, etag)
    del world.records[lost]
    points = world.points.pop(lost)
    with pytest.raises(StepFailedError, match=r"all disks were rebuilt except .*aaa\.vhd: "):
        await rebuild_catalogue(scene.services)
    assert world.points[lost].keys() == points.keys()
    assert world.record(scene.disk)
    assert world.records[unreadable] == ({**entity, **changed}, etag)


async def test_a_disk_with_only_an_error_on_record_before_a_rebuild_is_missed_when_it_drops_out() -> None:
    scene = await backed_up()
    world, gone = scene.world, scene.world.blobs.pop(FIRST)
    scene.services = services_on(world, settings_of(f"{scene.disk.url} {FIRST.url}"))
    points = world.points.pop(PageBlobDisk(FIRST).key)
    del world.records[PageBlobDisk(FIRST).key]
    world.index.clear()
    await scene.tick()
    await scene.pass_time(HOUR)
    assert "BlobNotFound" in world.records[PageBlobDisk(FIRST).key][0]["last_error"]
    await rebuild_catalogue(scene.services)
    assert world.points[PageBlobDisk(FIRST).key].keys() == points.keys()
    scene.services = services_on(world, settings_of(scene.disk.url))
    tick = world.now
    await scene.tick()
    await scene.pass_time(HOUR)
    assert tick not in world.heartbeats
    record = world.record(FIRST)
    assert record
    assert record.absence is Absence.UNLISTED
    world.blobs[FIRST] = gone
    scene.services = services_on(world, settings_of(f"{scene.disk.url} {FIRST.url}"))
    await scene.tick()
    await scene.pass_time(HOUR)
    assert [point.kind for point in world.points_of(FIRST)] == ["full", "incremental"], "its backups go on"
    assert world.violations == []


async def test_a_restored_disk_that_can_not_be_reached_is_named_and_the_others_are_rebuilt() -> None:
    scene = await backed_up()
    world = scene.world
    for name in ("a.vhd", "b.vhd"):
        request_restore(scene, LAB.blob(name).url)
        await scene.pass_time(HOUR)
    exists = scene.services.disks.exists

    async def refused(disk: PageBlobDisk) -> Any:
        if disk.address == LAB.blob("a.vhd"):
            raise refusal(403, "AuthorizationFailure")
        return await exists(disk)

    scene.services.disks.exists = refused
    for table in (world.records, world.index, world.status, world.points, world.restores, world.inspections):
        table.clear()
    with pytest.raises(StepFailedError, match=r"all disks were rebuilt except .*lab/a\.vhd: AuthorizationFailure"):
        await rebuild_catalogue(scene.services)
    record = world.record(LAB.blob("b.vhd"))
    assert record
    assert record.adopted, "it is backed up from now on"


async def test_a_restore_that_is_about_to_adopt_its_target_does_so_in_spite_of_a_rebuild() -> None:
    scene = await backed_up()
    world, target = scene.world, LAB.blob("new.vhd")
    seal = scene.services.records.seal

    async def rebuilt_meanwhile(*_: Any) -> None:
        scene.services.records.seal = seal
        await rebuild_catalogue(scene.services)
        raise RecordConflictError("another invocation was faster")

    scene.services.records.seal = rebuilt_meanwhile
    request_restore(scene, target.url)
    await scene.pass_time(HOUR)
    [restore] = world.restore_rows()
    assert restore.state is Stage.DONE
    [point] = world.points_of(target)
    assert point.backup_snapshot in world.blobs[world.backup_of(target)].snapshots
    record = world.record(target)
    assert record
    assert (record.base_snapshot, record.adopted) == (restore.target_snapshot, True)

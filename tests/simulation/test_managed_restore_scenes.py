"""A recovery point is restored as a managed disk, with nothing going wrong but what a scene has go wrong."""

import json

import pytest

from shared.model.disk import ManagedDisk
from shared.model.disk_ids import DiskId
from shared.model.job import Stage
from shared.model.names import MANAGE_QUEUE, RESTORE_REQUESTS_QUEUE
from shared.model.restore import Restore
from shared.model.run import Kind
from tests.simulation import model
from tests.simulation.managed import uploads
from tests.simulation.managed.resources import Made, footer_of
from tests.simulation.managed_scenes import DATA, HALF_A_DAY, ManagedScene, managed_disk_backed_up
from tests.simulation.small import make_small

BACK = DiskId(DATA.subscription, DATA.group, "back")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


def ask(scene: ManagedScene, **more: object) -> None:
    body = json.dumps({"disk": scene.managed.name, "point": "latest", "target": BACK.url, **more}).encode()
    scene.world.asked[scene.world.enqueue(RESTORE_REQUESTS_QUEUE, body)] = body


def rows(scene: ManagedScene) -> list[Restore]:
    return list(scene.world.restore_rows())


def made(scene: ManagedScene) -> Made:
    return scene.compute.disks[BACK]


def content(disk: Made) -> list[int]:
    return [page or 0 for page in disk.content.pages]


def wrong(scene: ManagedScene) -> list[str]:
    return [*scene.world.violations, *model.wrong_at_rest(scene.world)]


@pytest.mark.parametrize("rewrites_footers", [False, True])
async def test_a_restored_disk_is_what_it_was_and_its_next_backup_is_incremental(*, rewrites_footers: bool) -> None:
    scene = await managed_disk_backed_up()
    scene.compute.rewrites_footers = rewrites_footers
    ask(scene)
    await scene.pass_time(HALF_A_DAY)
    [row] = rows(scene)
    assert (row.state, row.reason) == (Stage.DONE, "")
    back = made(scene)
    assert content(back) == [1, 2, 0, 3, *[0] * 8, footer_of(12, rewritten=rewrites_footers)]
    scene.compute.write(back.disk, 2, [7])
    await scene.back_up()
    assert [point.kind for point in scene.world.points_of(back.disk)] == [Kind.RESTORE, Kind.INCREMENTAL]
    assert wrong(scene) == []


async def test_a_trial_leaves_its_disk_and_nothing_beside() -> None:
    scene = await managed_disk_backed_up()
    ask(scene, adopt=False)
    await scene.pass_time(HALF_A_DAY)
    [row] = rows(scene)
    assert row.state is Stage.DONE
    assert scene.world.own_snapshots(made(scene).disk) == []
    assert scene.world.record(made(scene).disk) is None
    assert wrong(scene) == []


async def test_a_disk_that_another_restore_has_made_there_meanwhile_is_refused_before_anything_is_written() -> None:
    scene = await managed_disk_backed_up()
    ask(scene)
    for _ in range(2):
        await scene.deliver_next()
    [planned], [waiting] = rows(scene), scene.world.messages
    assert planned.recovery_point
    scene.world.messages.clear()
    ask(scene)
    await scene.pass_time(HALF_A_DAY)
    scene.world.messages.append(waiting)
    await scene.pass_time(HALF_A_DAY)
    late, first = rows(scene)
    assert (late.state, first.state) == (Stage.REFUSED, Stage.DONE)
    assert "already exists" in late.reason
    assert made(scene).disk == first.target
    assert scene.world.record(ManagedDisk(BACK)) is None
    assert wrong(scene) == []


async def until_uploading(scene: ManagedScene) -> None:
    while BACK not in scene.compute.disks or made(scene).upload != uploads.ACTIVE:
        await scene.deliver_next()


async def test_a_restore_that_is_cancelled_while_it_uploads_leaves_no_disk_and_no_record() -> None:
    scene = await managed_disk_backed_up()
    ask(scene)
    await until_uploading(scene)
    [row] = rows(scene)
    scene.world.enqueue(MANAGE_QUEUE, json.dumps({"do": "cancel", "job": row.restore}).encode())
    await scene.pass_time(HALF_A_DAY)
    assert [row.state for row in rows(scene)] == [Stage.FAILED]
    assert BACK not in scene.compute.disks
    assert list(scene.world.records) == [scene.managed.key]
    assert wrong(scene) == []


async def test_a_disk_whose_upload_somebody_ends_is_made_again() -> None:
    scene = await managed_disk_backed_up()
    scene.compute.checks_uploads = False
    ask(scene)
    await until_uploading(scene)
    before = made(scene).disk
    uploads.end(scene.compute, BACK)
    await scene.pass_time(HALF_A_DAY)
    [row] = rows(scene)
    assert (row.state, row.attempt) == (Stage.DONE, 2)
    assert made(scene).disk not in (before, scene.managed)
    assert content(made(scene))[:4] == [1, 2, 0, 3]
    assert wrong(scene) == []

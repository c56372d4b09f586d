"""A managed disk is backed up and restored as any other, through what only managed disks go through."""

import contextlib
import json
from datetime import timedelta
from itertools import repeat
from typing import Any, NoReturn

import pytest

from shared.azure.resource_manager import ResourceManager
from shared.limits import PAGE
from shared.model.job import Stage
from shared.model.names import DRILL_QUEUE, MANAGE_QUEUE, RESTORE_REQUESTS_QUEUE, VERIFY_QUEUE
from shared.model.run import Kind
from tests.simulation.calls import Crash
from tests.simulation.managed.resources import footer_of
from tests.simulation.managed_scenes import DATA, HALF_A_DAY, ManagedScene, managed_disk_backed_up
from tests.simulation.small import DIFF_BOUNDARY, make_small
from tests.simulation.world import DISKS, LAB

TARGET = DISKS.blob("restored.vhd")
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


def ask(scene: ManagedScene, queue: str, **request: object) -> None:
    body = json.dumps({"disk": scene.managed.name, "point": "latest", **request}).encode()
    scene.world.asked[scene.world.enqueue(queue, body)] = body


async def test_its_second_backup_is_incremental_and_one_snapshot_stays() -> None:
    scene = await managed_disk_backed_up()
    scene.compute.write(scene.managed, 2, [7, None])
    await scene.back_up()
    assert scene.kinds() == [Kind.FULL, Kind.INCREMENTAL]
    assert [taken.time for taken in scene.own] == [scene.on_record.base_snapshot]
    backup = scene.world.blobs[scene.world.backup_of(scene.managed)]
    assert [page or 0 for page in backup.pages[:4]] == [1, 2, 7, 0]
    assert backup.pages[-1] == footer_of(12)
    assert scene.world.violations == []


async def test_at_most_its_base_and_the_new_snapshot_are_there_during_a_run_and_access_to_no_others() -> None:
    scene = await managed_disk_backed_up()
    scene.compute.write(scene.managed, 0, [5])
    await scene.tick()
    most = 0
    while scene.waiting():
        await scene.deliver_next()
        most = max(most, len(scene.own))
        assert sum(taken.access is not None for taken in scene.compute.snapshots.values()) <= len(scene.own)
    assert most == 2


@pytest.mark.parametrize("size", [16, 29])
async def test_it_grows_and_nothing_of_its_tail_is_lost_nor_is_the_old_footer_kept(size: int) -> None:
    scene = await managed_disk_backed_up()
    scene.compute.resize(scene.managed, size)
    scene.compute.write(scene.managed, size - 1, [9])
    await scene.back_up()
    crosses = size * PAGE >= DIFF_BOUNDARY
    assert scene.kinds() == [Kind.FULL, Kind.RESYNC if crosses else Kind.INCREMENTAL]
    assert scene.world.blobs[scene.world.backup_of(scene.managed)].pages[12] in (None, 0)
    assert scene.world.violations == []


@pytest.mark.parametrize("shows_footer", [True, False])
async def test_what_is_written_where_a_footer_was_is_backed_up(*, shows_footer: bool) -> None:
    scene = ManagedScene()
    scene.compute.shows_footer = shows_footer
    await scene.back_up()
    for size in (13, 16):
        scene.compute.resize(scene.managed, size)
        await scene.back_up()
        scene.compute.write(scene.managed, 12, [size])
        await scene.back_up()
    assert scene.kinds() == [Kind.FULL, *[Kind.INCREMENTAL] * 4]
    assert scene.world.violations == []


async def test_a_new_family_of_snapshots_leads_to_a_resync() -> None:
    scene = await managed_disk_backed_up()
    scene.made.family = scene.compute.new_id()
    scene.world.meddle(scene.managed)
    await scene.back_up()
    assert scene.kinds() == [Kind.FULL, Kind.RESYNC]
    assert "two families" in scene.world.points_of(scene.managed)[-1].reason


async def test_a_base_that_somebody_has_deleted_leads_to_a_resync() -> None:
    scene = await managed_disk_backed_up()
    [base] = scene.own
    scene.compute.revoke(base.resource)
    scene.compute.delete_snapshot(base.resource)
    scene.world.meddle(scene.managed)
    await scene.back_up()
    assert scene.kinds() == [Kind.FULL, Kind.RESYNC]


@pytest.mark.parametrize("mode", ["incremental", "full"])
async def test_access_that_is_ended_at_any_time_is_had_anew(mode: str) -> None:
    for handled in range(7):
        scene = ManagedScene(mode)
        await scene.back_up()
        scene.compute.write(scene.managed, 0, [5])
        await scene.tick()
        for _ in range(handled):
            if scene.world.messages:
                await scene.deliver_next()
        for taken in scene.own:
            scene.compute.revoke(taken.resource)
        await scene.pass_time(HOUR)
        assert scene.kinds() == [Kind.FULL, Kind.INCREMENTAL if mode == "incremental" else Kind.FULL], handled
        assert scene.world.violations == []


async def test_a_full_copy_whose_access_was_ended_is_begun_again_with_access_had_anew() -> None:
    scene = ManagedScene("full")
    await scene.tick()
    while not scene.world.pending():
        await scene.deliver_next()
    [taken] = scene.own
    scene.compute.revoke(taken.resource)
    await scene.pass_time(HOUR)
    assert scene.kinds() == [Kind.FULL]
    assert scene.world.violations == []


async def test_a_disk_to_whose_snapshots_others_have_all_access_is_backed_up_once_they_let_go() -> None:
    scene = await managed_disk_backed_up()
    for taken in scene.own:
        scene.compute.revoke(taken.resource)
    theirs = [f"{DATA.parent.compute}/snapshots/tool-{number}" for number in range(5)]
    for resource in theirs:
        scene.compute.snapshot(resource, DATA, {})
        scene.compute.grant(resource, 3600)
    scene.compute.write(scene.managed, 0, [5])
    await scene.tick()
    await scene.pass_time(timedelta(minutes=10))
    assert scene.kinds() == [Kind.FULL]
    assert "five snapshots of a disk at once" in scene.on_record.last_error
    for resource in theirs:
        scene.compute.revoke(resource)
    await scene.pass_time(HALF_A_DAY)
    assert scene.kinds() == [Kind.FULL, Kind.INCREMENTAL]
    assert {taken.resource for taken in scene.compute.snapshots.values()} > set(theirs)


async def test_a_disk_with_as_many_snapshots_as_may_be_says_so_and_is_backed_up_once_there_is_room() -> None:
    scene = await managed_disk_backed_up()
    scene.compute.most_snapshots = 1
    await scene.back_up()
    assert "incremental snapshots" in scene.on_record.last_error
    scene.compute.most_snapshots = 2
    await scene.back_up()
    assert scene.kinds() == [Kind.FULL, Kind.INCREMENTAL]


async def test_snapshots_that_take_long_are_waited_for_and_those_that_come_to_nothing_are_deleted() -> None:
    scene = await managed_disk_backed_up()
    scene.world.takes = repeat(3 * HOUR).__next__
    await scene.tick()
    await scene.pass_time(2 * HOUR)
    assert scene.kinds() == [Kind.FULL]
    await scene.pass_time(9 * HOUR)
    assert scene.kinds() == [Kind.FULL, Kind.INCREMENTAL]
    await scene.tick()
    scene.compute.resize(scene.managed, 16)
    await scene.pass_time(HALF_A_DAY)
    assert "could not make the snapshot" in scene.on_record.last_error
    assert [taken.time for taken in scene.own] == [scene.on_record.base_snapshot]
    await scene.back_up()
    assert len(scene.kinds()) == 3
    assert scene.world.violations == []


async def test_it_is_restored_as_a_page_blob_that_is_backed_up_or_as_a_trial() -> None:
    scene = await managed_disk_backed_up()
    ask(scene, RESTORE_REQUESTS_QUEUE, target=TARGET.url)
    trial = DISKS.blob("trial.vhd")
    ask(scene, RESTORE_REQUESTS_QUEUE, target=trial.url, adopt=False)
    ask(scene, RESTORE_REQUESTS_QUEUE)  # it has no place of its own for a page blob
    ask(scene, RESTORE_REQUESTS_QUEUE, target=LAB.blob("x.vhd").url)
    await scene.pass_time(HALF_A_DAY)
    states = [row.state for row in scene.world.restore_rows()]
    assert states == [Stage.DONE, Stage.DONE, Stage.REFUSED, Stage.REFUSED]
    held = [1, 2, 0, 3, *[0] * 8, footer_of(12)]
    assert [page or 0 for page in scene.world.blobs[TARGET].pages] == held
    assert [page or 0 for page in scene.world.blobs[trial].pages] == held
    await scene.back_up()
    assert [point.kind for point in scene.world.points_of(TARGET)] == [Kind.RESTORE, Kind.INCREMENTAL]
    assert scene.world.points_of(trial) == []
    assert scene.world.violations == []


async def test_its_recovery_points_are_verified_and_drilled() -> None:
    scene = await managed_disk_backed_up()
    ask(scene, VERIFY_QUEUE)
    ask(scene, DRILL_QUEUE)
    await scene.pass_time(HALF_A_DAY)
    assert [found.state for found, _ in scene.world.inspections.values()] == [Stage.DONE, Stage.DONE]
    assert [point.state for point in scene.world.points_of(scene.managed)] == ["verified"]


async def test_full_copies_of_it_are_made_by_copy_blob() -> None:
    scene = ManagedScene("full")
    await scene.back_up()
    scene.compute.write(scene.managed, 0, [5])
    await scene.back_up()
    points = scene.world.points_of(scene.managed)
    assert [(point.kind, point.backup_snapshot) for point in points] == [(Kind.FULL, "")] * 2
    assert len(scene.own) == 1
    assert scene.world.violations == []


async def test_a_disk_made_anew_is_another_and_the_one_before_is_missing_with_its_backups() -> None:
    scene = await managed_disk_backed_up()
    before, scene.managed = scene.managed, scene.compute.make(DATA, [8] * 7)
    scene.world.deleted[before] = scene.world.now
    await scene.back_up()
    assert scene.kinds() == [Kind.FULL]
    assert len(scene.world.points_of(before)) == 1
    record = scene.world.record(before)
    assert record
    assert record.absence == "missing"
    assert scene.world.violations == []


async def test_a_disk_made_anew_while_a_snapshot_is_asked_for_has_none_of_its_bytes_in_the_backups_of_the_one_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = await managed_disk_backed_up()
    before, put = scene.managed, ResourceManager.put

    async def put_late(*asked: Any) -> None:
        scene.managed = scene.compute.make(DATA, [8] * 12)
        scene.world.deleted[before] = scene.world.now
        await put(*asked)

    with monkeypatch.context() as patched:
        patched.setattr(ResourceManager, "put", put_late)
        await scene.tick()
    await scene.pass_time(HALF_A_DAY)
    assert len(scene.world.points_of(before)) == 1
    record = scene.world.record(before)
    assert record
    assert "another disk" in record.last_error
    assert len(scene.compute.snapshots) == 1, "the base"
    await scene.back_up()
    assert scene.kinds() == [Kind.FULL]
    assert scene.world.violations == []


async def test_a_snapshot_of_the_disk_made_anew_that_nobody_has_on_record_goes_when_the_one_before_is_retired(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = await managed_disk_backed_up()
    before, put = scene.managed, ResourceManager.put

    async def put_late_and_die(*asked: Any) -> NoReturn:
        scene.managed = scene.compute.make(DATA, [8] * 12)
        scene.world.deleted[before] = scene.world.now
        await put(*asked)
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(ResourceManager, "put", put_late_and_die)
        with contextlib.suppress(Crash, BaseExceptionGroup):
            await scene.tick()
    assert len(scene.compute.snapshots) == 2
    scene.world.enqueue(MANAGE_QUEUE, json.dumps({"do": "retire", "disk": before.name}).encode())
    await scene.pass_time(HALF_A_DAY)
    await scene.back_up()
    await scene.back_up()
    assert [taken.time for taken in scene.compute.snapshots.values()] == [scene.on_record.base_snapshot]

"""The history beside each disk's report: written when its recovery points have changed, and at no other time."""

import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from shared.azure.services import telling
from shared.azure.tables.status import ENDED_ROW, HISTORY
from shared.model.disk import PageBlobDisk
from shared.model.history import History
from shared.model.job import JobKind
from shared.model.names import DRILL_QUEUE, MANAGE_QUEUE, RESTORE_REQUESTS_QUEUE, VERIFY_QUEUE
from shared.model.point import RecoveryPoint
from tests.simulation.counted import CountedScene
from tests.simulation.refusals import refusal
from tests.simulation.reported import DAY, HALF_A_DAY, back_up, backed_up, key
from tests.simulation.scenes import Scene
from tests.simulation.small import make_small

type Told = Callable[..., list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


async def history(scene: Scene) -> History:
    told = await scene.services.status.read_all()
    found: History = told.histories[scene.disk.url]
    return found


async def ask(scene: Scene, queue: str, **values: str) -> None:
    scene.world.enqueue(queue, json.dumps(values).encode())
    await scene.pass_time(timedelta(hours=2))


async def test_each_new_recovery_point_is_in_the_history() -> None:
    scene = await backed_up()
    assert [mark.kind for mark in (await history(scene)).marks] == ["full"]
    await back_up(scene)
    found = await history(scene)
    assert [mark.kind for mark in found.marks] == ["full", "incremental"]
    assert found.points == 2


async def test_what_is_found_out_of_a_point_is_in_the_history_when_its_job_has_ended() -> None:
    scene = await backed_up()
    await ask(scene, VERIFY_QUEUE, disk=scene.disk.url)
    await ask(scene, DRILL_QUEUE, disk=scene.disk.url, point="latest")
    [mark] = (await history(scene)).marks
    assert (mark.is_verified, mark.is_drilled, mark.is_kept(mark.second)) == (True, True, False)
    await ask(scene, MANAGE_QUEUE, do="keep", disk=scene.disk.url, point=scene.world.points_of(scene.disk)[0].time)
    [mark] = (await history(scene)).marks
    assert mark.is_kept(mark.second)


async def test_a_point_that_was_deleted_is_damaged_in_the_history_and_good_again_once_it_is_back() -> None:
    scene = await backed_up()
    await back_up(scene)
    backup = scene.world.blobs[scene.world.backup_of(scene.disk)]
    first = scene.world.points_of(scene.disk)[0].backup_snapshot
    taken = backup.snapshots.pop(first)
    await back_up(scene)
    assert [mark.is_damaged for mark in (await history(scene)).marks] == [True, False, False]
    backup.snapshots[first] = taken
    await back_up(scene)
    assert not any(mark.is_damaged for mark in (await history(scene)).marks)


async def test_a_point_that_is_used_and_a_record_that_changes_leave_the_history_as_it_is() -> None:
    scene = await backed_up()
    point, before = scene.world.points_of(scene.disk)[0], scene.world.status.etags[key(scene)]
    async with telling(scene.services):
        await scene.services.records.update_point(
            PageBlobDisk(scene.disk), point.time, partial(RecoveryPoint.as_used, job="restore-7")
        )
    assert scene.world.points_of(scene.disk)[0].used_by == "restore-7"
    assert scene.world.status.etags[key(scene)] == before


async def test_a_tick_reads_no_recovery_points_of_disks_that_have_not_changed() -> None:
    scene = CountedScene()
    await back_up(scene)
    await back_up(scene)
    scene.counted()
    await scene.tick()
    assert "Records.points" not in scene.counted()["take_snapshots"]
    assert HISTORY in scene.world.status[key(scene)]


async def test_a_history_of_which_a_worker_died_is_put_right_by_the_next_seal() -> None:
    scene = await backed_up()
    del scene.world.status[key(scene)][HISTORY]
    assert scene.disk.url not in (await scene.services.status.read_all()).histories
    await back_up(scene)
    assert (await history(scene)).points == 2


async def test_a_history_that_was_not_written_when_its_run_was_sealed_is_written_by_the_next_tick() -> None:
    scene = await backed_up()
    row = scene.world.status[key(scene)]
    left = {name: row[name] for name in (HISTORY, "newest")}
    await back_up(scene)
    scene.world.status[key(scene)] |= left
    del scene.world.blobs[scene.disk]  # so that no run is sealed at the tick
    await scene.tick()
    assert (await history(scene)).points == len(scene.world.points_of(scene.disk)) == 2


async def test_a_tick_reads_no_recovery_points_of_a_disk_whose_newest_one_is_gone() -> None:
    scene = CountedScene()
    await back_up(scene)
    await back_up(scene)
    del scene.world.points[PageBlobDisk(scene.disk).key][scene.world.points_of(scene.disk)[-1].row_key]
    async with telling(scene.services):
        scene.services.status.points_changed(PageBlobDisk(scene.disk))
    del scene.world.blobs[scene.disk]
    scene.counted()
    await scene.tick()
    assert "Records.points" not in scene.counted()["take_snapshots"]


async def test_points_that_can_not_be_read_keep_the_report_of_no_disk() -> None:
    scene = await backed_up()

    async def refuse(_: object) -> list[RecoveryPoint]:
        raise ConnectionError

    async with telling(scene.services):
        scene.services.status.points_changed(next(iter(await scene.services.records.disks())))
        scene.services.records.points, points = refuse, scene.services.records.points
    scene.services.records.points = points
    assert (await history(scene)).points == 1


async def test_the_jobs_of_all_kinds_that_have_ended_are_kept_with_what_came_of_them() -> None:
    scene = await backed_up()
    await ask(scene, VERIFY_QUEUE, disk=scene.disk.url)
    await ask(scene, RESTORE_REQUESTS_QUEUE, disk=scene.disk.url, point="2001-01-01T00:00:00Z")
    await ask(scene, DRILL_QUEUE, disk=scene.disk.url, point="latest")
    told = (await scene.services.status.read_all()).ended
    assert [(job.kind, job.state) for job in told] == [
        (JobKind.DRILL, "done"),
        (JobKind.RESTORE, "refused"),
        (JobKind.VERIFY, "done"),
    ]
    assert all(job.said and job.disk == scene.disk.url for job in told)
    await back_up(scene)
    assert (await scene.services.status.read_all()).ended == told, "a tick leaves the row alone"


@pytest.mark.parametrize(
    ("queue", "asked", "kind"),
    [
        (VERIFY_QUEUE, {}, JobKind.VERIFY),
        (RESTORE_REQUESTS_QUEUE, {"point": "2001-01-01T00:00:00Z"}, JobKind.RESTORE),
        (RESTORE_REQUESTS_QUEUE, {"unknown": "field"}, JobKind.RESTORE),
    ],
)
async def test_an_end_that_can_not_be_told_at_once_is_told_later(
    queue: str, asked: dict[str, str], kind: JobKind
) -> None:
    scene = await backed_up()
    rows = scene.services.status._rows  # noqa: SLF001 - the row's writes alone are to fail
    put, failures = rows.put, 0

    async def refused(row: str, values: dict[str, Any], etag: str | None) -> bool:
        nonlocal failures
        if row == ENDED_ROW and failures < 2:  # at the end of the step, and of its invocation
            failures += 1
            raise refusal(503, "ServerBusy")
        return bool(await put(row, values, etag))

    rows.put = refused
    await ask(scene, queue, disk=scene.disk.url, **asked)
    assert failures == 2
    assert [job.kind for job in (await scene.services.status.read_all()).ended] == [kind]


async def test_an_end_that_others_keep_from_being_told_is_logged(told: Told) -> None:
    scene = await backed_up()

    async def changed(*_: object) -> bool:
        return False

    scene.services.status._rows.put = changed  # noqa: SLF001 - each write meets another's
    await ask(scene, VERIFY_QUEUE, disk=scene.disk.url)
    assert "ended" in {event["disk"] for event in told("report-failed")}


async def test_time_alone_changes_no_history() -> None:
    scene = await backed_up()
    before = await history(scene)
    await scene.pass_time(DAY + HALF_A_DAY)
    assert await history(scene) == before

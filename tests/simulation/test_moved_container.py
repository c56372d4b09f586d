"""A backup container that is changed: no disk moves by mistake, and nothing is lost of one that does."""

import json
from datetime import timedelta
from typing import Any, NoReturn

import pytest

from shared.azure.tables.rows import from_row
from shared.model.disk import PageBlobDisk
from shared.model.intent_row import IntentRow
from shared.model.job import Stage
from shared.model.names import (
    BACKUP_METADATA,
    DISK_METADATA,
    DRILL_QUEUE,
    FINISH_BACKUP_QUEUE,
    MANAGE_QUEUE,
    RESTORE_REQUESTS_QUEUE,
    TAKEN_METADATA,
    VERIFY_QUEUE,
)
from shared.model.point import RecoveryPoint
from shared.points.rebuild_catalogue import rebuild_catalogue
from tests.simulation.blobs import Blob
from tests.simulation.refusals import refusal
from tests.simulation.scenes import Scene, services_on
from tests.simulation.services import HOST, settings_of, source_disks
from tests.simulation.small import make_small
from tests.simulation.world import BACKUPS, DISKS, OTHER, OWN, place_of

HALF_A_DAY = timedelta(hours=12)
CHANGED = {"backup_container": OTHER.url}
MOVED = {**CHANGED, "backup_container_moved_from": OWN.url}


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


def begun(mode: str = "incremental") -> Scene:
    """Give a scene in which the first backup may be a whole one, and so may any later one."""
    scene = Scene(mode)
    scene.world.meddle(scene.disk)
    return scene


async def backed_up(scene: Scene) -> None:
    await scene.tick()
    scene.world.meddle(scene.disk)
    await scene.pass_time(HALF_A_DAY)


async def asked(scene: Scene, queue: str, **request: Any) -> Any:
    """Ask for a job on the scene's disk, and give its row at the end."""
    scene.world.enqueue(queue, json.dumps({"disk": scene.disk.url, **request}).encode())
    await scene.pass_time(HALF_A_DAY)
    rows = [*scene.world.restore_rows(), *(row for row, _ in scene.world.inspections.values())]
    return rows[-1]


def places(scene: Scene) -> list[Any]:
    return [place_of(point).parent for point in scene.world.points_of(scene.disk)]


def all_hold(scene: Scene) -> bool:
    return all(scene.world.holds(scene.disk, point) for point in scene.world.points_of(scene.disk))


def snapshots_left(scene: Scene) -> set[str]:
    return set(scene.world.blobs[scene.disk].snapshots)


def newest(scene: Scene) -> RecoveryPoint:
    return scene.world.points_of(scene.disk)[-1]


@pytest.mark.parametrize("elsewhere", ["nothing is said", "another container is named"])
@pytest.mark.parametrize("mode", ["incremental", "full"])
async def test_a_container_that_was_changed_by_mistake_costs_no_snapshot_and_says_so(mode: str, elsewhere: str) -> None:
    scene = begun(mode)
    await backed_up(scene)
    taken, before = scene.snapshots_taken(), snapshots_left(scene)
    said = {} if elsewhere == "nothing is said" else {"backup_container_moved_from": f"{OWN.url}-too"}
    scene.reconfigure(**CHANGED, **said)
    await backed_up(scene)
    assert (scene.snapshots_taken(), snapshots_left(scene)) == (taken, before)
    record = scene.world.record(scene.disk)
    assert record
    assert OWN.url in record.last_error
    assert OTHER.url in record.last_error
    assert "BACKUP_CONTAINER_MOVED_FROM" in record.last_error
    assert len(scene.world.heartbeats) == 1
    scene.reconfigure()
    await backed_up(scene)
    assert newest(scene).kind == mode
    assert places(scene) == [OWN, OWN]
    assert scene.world.violations == []


@pytest.mark.parametrize("mode", ["incremental", "full"])
async def test_a_container_that_was_moved_gets_a_full_backup_with_its_reason_and_the_old_points_stay_usable(
    mode: str,
) -> None:
    scene = begun(mode)
    await backed_up(scene)
    await backed_up(scene)
    scene.reconfigure(**MOVED)
    scene.world.blobs[scene.disk].set(0, [scene.world.number()])
    await backed_up(scene)
    assert newest(scene).kind == "full"
    assert f"the backup container was moved from {OWN.url} to {OTHER.url}" in newest(scene).reason
    assert places(scene) == [OWN, OWN, OTHER]
    assert all_hold(scene)
    assert snapshots_left(scene) == {newest(scene).source_snapshot}
    assert len(scene.world.heartbeats) == 3
    await backed_up(scene)
    assert newest(scene).kind == mode
    oldest = scene.world.points_of(scene.disk)[0].time
    drilled = await asked(scene, DRILL_QUEUE, point=oldest)
    assert (drilled.state, drilled.recovery_point) == (Stage.DONE, oldest)
    assert (await asked(scene, VERIFY_QUEUE, point="latest")).state is Stage.DONE
    restored = await asked(scene, RESTORE_REQUESTS_QUEUE, point=oldest, target=DISKS.blob("again.vhd").url)
    assert (restored.state, restored.reason) == (Stage.DONE, restored.reason)
    assert all_hold(scene)
    scene.reconfigure(**CHANGED)
    await backed_up(scene)
    assert newest(scene).kind == mode, "once all is moved, nothing needs to be said any more"
    assert scene.world.violations == []


async def test_a_disk_that_has_no_backup_yet_is_backed_up_to_whichever_container_is_set() -> None:
    scene = begun()
    await backed_up(scene)
    new = DISKS.blob("new.vhd")
    scene.world.blobs[new] = Blob([7, None], scene.world.number)
    disks = source_disks({disk.url: "incremental" for disk in (scene.disk, new)})
    scene.services = services_on(scene.world, settings_of(disks, **CHANGED))
    await backed_up(scene)
    [point] = scene.world.points_of(new)
    assert place_of(point).parent == OTHER
    assert places(scene) == [OWN]
    assert len(scene.world.heartbeats) == 1


AT = ("before its plan", "in its batches", "before its seal", "after its snapshot")


@pytest.mark.parametrize(
    ("at", "then", "mode"),
    [
        *[(at, then, "incremental") for at in AT for then in ("moved", "set back")],
        *[(at, "moved", "full") for at in AT],
        ("before its seal", "left", "incremental"),
    ],
)
async def test_a_run_during_which_the_container_is_changed_is_sealed_whole_in_one_container_or_not_at_all(
    at: str, then: str, mode: str
) -> None:
    scene = begun(mode)
    await backed_up(scene)
    scene.world.blobs[scene.disk].set(0, [scene.world.number()])
    scene.world.blobs[scene.disk].set(3, [scene.world.number()])

    async def refuse(*_: Any, **__: Any) -> NoReturn:
        raise refusal(503, "ServerBusy")

    if at == "in its batches":
        scene.services.blobs.put_from_url = refuse
    if at == "after its snapshot":
        scene.services.records.seal = refuse
    await scene.tick()
    scene.world.meddle(scene.disk)
    run = max(scene.world.own_snapshots(scene.disk))
    if at != "before its plan":
        held_back = [found for found in scene.world.messages if found.queue == FINISH_BACKUP_QUEUE]
        if at != "after its snapshot":
            scene.world.messages = [found for found in scene.world.messages if found not in held_back]
        await scene.pass_time(timedelta(minutes=2))
        scene.world.messages += held_back if at != "after its snapshot" else []
    scene.reconfigure(**(MOVED if then == "moved" else CHANGED))
    await scene.pass_time(timedelta(hours=1))
    if then == "set back":
        assert places(scene) == [OWN], "nothing is sealed meanwhile"
        scene.reconfigure()
    for _ in range(6 if then == "left" else 2):
        await backed_up(scene)
    record = scene.world.record(scene.disk)
    assert record
    assert record.run is None
    assert all_hold(scene)
    times = [point.time for point in scene.world.points_of(scene.disk)]
    if then == "left":
        assert places(scene) == [OWN]
    else:
        assert run in times
        assert set(places(scene)[1:]) == {OTHER if then == "moved" else OWN}
        assert snapshots_left(scene) == {newest(scene).source_snapshot}
        assert len(scene.world.heartbeats) >= 3
    following = [scene.world.blobs[address] for address in scene.world.blobs if address.parent in BACKUPS]
    assert [blob for blob in following if blob.lease and blob.pages] == []
    assert scene.world.violations == []


async def test_a_first_run_that_is_open_goes_on_in_the_container_that_is_set_then() -> None:
    scene = begun()
    await scene.tick()
    scene.world.meddle(scene.disk)
    scene.services.snapshots.take = scene.services.records.points  # no seal
    await scene.pass_time(timedelta(seconds=30))
    scene.reconfigure(**CHANGED)
    await scene.pass_time(HALF_A_DAY)
    await backed_up(scene)
    assert set(places(scene)) == {OTHER}
    assert all_hold(scene)
    assert scene.world.violations == []


async def test_a_disk_that_is_retired_long_after_the_move_leaves_no_source_snapshot_of_the_old_container() -> None:
    scene, left = begun(), DISKS.blob("left.vhd")
    scene.world.blobs[left] = Blob([7], scene.world.number)
    only, both = settings_of(scene.disk.url, **CHANGED), settings_of(f"{scene.disk.url} {left.url}")
    scene.services = services_on(scene.world, both)
    await backed_up(scene)
    [base] = scene.world.blobs[left].snapshots
    scene.world.now += timedelta(minutes=1)
    about = {DISK_METADATA: left.url, BACKUP_METADATA: OWN.url, TAKEN_METADATA: scene.world.now.isoformat()}
    anothers = scene.world.snapshot(left, about)
    assert base < anothers, "the old container may be another app's by now, which backs up the same disk"
    scene.services = services_on(scene.world, only)
    scene.world.enqueue(MANAGE_QUEUE, json.dumps({"do": "retire", "disk": left.url}).encode())
    await scene.pass_time(timedelta(minutes=1))
    assert set(scene.world.blobs[left].snapshots) == {anothers}
    assert scene.world.violations == []


async def test_source_snapshots_that_another_app_took_for_the_old_container_are_left_alone() -> None:
    scene = begun()
    about = {
        DISK_METADATA: PageBlobDisk(scene.disk).name,
        BACKUP_METADATA: OWN.url,
        TAKEN_METADATA: scene.world.now.isoformat(),
    }
    anothers = scene.world.snapshot(scene.disk, about)
    scene.reconfigure(**MOVED)
    await backed_up(scene)
    await backed_up(scene)
    assert anothers in snapshots_left(scene)
    assert len(snapshots_left(scene)) == 2


async def test_an_app_that_has_taken_the_old_container_over_keeps_its_source_snapshots() -> None:
    scene = begun()
    await backed_up(scene)
    other = scene.of_another_app(name="other-app", AzureWebJobsStorage=HOST.replace("host", "second"))
    scene.reconfigure(**MOVED)
    await backed_up(scene)
    other.catch_up_with(scene)
    other.world.enqueue(MANAGE_QUEUE, b'{"do": "takeover"}')
    await other.pass_time(timedelta(minutes=1))
    await rebuild_catalogue(other.services)
    for _ in range(3):
        for app, behind in ((other, scene), (scene, other)):
            scene.world.blobs[scene.disk].set(0, [scene.world.number()])
            await backed_up(app)
            behind.catch_up_with(app)
    assert [point.kind for point in other.world.points_of(scene.disk)][-2:] == ["incremental", "incremental"]
    assert len(snapshots_left(scene)) == 2, "the base of each"
    assert scene.world.violations + other.world.violations == []


async def test_a_catalogue_rebuilt_after_a_move_has_the_points_of_both_containers() -> None:
    scene = begun()
    await backed_up(scene)
    scene.reconfigure(**MOVED)
    await backed_up(scene)
    before = scene.world.points_of(scene.disk)
    scene.world.points.clear()
    scene.world.records.clear()
    scene.world.index.clear()
    scene.world.sealed.clear()
    await rebuild_catalogue(scene.services)
    after = scene.world.points_of(scene.disk)
    assert [(point.time, place_of(point)) for point in after] == [(point.time, place_of(point)) for point in before]
    scene.world.blobs[scene.disk].set(0, [scene.world.number()])
    await backed_up(scene)
    assert newest(scene).kind == "incremental"
    assert places(scene) == [OWN, OTHER, OTHER]


async def test_a_catalogue_rebuilt_before_the_first_backup_in_the_new_container_knows_of_the_move() -> None:
    scene = begun()
    await backed_up(scene)
    scene.reconfigure(**MOVED)
    scene.world.points.clear()
    scene.world.records.clear()
    scene.world.index.clear()
    scene.world.sealed.clear()
    await rebuild_catalogue(scene.services)
    await backed_up(scene)
    assert "was moved from" in newest(scene).reason
    assert places(scene) == [OWN, OTHER]
    assert snapshots_left(scene) == {newest(scene).source_snapshot}


@pytest.mark.parametrize("said", [True, False])
async def test_a_restore_in_place_moves_a_disk_only_if_somebody_says_so(*, said: bool) -> None:
    scene = begun()
    await backed_up(scene)
    scene.world.blobs[scene.disk].set(0, [scene.world.number()])
    scene.reconfigure(**(MOVED if said else CHANGED))
    row = await asked(scene, RESTORE_REQUESTS_QUEUE, point="latest", target=scene.disk.url, overwrite="os.vhd")
    assert row.state is (Stage.DONE if said else Stage.REFUSED)
    if not said:
        assert "BACKUP_CONTAINER_MOVED_FROM" in row.reason
        assert places(scene) == [OWN]
        return
    await backed_up(scene)
    assert places(scene) == [OWN, OTHER, OTHER, OTHER], "its undo point is there, too"
    assert newest(scene).kind == "incremental"
    assert all_hold(scene)


async def test_recovery_points_in_an_old_container_that_is_out_of_reach_stay_and_keep_no_others() -> None:
    scene, rules = begun(), {"retention": "last=3", "retention_mode": "on"}

    async def changed_and_backed_up() -> None:
        scene.world.blobs[scene.disk].set(0, [scene.world.number()])
        await backed_up(scene)

    for _ in range(4):
        await changed_and_backed_up()
    scene.reconfigure(**MOVED)
    for _ in range(6):
        await changed_and_backed_up()
    scene.world.forbidden.add(OWN)
    scene.reconfigure(**CHANGED, **rules)
    await changed_and_backed_up()
    [(plan, _)] = scene.world.plans.values()
    scene.world.enqueue(MANAGE_QUEUE, json.dumps({"do": "approve", "plan": plan["plan"]}).encode())
    for _ in range(2):
        await changed_and_backed_up()
    assert places(scene) == [OWN] * 4 + [OTHER] * 3
    assert all(point.is_good for point in scene.world.points_of(scene.disk)), "what can't be read is not lost"
    forget = {"do": "forget", "disk": scene.disk.url, "point": scene.world.points_of(scene.disk)[0].time}
    scene.world.enqueue(MANAGE_QUEUE, json.dumps(forget).encode())
    await scene.pass_time(timedelta(minutes=1))
    row = from_row(IntentRow, list(scene.world.intents.values())[-1][0])
    assert row.state is Stage.REFUSED
    assert f"{OWN.url}, which can't be read" in row.reason
    scene.world.forbidden.clear()
    await changed_and_backed_up()
    assert places(scene) == [OTHER] * 3
    assert scene.world.violations == []

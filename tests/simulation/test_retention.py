"""The retention deletes what its plan says and nobody needs, once that was looked at; a crash repeats a step."""

import copy
import json
import logging
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.azure.tables.retention_rows import plan_of, row_of
from shared.model import retention
from shared.model.disk import PageBlobDisk
from shared.model.messages import RetentionMessage
from shared.model.names import DRILL_QUEUE, MANAGE_QUEUE, RESTORE_REQUESTS_QUEUE, RETENTION_QUEUE
from shared.model.point import PointState, RecoveryPoint
from shared.model.retention_plan import PlanOnRecord, PlanState, hash_of_all
from shared.page.timeline import timeline
from shared.points.rebuild_catalogue import rebuild_catalogue
from shared.retention import retain
from shared.retention.deleting import PointStaysError, delete_point
from shared.retention.retain import retain_points
from tests.conformance.in_memory import PromptCalls
from tests.simulation.blobs import Blob
from tests.simulation.calls import CURRENT, Crash, Invocation
from tests.simulation.refusals import refusal
from tests.simulation.scenes import Scene
from tests.simulation.services import settings_of, simulated, source_disks
from tests.simulation.small import make_small
from tests.simulation.world import DISKS, World

HALF_A_DAY = timedelta(hours=12)
OS, DATA = DISKS.blob("os.vhd"), DISKS.blob("data.vhd")
BOTH = source_disks({OS.url: "incremental", DATA.url: "incremental"})


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    guards = {name: getattr(retention, name) for name in ("MIN_AGE", "GOOD_POINTS", "APPROVED_SHARE")}
    make_small(monkeypatch.setattr)
    for name, guard in guards.items():
        monkeypatch.setattr(retention, name, guard)


def use(scene: Scene, rules: str, mode: str = "on", disks: str = "") -> None:
    """Set what is kept."""
    disks = disks or source_disks({scene.disk.url: "incremental"})
    object.__setattr__(
        scene.services, "settings", settings_of(disks, retention=rules, retention_mode=mode if rules else "off")
    )


async def go_on(scene: Scene, ticks: int) -> None:
    """Have so many ticks, each with a changed page."""
    for _ in range(ticks):
        scene.world.blobs[scene.disk].set(0, [scene.world.number()])
        await scene.tick()
        await scene.pass_time(HALF_A_DAY)


async def with_points(rules: str, count: int = 12, mode: str = "on", kind: str = "incremental") -> Scene:
    """Give a scene with so many recovery points, and the plan that was made after the last."""
    scene = Scene(kind)
    await go_on(scene, count - 1)
    use(scene, rules, mode, source_disks({scene.disk.url: kind}))
    await go_on(scene, 1)
    return scene


def plan(scene: Scene, disk: Any = None) -> PlanOnRecord:
    return plan_of(dict(scene.world.plans[PageBlobDisk(disk or scene.disk).key][0]))


def times(scene: Scene) -> list[str]:
    return [point.time for point in scene.world.points_of(scene.disk)]


def snapshots(scene: Scene) -> list[str]:
    return sorted(scene.world.blobs[scene.world.backup_of(scene.disk)].snapshots)


def outcome(scene: Scene) -> tuple[str, str]:
    """Give how the last intent ended."""
    row = list(scene.world.intents.values())[-1][0]
    return str(row["state"]), str(row.get("outcome") or row.get("reason"))


async def ask(scene: Scene, **intent: Any) -> tuple[str, str]:
    """Have an operator write an intent; give how it ends."""
    scene.world.enqueue(MANAGE_QUEUE, json.dumps(intent).encode())
    await scene.pass_time(timedelta(minutes=2))
    return outcome(scene)


async def approve(scene: Scene, named: str = "") -> tuple[str, str]:
    return await ask(scene, do="approve", plan=named or plan(scene).plan)


async def retain_now(scene: Scene) -> None:
    """Have the retention look at the disk, as after a tick."""
    scene.world.enqueue(RETENTION_QUEUE, RetentionMessage(disk=PageBlobDisk(scene.disk)).body.encode())
    await scene.pass_time(timedelta(minutes=5))


def change_point(scene: Scene, time: str, change: Callable[[RecoveryPoint], RecoveryPoint]) -> None:
    rows = scene.world.points[PageBlobDisk(scene.disk).key]
    rows[f"point-{time}"] = change(rows[f"point-{time}"])


# --- when it deletes


async def test_nothing_is_planned_or_deleted_unless_it_is_asked_for() -> None:
    scene = await with_points("")
    assert (len(times(scene)), scene.world.plans, scene.handled[RETENTION_QUEUE]) == (12, {}, 0)


async def test_a_report_is_put_on_record_and_never_carried_out() -> None:
    scene = await with_points("last=6", mode="report")
    shown = plan(scene)
    assert (shown.state, shown.points, shown.going, len(shown.times)) == (PlanState.REPORT, 12, 6, 6)
    assert sorted(shown.times) == times(scene)[:6]
    assert (shown.bytes_freed, shown.bytes_freed_at_least) == (6 * 512, 6 * 512), "one page of each"
    assert json.loads(shown.stay)["last"] == times(scene)[6:8]
    state, why = await approve(scene)
    assert (state, "RETENTION_MODE is report" in why) == ("refused", True)
    assert len(times(scene)) == 12


async def test_the_first_plan_waits_and_once_approved_takes_exactly_what_it_said() -> None:
    scene = await with_points("last=6")
    before, waiting = times(scene), plan(scene)
    foreign = scene.world.snapshot(scene.world.backup_of(scene.disk), {"mine": "1"})
    assert (waiting.state, len(before), sorted(waiting.times)) == (PlanState.WAITING, 12, before[:6])
    assert "first plan" in waiting.reason
    assert await approve(scene) == ("done", "approved: 6 recovery points of 1 disk are being deleted")
    assert times(scene) == before[6:]
    assert snapshots(scene) == sorted([*(p.backup_snapshot for p in scene.world.points_of(scene.disk)), foreign])
    assert sorted(scene.world.tombstones[PageBlobDisk(scene.disk).key]) == [f"deleted-{time}" for time in before[:6]]
    assert (plan(scene).state, plan(scene).deleted) == (PlanState.DONE, 6)
    assert scene.world.violations == []


async def test_after_that_all_is_done_by_itself_after_each_tick() -> None:
    scene = await with_points("last=6")
    await approve(scene)
    await go_on(scene, 3)
    assert len(times(scene)) == 6
    assert plan(scene).state is PlanState.DONE
    assert scene.world.violations == []


async def test_a_hash_that_is_not_the_current_one_is_refused_with_the_current_one() -> None:
    scene = await with_points("last=6")
    old = plan(scene).plan
    await go_on(scene, 1)
    state, why = await approve(scene, old)
    assert (state, plan(scene).plan in why, "replaced by a newer one" in why) == ("refused", True, True)
    assert len(times(scene)) == 13
    await approve(scene)
    assert len(times(scene)) == 6
    state, why = await approve(scene, old)
    assert (state, "no plan waits" in why) == ("refused", True)


async def test_changed_rules_and_plans_that_take_much_wait_again() -> None:
    scene = await with_points("last=10")
    await approve(scene)
    use(scene, "last=9")
    await go_on(scene, 1)
    assert (plan(scene).state, len(times(scene))) == (PlanState.WAITING, 11)
    assert "rules were changed from last=10" in plan(scene).reason
    await approve(scene)
    assert len(times(scene)) == 9
    use(scene, "", "off")
    await go_on(scene, 6)
    use(scene, "last=9")
    await go_on(scene, 1)
    assert (plan(scene).state, plan(scene).reason) == (PlanState.WAITING, "it takes 7 of 16 recovery points")


async def test_one_hash_approves_the_plans_of_all_disks_even_if_the_approval_is_interrupted() -> None:
    scene = Scene()
    scene.world.blobs[DATA] = Blob([7], scene.world.number)
    use(scene, "last=6", disks=BOTH)
    await go_on(scene, 12)
    of_all = hash_of_all([plan(scene), plan(scene, DATA)])
    assert scene.world.plan_of_all["plan"] == of_all
    put, puts = scene.services.plans.put, 0

    async def put_once(*arguments: Any) -> str:
        nonlocal puts
        puts += 1
        if puts == 2:
            raise ConnectionResetError("the worker died")
        return str(await put(*arguments))

    scene.services.plans.put = put_once
    assert (await approve(scene, of_all))[0] == "done"
    assert [len(scene.world.points_of(disk)) for disk in (OS, DATA)] == [6, 6]
    assert scene.world.plan_of_all["disks"] == 0
    assert scene.world.violations == []


async def test_of_an_approved_plan_only_what_still_goes_is_deleted() -> None:
    scene = await with_points("last=6")
    kept = times(scene)[2]
    await ask(scene, do="keep", disk=scene.disk.url, point=kept)
    await approve(scene)
    assert times(scene)[0] == kept
    assert len(times(scene)) == 7
    assert (await ask(scene, do="unkeep", disk=scene.disk.url, point=kept))[0] == "done"
    await go_on(scene, 1)
    assert kept not in times(scene)


async def test_what_is_approved_waits_while_the_disk_is_not_safe() -> None:
    scene = await with_points("last=6")
    use(scene, "last=6", disks=DATA.url)
    await approve(scene)
    assert (len(times(scene)), plan(scene).state) == (12, PlanState.APPROVED)
    assert plan(scene).reason == "SOURCE_DISKS does not name it"
    use(scene, "last=6")
    await retain_now(scene)
    assert (len(times(scene)), plan(scene).state) == (6, PlanState.DONE)


# --- what keeps it from deleting


@pytest.mark.parametrize("trouble", ["late", "unlisted", "failing", "row lost", "snapshot lost", "seeking"])
async def test_nothing_goes_of_a_disk_that_is_not_safe(trouble: str) -> None:
    scene = await with_points("last=6", mode="report")
    key, world = PageBlobDisk(scene.disk).key, scene.world
    entity, etag = world.records[key]
    oldest = world.points_of(scene.disk)[0]
    if trouble == "late":
        world.records[key] = ({**entity, "last_tick": world.now}, etag)
    elif trouble == "failing":
        world.records[key] = ({**entity, "last_error": "refused", "last_error_at": world.now}, etag)
    elif trouble == "row lost":
        del world.points[key][oldest.row_key]
    elif trouble == "snapshot lost":
        del world.blobs[world.backup_of(scene.disk)].snapshots[oldest.backup_snapshot]
    elif trouble == "seeking":
        world.enqueue(RESTORE_REQUESTS_QUEUE, json.dumps({"disk": scene.disk.url, "point": "latest"}).encode())
        [request] = [found for found in world.messages if found.queue == RESTORE_REQUESTS_QUEUE]
        await scene.deliver(request)  # and not what follows
        world.messages.clear()
    use(scene, "last=6", disks=DATA.url if trouble == "unlisted" else "")
    await retain_now(scene)
    assert plan(scene).going == 0
    assert plan(scene).reason
    assert plan(scene).state is PlanState.DONE


@pytest.mark.parametrize("are_kept", [False, True])
async def test_the_points_of_a_retired_disk_follow_the_retention_unless_they_are_kept(*, are_kept: bool) -> None:
    scene = await with_points("last=6")
    use(scene, "last=6", disks=DATA.url)
    state, _ = await ask(scene, do="retire", disk=scene.disk.url, keepPoints=are_kept)
    assert state == "done"
    await retain_now(scene)
    if not are_kept:
        await approve(scene)
    assert len(times(scene)) == (12 if are_kept else 6)
    assert plan(scene).reason == ("it is retired, and its recovery points are kept" if are_kept else "")
    assert scene.world.violations == []


async def test_one_who_begins_to_need_a_point_just_before_it_is_marked_keeps_it() -> None:
    scene = await with_points("last=6")
    chosen, find = times(scene)[0], scene.services.records.find_point

    async def find_and_then_it_is_kept(disk: Any, time: str) -> Any:
        found = await find(disk, time)
        change_point(scene, time, lambda point: replace(point, kept=True))
        return found

    scene.services.records.find_point = find_and_then_it_is_kept
    await approve(scene)
    assert len(times(scene)) == 12, "each is kept by now"
    assert chosen in times(scene)
    assert "kept" in plan(scene).last_error
    assert scene.world.violations == []


async def test_a_restore_that_begins_while_its_point_is_about_to_be_deleted_keeps_it_and_is_done() -> None:
    scene = await with_points("last=6")
    services, world, chosen = scene.services, scene.world, times(scene)[0]
    list_inspections = services.inspections.open
    begun = False

    async def list_and_then_a_restore_begins(disk: Any = None) -> Any:
        nonlocal begun
        found = await list_inspections(disk)
        marks = [plan.is_going_on for plan in [plan_of(dict(row)) for row, _ in world.plans.values()]]
        if not begun and all(marks) and disk is not None:
            begun = True
            world.enqueue(RESTORE_REQUESTS_QUEUE, json.dumps({"disk": scene.disk.url, "point": chosen}).encode())
            while not any(point.used_by for point in world.points_of(scene.disk)):
                [message, *_] = [one for one in world.messages if "restore" in one.queue]
                world.messages.remove(message)
                await scene.deliver(message)  # in the midst of another
        return found

    services.inspections.open = list_and_then_a_restore_begins
    await approve(scene)
    await scene.pass_time(HALF_A_DAY)
    [restore] = world.restore_rows()
    assert begun
    assert (restore.state, restore.recovery_point) == ("done", chosen)
    assert chosen in times(scene)
    assert world.violations == []


async def test_a_restore_of_a_point_that_is_being_deleted_is_refused() -> None:
    scene = await with_points("")
    chosen = times(scene)[0]
    change_point(scene, chosen, lambda point: point.as_deleting("no rule keeps it"))
    body = json.dumps({"disk": scene.disk.url, "point": chosen}).encode()
    scene.world.asked[scene.world.enqueue(RESTORE_REQUESTS_QUEUE, body)] = body
    await scene.pass_time(timedelta(hours=1))
    [restore] = scene.world.restore_rows()
    assert (restore.state, "is being deleted" in restore.reason) == ("refused", True)


async def test_a_point_that_is_drilled_stays_until_the_drill_has_ended() -> None:
    scene = await with_points("last=6")
    oldest = times(scene)[0]
    scene.world.enqueue(DRILL_QUEUE, json.dumps({"disk": scene.disk.url, "point": oldest}).encode())
    while not any(found.recovery_point for found, _ in scene.world.inspections.values()):
        await scene.pass_time(timedelta(milliseconds=100))
    await approve(scene)
    assert times(scene)[0] == oldest
    assert len(times(scene)) == 7
    await go_on(scene, 1)
    assert oldest not in times(scene)
    assert scene.world.violations == []


# --- how it deletes


class _Crashing(PromptCalls):
    """Calls of which one is the last of its invocation, before or after it takes effect."""

    def __init__(self, world: World, crash_at: int, *, after: bool) -> None:
        super().__init__(random.Random(0), world.call_passed, (), rate=0)
        self._left, self._after = crash_at, after

    async def read[Result](self, effect: Callable[[], Result]) -> Result:
        return await self._or_crash(effect)

    async def change[Result](self, effect: Callable[[], Result]) -> Result:
        return await self._or_crash(effect)

    async def _or_crash[Result](self, effect: Callable[[], Result]) -> Result:
        self._left -= 1
        if self._left < 0 and not self._after:
            raise Crash
        result = effect()
        if self._left < 0:
            raise Crash
        return result


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("kind", ["incremental", "full"])
async def test_a_crash_at_any_call_of_a_deletion_repeats_a_step(kind: str, *, after: bool) -> None:
    scene = await with_points("last=10", kind=kind)
    row, etag = scene.world.plans[PageBlobDisk(scene.disk).key]
    approved = plan_of(dict(row)).approve("by hand", scene.world.now)
    scene.world.plans[PageBlobDisk(scene.disk).key] = (row_of(approved), etag)
    settings, start = scene.services.settings, scene.world
    message = RetentionMessage(disk=PageBlobDisk(scene.disk))
    for crash_at in range(1000):
        scene.world = copy.deepcopy(start, {id(start._numbers): start._numbers})  # noqa: SLF001 - numbers need no copy
        CURRENT.set(Invocation("retention", scene.world.now))
        services = simulated(scene.world, _Crashing(scene.world, crash_at, after=after), settings)
        try:
            await retain_points(services, message)
        except Crash:
            pass
        else:
            break
        scene.services = simulated(scene.world, _Crashing(scene.world, 10**6, after=False), settings)
        await retain_points(scene.services, message)
        assert len(times(scene)) == 10, f"after a crash at call {crash_at}"
        assert len(scene.world.tombstones[PageBlobDisk(scene.disk).key]) == 2
        assert plan(scene).state is PlanState.DONE
        assert scene.world.violations == []
    assert crash_at > 25


async def test_full_copies_go_with_their_content_left_to_soft_delete() -> None:
    scene = await with_points("last=6", kind="full")
    copies = [point.backup_blob for point in scene.world.points_of(scene.disk)]
    await approve(scene)
    assert [blob in scene.world.blobs for blob in copies] == [False] * 6 + [True] * 6
    assert scene.world.violations == []


@pytest.mark.parametrize("trouble", ["leased", "somebody else's", "with a snapshot"])
async def test_a_full_copy_that_is_leased_or_somebody_elses_stays_and_the_others_go(trouble: str) -> None:
    scene = await with_points("last=6", kind="full")
    first = scene.world.points_of(scene.disk)[0]
    assert first.backup_blob
    blob = scene.world.blobs[first.backup_blob]
    if trouble == "leased":
        blob.lease = "vm"
    elif trouble == "with a snapshot":
        scene.world.snapshot(first.backup_blob, {"mine": "1"})
    else:
        blob.metadata = {**blob.metadata, "tidemark_source_snapshot": times(scene)[1]}
    await approve(scene)
    left = scene.world.points_of(scene.disk)
    assert (len(left), left[0].time, left[0].state) == (7, first.time, PointState.SEALED)
    assert "What to do" in plan(scene).last_error
    assert first.backup_blob in scene.world.blobs


async def test_a_long_deletion_is_split_into_several_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = await with_points("last=6")
    monkeypatch.setattr(retain, "TURN", timedelta(milliseconds=400))
    before = scene.handled[RETENTION_QUEUE]
    await approve(scene)
    assert scene.handled[RETENTION_QUEUE] - before > 2
    assert (len(times(scene)), plan(scene).state, plan(scene).deleted) == (6, PlanState.DONE, 6)


@pytest.mark.nightly
async def test_damaged_points_go_after_a_month_and_the_record_counts_them_no_more() -> None:
    scene = await with_points("last=6")
    await approve(scene)
    damaged = times(scene)[1]
    change_point(scene, damaged, lambda point: point.as_damaged("bytes 0-511 differ", scene.world.now))
    scene.world.rotten[scene.world.backup_of(scene.disk), scene.world.points_of(scene.disk)[1].backup_snapshot] = (
        scene.world.now
    )
    await go_on(scene, 59)
    assert (damaged in times(scene), scene.world.record(scene.disk).damaged_points) == (True, 1)  # type: ignore[union-attr]
    await go_on(scene, 2)
    assert (damaged in times(scene), scene.world.record(scene.disk).damaged_points) == (False, 0)  # type: ignore[union-attr]


async def test_a_rebuilt_catalogue_does_not_bring_back_what_the_retention_has_deleted() -> None:
    scene = await with_points("last=6")
    backup = scene.world.blobs[scene.world.backup_of(scene.disk)]
    all_snapshots = dict(backup.snapshots)
    await approve(scene)
    left = times(scene)
    backup.snapshots.update(all_snapshots)
    await rebuild_catalogue(scene.services)
    assert times(scene) == left
    await retain_now(scene)
    assert plan(scene).reason == "", "what somebody has undeleted is no disagreement"


async def test_a_tombstone_is_kept_for_90_days() -> None:
    scene = await with_points("last=6")
    await approve(scene)
    [stone, *_] = scene.world.tombstones[PageBlobDisk(scene.disk).key].values()
    assert (stone["why"], stone["kind"], stone["size"].value if hasattr(stone["size"], "value") else stone["size"]) == (
        "no rule keeps it",
        "full",
        4 * 512,
    )
    scene.world.now += timedelta(days=89)
    await retain_now(scene)
    assert len(scene.world.tombstones[PageBlobDisk(scene.disk).key]) == 6
    scene.world.now += timedelta(days=1)
    await retain_now(scene)
    assert scene.world.tombstones[PageBlobDisk(scene.disk).key] == {}


# --- one point by itself


async def test_one_point_is_deleted_on_request_unless_something_needs_it() -> None:
    scene = await with_points("")
    disk, services = PageBlobDisk(scene.disk), scene.services
    oldest, *_, newest = times(scene)
    assert "was deleted" in await delete_point(services, disk, oldest)
    assert "was deleted before" in await delete_point(services, disk, oldest)
    with pytest.raises(PointStaysError, match=r"of the last 2 good points, .* younger than 48 hours"):
        await delete_point(services, disk, newest)
    with pytest.raises(PointStaysError, match="is not on record"):
        await delete_point(services, disk, "2020-01-01T00:00:00.0000000Z")
    assert len(times(scene)) == 11
    assert scene.world.violations == []


async def test_a_point_that_is_being_deleted_is_finished_whatever_the_rules_say_now() -> None:
    scene = await with_points("last=9999", mode="report")
    oldest = times(scene)[0]
    change_point(scene, oldest, lambda point: point.as_deleting("asked for"))
    await retain_now(scene)
    assert oldest not in times(scene)
    assert datetime.fromisoformat(oldest) < scene.world.now


async def test_a_retention_that_keeps_failing_is_told_on_its_plan_and_the_next_tick_tries_again() -> None:
    scene = await with_points("last=6")
    bury = scene.services.tombstones.bury

    async def die(*_: Any) -> None:
        raise ConnectionResetError("the worker died")

    scene.services.tombstones.bury = die
    await approve(scene)
    await scene.pass_time(timedelta(hours=1))
    assert "moved to retention-poison" in plan(scene).last_error
    scene.services.tombstones.bury = bury
    await go_on(scene, 1)
    assert len(times(scene)) == 7
    assert scene.world.violations == []


# --- what must not keep it from deleting for ever


async def test_a_damaged_point_deleted_by_hand_freezes_nothing_and_its_row_goes_after_a_month() -> None:
    scene = await with_points("last=6")
    await approve(scene)
    damaged = scene.world.points_of(scene.disk)[1]
    change_point(scene, damaged.time, lambda point: point.as_damaged("bytes 0-511 differ", scene.world.now))
    del scene.world.blobs[scene.world.backup_of(scene.disk)].snapshots[damaged.backup_snapshot]
    await go_on(scene, 5)
    assert (plan(scene).reason, len(times(scene)), damaged.time in times(scene)) == ("", 7, True)
    await go_on(scene, 57)
    assert (len(times(scene)), damaged.time in times(scene)) == (6, False)


async def test_a_point_deleted_while_another_is_asked_for_is_no_disagreement() -> None:
    scene = await with_points("")
    disk, services, list_backups = PageBlobDisk(scene.disk), scene.services, scene.services.backups.of
    first, second, *_ = times(scene)
    pending = [first]

    async def list_after_the_first_is_deleted(of_disk: Any) -> Any:
        if pending:
            await delete_point(services, disk, pending.pop())
        return await list_backups(of_disk)

    services.backups.of = list_after_the_first_is_deleted
    assert "was deleted" in await delete_point(services, disk, second)
    assert (first in times(scene), second in times(scene)) == (False, False)


async def test_a_disk_whose_rows_and_container_disagree_is_told_at_each_tick(
    told: Callable[..., list[dict[str, Any]]],
) -> None:
    scene = await with_points("last=6")
    del scene.world.points[PageBlobDisk(scene.disk).key][f"point-{times(scene)[0]}"]
    await go_on(scene, 2)
    held = told("retention-held")
    assert [(found["disk"], "not on record" in found["reason"]) for found in held] == [(scene.disk.url, True)] * 2


async def test_a_tombstone_stays_while_what_it_is_of_is_there_again_and_that_is_an_orphan() -> None:
    scene = await with_points("last=2")
    backup = scene.world.blobs[scene.world.backup_of(scene.disk)]
    all_snapshots = dict(backup.snapshots)
    await approve(scene)
    backup.snapshots.update(all_snapshots)
    scene.world.now += timedelta(days=91)
    await go_on(scene, 1)
    assert plan(scene).reason == "it takes 3 of 5 recovery points", "and not that rows and container disagree"
    await rebuild_catalogue(scene.services)
    assert len(times(scene)) == 5
    _, listed = await ask(scene, do="orphans")
    assert listed.startswith("8 orphans"), "though they are more than the recovery points on record"


# --- what was decided by changes


async def test_points_found_damaged_in_the_midst_of_a_deletion_leave_the_last_good_ones_to_the_older() -> None:
    scene = await with_points("last=1")
    scene.world.now += timedelta(days=3)
    await retain_now(scene)
    before, find, is_found = times(scene), scene.services.records.find_point, False
    assert plan(scene).going == 10

    async def find_and_then_the_newest_are_damaged(disk: Any, time: str) -> Any:
        nonlocal is_found
        if not is_found and time == before[5] and plan(scene).is_going_on:
            is_found = True
            for newest in before[-2:]:
                change_point(scene, newest, lambda point: point.as_damaged("differs", scene.world.now))
        return await find(disk, time)

    scene.services.records.find_point = find_and_then_the_newest_are_damaged
    await approve(scene)
    assert is_found
    assert [point.time for point in scene.world.points_of(scene.disk) if point.is_good] == before[8:10]
    assert scene.world.violations == []


async def test_a_point_that_was_kept_does_not_go_unseen_once_a_rebuild_has_lost_the_mark() -> None:
    scene = await with_points("last=10", count=14)
    kept = times(scene)[2]
    await ask(scene, do="keep", disk=scene.disk.url, point=kept)
    await approve(scene)
    del scene.world.points[PageBlobDisk(scene.disk).key][f"point-{kept}"]
    await rebuild_catalogue(scene.services)
    await go_on(scene, 1)
    assert (kept in times(scene), plan(scene).state) == (True, PlanState.WAITING)
    assert "since its rows were rebuilt" in plan(scene).reason
    await rebuild_catalogue(scene.services)
    assert plan(scene).state is PlanState.WAITING, "nothing was added"


@pytest.mark.nightly
async def test_a_damaged_point_of_an_older_release_goes_a_month_after_it_was_seen() -> None:
    scene = await with_points("last=6")
    await approve(scene)
    damaged = times(scene)[1]
    change_point(scene, damaged, lambda point: replace(point, state=PointState.DAMAGED, damage="differs"))
    await go_on(scene, 58)
    assert damaged in times(scene)
    await go_on(scene, 4)
    assert damaged not in times(scene)


async def test_two_messages_at_once_raise_no_alarm(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("tidemark"), "disabled", False)
    scene = await with_points("last=6")
    find, is_overtaken = scene.services.records.find_point, False

    async def find_and_another_message_is_faster(disk: Any, time: str) -> Any:
        nonlocal is_overtaken
        if not is_overtaken and plan(scene).is_going_on:
            is_overtaken = True
            await retain_points(scene.services, RetentionMessage(disk=disk))
        return await find(disk, time)

    scene.services.records.find_point = find_and_another_message_is_faster
    caplog.set_level("INFO", "tidemark")
    await approve(scene)
    told = [json.loads(record.message)["event"] for record in caplog.records if record.name == "tidemark"]
    assert (is_overtaken, len(times(scene)), "retention-failed" in told) == (True, 6, False)
    assert scene.world.violations == []


async def test_a_disk_whose_clean_up_alone_keeps_failing_is_told_too(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("tidemark"), "disabled", False)
    scene = await with_points("last=6")

    async def refuse(*_: Any) -> None:
        raise refusal(403, "AuthorizationPermissionMismatch")

    scene.services.disks.delete_snapshot = refuse
    caplog.set_level("INFO", "tidemark")
    await go_on(scene, 1)
    told = [json.loads(record.message) for record in caplog.records if record.name == "tidemark"]
    assert [found["disk"] for found in told if found["event"] == "retention-held"] == [scene.disk.url]


async def test_a_queue_that_takes_no_messages_of_the_retention_keeps_no_tick_from_its_success() -> None:
    scene = await with_points("last=6")
    planned = plan(scene).planned
    scene.world.refusing = {RETENTION_QUEUE}
    tick = scene.world.now
    await go_on(scene, 1)
    assert tick in scene.world.heartbeats
    assert plan(scene).planned == planned
    scene.world.refusing = set()
    await go_on(scene, 1)
    assert plan(scene).planned > planned, "the next tick asks again"


async def test_what_the_retention_took_is_no_gap_on_the_page() -> None:
    scene = await with_points("daily=4", 20)
    await approve(scene)
    await go_on(scene, 2)
    assert len(times(scene)) < 10, "one of two is deleted"
    told = await scene.services.status.read_all()
    [history], [report] = told.histories.values(), told.report.disks
    late_after = timedelta(seconds=report.late_after_seconds)
    assert history.spans
    drawn = timeline(history, scene.world.now, late_after=late_after, going=(), run=None)
    assert (late_after, list(drawn.gaps)) == (1.5 * HALF_A_DAY, [])

"""What the report on record says of each disk and of the app, and that no backup ever waits for it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import pytest

from shared.errors import HeartbeatError, NotOwnerError
from shared.model.names import RESTORE_REQUESTS_QUEUE
from shared.model.report import Flag, State
from shared.model.schema import SCHEMA
from tests.simulation.blobs import Blob
from tests.simulation.refusals import refusal
from tests.simulation.reported import DAY, HALF_A_DAY, HOUR, back_up, backed_up, disk, key, report
from tests.simulation.scenes import Scene
from tests.simulation.services import HOST, settings_of
from tests.simulation.small import make_small
from tests.simulation.world import LAB

type Told = Callable[..., list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


async def failing(*_: Any, **__: Any) -> NoReturn:
    raise refusal(503, "ServerBusy")


async def test_a_disk_is_new_then_safe_and_running_while_a_run_is_open(told: Told) -> None:
    scene = Scene()
    await scene.tick()
    new = await disk(scene)
    assert (new.state, new.job and new.job.kind, new.good_point) == (State.NEW, "backup", "")
    await scene.pass_time(HALF_A_DAY)
    safe = await disk(scene)
    assert (safe.state, safe.job, safe.good_point) == (State.SAFE, None, scene.world.points_of(scene.disk)[-1].time)
    await scene.tick()
    running = await disk(scene)
    assert (running.state, running.good_point) == (State.RUNNING, safe.good_point)
    await scene.pass_time(HALF_A_DAY)
    assert (await disk(scene)).state is State.SAFE
    changes = [event["state"] for event in told("disk-state")]
    assert [state for state, last in zip(changes, ["", *changes], strict=False) if state != last] == [
        *("new", "safe", "running", "safe")
    ]


async def test_the_log_says_of_each_new_recovery_point_when_it_will_be_too_old(told: Told) -> None:
    scene = await backed_up()
    for _ in range(3):
        await back_up(scene)
    points = scene.world.points_of(scene.disk)
    last = {event["good_point"]: event["late_at"] for event in told("disk-state") if event["good_point"]}
    assert last == {
        point.time: (datetime.fromisoformat(point.time) + 18 * HOUR).isoformat(timespec="microseconds")
        for point in points
    }
    ticks = told("snapshots-taken")
    assert {event["next_tick"][11:16] for event in ticks} == {"00:00", "12:00"}


async def test_a_state_lasts_since_it_began_however_often_it_is_told() -> None:
    scene = await backed_up()
    object.__setattr__(scene.services, "settings", settings_of(LAB.blob("other.vhd").url))
    await back_up(scene)
    first = await disk(scene)
    assert first.state is State.UNLISTED
    assert "What to do: correct SOURCE_DISKS" in first.reason
    await back_up(scene)
    assert (await disk(scene)).since == first.since


async def test_each_tick_tells_the_state_of_each_disk(told: Told) -> None:
    scene = await backed_up()
    object.__setattr__(scene.services, "settings", settings_of(LAB.blob("other.vhd").url))
    for _ in range(3):
        await back_up(scene)
    events = [event for event in told("disk-state") if event["state"] == "unlisted"]
    assert len(events) >= 3
    assert {event["attention"] for event in events} == {True}


async def test_a_backup_does_not_wait_for_the_report(monkeypatch: pytest.MonkeyPatch, told: Told) -> None:
    scene = Scene()
    for name in ("find", "put", "drop", "all"):
        monkeypatch.setattr(scene.services.status._rows, name, failing)  # noqa: SLF001
    before = scene.world.now
    await back_up(scene)
    assert len(scene.world.points_of(scene.disk)) == 1
    assert [tick for tick in scene.world.heartbeats if tick >= before]
    assert scene.world.status == {}
    assert told("report-failed")
    assert scene.world.violations == []


async def test_what_could_not_be_told_is_told_by_the_next_tick() -> None:
    scene = await backed_up()
    scene.world.status.clear()
    await back_up(scene)
    assert (await disk(scene)).state is State.SAFE
    scene.world.status[key(scene)] = {"schema": SCHEMA, "report": "somebody has edited it"}
    await back_up(scene)
    assert (await disk(scene)).state is State.SAFE


async def test_what_a_worker_that_died_has_not_told_is_told_while_the_tick_is_watched() -> None:
    scene = await backed_up()
    other = LAB.blob("other.vhd")
    scene.world.blobs[other] = Blob([1], scene.world.number)
    object.__setattr__(scene.services, "settings", settings_of(f"{scene.disk.url} {other.url}"))
    await scene.tick()
    running = scene.world.status[key(scene)]
    scene.world.messages = [found for found in scene.world.messages if b"other.vhd" not in found.body]
    await scene.pass_time(timedelta(minutes=1))
    assert (await disk(scene)).state is State.SAFE
    scene.world.status[key(scene)] = running
    await scene.pass_time(timedelta(minutes=10))
    assert (await report(scene)).app.tick_result == "pending"
    assert (await disk(scene)).state is State.SAFE


async def test_what_a_newer_release_tells_is_left_as_it_is() -> None:
    scene = await backed_up()
    newer = {"schema": SCHEMA + 1, "report": "in a language to come"}
    scene.world.status[key(scene)] = newer
    await back_up(scene)
    assert scene.world.status[key(scene)] == newer
    assert (await report(scene)).disks == []
    assert len(scene.world.points_of(scene.disk)) == 2


async def test_nothing_is_said_of_a_disk_that_is_not_on_record_any_more() -> None:
    scene = await backed_up()
    del scene.world.records[key(scene)]
    object.__setattr__(scene.services, "settings", settings_of(LAB.blob("other.vhd").url))
    await back_up(scene)
    assert key(scene) not in scene.world.status


async def test_a_record_that_can_not_be_read_is_told_with_what_to_do() -> None:
    scene = await backed_up()
    entity, _ = scene.world.records[key(scene)]
    scene.world.records[key(scene)] = ({**entity, "schema": SCHEMA + 1}, "of the newer release")
    await scene.tick()
    told = await disk(scene)
    assert told.state is State.FAILING
    assert "What to do" in told.reason


async def test_a_disk_that_fails_is_told_with_the_error_until_it_is_backed_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = await backed_up()
    with monkeypatch.context() as patched:
        patched.setattr(scene.services.disks, "take_snapshot", failing)
        await back_up(scene)
    told = await disk(scene)
    assert told.state is State.FAILING
    assert "ServerBusy (503)" in told.reason
    await back_up(scene)
    assert (await disk(scene)).state is State.SAFE


async def test_a_disk_that_is_excluded_by_its_own_url_is_not_late_for_ever() -> None:
    scene = await backed_up()
    other = LAB.blob("other.vhd")
    scene.reconfigure(SOURCE_DISKS=f"{other.url} {scene.disk.parent.blob('*.vhd').url} !{scene.disk.url}")
    for _ in range(4):
        await back_up(scene)
    told = await disk(scene)
    assert (told.state, told.needs_attention) == (State.RETIRED, False)
    assert "SOURCE_DISKS excludes it" in told.reason


async def test_a_pattern_that_finds_nothing_is_told_until_it_finds_its_disks_or_is_set_no_more() -> None:
    scene = await backed_up()
    pattern = LAB.blob("*.vhd").url
    scene.reconfigure(SOURCE_DISKS=f"{scene.disk.url} {pattern}")
    for _ in range(2):
        await back_up(scene)
        [told] = [found for found in (await report(scene)).disks if found.disk == pattern]
        assert told.state is State.FAILING
        assert "What to do: check the pattern" in told.reason
    scene.world.blobs[LAB.blob("late.vhd")] = Blob([1], scene.world.number)
    await back_up(scene)
    assert {found.state for found in (await report(scene)).disks} == {State.SAFE}
    assert len((await report(scene)).disks) == 2


async def test_what_looks_wrong_is_flagged_until_a_run_is_as_usual() -> None:
    scene = await backed_up()
    for _ in range(2):
        record = scene.world.record(scene.disk)
        assert record
        del scene.world.blobs[scene.disk].snapshots[record.base_snapshot]
        await back_up(scene)
    told = await disk(scene)
    assert (told.state, list(told.flags)) == (State.SAFE, [Flag.RESYNC_AGAIN])
    assert "What to do" in told.flags[Flag.RESYNC_AGAIN]
    await back_up(scene)
    assert (await disk(scene)).flags == {}


async def test_a_damaged_recovery_point_is_not_the_one_that_a_disk_is_said_to_have() -> None:
    scene = await backed_up()
    await back_up(scene)
    older, newest = scene.world.points_of(scene.disk)
    del scene.world.blobs[scene.world.backup_of(scene.disk)].snapshots[newest.backup_snapshot]
    await scene.tick()
    told = await disk(scene)
    assert (told.good_point, told.damaged_points) == (older.time, 1)
    assert newest.time in told.flags[Flag.DAMAGED]
    assert told.needs_attention


async def test_a_snapshot_that_nobody_knows_is_flagged_once_it_is_old() -> None:
    scene = await backed_up()
    backup = scene.world.blobs[scene.world.backup_of(scene.disk)]
    stray = (scene.world.now - timedelta(days=8)).strftime("%Y-%m-%dT%H:%M:%S.0000000Z")
    backup.snapshots[stray] = next(iter(backup.snapshots.values()))
    await back_up(scene)
    assert "1 snapshot of its backup blob is not on record" in (await disk(scene)).flags[Flag.ORPHANS]
    assert not (await report(scene)).needs_attention
    del backup.snapshots[stray]
    await back_up(scene)
    assert (await disk(scene)).flags == {}


async def test_the_disk_of_a_trial_is_told_while_it_is_there() -> None:
    scene = await backed_up()
    body = {"disk": scene.disk.url, "point": "latest", "target": LAB.blob("trial.vhd").url, "adopt": False}
    scene.world.enqueue(RESTORE_REQUESTS_QUEUE, json.dumps(body | {"expires": "2d"}).encode())
    await scene.pass_time(HOUR)
    await back_up(scene)
    assert (await disk(scene)).flags == {Flag.TRIALS: "1 disk of a trial restore waits to be deleted"}
    await scene.pass_time(3 * DAY)
    await back_up(scene)
    assert (await disk(scene)).flags == {}


async def test_the_app_says_how_its_last_tick_went_and_when_the_next_is_due() -> None:
    scene = Scene()
    started, due = scene.world.now, scene.world.now + HALF_A_DAY
    await scene.tick()
    app = (await report(scene)).app
    assert (app.tick_result, app.disks, app.next_tick, app.heartbeat) == ("pending", 1, due, None)
    await scene.pass_time(HALF_A_DAY)
    app = (await report(scene)).app
    assert started <= (app.last_tick or started) < due
    assert (app.tick_result, app.last_success) == ("succeeded", app.last_tick)
    assert (await report(scene)).problems == []
    await scene.pass_time(HOUR)
    assert "nothing is backed up: no tick since" in (await report(scene)).problems[0]


async def test_a_tick_that_backs_up_nothing_says_why() -> None:
    scene = await backed_up()
    other = scene.of_another_app("other", AzureWebJobsStorage=HOST.replace("host", "second"))
    with pytest.raises(NotOwnerError):
        await other.tick()
    told = await report(other)
    assert told.app.tick_result == "failed"
    assert any("belongs to the app" in problem and "What to do" in problem for problem in told.problems)


async def test_a_heartbeat_that_is_refused_is_told_until_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    object.__setattr__(
        scene.services, "settings", settings_of(scene.disk.url, heartbeat_url="https://example.org/beat")
    )

    async def refused() -> None:
        raise HeartbeatError("HEARTBEAT_URL responded with HTTP status 500")

    with monkeypatch.context() as patched:
        patched.setattr(scene.services.heartbeat, "call", refused)
        await back_up(scene)
    [problem] = (await report(scene)).problems
    assert problem.startswith("HEARTBEAT_URL responded with HTTP status 500. What to do: ")
    await back_up(scene)
    told = await report(scene)
    assert (told.problems, told.app.heartbeat is not None) == ([], True)
    for url in ("no URL", ""):
        scene.reconfigure(heartbeat_url=url)
        await back_up(scene)
        assert bool((await report(scene)).problems) == bool(url)


async def test_the_report_is_read_as_it_stands_at_that_time() -> None:
    scene = await backed_up()
    assert (await report(scene)).state is State.SAFE
    await scene.pass_time(DAY)
    late = await report(scene)
    assert (late.state, late.at) == (State.LATE, scene.world.now)
    assert late.needs_attention
    assert datetime.now(UTC) > late.at, "the clock is the simulation's"


async def test_a_mistake_in_the_settings_of_the_page_stops_no_backup_and_is_told_until_it_is_mended(told: Told) -> None:
    scene = await backed_up()
    scene.reconfigure(STATUS_PAGE="entra", STATUS_PAGE_GROUP="Operators")
    await back_up(scene)
    mistaken = await report(scene)
    assert [disk.state for disk in mistaken.disks] == [State.SAFE]
    assert len(scene.world.points_of(scene.disk)) == 2
    [problem] = mistaken.problems
    assert "STATUS_PAGE_GROUP is not the object ID of a group" in problem
    assert [event["reason"] for event in told("page-failed")] == [problem]
    scene.reconfigure()
    await back_up(scene)
    assert not (await report(scene)).problems

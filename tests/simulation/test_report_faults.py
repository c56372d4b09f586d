"""What must not go wrong with the report: rows that somebody edited, that are refused, or that lie for ever."""

import json
from collections.abc import AsyncIterator
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.azure.services import telling
from shared.azure.tables.status import APP_ROW
from shared.backup.take_snapshots import take_snapshots
from shared.backup.tell_report import tell_outdated, tell_report
from shared.errors import HeartbeatError
from shared.model.disk import PageBlobDisk
from shared.model.messages import TickMessage
from shared.model.names import MANAGE_QUEUE
from shared.model.report import Flag, State
from shared.model.schema import SCHEMA, UnknownSchemaError
from shared.model.tick import Due
from tests.simulation.blobs import Blob
from tests.simulation.refusals import refusal
from tests.simulation.reported import DAY, HALF_A_DAY, HOUR, back_up, backed_up, disk, key, report
from tests.simulation.scenes import Scene
from tests.simulation.services import settings_of
from tests.simulation.small import make_small
from tests.simulation.world import DISKS, LAB


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


def edit(scene: Scene, row: str, **changed: Any) -> None:
    """Have somebody edit what a row says."""
    values = scene.world.status[row]
    scene.world.status[row] = {**values, "report": json.dumps(json.loads(values["report"]) | changed)}


def with_disks(scene: Scene, *names: str) -> None:
    """Have the app back up these disks of the scene's container, too."""
    for name in names:
        scene.world.blobs[DISKS.blob(name)] = Blob([1], scene.world.number)
    urls = " ".join([scene.disk.url, *(DISKS.blob(name).url for name in names)])
    object.__setattr__(scene.services, "settings", settings_of(urls))


@pytest.mark.parametrize(
    "changed",
    [
        {"good_point": "yesterday"},
        {"good_point": "2026-11-22T12:00:00"},
        {"first_tick": "2026-11-22T12:00:00", "good_point": ""},
        {"late_after_seconds": -1e300},
    ],
)
async def test_a_disk_is_backed_up_though_somebody_edited_its_report(changed: dict[str, Any]) -> None:
    scene = await backed_up()
    edit(scene, key(scene), **changed)
    await back_up(scene)
    assert len(scene.world.points_of(scene.disk)) == 2
    assert max(scene.world.ticks) in scene.world.heartbeats
    assert (await disk(scene)).state is State.SAFE


@pytest.mark.parametrize(
    "changed",
    [
        {"next_tick": "2026-11-22T12:00:00"},
        {"last_tick": "2026-11-22T12:00:00"},
        {"last_success": "2026-11-22T12:00:00"},
        {"late_after_seconds": 1e300},
    ],
)
async def test_a_tick_backs_up_though_somebody_edited_the_report_of_the_app(changed: dict[str, Any]) -> None:
    scene = await backed_up()
    edit(scene, APP_ROW, **changed)
    await back_up(scene)
    assert len(scene.world.points_of(scene.disk)) == 2
    assert max(scene.world.ticks) in scene.world.heartbeats
    assert (await report(scene)).problems == []


async def test_no_backup_and_no_heartbeat_fails_whatever_the_report_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    async def wrong(*_: Any, **__: Any) -> Any:
        raise KeyError("report")

    scene = Scene()
    for name in ("find", "put", "drop", "all"):
        monkeypatch.setattr(scene.services.status._rows, name, wrong)  # noqa: SLF001
    await back_up(scene)
    assert len(scene.world.points_of(scene.disk)) == 1
    assert max(scene.world.ticks) in scene.world.heartbeats


async def test_a_row_that_can_not_be_written_keeps_no_other_disk_from_being_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene()
    with_disks(scene, *(f"z{number:02}.vhd" for number in range(20)))
    await back_up(scene)
    assert len(scene.world.status) == 22
    rows = scene.services.status._rows  # noqa: SLF001
    put = rows.put

    async def refused(row: str, values: dict[str, Any], etag: str | None) -> Any:
        if row == key(scene):
            raise refusal(400, "PropertyValueTooLarge")
        return await put(row, values, etag)

    monkeypatch.setattr(rows, "put", refused)
    last = PageBlobDisk(DISKS.blob("z19.vhd")).key
    for row in (key(scene), last):
        del scene.world.status[row]
    await tell_report(scene.services, lambda app: app)
    assert last in scene.world.status


@pytest.mark.parametrize("method", ["drop", "put"])
async def test_a_row_that_can_not_be_dropped_or_is_of_no_disk_keeps_no_other_from_being_dropped(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = await backed_up()
    rows = scene.services.status._rows  # noqa: SLF001
    first, *gone = [PageBlobDisk(DISKS.blob(f"a{number:02}.vhd")).key for number in range(20)]
    write = getattr(rows, method)

    async def refused(row: str, *args: Any) -> Any:
        if row == first:
            raise refusal(503, "ServerBusy")
        return await write(row, *args)

    monkeypatch.setattr(rows, method, refused)
    for row in (first, *gone):
        scene.world.status[row] = scene.world.status[key(scene)]
    if method == "put":
        scene.world.records[first] = ({**scene.world.records[key(scene)][0]}, "of another disk")
        await scene.services.records.invalidate(PageBlobDisk(DISKS.blob("a00.vhd")))
    await tell_report(scene.services, lambda app: app)
    assert scene.world.status.keys() == {APP_ROW, key(scene), first}


@pytest.mark.parametrize("row", [{"schema": SCHEMA + 1, "report": "in a language to come"}, None])
async def test_a_state_is_logged_though_its_row_can_not_be_written(
    row: dict[str, Any] | None, monkeypatch: pytest.MonkeyPatch, told: Any
) -> None:
    scene = await backed_up()

    async def refused(*_: Any, **__: Any) -> Any:
        raise refusal(503, "ServerBusy")

    if row:
        scene.world.status[key(scene)] = row
    else:
        monkeypatch.setattr(scene.services.status._rows, "put", refused)  # noqa: SLF001
    object.__setattr__(scene.services, "settings", settings_of(LAB.blob("other.vhd").url))
    await back_up(scene)
    assert {"unlisted"} <= {event["state"] for event in told("disk-state") if event["disk"] == scene.disk.url}


async def test_a_row_of_a_newer_release_is_left_alone_whatever_it_is_of() -> None:
    scene = await backed_up()
    newer = {"schema": SCHEMA + 1, "report": "in a language to come"}
    scene.world.status["!fleet"] = newer
    await back_up(scene)
    assert scene.world.status["!fleet"] == newer


async def test_a_disk_that_is_late_has_a_row_that_says_so_after_the_next_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = await backed_up()

    async def waits(*_: Any, **__: Any) -> None:
        """Lose the messages of its run."""

    with monkeypatch.context() as patched:
        patched.setattr(scene.services.queues, "send", waits)
        for _ in range(3):
            await back_up(scene)
    assert (await disk(scene)).state is State.LATE
    row = scene.world.status[key(scene)]
    assert (row["state"], row["attention"]) == ("late", True)


async def test_an_outage_of_the_app_makes_no_old_recovery_point_a_young_one(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    for _ in range(3):
        await back_up(scene)
    await scene.pass_time(8 * DAY)

    async def waits(*_: Any, **__: Any) -> None:
        """Lose the messages of its run."""

    monkeypatch.setattr(scene.services.queues, "send", waits)
    await scene.tick()
    assert (await disk(scene)).state is State.LATE


async def test_a_heartbeat_that_is_not_to_be_called_any_more_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    beating = settings_of(scene.disk.url, heartbeat_url="https://example.org/beat")
    object.__setattr__(scene.services, "settings", beating)

    async def refused() -> None:
        raise HeartbeatError("HEARTBEAT_URL responded with HTTP status 500")

    with monkeypatch.context() as patched:
        patched.setattr(scene.services.heartbeat, "call", refused)
        await back_up(scene)
    [problem] = (await report(scene)).problems
    assert "What to do" in problem
    object.__setattr__(scene.services, "settings", settings_of(scene.disk.url))
    await back_up(scene)
    assert (await report(scene)).problems == []


async def test_a_heartbeat_that_can_not_be_called_is_not_said_to_have_been() -> None:
    scene = Scene()
    object.__setattr__(scene.services, "settings", settings_of(scene.disk.url, heartbeat_url="@Microsoft.KeyVault(x)"))
    await back_up(scene)
    told = await report(scene)
    assert told.app.heartbeat is None
    assert any("HEARTBEAT_URL is not a URL" in problem for problem in told.problems)


async def test_a_record_that_can_not_be_read_keeps_no_other_disk_from_being_told_again() -> None:
    scene = Scene()
    with_disks(scene, "a.vhd")
    await back_up(scene)
    first = PageBlobDisk(DISKS.blob("a.vhd")).key
    entity, _ = scene.world.records[first]
    scene.world.records[first] = ({**entity, "schema": SCHEMA + 1}, "of the newer release")
    scene.world.status.clear()
    await tell_outdated(scene.services, await scene.services.records.disks(), lambda app: app)
    assert key(scene) in scene.world.status


async def test_a_disk_without_a_good_recovery_point_is_not_safe() -> None:
    scene = await backed_up()
    [point] = scene.world.points_of(scene.disk)
    del scene.world.blobs[scene.world.backup_of(scene.disk)].snapshots[point.backup_snapshot]
    await scene.tick()
    told = await disk(scene)
    assert told.good_point == ""
    assert told.state not in {State.SAFE, State.RUNNING}


async def test_a_pattern_that_could_not_be_listed_once_is_not_said_to_fail_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene()
    pattern = f"{DISKS.url}/*"
    object.__setattr__(scene.services, "settings", settings_of(pattern))
    await back_up(scene)

    async def failing(*_: Any, **__: Any) -> Any:
        raise refusal(503, "ServerBusy")

    with monkeypatch.context() as patched:
        patched.setattr(scene.services.disks, "find", failing)
        await back_up(scene)
    assert (await report(scene)).needs_attention
    for _ in range(2):
        await back_up(scene)
    assert [told.disk for told in (await report(scene)).disks if told.needs_attention] == []


async def test_a_url_that_was_corrected_is_not_said_to_fail_for_ever() -> None:
    scene = await backed_up()
    object.__setattr__(scene.services, "settings", settings_of(f"{scene.disk.url} {LAB.blob('tpyo.vhd').url}"))
    await back_up(scene)
    assert (await report(scene)).needs_attention
    object.__setattr__(scene.services, "settings", settings_of(scene.disk.url))
    for _ in range(2):
        await back_up(scene)
    assert [told.disk for told in (await report(scene)).disks if told.needs_attention] == []


async def test_of_a_disk_of_which_nothing_is_said_any_more_the_log_says_so(told: Any) -> None:
    scene, typo = await backed_up(), LAB.blob("tpyo.vhd").url
    object.__setattr__(scene.services, "settings", settings_of(f"{scene.disk.url} {typo}"))
    await back_up(scene)
    events = ("disk-state", "disk-dropped")
    assert [event["late_at"] for event in told(*events) if event["disk"] == typo][-1], "the alert waits for it"
    object.__setattr__(scene.services, "settings", settings_of(scene.disk.url))
    await back_up(scene)
    last = {event["disk"]: event for event in told(*events)}
    assert last[typo] == {"event": "disk-dropped", "disk": typo}
    assert last[scene.disk.url]["state"] == "safe"


async def test_of_a_disk_whose_record_is_deleted_the_log_says_that_it_is_dropped(told: Any) -> None:
    scene = await backed_up()
    of = PageBlobDisk(scene.disk)
    [_, etag] = await scene.services.records.get(of) or (None, "")
    async with telling(scene.services):
        await scene.services.records.delete(of, etag)
    assert told("disk-dropped") == [{"event": "disk-dropped", "disk": scene.disk.url}]


@pytest.mark.parametrize("character", ["x", '"', "\N{SMILING FACE WITH SUNGLASSES}", "\x01"])
async def test_a_report_fits_into_its_row_whatever_it_quotes(character: str) -> None:
    scene = await backed_up()
    text = f"first {character * 5000} last"
    names = ("last_error", "resync_again", "unusual", "notice", "last_verify_result", "last_drill_result")
    texts: dict[str, Any] = dict.fromkeys(names, text)
    now = scene.world.now
    async with telling(scene.services):
        await scene.services.records.update(
            PageBlobDisk(scene.disk), lambda record: replace(record, last_error_at=now, **texts)
        )
    told = await disk(scene)
    assert told.state is State.FAILING
    for said in (told.reason, *told.flags.values(), told.last_verify_result, told.last_drill_result):
        assert said.startswith("first ")
    assert told.last_drill_result.endswith(" last")


async def test_the_heartbeat_waits_for_no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    told: list[bool] = []
    tell = scene.services.status.tell

    async def noted(*args: Any, **others: Any) -> None:
        told.append(max(scene.world.ticks) in scene.world.heartbeats)
        await tell(*args, **others)

    await scene.tick()
    monkeypatch.setattr(scene.services.status, "tell", noted)
    object.__setattr__(scene.services, "status", scene.services.status)
    await scene.pass_time(HALF_A_DAY)
    assert told == [True]


async def test_a_disk_whose_first_report_comes_between_ticks_is_late_by_the_schedule() -> None:
    scene = Scene()
    scene.reconfigure(backup_schedule="0 0 12 * * SUN")
    await scene.tick()
    await scene.pass_time(DAY)
    del scene.world.status[key(scene)]
    async with telling(scene.services):
        await scene.services.records.update(PageBlobDisk(scene.disk), lambda record: replace(record, notice="it costs"))
    assert (await disk(scene)).state is State.SAFE


@pytest.mark.parametrize("is_pending", [False, True])
async def test_a_report_that_somebody_deleted_is_made_anew_by_the_schedule_and_not_only_at_the_next_tick(
    *, is_pending: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene()
    scene.reconfigure(backup_schedule="0 0 12 * * SUN")
    send = scene.services.queues.send

    async def waits(message: Any, *args: Any) -> None:
        """Lose the messages of its run."""
        if isinstance(message, TickMessage):
            await send(message, *args)

    if is_pending:
        monkeypatch.setattr(scene.services.queues, "send", waits)
    await scene.tick()
    scene.world.status.clear()
    await scene.pass_time(DAY)
    now, told = await disk(scene), await report(scene)
    assert now.state is (State.NEW if is_pending else State.SAFE)
    assert now.late_after_seconds == 1.5 * 7 * DAY.total_seconds()
    assert (told.app.disks, told.app.next_tick) == (1, datetime(2026, 1, 4, 12, tzinfo=UTC))
    assert told.problems == []


async def test_a_tick_reads_no_more_rows_of_a_disk_whose_newest_recovery_point_is_damaged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = await backed_up()
    await back_up(scene)
    newest = scene.world.points_of(scene.disk)[-1]
    del scene.world.blobs[scene.world.backup_of(scene.disk)].snapshots[newest.backup_snapshot]

    async def waits(*_: Any, **__: Any) -> None:
        """Lose the messages of its run."""

    monkeypatch.setattr(scene.services.queues, "send", waits)
    await scene.tick()
    read: list[str] = []
    points = scene.services.records.points

    async def noted(of: Any) -> Any:
        read.append(of.name)
        return await points(of)

    monkeypatch.setattr(scene.services.records, "points", noted)
    scene.world.now += HOUR
    await scene.tick()
    assert (await disk(scene)).damaged_points == 1
    assert read == []


async def test_a_recovery_point_of_a_newer_release_keeps_no_damage_from_being_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = await backed_up()
    await back_up(scene)
    newest = scene.world.points_of(scene.disk)[-1]
    del scene.world.blobs[scene.world.backup_of(scene.disk)].snapshots[newest.backup_snapshot]

    async def newer(_: Any) -> Any:
        raise UnknownSchemaError("the row of a recovery point was written with a newer schema")

    monkeypatch.setattr(scene.services.records, "points", newer)
    await scene.tick()
    told = await disk(scene)
    assert (told.damaged_points, told.good_point) == (1, "")


async def test_of_two_that_change_the_report_of_the_app_at_once_neither_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = await backed_up()
    rows, status, now = scene.services.status._rows, scene.services.status, scene.world.now  # noqa: SLF001
    find = rows.find

    async def found_before_a_tick(row: str) -> Any:
        found = await find(row)
        monkeypatch.setattr(rows, "find", find)
        await status.change_app(lambda app: app.at_tick(now, Due(now + HALF_A_DAY, HALF_A_DAY), disks=1, absent=0))
        return found

    monkeypatch.setattr(rows, "find", found_before_a_tick)
    await status.change_app(lambda app: replace(app, heartbeat=now))
    app = (await report(scene)).app
    assert (app.last_tick, app.next_tick, app.heartbeat) == (now, now + HALF_A_DAY, now)


REFUSED = {"last_error": "no", "last_error_at": datetime(2026, 1, 1, 12, tzinfo=UTC)}
NEVER = {"last_error": "", "last_error_at": None}


@pytest.mark.parametrize("reads", ["find", "read"])
@pytest.mark.parametrize(
    ("slow", "quick", "then"),
    [({"notice": "it costs"}, REFUSED, (State.FAILING, [Flag.NOTICE])), (REFUSED, NEVER, (State.SAFE, []))],
)
async def test_of_two_that_change_a_disk_at_once_the_later_state_is_told(
    reads: str,
    slow: dict[str, Any],
    quick: dict[str, Any],
    then: tuple[State, list[Flag]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = await backed_up()
    of_scene = PageBlobDisk(scene.disk)
    late, fast = scene.services, copy(scene.services)
    object.__setattr__(late, "status", copy(late.status))
    object.__setattr__(late, "records", copy(late.records))
    late.records._status = late.status  # noqa: SLF001
    of = {"find": late.status._rows, "read": late.records}[reads]  # noqa: SLF001
    method = getattr(of, reads)

    async def overtaken(which: Any) -> Any:
        found = await method(which)
        monkeypatch.setattr(of, reads, method)
        async with telling(fast):
            await fast.records.update(of_scene, lambda record: replace(record, **quick))
        return found

    monkeypatch.setattr(of, reads, overtaken)
    async with telling(late):
        await late.records.update(of_scene, lambda record: replace(record, **slow))
    told = await disk(scene)
    assert (told.state, list(told.flags)) == then


async def test_a_disk_that_is_due_and_has_no_record_of_its_own_is_told() -> None:
    scene = await backed_up()
    entity, _ = scene.world.records[key(scene)]
    scene.world.records[key(scene)] = ({**entity, "disk": "os.vhd"}, "that somebody has edited")
    await scene.services.records.invalidate(PageBlobDisk(scene.disk))  # as in any run
    for _ in range(2):
        async with telling(scene.services):
            await take_snapshots(scene.services)
        await scene.pass_time(HALF_A_DAY)
        [told] = (await report(scene)).disks
        assert (told.disk, told.state) == (key(scene), State.FAILING)
        assert "What to do: correct its row `disk`" in told.reason


async def test_a_damaged_recovery_point_that_is_kept_of_a_retired_disk_is_flagged() -> None:
    scene = Scene()
    with_disks(scene, "other.vhd")
    await back_up(scene)
    object.__setattr__(scene.services, "settings", settings_of(DISKS.blob("other.vhd").url))
    now = scene.world.now
    await scene.services.records.update(
        PageBlobDisk(scene.disk), lambda record: replace(record, retired=now, retired_keep_points=True)
    )
    [point] = scene.world.points_of(scene.disk)
    del scene.world.blobs[scene.world.backup_of(scene.disk)].snapshots[point.backup_snapshot]
    await back_up(scene)
    told = await disk(scene)
    assert (told.state, told.damaged_points) == (State.RETIRED, 1)
    assert told.needs_attention


async def test_an_error_that_passes_in_a_minute_alarms_nobody(monkeypatch: pytest.MonkeyPatch, told: Any) -> None:
    scene = await backed_up()
    changes, busy = scene.services.pages.changes, [refusal(503, "ServerBusy")]

    async def busy_once(*args: Any, **others: Any) -> AsyncIterator[Any]:
        if busy:
            raise busy.pop()
        async for change in changes(*args, **others):
            yield change

    monkeypatch.setattr(scene.services.pages, "changes", busy_once)
    await back_up(scene)
    assert len(scene.world.points_of(scene.disk)) == 2
    assert [event["state"] for event in told("disk-state") if event["attention"]] == []


async def test_an_error_that_lasts_is_told_half_an_hour_later_though_the_next_tick_is_hours_away(
    monkeypatch: pytest.MonkeyPatch, told: Any
) -> None:
    scene = await backed_up()

    async def busy(*_: Any, **__: Any) -> AsyncIterator[Any]:
        raise refusal(503, "ServerBusy")
        yield

    monkeypatch.setattr(scene.services.pages, "changes", busy)
    await scene.tick()
    began = scene.world.now
    await scene.pass_time(timedelta(minutes=20))
    assert (await disk(scene)).state is State.RUNNING
    await scene.pass_time(timedelta(minutes=40))
    now = await disk(scene)
    assert now.state is State.FAILING
    assert "ServerBusy (503)" in now.reason
    assert "What to do" in now.reason
    assert began <= now.since < began + timedelta(minutes=20)
    assert [event["state"] for event in told("disk-state") if event["attention"]][:1] == ["failing"]


async def test_nothing_is_told_before_all_that_backups_need_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    scene, done = await backed_up(), list[str]()
    rows, queues = scene.services.status._rows, scene.services.queues  # noqa: SLF001
    find, send = rows.find, queues.send

    async def found(row: str) -> Any:
        done.append(f"report of {row}")
        return await find(row)

    async def sent(*args: Any) -> Any:
        done.append("message")
        return await send(*args)

    monkeypatch.setattr(rows, "find", found)
    monkeypatch.setattr(queues, "send", sent)
    request = {"do": "backup", "disk": scene.disk.url}
    scene.world.enqueue(MANAGE_QUEUE, json.dumps(request).encode())
    await scene.deliver_next()
    assert done[-1] == f"report of {key(scene)}"
    assert done[:-1] == ["message"] * len(done[:-1])
    assert len(done) > 1


async def test_a_tick_that_failed_tells_the_state_of_each_disk_again(told: Any) -> None:
    scene = await backed_up()
    object.__setattr__(scene.services, "settings", settings_of(f"{scene.disk.url} {LAB.blob('no.vhd').url}"))
    for _ in range(2):
        await back_up(scene)
    [failed] = told("tick-incomplete")
    states = [event for event in told("disk-state", "tick-incomplete") if event.get("disk") in {scene.disk.url, None}]
    after = states[states.index(failed) + 1]
    assert (after["event"], after["disk"]) == ("disk-state", scene.disk.url)

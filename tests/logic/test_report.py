"""What the report says of a disk and of the app, by what is on record and what time it is."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from shared.model.absence import Absence
from shared.model.disk import Disk
from shared.model.index import summary
from shared.model.record import DiskRecord
from shared.model.report import (
    LATE_AFTER,
    AppReport,
    DiskReport,
    Flag,
    State,
    disk_report,
    is_outdated,
    is_the_same,
    is_to_be_told,
    report_at,
    unreadable,
)
from shared.model.schedule import due_around
from shared.model.tick import Outcome
from tests.logic.records import BACKED_UP, BASE, DISK, NEW, NOON, RUN, SNAPSHOT

SAFE = replace(BACKED_UP, run=None, last_point=SNAPSHOT, last_success=NOON, first_tick=NOON, base_size=4096)
RUNNING = replace(SAFE, run=RUN)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LATE_AT = datetime.fromisoformat(SNAPSHOT) + LATE_AFTER
REFUSED = "AuthorizationFailure (403). What to do: give the role"


def told(record: DiskRecord, now: datetime = NOON, *, inspects: bool = False) -> DiskReport:
    return disk_report(record, now, inspects=inspects)


@pytest.mark.parametrize(
    ("record", "state", "says"),
    [
        (SAFE, State.SAFE, ""),
        (RUNNING, State.RUNNING, f"backup run {SNAPSHOT} is under way since 2026-11-22 12:00Z"),
        (NEW, State.NEW, "its first backup is under way"),
        (replace(NEW, run=None), State.NEW, "its first backup begins at the next tick"),
        (replace(SAFE, restore="7", restore_of=Disk.parse(DISK)), State.RESTORING, "restore 7 of https://disks"),
        (replace(SAFE, absence=Absence.UNLISTED, absence_reason="nobody names it"), State.UNLISTED, "nobody names it"),
        (replace(SAFE, absence=Absence.MISSING, absence_reason="it is gone"), State.MISSING, "it is gone"),
        (replace(SAFE, retired=NOON, last_error=REFUSED, last_error_at=NOON + HOUR), State.RETIRED, "2026-11-22"),
        (replace(SAFE, last_error=REFUSED, last_error_at=NOON + HOUR), State.FAILING, "give the role"),
        (replace(NEW, run=None, last_error=REFUSED, last_error_at=NOON), State.FAILING, "give the role"),
        (
            SAFE.with_damaged([SNAPSHOT], ""),
            State.FAILING,
            f"known to be good. What to do: see the damage of {SNAPSHOT}",
        ),
        (RUNNING.with_damaged([SNAPSHOT], ""), State.FAILING, "known to be good"),
        (replace(RUNNING, run=replace(RUN, failed="its message was given up")), State.FAILING, "What to do: correct"),
    ],
)
def test_a_disk_has_one_state_with_why_and_what_to_do(record: DiskRecord, state: State, says: str) -> None:
    report = told(record)
    assert report.state is state
    assert says in report.reason
    assert report.needs_attention is (state in {State.UNLISTED, State.MISSING, State.FAILING})


def test_an_error_is_told_until_the_backups_have_gone_on_since() -> None:
    failed = replace(SAFE, last_error=REFUSED, last_error_at=NOON + HOUR)
    assert told(replace(failed, last_success=NOON + 2 * HOUR)).state is State.SAFE
    started = replace(RUN, progressed=NOON)
    assert told(replace(failed, run=started)).state is State.FAILING
    assert told(replace(failed, run=replace(started, progressed=NOON + 2 * HOUR))).state is State.RUNNING
    in_trouble = replace(started, progressed=NOON + 2 * HOUR, error_at=NOON + 3 * HOUR)
    assert told(replace(failed, run=in_trouble)).state is State.RUNNING


def test_an_error_of_a_run_that_passes_soon_alarms_nobody() -> None:
    run = replace(RUN, error_at=NOON + HOUR / 3, trouble_since=NOON)
    for record in (SAFE, NEW):
        report = told(replace(record, run=run, last_error=REFUSED, last_error_at=NOON + HOUR / 3))
        assert not report.seen_at(NOON + HOUR / 3).needs_attention
        failing = report.seen_at(NOON + HOUR / 2)
        assert (failing.state, failing.since, failing.reason) == (State.FAILING, NOON, REFUSED)


@pytest.mark.parametrize("record", [SAFE, RUNNING])
def test_a_disk_becomes_late_without_anybody_writing_so(record: DiskRecord) -> None:
    report = told(record)
    last = datetime.fromisoformat(SNAPSHOT)
    assert report.seen_at(last + LATE_AFTER) == report
    late = report.seen_at(last + LATE_AFTER + timedelta(seconds=1))
    assert (late.state, late.since) == (State.LATE, last + LATE_AFTER)
    assert late.needs_attention
    assert "its newest good recovery point is older than 18 h" in late.reason
    assert "What to do" in late.reason
    assert ("backup run" in late.reason) == (record is RUNNING)


def test_a_new_disk_is_given_as_long_for_its_first_backup() -> None:
    new = replace(NEW, first_tick=NOON)
    assert told(new).seen_at(NOON + LATE_AFTER).state is State.NEW
    late = told(new).seen_at(NOON + LATE_AFTER + HOUR)
    assert late.state is State.LATE
    assert "no recovery point for 18 h, and its first backup is under way. What to do" in late.reason


@pytest.mark.parametrize(
    ("record", "late_at"),
    [
        (SAFE, LATE_AT),
        (replace(RUNNING, run=replace(RUN, failed="given up")), LATE_AT),
        (replace(SAFE, restore="7", restore_of=Disk.parse(DISK)), LATE_AT),
        (replace(NEW, first_tick=NOON), NOON + LATE_AFTER),
        (NEW, None),
        (replace(SAFE, retired=NOON), None),
        (replace(SAFE, absence=Absence.MISSING), None),
        (replace(SAFE, absence=Absence.UNLISTED), None),
    ],
)
def test_the_log_says_when_a_disk_will_be_late_whoever_is_dead_by_then(
    record: DiskRecord, late_at: datetime | None
) -> None:
    assert told(record).log_fields["late_at"] == late_at
    assert told(record).seen_at(NOON + DAY).log_fields["late_at"] == late_at


def test_a_run_whose_message_was_given_up_says_what_that_failed_with() -> None:
    record = replace(
        RUNNING, run=replace(RUN, failed="its message was given up"), last_error="refused. What to do: ask"
    )
    assert told(record).reason == "its message was given up. Last error: refused. What to do: ask"
    same = replace(RUNNING, run=replace(RUN, failed="refused"), last_error="refused")
    assert told(same).reason.count("refused") == 1


@pytest.mark.parametrize("state", ["failing", "unlisted", "missing", "restoring", "retired"])
def test_what_is_wrong_with_a_disk_is_not_hidden_by_its_being_late(state: str) -> None:
    report = replace(told(SAFE), state=State(state))
    assert report.seen_at(NOON + 9 * DAY) == report


def test_a_damaged_newest_recovery_point_makes_no_disk_safe_for_long() -> None:
    damaged = SAFE.with_damaged([SNAPSHOT], BASE)
    report = told(damaged)
    assert report.good_point == BASE
    assert report.flags[Flag.DAMAGED].startswith(f"1 recovery point is damaged, the newest of them {SNAPSHOT}")
    assert report.needs_attention
    assert report.seen_at(datetime.fromisoformat(BASE) + LATE_AFTER + HOUR).state is State.LATE
    assert told(SAFE.with_damaged([BASE], SNAPSHOT)).good_point == SNAPSHOT
    assert told(SAFE.with_damaged([BASE, SNAPSHOT], "")).good_point == ""


@pytest.mark.parametrize(
    ("changed", "flag", "is_urgent"),
    [
        ({"resync_again": "two resyncs"}, Flag.RESYNC_AGAIN, True),
        ({"unusual": "ten times as much"}, Flag.UNUSUAL, True),
        ({"first_tick": NOON - 40 * DAY}, Flag.NOT_INSPECTED, True),
        ({"orphans": 2}, Flag.ORPHANS, False),
        ({"backup_notice": "versions are kept"}, Flag.NOTICE, False),
    ],
)
def test_what_else_looks_wrong_is_flagged_with_what_to_do(changed: dict[str, Any], flag: Flag, is_urgent: bool) -> None:
    report = told(replace(SAFE, **changed), inspects=True)
    assert list(report.flags) == [flag]
    assert report.needs_attention is is_urgent
    assert told(replace(SAFE, retired=NOON, **changed), inspects=True).flags == {}


def test_of_a_disk_whose_backups_were_ended_damage_is_told_while_its_recovery_points_stay() -> None:
    ended = replace(SAFE.with_damaged([SNAPSHOT], BASE), retired=NOON)
    assert told(ended).flags == {}
    assert list(told(replace(ended, retired_keep_points=True)).flags) == [Flag.DAMAGED]
    excluded = disk_report(replace(ended, retired=None), NOON, inspects=False, is_excluded=True)
    assert (excluded.state, list(excluded.flags)) == (State.RETIRED, [Flag.DAMAGED])


def test_nobody_misses_a_verify_where_none_is_scheduled() -> None:
    long_ago = replace(SAFE, first_tick=NOON - 40 * DAY)
    assert told(long_ago, inspects=False).flags == {}


@pytest.mark.parametrize(
    "changed",
    [
        {"run": None},
        {"last_point": "2026-11-23T00:00:00.0000000Z"},
        {"restore": "7"},
        {"retired": NOON},
        {"absence": Absence.MISSING},
    ],
)
def test_a_report_is_outdated_once_the_index_shows_that_the_record_has_changed(changed: dict[str, Any]) -> None:
    before, after = RUNNING, replace(RUNNING, **changed)
    assert not is_outdated(told(before), summary(before))
    assert not is_outdated(told(after), summary(after))
    assert is_outdated(told(before), summary(after))
    assert is_outdated(told(after), summary(before))


def test_of_a_disk_without_backups_there_is_nothing_to_say_once_no_tick_asks_for_it() -> None:
    failed = replace(NEW, run=None, last_error=REFUSED, last_error_at=NOON, last_tick=NOON)
    assert is_to_be_told(failed, None)
    assert is_to_be_told(failed, NOON)
    assert not is_to_be_told(failed, NOON + DAY)
    assert not is_to_be_told(replace(NEW, run=None), NOON)
    assert is_to_be_told(NEW, NOON)
    assert is_to_be_told(SAFE, NOON + DAY)


def test_a_disk_whose_record_can_not_be_read_fails_with_what_to_do() -> None:
    report = unreadable(DISK, "its row is spoilt", NOON)
    assert report.state is State.FAILING
    assert "its row is spoilt. What to do" in report.reason


@given(st.timedeltas(timedelta(0), timedelta(days=30)))
def test_two_reports_say_the_same_whenever_the_state_began(later: timedelta) -> None:
    assert is_the_same(told(SAFE), told(SAFE, NOON + later))
    assert not is_the_same(told(SAFE), told(RUNNING, NOON + later))


def test_of_the_trials_only_ticks_know_and_the_others_keep_what_they_said() -> None:
    at_tick = replace(told(SAFE).with_trials(2), late_after_seconds=60.0)
    assert at_tick.flags[Flag.TRIALS] == "2 disks of trial restores wait to be deleted"
    assert told(RUNNING).with_what_ticks_know(at_tick).flags == at_tick.flags
    assert told(RUNNING).with_what_ticks_know(at_tick).late_after_seconds == 60
    assert not at_tick.needs_attention


def ticking(*ticks: timedelta, schedule: str = "0 0 */12 * * *") -> AppReport:
    """Report on ticks so long after noon."""
    app = AppReport()
    for tick in ticks:
        app = app.at_tick(NOON + tick, due_around(schedule, NOON + tick), disks=2, absent=0)
    return app


def test_how_old_a_recovery_point_may_become_follows_from_the_schedule() -> None:
    by_default = LATE_AFTER.total_seconds()
    assert AppReport().late_after_seconds == by_default
    assert ticking(timedelta(0), schedule="only Azure can read it").late_after_seconds == by_default
    assert ticking(timedelta(0), schedule="0 0 * * * *").late_after_seconds == 5400
    assert ticking(8 * DAY, schedule="0 0 */12 * * *").late_after_seconds == by_default, "the app was down for a week"


def test_a_report_by_the_rarest_schedule_can_be_read_again() -> None:
    due = due_around("0 0 0 29 2 MON", NOON)
    assert due
    app = AppReport().at_tick(NOON, due, disks=1, absent=0)
    assert TypeAdapter(AppReport).validate_json(TypeAdapter(AppReport).dump_json(app)) == app
    late_at = replace(told(SAFE), late_after_seconds=app.late_after_seconds).late_at
    assert late_at
    assert late_at > due.next


def test_an_app_that_no_longer_runs_is_told_by_who_reads_the_report() -> None:
    app = ticking(timedelta(0))
    assert app.problems(NOON + 12 * HOUR) == []
    [problem] = app.problems(NOON + 13 * HOUR)
    assert "no tick since 2026-11-22 12:00Z, though one was due at 2026-11-23 00:00Z" in problem
    assert "What to do: see whether the function app runs" in problem
    assert "there has been no tick yet" in AppReport().problems(NOON)[0]


def test_what_became_of_a_tick_is_told_and_an_older_one_changes_only_the_last_success() -> None:
    app = ticking(timedelta(0), 12 * HOUR)
    assert app.tick_result == "pending"
    late = app.with_outcome(NOON, Outcome.SUCCEEDED)
    assert (late.tick_result, late.last_success) == ("pending", NOON)
    done = late.with_outcome(NOON + 12 * HOUR, Outcome.INCOMPLETE)
    assert (done.tick_result, done.last_success) == ("incomplete", NOON)
    failed = app.as_failed("the container is another app's")
    assert failed.problems(NOON + 13 * HOUR) == ["the container is another app's"]


def test_the_whole_is_as_bad_as_its_worst_disk_and_the_worst_come_first() -> None:
    app = ticking(timedelta(0))
    safe, failing = told(SAFE), replace(told(SAFE), disk="b", state=State.FAILING)
    flagged = replace(told(SAFE), disk="c", flags={Flag.UNUSUAL: "much"})
    report = report_at(NOON, app, [safe, flagged, failing])
    assert report.state is State.FAILING
    assert report.needs_attention
    assert [disk.disk for disk in report.disks] == ["b", "c", safe.disk]
    assert not report_at(NOON, app, [safe]).needs_attention
    assert report_at(NOON + DAY, app, [safe]).problems
    assert report_at(NOON, app, []).state is State.SAFE


def test_a_tick_that_missed_a_disk_is_told_even_if_no_disk_says_so() -> None:
    app = ticking(timedelta(0)).with_outcome(NOON, Outcome.INCOMPLETE)
    [problem] = report_at(NOON, app, [told(SAFE)]).problems
    assert "the last tick has not backed up all its disks. What to do: " in problem
    assert report_at(NOON, app, [replace(told(SAFE), state=State.FAILING)]).problems == []

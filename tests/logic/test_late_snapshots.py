"""When a snapshot that the service refused for a tick is tried again, what is said of it, and when that ends."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.late_snapshots import (
    MAX_ASKED_DELAY,
    MAX_TRY_DELAY,
    MIN_TRY_DELAY,
    being_tried,
    should_catch_up,
    tried_soon,
    waits_since,
    with_refusal,
    without_retry,
)
from shared.model.record import DiskRecord
from shared.model.report import State, disk_report
from shared.model.retry_policy import GIVE_UP_AFTER
from shared.model.tick import with_tick
from tests.logic.records import BACKED_UP, NEW, RUN

TICK = datetime(2026, 11, 22, 12, tzinfo=UTC)
IDLE = replace(BACKED_UP, run=None, last_success=TICK - timedelta(hours=12))
NO_DELAY, MINUTE = timedelta(), timedelta(minutes=1)
BUSY = "ServerBusy (503): busy"


def refused(record: DiskRecord = IDLE, after: timedelta = NO_DELAY, asked: timedelta = NO_DELAY) -> DiskRecord:
    return with_refusal(record, TICK, BUSY, TICK + after, asked)


def delay(after: timedelta, asked: timedelta = NO_DELAY) -> timedelta:
    at = refused(after=after, asked=asked).snapshot_after
    assert at
    return at - (TICK + after)


@pytest.mark.parametrize("record", [IDLE, replace(NEW, run=None)], ids=["backed up", "never backed up"])
def test_a_refused_snapshot_is_tried_again_after_a_minute(record: DiskRecord) -> None:
    late = refused(record)
    assert (late.last_tick, late.late_tick, late.snapshot_after) == (TICK, TICK, TICK + MINUTE)
    assert late.last_error == f"{BUSY}. What to do: nothing, if it passes. The snapshot is tried again in about 1 min"
    assert not should_catch_up(late, TICK + MINUTE / 2)
    assert should_catch_up(late, TICK + MINUTE)


def test_what_to_do_is_said_once() -> None:
    late = with_refusal(IDLE, TICK, "no room. What to do: delete old ones.", TICK, NO_DELAY)
    assert late.last_error == "no room. What to do: delete old ones. The snapshot is tried again in about 1 min"


@given(st.timedeltas(NO_DELAY, timedelta(hours=20)), st.timedeltas(NO_DELAY, timedelta(days=2)))
def test_it_is_tried_less_often_the_longer_it_is_refused_and_not_before_the_service_wants_it(
    after: timedelta, asked: timedelta
) -> None:
    assert MIN_TRY_DELAY <= delay(after) <= MAX_TRY_DELAY
    assert delay(after) <= delay(after + MINUTE)
    assert delay(after, asked) == max(delay(after), min(asked, MAX_ASKED_DELAY))


@pytest.mark.parametrize("interval", [12 * 60 * MINUTE, 10 * MINUTE], ids=["two a day", "one in ten minutes"])
@pytest.mark.parametrize("record", [IDLE, replace(NEW, run=None)], ids=["backed up", "never backed up"])
def test_a_snapshot_that_is_refused_at_each_tick_waits_since_the_last_backup(
    record: DiskRecord, interval: timedelta
) -> None:
    ticks = [TICK, TICK + interval, TICK + 2 * interval]
    for tick in ticks:
        record = with_refusal(record, tick, BUSY, tick, NO_DELAY)
    assert waits_since(record) == (record.last_success or TICK)
    assert waits_since(replace(record, last_success=ticks[2] - MINUTE)) == ticks[2], "a run was sealed in between"


def test_it_is_tried_for_a_day_and_then_left_to_the_next_tick() -> None:
    last = refused(after=GIVE_UP_AFTER - MINUTE)
    assert (last.late_tick, last.snapshot_after) == (None, None)
    assert not should_catch_up(refused(), TICK + GIVE_UP_AFTER)


@pytest.mark.parametrize(
    "busy",
    [replace(IDLE, run=RUN), replace(IDLE, restore="6f3c1d2e"), with_tick(IDLE, TICK + timedelta(hours=12))],
    ids=["a run", "a restore", "a later tick"],
)
def test_a_disk_that_another_looks_after_by_now_has_no_error(busy: DiskRecord) -> None:
    late = refused(busy)
    assert (late.last_error, late.snapshot_after) == ("", None)
    assert waits_since(late) is None


def test_of_several_looks_at_once_one_tries_and_a_dead_one_is_followed_by_another() -> None:
    at = TICK + MINUTE
    tried = being_tried(refused(), at)
    assert not should_catch_up(tried, at)
    assert being_tried(tried, at) == tried
    assert should_catch_up(tried, at + timedelta(minutes=5))


def test_a_disk_whose_record_could_not_be_read_is_snapshotted_soon() -> None:
    late = tried_soon(IDLE, TICK, TICK)
    assert (should_catch_up(late, TICK), should_catch_up(late, TICK + MINUTE)) == (False, True)
    assert tried_soon(replace(IDLE, run=RUN), TICK, TICK).snapshot_after is None


def test_what_no_waiting_mends_and_the_next_tick_end_the_waiting() -> None:
    assert waits_since(refused()) == TICK
    assert waits_since(without_retry(refused(), TICK)) is None
    following = with_tick(refused(), TICK + timedelta(hours=12))
    assert (following.snapshot_after, waits_since(following), following.missed_tick) == (None, None, TICK)


def test_a_disk_waits_since_the_run_that_kept_it_busy_was_sealed() -> None:
    sealed = replace(with_tick(IDLE, TICK, is_late=True), last_success=TICK + timedelta(hours=5))
    late = with_refusal(sealed, TICK, BUSY, TICK + timedelta(hours=5), NO_DELAY)
    assert waits_since(late) == TICK + timedelta(hours=5)
    assert late.snapshot_after == TICK + timedelta(hours=5) + MINUTE


@pytest.mark.parametrize(("record", "state"), [(IDLE, State.SAFE), (replace(NEW, run=None, last_point=""), State.NEW)])
def test_the_report_says_what_a_disk_waits_for_and_alarms_nobody_for_half_an_hour(
    record: DiskRecord, state: State
) -> None:
    report = disk_report(refused(record), TICK, inspects=False)
    assert (report.state, report.needs_attention) == (state, False)
    assert report.reason.startswith(f"its snapshot waits: {BUSY}")
    assert not report.seen_at(TICK + 29 * MINUTE).needs_attention
    failing = report.seen_at(TICK + 30 * MINUTE)
    assert (failing.state, failing.since) == (State.FAILING, TICK)
    assert "tried again in about 1 min" in failing.reason

"""A tick has succeeded when every disk of it has a recovery point sealed since, and not before."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.record import DiskRecord
from shared.ticks import (
    LONGEST_LOOK_DELAY,
    LONGEST_TICK,
    SHORTEST_LOOK_DELAY,
    DueDisk,
    Outcome,
    asked_for,
    backed_up,
    next_look,
    outcome,
)

TICK = datetime(2026, 11, 22, 12, 0, 0, 123456, UTC)
SOON, LATER = TICK + timedelta(minutes=5), TICK + timedelta(hours=12)
DONE, OPEN, OLD = DueDisk(TICK, SOON), DueDisk(TICK, None), DueDisk(TICK, TICK - timedelta(hours=12))


def test_a_tick_succeeds_when_all_its_disks_are_backed_up() -> None:
    assert outcome(TICK, 2, [DONE, DONE], SOON) is Outcome.SUCCEEDED


def test_a_tick_waits_for_a_disk_without_a_recovery_point_since() -> None:
    assert outcome(TICK, 2, [DONE, OPEN], SOON) is Outcome.PENDING
    assert outcome(TICK, 2, [DONE, OLD], SOON) is Outcome.PENDING


def test_a_tick_waits_for_a_disk_that_was_not_even_found() -> None:
    assert outcome(TICK, 3, [DONE, DONE], SOON) is Outcome.PENDING


def test_a_disk_of_another_tick_stands_for_none_of_this_one() -> None:
    earlier = DueDisk(TICK - timedelta(hours=12), SOON)
    assert outcome(TICK, 2, [DONE, earlier], SOON) is Outcome.PENDING


def test_a_tick_is_incomplete_once_another_has_begun_or_after_a_week() -> None:
    assert outcome(TICK, 2, [DONE, DueDisk(LATER, SOON)], LATER) is Outcome.INCOMPLETE
    assert outcome(TICK, 2, [DONE, OPEN], TICK + LONGEST_TICK) is Outcome.INCOMPLETE


def test_a_tick_of_no_disks_that_could_be_found_does_not_succeed() -> None:
    assert outcome(TICK, 1, [], SOON) is Outcome.PENDING


def test_of_two_ticks_at_once_the_later_one_counts() -> None:
    record = asked_for(DiskRecord(disk="d", backup_blob="b"), LATER)
    assert asked_for(record, TICK).last_tick == LATER


moments = st.timedeltas(timedelta(hours=-24), timedelta(hours=24)).map(lambda after: TICK + after)
dues = st.lists(st.builds(DueDisk, st.one_of(st.just(TICK), moments), st.one_of(st.none(), moments)))


@given(dues, st.integers(0, 10))
def test_no_tick_succeeds_with_a_disk_missing(due: list[DueDisk], more: int) -> None:
    disks = sum(disk.last_tick == TICK for disk in due) + more
    found = outcome(TICK, disks, due, LATER)
    all_done = more == 0 and all(d.last_success and d.last_success >= TICK for d in due if d.last_tick == TICK)
    assert (found is Outcome.SUCCEEDED) == all_done
    assert backed_up(TICK, due) <= disks


@given(st.timedeltas(timedelta(0), timedelta(days=30)))
def test_a_tick_is_looked_at_soon_at_first_and_never_rarely(age: timedelta) -> None:
    assert SHORTEST_LOOK_DELAY <= next_look(TICK, TICK + age) <= LONGEST_LOOK_DELAY

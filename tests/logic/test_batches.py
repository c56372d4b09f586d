"""Batches: whatever is delivered, each continues where the last one stopped; no change is lost or counted twice."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.changes.ranges import Change, Effort, effort, writes
from shared.model.batches import (
    DEAD_AFTER,
    Applied,
    BatchProgress,
    batch_ended,
    batch_progressed,
    batch_returned,
    batch_started,
    gap_to_write,
    is_run_stalled,
    requeued,
    run_if_current,
)
from shared.model.job import Stage
from shared.model.record import DiskRecord
from shared.model.run import Kind, OpenRun
from tests.logic.change_lists import GIB, MIB, PAGE, change_lists
from tests.logic.records import BACKED_UP, NOON, SNAPSHOT, with_run

OPENED = with_run(BACKED_UP, state=Stage.COPYING)
LATER = NOON + timedelta(minutes=5)
AFTER = timedelta(minutes=30)
DONE = Effort(ranges=3, bytes_written=8 * MIB, bytes_cleared=PAGE, write_calls=2, clear_calls=1)


def run_of(record: DiskRecord) -> OpenRun:
    assert record.run
    return record.run


def take(record: DiskRecord, number: int | None) -> DiskRecord:
    return batch_started(record, SNAPSHOT, 0, number, LATER)


def pieces(changes: list[Change]) -> Iterator[tuple[Change, bool]]:
    """Cut a change list into single requests; say which of them end a range."""
    for change in changes:
        for piece in writes(change):
            yield piece, piece.end == change.end


def sum_of(efforts: list[Effort]) -> Effort:
    total = Effort()
    for one in efforts:
        total = total.plus(one)
    return total


# --- coalescing

HOURLY, TWICE_A_DAY, NEVER = "0 0 * * * *", "0 0 */12 * * *", "0 0 0 30 2 *"


@pytest.mark.parametrize(
    ("schedule", "calls", "gap"),
    [
        pytest.param(HOURLY, 449_999, 0, id="a quarter of the hour is not over"),
        pytest.param(HOURLY, 450_000, 4096, id="it is"),
        pytest.param(TWICE_A_DAY, 5_399_999, 0, id="a quarter of twelve hours is not over"),
        pytest.param(TWICE_A_DAY, 5_400_000, 4096, id="now it is"),
        pytest.param(NEVER, 10**9, 0, id="no next tick to be in a hurry for"),
    ],
)
def test_gaps_are_written_once_the_calls_on_record_have_taken_a_quarter_of_the_time(
    schedule: str, calls: int, gap: int
) -> None:
    run = run_of(with_run(OPENED, started=NOON, write_calls=calls - 1, clear_calls=1))
    assert gap_to_write(run, 4096, schedule) == gap


@pytest.mark.parametrize("kind", [Kind.FULL, Kind.RESYNC])
def test_gaps_of_what_is_no_diff_are_never_written(kind: Kind) -> None:
    run = run_of(with_run(OPENED, started=NOON, kind=kind, write_calls=10**9))
    assert gap_to_write(run, 4096, HOURLY) == 0


# --- starting a batch


def test_the_expected_batch_starts_once_however_often_it_is_delivered() -> None:
    taken = take(OPENED, 0)
    assert (run_of(taken).at_work, run_of(taken).next_batch, run_of(taken).alive) == (True, 1, LATER)
    assert take(taken, 0) == taken


def test_of_two_workers_on_a_run_the_last_to_start_has_it() -> None:
    first = run_of(take(OPENED, 0))
    second = take(requeued(take(OPENED, 0), LATER), None)
    assert run_if_current(second, run_of(second))
    assert run_if_current(second, first) is None


@pytest.mark.parametrize("number", [0, 2, 5])
def test_an_unexpected_batch_is_dropped(number: int) -> None:
    record = with_run(OPENED, next_batch=1)
    assert take(record, number) == record


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(BACKED_UP, id="not opened"),
        pytest.param(with_run(OPENED, position=run_of(OPENED).size), id="applied to its end"),
        pytest.param(with_run(OPENED, plan=1), id="begun anew"),
        pytest.param(replace(OPENED, run=None), id="over"),
        pytest.param(with_run(OPENED, snapshot="2026-11-23T00:00:00.1234567Z"), id="another run"),
    ],
)
@pytest.mark.parametrize("number", [0, None])
def test_a_run_that_needs_no_batch_starts_none(record: DiskRecord, number: int | None) -> None:
    assert take(record, number) == record


def test_a_plan_starts_the_next_batch_unless_one_is_at_work() -> None:
    taken = take(OPENED, None)
    assert run_of(taken).next_batch == 1
    assert take(taken, None) == taken
    assert run_of(take(batch_ended(taken, run_of(taken)), None)).next_batch == 2


# --- making progress


def test_what_a_batch_has_applied_is_added_to_what_was_applied_before() -> None:
    taken = take(with_run(OPENED, position=GIB, batches=4, **DONE._asdict()), 0)
    moved = batch_progressed(taken, run_of(taken), BatchProgress(2 * GIB, DONE, 0.5), LATER)
    run = run_of(moved)
    assert (run.position, run.batches, run.done) == (2 * GIB, 5, DONE.plus(DONE))
    assert (run.progressed, run.alive, run.rate) == (LATER, LATER, 0.5)
    again = run_of(batch_progressed(moved, run_of(taken), BatchProgress(3 * GIB, DONE, 0.5), LATER))
    assert (again.position, again.batches, again.done) == (3 * GIB, 5, DONE.plus(DONE)), "it is the same batch"


def test_a_run_never_goes_back() -> None:
    taken = take(with_run(OPENED, position=GIB, **DONE._asdict()), 0)
    late = run_of(batch_progressed(taken, run_of(taken), BatchProgress(GIB - PAGE, Effort(), 0.5), LATER))
    assert (late.position, late.done, late.alive) == (GIB, DONE, LATER)


def test_a_batch_that_gets_no_further_is_alive_but_makes_no_progress() -> None:
    taken = take(OPENED, 0)
    later = LATER + timedelta(minutes=1)
    waiting = run_of(batch_progressed(taken, run_of(taken), BatchProgress(0, Effort(), 0.5), later))
    assert (waiting.alive, waiting.progressed, waiting.batches) == (later, NOON, 0)


@pytest.mark.parametrize(
    "over",
    [
        pytest.param({"plan": 1}, id="begun anew"),
        pytest.param({"next_batch": 2}, id="another has taken over"),
        pytest.param({"snapshot": "2026-11-23T00:00:00.1234567Z"}, id="the next run"),
    ],
)
def test_a_batch_that_is_no_longer_current_changes_nothing(over: dict[str, object]) -> None:
    mine = run_of(take(OPENED, 0))
    record = with_run(take(OPENED, 0), **over)
    assert batch_progressed(record, mine, BatchProgress(GIB, DONE, 0.5), LATER) == record
    assert batch_ended(record, mine) == record
    assert batch_returned(record, mine) == record


def test_a_failed_batch_is_started_again_by_its_own_message() -> None:
    taken = take(with_run(OPENED, next_batch=6), 6)
    again = take(batch_returned(taken, run_of(taken)), 6)
    assert again == taken


def test_an_ended_batch_leaves_the_next_one_to_its_message() -> None:
    taken = take(OPENED, 0)
    handed = batch_ended(taken, run_of(taken))
    assert take(handed, 0) == handed
    assert run_of(take(handed, 1)).at_work


# --- lost messages


@pytest.mark.parametrize(("at_work", "patience"), [(True, DEAD_AFTER), (False, AFTER)])
def test_a_dead_worker_is_noticed_within_minutes_and_a_message_may_wait_behind_others(
    at_work: bool, patience: timedelta
) -> None:
    run = run_of(with_run(OPENED, at_work=at_work, alive=LATER))
    assert not is_run_stalled(run, LATER + patience - timedelta(seconds=1), AFTER)
    assert is_run_stalled(run, LATER + patience, AFTER)


def test_a_run_that_is_requeued_in_vain_gets_twice_as_long_each_time_until_it_makes_progress() -> None:
    once = requeued(OPENED, LATER)
    assert not is_run_stalled(run_of(once), LATER + AFTER, AFTER)
    assert is_run_stalled(run_of(once), LATER + 2 * AFTER, AFTER)
    taken = take(once, 0)
    moved = batch_progressed(taken, run_of(taken), BatchProgress(GIB, DONE, 0.5), LATER)
    assert is_run_stalled(run_of(batch_ended(moved, run_of(taken))), LATER + AFTER, AFTER)
    often = with_run(OPENED, replans=1000)
    assert is_run_stalled(run_of(often), NOON + timedelta(days=2), AFTER)


def test_a_requeued_plan_starts_what_a_dead_worker_had() -> None:
    dead = take(OPENED, 0)
    assert take(dead, None) == dead
    assert run_of(take(requeued(dead, LATER), None)).next_batch == 2


# --- pieces that end in any order


@given(change_lists(), st.randoms(use_true_random=False))
def test_in_whatever_order_its_pieces_end_a_batch_has_applied_all_below_its_position_and_counts_it_once(
    changes: list[Change], order: random.Random
) -> None:
    applied = Applied(0)
    begun = [(piece, ends, applied.begin(piece, ends=ends)) for piece, ends in list(pieces(changes))[:60]]
    left = list(range(len(begun)))
    order.shuffle(left)
    while left:
        begun[left.pop()][2]()
        whole = begun[: min(left, default=len(begun))]
        assert applied.position == (whole[-1][0].end if whole else 0)
        assert applied.done == sum_of([effort(piece, ends=ends) for piece, ends, _ in whole])


def test_a_part_without_changes_counts_once_all_before_it_is_applied() -> None:
    applied = Applied(0)
    applied.reach(GIB)
    assert applied.position == GIB
    end = applied.begin(Change(GIB, GIB + PAGE, clear=True), ends=True)
    applied.reach(2 * GIB)
    assert applied.position == GIB
    end()
    assert (applied.position, applied.done) == (2 * GIB, Effort(ranges=1, bytes_cleared=PAGE, clear_calls=1))


# --- effort


def test_effort_counts_ranges_bytes_and_calls_by_kind() -> None:
    changes = [
        Change(0, 9 * MIB, clear=False),
        Change(9 * MIB, 9 * MIB + GIB, clear=True),
        Change(2 * GIB, 2 * GIB + PAGE, clear=False),
    ]
    assert sum_of([effort(piece, ends=ends) for piece, ends in pieces(changes)]) == Effort(
        ranges=3, bytes_written=9 * MIB + PAGE, bytes_cleared=GIB, write_calls=4, clear_calls=1
    )

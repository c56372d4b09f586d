"""Runs that fail: each is tried again from its own source snapshot, and given up once it was tried often enough."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings

from shared.changes.pace import FASTEST
from shared.changes.ranges import Effort
from shared.model.batches import ComeTo, enqueued_again, is_run_stalled, moved_on, taken_up
from shared.model.blob import BlobState, CopyProgress, CopyStage
from shared.model.failed_runs import (
    MOST_RUN_TRIES,
    STANDS_STILL_AFTER,
    erred,
    failed_for_good,
    is_failing,
    is_hopeless,
    tried_again,
)
from shared.model.job import Stage
from shared.model.patience import PATIENCE
from shared.model.record import DiskRecord
from shared.model.run import Kind, Mode, OpenRun
from shared.model.run_steps import begun_anew, copied, given_up, opened
from shared.runs.full_copies import looked_at
from tests.logic.records import BACKED_UP, ETAG, GIB, NOON, RUN, records, with_run

FOUND = BlobState(size=64 * GIB, etag=ETAG)
"""The backup blob as the last run has left it."""

LATER = NOON + timedelta(minutes=5)
UNDER_WAY = taken_up(
    with_run(BACKED_UP, state=Stage.COPYING, position=GIB, progressed=LATER), RUN.snapshot, 0, 0, LATER
)
"""The record of a disk in the midst of an incremental run."""
WHY = "copy-ranges has given up a message of the run"

a_few = settings(max_examples=100, deadline=None)


def run_of(record: DiskRecord) -> OpenRun:
    assert record.run
    return record.run


def moved(record: DiskRecord, position: int, now: datetime) -> DiskRecord:
    """Have the batch at work come to a position."""
    return moved_on(record, run_of(record), ComeTo(position, Effort(), FASTEST), now)


def test_a_run_that_fails_says_why_and_is_as_it_was() -> None:
    record = UNDER_WAY
    failed = failed_for_good(record, WHY)
    assert run_of(failed).failed == WHY
    assert with_run(failed, failed="") == record


@a_few
@given(records().filter(lambda record: record.run))
def test_a_run_that_is_tried_again_keeps_its_source_snapshot_and_all_that_is_done(record: DiskRecord) -> None:
    again = tried_again(failed_for_good(record, WHY), LATER)
    run = run_of(record)
    assert again == with_run(record, tries=run.tries + 1, failed="", progressed=LATER, replans=0)
    assert again.run_of(run.snapshot)


def test_a_run_that_is_tried_again_is_given_its_time_from_then_on() -> None:
    after = timedelta(minutes=30)
    stalled = with_run(BACKED_UP, replans=6, progressed=NOON - timedelta(days=3))
    run = run_of(tried_again(stalled, NOON))
    assert not is_run_stalled(run, NOON + after - timedelta(seconds=1), after)
    assert is_run_stalled(run, NOON + after, after)


def test_a_run_is_hopeless_once_it_was_tried_again_as_often_as_may_be() -> None:
    record, tries = failed_for_good(BACKED_UP, WHY), 0
    while not is_hopeless(record, LATER):
        record, tries = failed_for_good(tried_again(record, LATER), WHY), tries + 1
    assert tries == MOST_RUN_TRIES


@pytest.mark.parametrize("tries", [MOST_RUN_TRIES, MOST_RUN_TRIES + 1, 2**40])
def test_a_run_that_was_tried_too_often_is_hopeless_when_it_fails_again_and_not_while_it_moves(tries: int) -> None:
    record = with_run(UNDER_WAY, tries=tries)
    anew = begun_anew(record, Kind.RESYNC, "refused")
    on = moved(record, 2 * GIB, LATER)
    assert not any(is_hopeless(then, LATER) for then in (record, anew, on))
    assert all(is_hopeless(failed_for_good(then, WHY), LATER) for then in (record, anew, enqueued_again(record, LATER)))
    assert not is_hopeless(failed_for_good(on, WHY), LATER), "its tries are counted anew since it has moved"


def test_a_run_that_fails_for_a_day_is_hopeless_once_it_was_tried_again() -> None:
    stalled = erred(enqueued_again(UNDER_WAY, LATER), run_of(UNDER_WAY).snapshot, LATER)
    over = LATER + PATIENCE
    again = erred(enqueued_again(tried_again(stalled, LATER), LATER), run_of(stalled).snapshot, over)
    assert not is_hopeless(stalled, over), "it was not tried again yet"
    assert not is_hopeless(again, over - timedelta(seconds=1))
    assert is_hopeless(again, over)
    assert not is_hopeless(erred(moved(again, 2 * GIB, over), run_of(again).snapshot, over), over), "it has moved"


def test_a_run_that_comes_no_further_fails_where_it_has_errors_of_its_own() -> None:
    stalled = enqueued_again(UNDER_WAY, LATER)
    in_trouble = erred(stalled, run_of(stalled).snapshot, LATER)
    assert is_failing(in_trouble, LATER)
    assert not is_failing(stalled, LATER), "it waits behind the messages of other disks"
    assert not is_failing(erred(stalled, "another run", LATER), LATER)
    assert not is_failing(erred(UNDER_WAY, run_of(UNDER_WAY).snapshot, LATER), LATER), "it moves"
    assert is_failing(erred(UNDER_WAY, run_of(UNDER_WAY).snapshot, LATER), LATER + STANDS_STILL_AFTER), "it does not"
    assert not is_failing(moved(in_trouble, 2 * GIB, LATER), LATER), "it moves again"


def test_a_full_copy_may_wait_for_days_and_fails_where_it_can_not_be_looked_at() -> None:
    waiting = enqueued_again(with_run(BACKED_UP, mode=Mode.FULL, state=Stage.COPYING, position=GIB), LATER)
    blind = erred(waiting, run_of(waiting).snapshot, LATER)
    assert not is_failing(waiting, LATER)
    assert is_failing(blind, LATER)
    assert not is_failing(copied(blind, GIB, LATER), LATER), "it can be looked at again"
    assert is_failing(looked_at(blind, CopyProgress(CopyStage.NOT_STARTED, None), LATER), LATER), "nothing is under way"
    assert not is_failing(
        looked_at(blind, CopyProgress(CopyStage.UNDER_WAY, replace(FOUND, bytes_done=GIB)), LATER), LATER
    )


def test_a_run_that_moves_fails_no_more() -> None:
    failed = failed_for_good(UNDER_WAY, WHY)
    assert run_of(moved(failed, GIB, LATER)).failed == WHY
    assert run_of(moved(failed, 2 * GIB, LATER)).failed == ""


def test_a_full_copy_that_moves_fails_no_more() -> None:
    failed = failed_for_good(copied(with_run(BACKED_UP, mode=Mode.FULL, state=Stage.COPYING), GIB, NOON), WHY)
    assert run_of(copied(failed, GIB, LATER)).failed == WHY
    assert run_of(copied(failed, 2 * GIB, LATER)).failed == ""


def test_a_hopeless_run_that_is_given_up_makes_the_next_one_a_resync_with_tries_of_its_own() -> None:
    hopeless = failed_for_good(with_run(UNDER_WAY, tries=MOST_RUN_TRIES), WHY)
    next_run = replace(given_up(hopeless, WHY), run=RUN)
    run = run_of(opened(next_run, FOUND, leased=True))
    assert (run.kind, run.reason) == (Kind.RESYNC, WHY)
    assert (run.tries, run.failed, is_hopeless(next_run, LATER)) == (0, "", False)

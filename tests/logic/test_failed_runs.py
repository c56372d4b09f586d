"""Failing runs: each is retried from its own source snapshot, and abandoned after enough retries."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given

from shared.changes.pace import DOCUMENTED
from shared.changes.ranges import Effort
from shared.model.batches import BatchProgress, batch_progressed, batch_started, is_run_stalled, requeued
from shared.model.blob import BlobState, CopyProgress, CopyStage
from shared.model.failed_runs import (
    MAX_RUN_RETRIES,
    STUCK_AFTER,
    is_failing,
    retried,
    should_abandon,
    with_error,
    with_failure,
)
from shared.model.job import Stage
from shared.model.record import DiskRecord
from shared.model.retry_policy import GIVE_UP_AFTER
from shared.model.run import Kind, Mode, OpenRun
from shared.model.run_steps import abandoned, copy_progressed, opened, restarted
from shared.runs.full_copies import copy_checked
from tests.logic.records import BACKED_UP, ETAG, GIB, NOON, RUN, records, with_run

FOUND = BlobState(size=64 * GIB, etag=ETAG)
"""The backup blob as the last run left it."""

LATER = NOON + timedelta(minutes=5)
UNDER_WAY = batch_started(
    with_run(BACKED_UP, state=Stage.COPYING, position=GIB, progressed=LATER), RUN.snapshot, 0, 0, LATER
)
"""The record of a disk in the middle of an incremental run."""
WHY = "a message on copy-ranges failed 5 times and was moved to copy-ranges-poison"


def run_of(record: DiskRecord) -> OpenRun:
    assert record.run
    return record.run


def moved(record: DiskRecord, position: int, now: datetime) -> DiskRecord:
    """Have the batch at work reach a position."""
    return batch_progressed(record, run_of(record), BatchProgress(position, Effort(), DOCUMENTED), now)


def test_a_failed_run_says_why_and_is_otherwise_unchanged() -> None:
    record = UNDER_WAY
    failed = with_failure(record, WHY)
    assert run_of(failed).failed == WHY
    assert with_run(failed, failed="") == record


@given(records().filter(lambda record: record.run))
def test_a_retried_run_keeps_its_source_snapshot_and_its_progress(record: DiskRecord) -> None:
    again = retried(with_failure(record, WHY), LATER)
    run = run_of(record)
    assert again == with_run(record, tries=run.tries + 1, failed="", progressed=LATER, replans=0)
    assert again.run_of(run.snapshot)


def test_a_retried_run_gets_its_full_time_again() -> None:
    after = timedelta(minutes=30)
    stalled = with_run(BACKED_UP, replans=6, progressed=NOON - timedelta(days=3))
    run = run_of(retried(stalled, NOON))
    assert not is_run_stalled(run, NOON + after - timedelta(seconds=1), after)
    assert is_run_stalled(run, NOON + after, after)


def test_a_failing_run_is_abandoned_after_the_last_retry() -> None:
    record, tries = with_failure(BACKED_UP, WHY), 0
    while not should_abandon(record, LATER):
        record, tries = with_failure(retried(record, LATER), WHY), tries + 1
    assert tries == MAX_RUN_RETRIES


@pytest.mark.parametrize("tries", [MAX_RUN_RETRIES, MAX_RUN_RETRIES + 1, 2**40])
def test_a_run_out_of_retries_is_abandoned_when_it_fails_again_and_not_while_it_makes_progress(tries: int) -> None:
    record = with_run(UNDER_WAY, tries=tries)
    anew = restarted(record, Kind.RESYNC, "refused")
    on = moved(record, 2 * GIB, LATER)
    assert not any(should_abandon(then, LATER) for then in (record, anew, on))
    assert all(should_abandon(with_failure(then, WHY), LATER) for then in (record, anew, requeued(record, LATER)))
    assert not should_abandon(with_failure(on, WHY), LATER), "its tries are counted anew since it has moved"


def test_a_run_that_fails_for_a_day_is_abandoned_after_one_retry() -> None:
    stalled = with_error(requeued(UNDER_WAY, LATER), run_of(UNDER_WAY).snapshot, LATER)
    over = LATER + GIVE_UP_AFTER
    again = with_error(requeued(retried(stalled, LATER), LATER), run_of(stalled).snapshot, over)
    assert not should_abandon(stalled, over), "it was not tried again yet"
    assert not should_abandon(again, over - timedelta(seconds=1))
    assert should_abandon(again, over)
    assert not should_abandon(with_error(moved(again, 2 * GIB, over), run_of(again).snapshot, over), over), (
        "it has moved"
    )


def test_a_run_without_progress_fails_if_it_has_errors_of_its_own() -> None:
    stalled = requeued(UNDER_WAY, LATER)
    with_failed_step = with_error(stalled, run_of(stalled).snapshot, LATER)
    assert is_failing(with_failed_step, LATER)
    assert not is_failing(stalled, LATER), "it waits behind the messages of other disks"
    assert not is_failing(with_error(stalled, "another run", LATER), LATER)
    assert not is_failing(with_error(UNDER_WAY, run_of(UNDER_WAY).snapshot, LATER), LATER), "it moves"
    assert is_failing(with_error(UNDER_WAY, run_of(UNDER_WAY).snapshot, LATER), LATER + STUCK_AFTER), "it does not"
    assert not is_failing(moved(with_failed_step, 2 * GIB, LATER), LATER), "it moves again"


def test_a_full_copy_may_wait_for_days_and_fails_if_it_can_not_be_checked() -> None:
    waiting = requeued(with_run(BACKED_UP, mode=Mode.FULL, state=Stage.COPYING, position=GIB), LATER)
    blind = with_error(waiting, run_of(waiting).snapshot, LATER)
    assert not is_failing(waiting, LATER)
    assert is_failing(blind, LATER)
    assert not is_failing(copy_progressed(blind, GIB, LATER), LATER), "it can be looked at again"
    assert is_failing(copy_checked(blind, CopyProgress(CopyStage.NOT_STARTED, None), LATER), LATER), (
        "nothing is under way"
    )
    assert not is_failing(
        copy_checked(blind, CopyProgress(CopyStage.UNDER_WAY, replace(FOUND, bytes_done=GIB)), LATER), LATER
    )


def test_a_run_that_makes_progress_is_not_failing() -> None:
    failed = with_failure(UNDER_WAY, WHY)
    assert run_of(moved(failed, GIB, LATER)).failed == WHY
    assert run_of(moved(failed, 2 * GIB, LATER)).failed == ""


def test_a_full_copy_that_makes_progress_is_not_failing() -> None:
    failed = with_failure(copy_progressed(with_run(BACKED_UP, mode=Mode.FULL, state=Stage.COPYING), GIB, NOON), WHY)
    assert run_of(copy_progressed(failed, GIB, LATER)).failed == WHY
    assert run_of(copy_progressed(failed, 2 * GIB, LATER)).failed == ""


def test_an_abandoned_run_makes_the_next_one_a_resync_with_retries_of_its_own() -> None:
    hopeless = with_failure(with_run(UNDER_WAY, tries=MAX_RUN_RETRIES), WHY)
    next_run = replace(abandoned(hopeless, WHY), run=RUN)
    run = run_of(opened(next_run, FOUND, leased=True))
    assert (run.kind, run.reason) == (Kind.RESYNC, WHY)
    assert (run.tries, run.failed, should_abandon(next_run, LATER)) == (0, "", False)

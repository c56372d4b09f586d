"""A job whose every step fails comes to an end; one that fails now and then goes on."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.job import Job
from shared.model.retry_policy import GIVE_UP_AFTER, MIN_FAILURES
from tests.logic.records import INSPECTION, NOON, RESTORE

BUSY = "ServerBusy (503)"
LATER = NOON + timedelta(minutes=5)
JOBS = [RESTORE, INSPECTION]


@pytest.mark.parametrize("job", JOBS)
def test_a_job_whose_every_step_fails_gives_up_after_a_day(job: Job) -> None:
    troubled = job.with_failed_step(BUSY, NOON)
    for _ in range(MIN_FAILURES - 1):
        assert not troubled.should_give_up(NOON + GIVE_UP_AFTER), "too few steps were tried"
        troubled = troubled.with_failed_step(BUSY, LATER)
    assert not job.should_give_up(NOON + GIVE_UP_AFTER)
    assert not troubled.should_give_up(NOON + GIVE_UP_AFTER - timedelta(seconds=1))
    assert troubled.should_give_up(NOON + GIVE_UP_AFTER)


@pytest.mark.parametrize("job", JOBS)
def test_a_successful_step_ends_the_trouble_and_the_last_error_stays(job: Job) -> None:
    then = job.with_failed_step(BUSY, NOON).recovered()
    assert not then.should_give_up(NOON + 2 * GIVE_UP_AFTER)
    assert (then.last_error, then.last_error_at, then.checked) == (BUSY, NOON, NOON)


@pytest.mark.parametrize("job", JOBS)
def test_cleaning_up_after_a_job_stops_after_a_day_of_failures(job: Job) -> None:
    ended = replace(job, ended=NOON)
    assert not ended.should_stop_cleanup(NOON + GIVE_UP_AFTER - timedelta(seconds=1))
    assert ended.should_stop_cleanup(NOON + GIVE_UP_AFTER)
    with_failed_step = replace(ended, trouble_since=NOON - GIVE_UP_AFTER)
    assert with_failed_step.should_stop_cleanup(LATER), "it has been in trouble for as long before its end"


@given(st.lists(st.booleans(), max_size=20))
def test_trouble_counts_from_the_first_failure_since_the_last_success(steps: list[bool]) -> None:
    job: Job = RESTORE
    for number, is_healthy in enumerate(steps):
        job = job.recovered() if is_healthy else job.with_failed_step(BUSY, NOON + timedelta(hours=number))
    bad = next((number for number, is_healthy in enumerate(reversed(steps)) if is_healthy), len(steps))
    assert job.trouble_since == (NOON + timedelta(hours=len(steps) - bad) if bad else None)

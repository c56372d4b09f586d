"""Job that goes wrong at every step comes to an end; job that goes wrong now and then goes on."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.job import Job
from shared.model.patience import FEWEST_FAILURES, PATIENCE
from tests.logic.records import INSPECTION, NOON, RESTORE

BUSY = "ServerBusy (503)"
LATER = NOON + timedelta(minutes=5)
JOBS = [RESTORE, INSPECTION]


@pytest.mark.parametrize("job", JOBS)
def test_work_of_which_every_step_goes_wrong_is_out_of_patience_after_a_day(job: Job) -> None:
    troubled = job.in_trouble(BUSY, NOON)
    for _ in range(FEWEST_FAILURES - 1):
        assert not troubled.is_out_of_patience(NOON + PATIENCE), "too few steps were tried"
        troubled = troubled.in_trouble(BUSY, LATER)
    assert not job.is_out_of_patience(NOON + PATIENCE)
    assert not troubled.is_out_of_patience(NOON + PATIENCE - timedelta(seconds=1))
    assert troubled.is_out_of_patience(NOON + PATIENCE)


@pytest.mark.parametrize("job", JOBS)
def test_a_step_that_goes_well_is_the_end_of_the_trouble_and_what_was_wrong_stays(job: Job) -> None:
    then = job.in_trouble(BUSY, NOON).out_of_trouble()
    assert not then.is_out_of_patience(NOON + 2 * PATIENCE)
    assert (then.last_error, then.last_error_at, then.checked) == (BUSY, NOON, NOON)


@pytest.mark.parametrize("job", JOBS)
def test_what_has_ended_and_can_not_be_cleaned_up_after_is_left_after_a_day(job: Job) -> None:
    ended = replace(job, ended=NOON)
    assert not ended.is_to_be_left(NOON + PATIENCE - timedelta(seconds=1))
    assert ended.is_to_be_left(NOON + PATIENCE)
    in_trouble = replace(ended, trouble_since=NOON - PATIENCE)
    assert in_trouble.is_to_be_left(LATER), "it has been in trouble for as long before its end"


@given(st.lists(st.booleans(), max_size=20))
def test_trouble_counts_from_the_first_step_since_the_last_that_went_well(steps: list[bool]) -> None:
    job: Job = RESTORE
    for number, goes_well in enumerate(steps):
        job = job.out_of_trouble() if goes_well else job.in_trouble(BUSY, NOON + timedelta(hours=number))
    bad = next((number for number, goes_well in enumerate(reversed(steps)) if goes_well), len(steps))
    assert job.trouble_since == (NOON + timedelta(hours=len(steps) - bad) if bad else None)

"""The pace of requests to a page blob: within its limits, slower after a refusal, and fast again in time."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.changes.pace import (
    DOCUMENTED,
    FASTEST,
    LONGEST_PAUSE,
    SHORTEST_PAUSE,
    SLOWEST,
    Pace,
    begun_at,
    blob_seconds,
    is_late,
    pause_of,
    slowed,
    sped_up,
)
from tests.logic.change_lists import FOUR_MIB, MIB, PAGE

rates = st.floats(SLOWEST, FASTEST)
lengths = st.integers(0, FOUR_MIB)
histories = st.lists(st.none() | lengths, max_size=60)
"""The result of each request: refused, or successful with so many bytes."""


def after(history: list[int | None], rate: float = DOCUMENTED) -> Pace:
    """Continue from the pace of a new batch."""
    pace = begun_at(rate)
    for length in history:
        pace = slowed(pace) if length is None else sped_up(pace, blob_seconds(length))
    return pace


def worked(pace: Pace, seconds: float) -> Pace:
    """Have requests of 4 MiB succeed for so long."""
    one = blob_seconds(FOUR_MIB)
    while seconds > 0:
        seconds -= one / pace.rate
        pace = sped_up(pace, one)
    return pace


# --- what a request uses up


@pytest.mark.parametrize(("length", "requests"), [(0, 500), (PAGE, 500), (125 * 1024, 491), (FOUR_MIB, 15), (MIB, 60)])
def test_a_blob_takes_500_requests_a_second_or_60_mib(length: int, requests: int) -> None:
    assert int(1 / blob_seconds(length) + 1e-9) == requests


# --- the rate


@given(histories, rates)
def test_whatever_happens_the_rate_stays_within_the_limits_and_above_zero(
    history: list[int | None], rate: float
) -> None:
    pace = after(history, rate)
    assert SLOWEST <= pace.rate <= FASTEST
    assert SHORTEST_PAUSE <= pace.pause <= LONGEST_PAUSE


@given(histories, rates)
def test_a_refusal_makes_it_slower_and_success_never_does(history: list[int | None], rate: float) -> None:
    pace = after(history, rate)
    assert slowed(pace).rate < pace.rate or pace.rate == SLOWEST
    assert sped_up(pace, blob_seconds(FOUR_MIB)).rate >= pace.rate


@given(rates)
def test_a_batch_starts_at_the_last_ones_rate(rate: float) -> None:
    assert begun_at(rate).rate == rate


def test_it_begins_a_little_below_what_is_documented() -> None:
    assert 0.95 <= Pace().rate < 1


@pytest.mark.parametrize("rate", [-1.0, 0.0, 1e9])
def test_a_rate_that_makes_no_sense_is_brought_within_the_limits(rate: float) -> None:
    assert SLOWEST <= begun_at(rate).rate <= FASTEST


@pytest.mark.parametrize("limit", [0.3, 2.0, 7.0])
def test_a_refusal_after_a_calm_time_has_found_the_limit_and_slows_down_to_a_little_below(limit: float) -> None:
    calm = worked(begun_at(limit), 5)
    assert 0.9 * limit < slowed(calm, served=limit).rate < limit


@pytest.mark.parametrize("limit", [0.9, 1.0, 1.1])
def test_where_the_limit_is_as_documented_it_goes_on_as_it_began(limit: float) -> None:
    assert slowed(worked(begun_at(DOCUMENTED), 12), served=limit).rate == DOCUMENTED


def test_refusal_after_refusal_slows_down_fast_and_pauses_longer_each_time() -> None:
    paces = [after([None] * refusals) for refusals in range(10)]
    assert paces[5].rate < DOCUMENTED / 4
    assert [pause_of(pace, is_busy=True).total_seconds() for pace in paces] == [
        0.125,
        0.25,
        0.5,
        1,
        2,
        4,
        8,
        16,
        30,
        30,
    ]
    assert [pause_of(pace, is_busy=False).total_seconds() for pace in paces] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30]


def test_the_longest_pause_ends_with_a_calm_time() -> None:
    assert worked(after([None] * 9), 1).pause == SHORTEST_PAUSE


def test_a_limit_that_was_found_again_is_exceeded_ever_more_rarely() -> None:
    pace, waited = begun_at(0.5), list[float]()
    for _ in range(6):
        seconds = 0.0
        while pace.rate <= 0.6 and seconds < 300:
            pace, seconds = worked(pace, 0.5), seconds + 0.5
        waited.append(seconds)
        pace = slowed(pace, served=0.5)
    assert waited[1:] == sorted(waited[1:])
    assert waited[-1] >= 8


def test_a_higher_limit_than_documented_is_looked_for_within_half_a_minute() -> None:
    assert worked(begun_at(DOCUMENTED), 9).rate == DOCUMENTED
    assert worked(begun_at(DOCUMENTED), 30).rate > 10


@given(histories)
def test_once_nothing_is_refused_any_more_it_is_as_fast_as_at_first_within_minutes(history: list[int | None]) -> None:
    pace, seconds = after(history), 0
    while pace.rate < DOCUMENTED:
        pace, seconds = worked(pace, 1), seconds + 1
    assert seconds < 300


# --- slow requests


def test_a_request_that_takes_much_longer_than_the_quickest_of_its_size_is_late() -> None:
    assert not is_late(0.1, quickest=0.02)
    assert not is_late(2.5, quickest=1.0)
    assert is_late(10.0, quickest=1.0)
    assert is_late(1.0, quickest=0.02)


def test_no_pause_is_shorter_than_the_way_of_a_refusal() -> None:
    assert timedelta(milliseconds=100) <= SHORTEST_PAUSE

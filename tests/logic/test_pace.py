"""The pace of the writers: half as fast after each refusal, and step by step as fast as at first once all goes well."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.pace import LONGEST_PAUSE, SHORTEST_PAUSE, Pace, slowed, sped_up

MOST = 16

a_few = settings(max_examples=100, deadline=None)

mosts = st.integers(1, 64)
histories = st.lists(st.booleans(), max_size=60)
"""What became of each request: whether it went well, or was refused."""


def after(history: list[bool], most: int) -> Pace:
    """Go on from the pace of a new batch."""
    pace = Pace(most)
    for went_well in history:
        pace = sped_up(pace, most) if went_well else slowed(pace)
    return pace


def rounds(pace: Pace, most: int) -> int:
    """Count the requests that go well before one more may be under way."""
    count = 0
    faster = pace
    while faster.at_once == pace.at_once:
        faster, count = sped_up(faster, most), count + 1
    return count


@a_few
@given(histories, mosts)
def test_whatever_happens_one_request_at_least_is_under_way_and_never_more_than_the_most(
    history: list[bool], most: int
) -> None:
    assert 1 <= after(history, most).at_once <= most


@a_few
@given(histories, mosts)
def test_whatever_happens_a_pause_lasts_a_second_at_least_and_never_longer_than_the_longest(
    history: list[bool], most: int
) -> None:
    assert SHORTEST_PAUSE <= after(history, most).pause <= LONGEST_PAUSE


@a_few
@given(histories, mosts)
def test_each_refusal_halves_what_is_under_way_and_doubles_the_next_pause(history: list[bool], most: int) -> None:
    pace = after(history, most)
    slower = slowed(pace)
    assert slower.at_once == max(1, pace.at_once // 2)
    assert slower.pause == min(2 * pace.pause, LONGEST_PAUSE)
    assert slower.went_well == 0


@a_few
@given(histories, mosts)
def test_a_request_that_went_well_makes_nothing_slower_and_lets_one_more_go_at_most(
    history: list[bool], most: int
) -> None:
    pace = after(history, most)
    faster = sped_up(pace, most)
    assert faster.at_once - pace.at_once in {0, 1}
    assert faster.pause <= pace.pause


@a_few
@given(histories, mosts)
def test_after_enough_that_went_well_it_is_as_fast_as_at_first(history: list[bool], most: int) -> None:
    enough = sum(2 * at_once for at_once in range(1, most + 1)) + 5 * 2 * most
    pace = after([*history, *[True] * enough], most)
    assert (pace.at_once, pace.pause) == (most, SHORTEST_PAUSE)


@a_few
@given(st.integers(0, 1000), mosts)
def test_where_nothing_was_refused_all_go_on_as_at_first(requests: int, most: int) -> None:
    pace = after([True] * requests, most)
    assert (pace.at_once, pace.pause) == (most, SHORTEST_PAUSE)


@pytest.mark.parametrize("at_once", [1, 2, 7, MOST - 1])
def test_one_more_may_go_after_two_rounds_that_went_well(at_once: int) -> None:
    assert rounds(Pace(at_once), MOST) == 2 * at_once


def test_a_refusal_begins_the_two_rounds_anew() -> None:
    almost = after([False, *[True] * 15], MOST)
    assert almost == Pace(8, timedelta(seconds=2), went_well=15)
    assert slowed(almost) == Pace(4, timedelta(seconds=4))
    assert rounds(slowed(almost), MOST) == 8


def test_refusal_after_refusal_ends_in_one_request_after_each_longest_pause() -> None:
    paces = [after([False] * refusals, MOST) for refusals in range(8)]
    assert [pace.at_once for pace in paces] == [16, 8, 4, 2, 1, 1, 1, 1]
    assert [pace.pause.total_seconds() for pace in paces] == [1, 2, 4, 8, 16, 30, 30, 30]


def test_a_pace_that_is_sped_up_pauses_half_as_long_after_the_next_refusal() -> None:
    pace = Pace(1, LONGEST_PAUSE)
    pauses = []
    for _ in range(7):
        pauses.append(pace.pause.total_seconds())
        for _ in range(2 * pace.at_once):
            pace = sped_up(pace, MOST)
    assert pauses == [30, 15, 7.5, 3.75, 1.875, 1, 1]

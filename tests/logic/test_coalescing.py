"""Coalescing: a gap is written where that is faster and harmless, and nowhere else."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.changes.coalescing import gaps_written, is_faster_joined, is_in_hurry, write_seconds
from shared.changes.pace import blob_seconds
from shared.changes.ranges import Change, Effort, writes
from shared.limits import BYTES_PER_SECOND
from tests.logic.change_lists import FOUR_MIB, MIB, PAGE, from_pages, listed, pages_of, stream, without_neighbours

KIB = 1024
HOUR = timedelta(hours=1)


def written(start: int, end: int) -> Change:
    return Change(start, end, clear=False)


async def joined(changes: Sequence[Change], valid: Sequence[Change], most: int, position: int = 0) -> list[Change]:
    def valid_from(start: int) -> AsyncIterator[Change]:
        return stream([Change(max(start, found.start), found.end, clear=False) for found in valid if found.end > start])

    left = [Change(max(position, change.start), change.end, change.clear) for change in changes]
    return await listed(gaps_written(stream(change for change in left if change.end > position), valid_from, most))


def seconds(changes: Sequence[Change]) -> float:
    return sum(blob_seconds(0 if piece.clear else piece.length) for change in changes for piece in writes(change))


@st.composite
def diffs(draw: st.DrawFn) -> tuple[list[Change], list[Change]]:
    """Give a diff, and the valid ranges of the snapshot: all that is written, and some of what is between."""
    runs = st.tuples(
        st.one_of(st.integers(0, 9), st.integers(0, 300)),
        st.one_of(st.integers(1, 9), st.integers(1, 3 * FOUR_MIB // PAGE)),
        st.sampled_from([False, False, False, True]),
    )
    changes = from_pages(without_neighbours(draw(st.lists(runs, max_size=20))))
    edges = [0, *(edge for change in changes for edge in (change.start, change.end))]
    gaps = [written(start, end) for start, end in zip(edges[::2], edges[1::2], strict=False) if start < end]
    others = [part for gap in gaps for part in _some_of(draw, gap)]
    return changes, sorted([*others, *(change for change in changes if not change.clear)])


def _some_of(draw: st.DrawFn, gap: Change) -> list[Change]:
    """Draw what is valid of a gap: nothing, all, or all but a page."""
    missing = draw(st.sampled_from([None, gap, written(gap.start, gap.start + PAGE), written(gap.end - PAGE, gap.end)]))
    if missing is None:
        return [gap]
    parts = [written(gap.start, missing.start), written(missing.end, gap.end)]
    return [part for part in parts if part.start < part.end]


GAPS = st.one_of(st.just(0), st.integers(1, 300 * PAGE))


@given(diffs(), GAPS)
async def test_all_that_changed_is_written_and_cleared_and_else_only_valid_gaps_that_are_short(
    diff: tuple[list[Change], list[Change]], most: int
) -> None:
    changes, valid = diff
    found = pages_of(await joined(changes, valid, most))
    changed = pages_of(changes)
    assert {page: found.get(page) for page in changed} == changed
    extra = found.keys() - changed.keys()
    assert extra <= pages_of(valid).keys()
    assert not any(found[page] for page in extra)
    assert all(
        later.start - earlier.end <= most for earlier, later in pairwise(changes) if earlier.end // PAGE in extra
    )


@given(diffs(), GAPS)
async def test_a_coalesced_list_takes_no_more_calls_and_no_more_of_the_blobs_time(
    diff: tuple[list[Change], list[Change]], most: int
) -> None:
    changes, valid = diff
    found = await joined(changes, valid, most)
    assert seconds(found) <= seconds(changes) + 1e-9
    assert sum(change.calls for change in found) <= sum(change.calls for change in changes)


@given(diffs(), GAPS, st.integers(0, 2 * FOUR_MIB // PAGE))
async def test_from_any_position_on_what_is_left_is_written(
    diff: tuple[list[Change], list[Change]], most: int, page: int
) -> None:
    changes, valid = diff
    left = {at: clear for at, clear in pages_of(changes).items() if at >= page}
    found = pages_of(await joined(changes, valid, most, page * PAGE))
    assert {at: found.get(at) for at in left} == left
    assert min(found, default=page) >= page


async def test_two_pages_near_each_other_are_one_call() -> None:
    changes = [written(0, PAGE), written(9 * PAGE, 10 * PAGE)]
    assert await joined(changes, [written(0, MIB)], 8 * PAGE) == [written(0, 10 * PAGE)]


async def test_nothing_is_joined_across_a_clear() -> None:
    changes = [written(0, PAGE), Change(PAGE, 2 * PAGE, clear=True), written(2 * PAGE, 3 * PAGE)]
    assert await joined(changes, [written(0, PAGE), written(2 * PAGE, 3 * PAGE)], MIB) == changes


async def test_a_gap_with_a_page_that_was_never_written_is_left_out() -> None:
    changes = [written(0, PAGE), written(9 * PAGE, 10 * PAGE)]
    assert await joined(changes, [written(0, 5 * PAGE), written(6 * PAGE, 10 * PAGE)], MIB) == changes


async def test_valid_ranges_are_not_listed_where_no_gap_is_short_enough() -> None:
    def never(start: int) -> AsyncIterator[Change]:
        raise AssertionError(f"listed from {start}")

    changes = [written(0, PAGE), written(9 * PAGE, 10 * PAGE), Change(11 * PAGE, 12 * PAGE, clear=True)]
    assert await listed(gaps_written(stream(changes), never, 4 * PAGE)) == changes


@pytest.mark.parametrize(
    ("before", "gap", "after", "is_faster"),
    [
        pytest.param(4 * KIB, 100 * KIB, 4 * KIB, True, id="of two calls of 2 ms one is saved"),
        pytest.param(4 * KIB, 240 * KIB, 4 * KIB, False, id="the gap takes longer than a call"),
        pytest.param(4 * MIB, 4 * KIB, 4 * KIB, False, id="no call is saved beyond 4 MiB"),
        pytest.param(2 * MIB, 4 * KIB, 1 * MIB, False, id="the bytes of both take longer than their calls"),
        pytest.param(2 * MIB, 4 * KIB, 4 * KIB, True, id="a small one beside a large one"),
    ],
)
def test_two_ranges_are_joined_only_if_that_is_faster(before: int, gap: int, after: int, is_faster: bool) -> None:
    first, second = written(0, before), written(before + gap, before + gap + after)
    assert is_faster_joined(first, second, MIB) is is_faster


@given(st.integers(1, 5 * FOUR_MIB))
def test_a_range_costs_what_its_pieces_cost(length: int) -> None:
    assert write_seconds(length) == pytest.approx(seconds([written(0, length)]))


def test_a_run_hurries_once_its_calls_have_taken_a_quarter_of_the_time_to_the_next_tick() -> None:
    assert not is_in_hurry(Effort(write_calls=449_000, clear_calls=999), HOUR)
    assert is_in_hurry(Effort(write_calls=449_000, clear_calls=1_000), HOUR)
    assert is_in_hurry(Effort(), timedelta())


def test_more_bytes_are_no_help_where_the_bytes_take_as_long_as_the_calls() -> None:
    assert is_in_hurry(Effort(write_calls=450_000, bytes_written=900 * BYTES_PER_SECOND), HOUR)
    assert not is_in_hurry(Effort(write_calls=450_000, bytes_written=901 * BYTES_PER_SECOND), HOUR)

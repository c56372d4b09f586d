"""Two page maps overlaid: what both have, and what only one has, completely and nothing else."""

from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.changes.ranges import Change, Overlaid, overlaid
from tests.logic.change_lists import GIB, PAGE, TIB, change_lists, cut_lists, pages_of, small_lists, stream


async def compared(first: list[Change], second: list[Change]) -> list[Overlaid]:
    """What only one of the two has."""
    return [part for part in await laid(first, second) if not (part.in_first and part.in_second)]


async def laid(first: list[Change], second: list[Change]) -> list[Overlaid]:
    return [part async for part in overlaid(stream(first), stream(second))]


def only(start: int, end: int, *, is_first: bool) -> Overlaid:
    return Overlaid(start, end, is_first, not is_first)


def valid(start: int, end: int) -> Change:
    return Change(start * PAGE, end * PAGE, clear=False)


def pages(parts: list[Overlaid], *, is_first: bool) -> set[int]:
    return {page for part in parts if part.in_first is is_first for page in range(part.start // PAGE, part.end // PAGE)}


@given(small_lists(), small_lists(), st.integers(0, 9))
async def test_each_page_that_only_one_list_has_is_reported_with_its_side(
    first: list[Change], second: list[Change], shift: int
) -> None:
    second = [Change(start + shift * PAGE, end + shift * PAGE, clear) for start, end, clear in second]
    parts = await laid(first, second)
    one_sided = await compared(first, second)
    mine, others = set(pages_of(first)), set(pages_of(second))
    assert pages(one_sided, is_first=True) == mine - others
    assert pages(one_sided, is_first=False) == others - mine
    assert pages([part for part in parts if part.in_second], is_first=True) == mine & others


@given(change_lists(), change_lists())
async def test_parts_are_in_order_never_overlap_and_are_never_empty(first: list[Change], second: list[Change]) -> None:
    parts = await laid(first, second)
    assert all(part.start < part.end for part in parts)
    assert all(before.end <= after.start for before, after in pairwise(parts))


@given(change_lists(), change_lists())
async def test_swapping_the_lists_swaps_the_sides(first: list[Change], second: list[Change]) -> None:
    swapped = [only(part.start, part.end, is_first=not part.in_first) for part in await compared(first, second)]
    assert await compared(second, first) == swapped


@given(cut_lists())
async def test_lists_of_the_same_pages_are_equal_however_they_are_cut(both: tuple[list[Change], list[Change]]) -> None:
    whole, pieces = both
    assert await compared(whole, whole) == []
    assert await compared(whole, pieces) == []
    assert await compared(pieces, whole) == []


@given(change_lists())
async def test_against_an_empty_disk_every_range_is_reported_as_it_is(changes: list[Change]) -> None:
    assert await compared(changes, []) == [only(change.start, change.end, is_first=True) for change in changes]
    assert await compared([], changes) == [only(change.start, change.end, is_first=False) for change in changes]


@pytest.mark.parametrize(
    ("first", "second", "parts"),
    [
        pytest.param([valid(0, 9)], [valid(3, 5)], [(0, 3, True), (5, 9, True)], id="a hole in the second"),
        pytest.param([valid(3, 5)], [valid(0, 9)], [(0, 3, False), (5, 9, False)], id="a hole in the first"),
        pytest.param([valid(0, 5)], [valid(3, 9)], [(0, 3, True), (5, 9, False)], id="moved"),
        pytest.param([valid(0, 3)], [valid(3, 6)], [(0, 3, True), (3, 6, False)], id="side by side"),
        pytest.param([valid(0, 9)], [valid(0, 8)], [(8, 9, True)], id="the last page missing"),
        pytest.param([valid(1, 9)], [valid(0, 9)], [(0, 1, False)], id="a page more at the beginning"),
        pytest.param([valid(0, 2), valid(4, 6)], [valid(0, 6)], [(2, 4, False)], id="joined in the second"),
        pytest.param([], [], [], id="two empty disks"),
    ],
)
async def test_what_differs_is_reported_page_by_page(
    first: list[Change], second: list[Change], parts: list[tuple[int, int, bool]]
) -> None:
    assert await compared(first, second) == [
        only(start * PAGE, end * PAGE, is_first=side) for start, end, side in parts
    ]


async def test_a_missing_footer_of_a_large_disk_is_reported() -> None:
    footer = Change(8 * TIB - PAGE, 8 * TIB, clear=False)
    data = Change(0, GIB, clear=False)
    assert await compared([data, footer], [data]) == [only(footer.start, footer.end, is_first=True)]


async def test_lists_are_read_as_they_are_compared_and_never_held() -> None:
    seen: list[int] = []

    async def long_list() -> AsyncIterator[Change]:
        for start in range(0, 2_000_000, 2):
            seen.append(start)
            yield valid(start, start + 1)

    parts = overlaid(long_list(), stream([]))
    assert await anext(parts) == only(0, PAGE, is_first=True)
    assert len(seen) <= 2

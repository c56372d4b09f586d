"""Made-up change lists, and what they say about each page: the model to test the algebra against."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from itertools import pairwise

from hypothesis import strategies as st

from shared.changes.ranges import Change

PAGE = 512
MIB = 1024**2
GIB = 1024**3
TIB = 1024**4
FOUR_MIB = 4 * MIB

type Pages = dict[int, bool]
"""Whether a page is cleared, by its number."""


async def stream(changes: Iterable[Change]) -> AsyncIterator[Change]:
    for change in changes:
        yield change


async def listed(changes: AsyncIterable[Change]) -> list[Change]:
    return [change async for change in changes]


def pages_of(changes: Iterable[Change]) -> Pages:
    """Name every page of a list; a page in two ranges is an error in the list."""
    pages: Pages = {}
    for change in changes:
        for page in range(change.start // PAGE, change.end // PAGE):
            assert page not in pages, f"page {page} is listed twice"
            pages[page] = change.clear
    return pages


def from_pages(runs: Iterable[tuple[int, int, bool]]) -> list[Change]:
    """Make a list from pages left out, pages of the range, and whether it is cleared."""
    changes: list[Change] = []
    position = 0
    for gap, pages, clear in runs:
        start = position + gap * PAGE
        position = start + pages * PAGE
        changes.append(Change(start, position, clear))
    return changes


def without_neighbours(runs: Sequence[tuple[int, int, bool]]) -> list[tuple[int, int, bool]]:
    """Put a page between adjacent ranges of one kind."""
    apart: list[tuple[int, int, bool]] = []
    for gap, pages, clear in runs:
        touches = bool(apart) and gap == 0 and apart[-1][2] == clear
        apart.append((1 if touches else gap, pages, clear))
    return apart


def _runs(
    gaps: st.SearchStrategy[int], pages: st.SearchStrategy[int]
) -> st.SearchStrategy[list[tuple[int, int, bool]]]:
    return st.lists(st.tuples(gaps, pages, st.booleans()), max_size=20)


def small_lists() -> st.SearchStrategy[list[Change]]:
    """Lists of a few pages, ordered, with neighbours of one kind among them."""
    return _runs(st.integers(0, 3), st.integers(1, 6)).map(from_pages)


def change_lists() -> st.SearchStrategy[list[Change]]:
    """Coalesced lists: single pages, ranges of many batches, and offsets far into the disk."""
    pages = st.one_of(st.integers(1, 9), st.integers(1, 3 * FOUR_MIB // PAGE), st.integers(1, GIB // PAGE))
    gaps = st.one_of(st.integers(0, 2), st.integers(0, 400 * GIB // PAGE))
    return _runs(gaps, pages).map(without_neighbours).map(from_pages)


@st.composite
def cut_lists(draw: st.DrawFn) -> tuple[list[Change], list[Change]]:
    """Give a coalesced list, and the same list cut into smaller ranges on page boundaries."""
    whole = draw(change_lists())
    pieces: list[Change] = []
    for change in whole:
        inner = st.integers(change.start // PAGE, change.end // PAGE)
        cuts = sorted({change.start, change.end, *(page * PAGE for page in draw(st.lists(inner, max_size=4)))})
        pieces += [Change(start, end, change.clear) for start, end in pairwise(cuts)]
    return whole, pieces

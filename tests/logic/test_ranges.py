"""The algebra of change lists: nothing lost, nothing added, nothing moved."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.changes.ranges import (
    Change,
    DisorderedRangesError,
    Window,
    clip,
    coalesced,
    gaps_cleared,
    halves,
    windows,
    writes,
)
from tests.logic.change_lists import (
    FOUR_MIB,
    GIB,
    MIB,
    PAGE,
    TIB,
    change_lists,
    cut_lists,
    listed,
    pages_of,
    small_lists,
    stream,
)


def written(start: int, end: int) -> Change:
    return Change(start, end, clear=False)


def cleared(start: int, end: int) -> Change:
    return Change(start, end, clear=True)


# --- coalescing


@given(small_lists())
async def test_coalescing_keeps_every_page_and_its_kind(changes: list[Change]) -> None:
    assert pages_of(await listed(coalesced(stream(changes)))) == pages_of(changes)


@given(small_lists())
async def test_a_coalesced_list_is_in_order_and_has_no_neighbours_of_one_kind(changes: list[Change]) -> None:
    for before, after in pairwise(await listed(coalesced(stream(changes)))):
        assert before.end < after.start or (before.end == after.start and before.clear != after.clear)


@given(cut_lists())
async def test_a_coalesced_list_does_not_depend_on_what_it_was_cut_into(
    both: tuple[list[Change], list[Change]],
) -> None:
    whole, pieces = both
    assert await listed(coalesced(stream(pieces))) == whole


async def test_what_is_written_is_not_joined_with_the_clear_beside_it() -> None:
    changes = [written(0, PAGE), cleared(PAGE, 2 * PAGE), written(2 * PAGE, 3 * PAGE)]
    assert await listed(coalesced(stream(changes))) == changes


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param([written(4 * PAGE, 5 * PAGE), written(0, PAGE)], id="out of order"),
        pytest.param([written(0, 3 * PAGE), written(2 * PAGE, 4 * PAGE)], id="overlapping"),
        pytest.param([written(0, 3 * PAGE), cleared(PAGE, 2 * PAGE)], id="one within another"),
        pytest.param([written(0, PAGE), written(PAGE, 2 * PAGE), written(PAGE, 2 * PAGE)], id="listed twice"),
        pytest.param([written(PAGE, PAGE)], id="empty"),
        pytest.param([cleared(2 * PAGE, PAGE)], id="back to front"),
        pytest.param([written(1, PAGE)], id="starts within a page"),
        pytest.param([written(0, PAGE + 511)], id="ends within a page"),
    ],
)
async def test_a_list_that_cannot_be_built_on_is_refused(changes: list[Change]) -> None:
    with pytest.raises(DisorderedRangesError, match=str(changes[-1].start)):
        await listed(coalesced(stream(changes)))


async def test_nothing_changed_gives_an_empty_list() -> None:
    assert await listed(coalesced(stream([]))) == []


# --- the change list of a resync


@given(small_lists(), st.integers(0, 5), st.integers(0, 5))
async def test_a_resync_touches_every_page_of_the_window_exactly_once(
    changes: list[Change], before: int, after: int
) -> None:
    shifted = [Change(start + before * PAGE, end + before * PAGE, clear) for start, end, clear in changes]
    window = Window(0, (shifted[-1].end if shifted else 0) + after * PAGE)
    pages = pages_of(await listed(gaps_cleared(stream(shifted), window)))
    valid = pages_of(shifted)
    assert pages == {page: valid.get(page, True) for page in range(window.end // PAGE)}


@given(small_lists())
async def test_a_resync_is_in_order_from_end_to_end_of_its_window(changes: list[Change]) -> None:
    window = Window(7 * PAGE, 200 * PAGE)
    shifted = [Change(start + window.start, end + window.start, clear) for start, end, clear in changes]
    found = await listed(gaps_cleared(stream(shifted), window))
    assert [found[0].start, *[change.end for change in found]] == [*[change.start for change in found], window.end]
    assert found[0].start == window.start


async def test_an_empty_disk_is_cleared_whole() -> None:
    assert await listed(gaps_cleared(stream([]), Window(0, 8 * TIB))) == [cleared(0, 8 * TIB)]


async def test_a_full_disk_has_nothing_to_clear() -> None:
    full = [written(PAGE, 9 * PAGE)]
    assert await listed(gaps_cleared(stream(full), Window(PAGE, 9 * PAGE))) == full


# --- windows


@given(st.integers(0, 8 * TIB // PAGE), st.sampled_from([512 * MIB, 64 * GIB, TIB]))
def test_windows_cover_the_disk_exactly_once(pages: int, length: int) -> None:
    size = pages * PAGE
    found = windows(size, length)
    assert [0, *[window.end for window in found]] == [*[window.start for window in found], size]
    assert all(window.end - window.start == length for window in found[:-1])
    assert all(0 < window.end - window.start <= length for window in found)


def test_the_footer_of_a_disk_is_in_its_last_window() -> None:
    size = 128 * GIB + PAGE
    assert windows(size, 64 * GIB)[-1] == Window(128 * GIB, size)


@given(st.integers(0, 2**34), st.integers(2, 2**34))
def test_halves_of_a_window_are_the_window_cut_on_a_page_boundary(start: int, pages: int) -> None:
    window = Window(start * PAGE, (start + pages) * PAGE)
    parts = halves(window)
    assert parts is not None
    first, second = parts
    assert (first.start, first.end, second.end) == (window.start, second.start, window.end)
    assert first.end % PAGE == 0
    assert abs((first.end - first.start) - (second.end - second.start)) <= PAGE


def test_a_page_cannot_be_halved() -> None:
    assert halves(Window(5 * PAGE, 6 * PAGE)) is None


@given(small_lists(), st.integers(1, 7))
def test_clipping_a_list_to_each_window_loses_no_page(changes: list[Change], pages: int) -> None:
    size = changes[-1].end if changes else 0
    clipped = [clip(change, window) for window in windows(size, pages * PAGE) for change in changes]
    assert pages_of([change for change in clipped if change]) == pages_of(changes)


@given(small_lists(), st.integers(0, 60), st.integers(1, 60))
def test_a_clipped_range_is_within_its_window(changes: list[Change], start: int, pages: int) -> None:
    window = Window(start * PAGE, (start + pages) * PAGE)
    for change in changes:
        within = clip(change, window)
        meets = change.start < window.end and window.start < change.end
        assert (within is not None) == meets
        assert within is None or window.start <= within.start < within.end <= window.end


# --- requests


def test_the_pieces_of_a_range_start_at_its_own_offset() -> None:
    start, end = 5 * MIB + PAGE, 14 * MIB
    assert list(writes(written(start, end))) == [
        written(5 * MIB + PAGE, 9 * MIB + PAGE),
        written(9 * MIB + PAGE, 13 * MIB + PAGE),
        written(13 * MIB + PAGE, 14 * MIB),
    ]


@given(change_lists())
def test_a_range_is_cut_into_pieces_that_cover_it_exactly_once(changes: list[Change]) -> None:
    for change in changes:
        pieces = list(writes(change))
        assert pieces[0].start == change.start
        assert pieces[-1].end == change.end
        assert all(before.end == after.start for before, after in pairwise(pieces))
        assert all(piece.clear == change.clear for piece in pieces)


@given(change_lists())
def test_the_pieces_are_as_large_and_as_few_as_the_service_allows(changes: list[Change]) -> None:
    for change in changes:
        pieces = list(writes(change))
        assert len(pieces) == change.calls
        most = GIB if change.clear else FOUR_MIB
        assert all(piece.length == most for piece in pieces[:-1])
        assert 0 < pieces[-1].length <= most


@pytest.mark.parametrize(
    ("change", "calls"),
    [
        (written(0, PAGE), 1),
        (written(MIB, MIB + FOUR_MIB), 1),
        (written(MIB, MIB + FOUR_MIB + PAGE), 2),
        (cleared(0, PAGE), 1),
        (cleared(MIB, MIB + GIB), 1),
        (cleared(MIB, MIB + GIB + PAGE), 2),
        (cleared(0, 8 * TIB), 8192),
    ],
)
def test_a_range_takes_a_call_per_4_mib_written_and_per_gib_cleared(change: Change, calls: int) -> None:
    assert change.calls == calls


def test_a_range_is_described_with_its_last_byte() -> None:
    assert Change(0, 512, clear=False).described == "bytes 0-511"
    assert Change(1024, 2048, clear=True).described == "bytes 1024-2047"

"""How much of a disk one request lists: ever more where there is little, and what was usual once that times out."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.changes.ranges import Change, Window, clip, windows
from shared.errors import ListingTimedOutError
from shared.limits import PAGE, RANGES_PER_REQUEST
from shared.model.addresses import BlobAddress
from shared.model.version import BlobVersion
from shared.pages.ahead import Ahead
from shared.pages.listing import GROWTH, LISTING_WINDOW, SMALLEST_WINDOW, ListingWindows, TimedOut, listed
from tests.logic.change_lists import stream
from tests.logic.records import BACKUP

TIB = 1024**4
VERSION = BlobVersion(BlobAddress.parse(BACKUP))


def written(*ranges: tuple[int, int]) -> list[Change]:
    return [Change(start, end, clear=False) for start, end in ranges]


class Service:
    """Lists ranges, and times out on windows that are too long for it."""

    def __init__(self, changes: list[Change], longest: int) -> None:
        self.changes_listed, self.longest = changes, longest
        self.asked: list[Window] = []
        self.pages = SimpleNamespace(changes=self._changes)

    async def _changes(self, _version: object, _since: object, window: Window) -> AsyncIterator[Change]:
        self.asked.append(window)
        if window.end - window.start > self.longest:
            raise ListingTimedOutError("OperationTimedOut")
        for change in self.changes_listed:
            if clip(change, window):
                yield change


def ahead(service: Any, whole: Window) -> Ahead:
    def ranges(window: Window, timed_out: TimedOut) -> AsyncIterator[Change]:
        return listed(service, VERSION, None, window, timed_out=timed_out)

    return Ahead(whole, ranges)


async def test_a_disk_without_ranges_is_listed_by_a_handful_of_requests() -> None:
    service = Service([], longest=8 * TIB)
    assert [change async for change in ahead(service, Window(0, 8 * TIB)).of(Window(0, 8 * TIB))] == []
    assert [window.end - window.start for window in service.asked[:4]] == [
        LISTING_WINDOW * GROWTH**power for power in range(4)
    ]
    assert (len(service.asked), service.asked[-1].end) == (5, 8 * TIB)


def test_a_window_with_many_ranges_is_followed_by_a_usual_one() -> None:
    found = ListingWindows()
    position = 0
    for ranges, expected in ((1, 1), (RANGES_PER_REQUEST - 1, GROWTH), (RANGES_PER_REQUEST, GROWTH**2), (0, 1)):
        window = found.next(position, 8 * TIB)
        assert window.end - window.start == expected * LISTING_WINDOW
        for _ in range(ranges):
            found.see_range()
        position = window.end


async def test_a_window_that_times_out_is_cut_into_usual_ones_and_followed_by_one() -> None:
    end = 40 * LISTING_WINDOW
    service = Service(written((0, PAGE), (end - PAGE, end)), longest=LISTING_WINDOW)
    found = [change async for change in ahead(service, Window(0, end)).of(Window(0, end))]
    assert found == service.changes_listed
    timed_out = [window for window in service.asked if window.end - window.start > service.longest]
    assert len(service.asked) == 40 + len(timed_out)
    assert {window.end - window.start for window in timed_out} == {GROWTH * LISTING_WINDOW}


async def test_a_usual_window_that_times_out_is_halved_down_to_the_smallest() -> None:
    service: Any = Service(written((0, PAGE)), longest=LISTING_WINDOW // 4)
    found = [change async for change in listed(service, VERSION, None, Window(0, LISTING_WINDOW))]
    assert (found, len(service.asked)) == (service.changes_listed, 7)
    service.longest = SMALLEST_WINDOW // 4
    with pytest.raises(ListingTimedOutError):
        await anext(listed(service, VERSION, None, Window(0, LISTING_WINDOW)))


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=20), st.integers(1, 12), st.integers(0, 3))
async def test_what_is_listed_ahead_is_what_each_window_holds(
    lengths: list[tuple[int, int]], length: int, skipped: int
) -> None:
    changes, position = list[Change](), 0
    for gap, size in lengths:
        position += gap * PAGE
        changes.append(Change(position, position + size * PAGE, clear=False))
        position += size * PAGE
    whole = [*windows(position + PAGE, length * PAGE)][skipped:]
    if not whole:
        return
    taken = Ahead(Window(whole[0].start, whole[-1].end), lambda window, _: stream(_cut(changes, window)))
    for window in whole:
        assert [change async for change in taken.of(window)] == _cut(changes, window)


def _cut(changes: list[Change], window: Window) -> list[Change]:
    return [clipped for change in changes if (clipped := clip(change, window))]

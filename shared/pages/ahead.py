"""Listing ahead: the windows of a comparison are short, and several of them may be listed by one request."""

from collections.abc import AsyncIterator, Callable

from shared.changes.ranges import Change, Window, clip, coalesced
from shared.pages.listing import ListingWindows, TimedOut

type List = Callable[[Window, TimedOut], AsyncIterator[Change]]
"""Lists the ranges of a window, in order."""


class Ahead:
    """The ranges of a part of a disk, taken window by window, in order; no more than a page of them is held.

    What is listed ahead may be older than the window that takes it: whoever uses it must hold a condition on what was
    listed, as the seal does on the backup blob's ETag.
    """

    def __init__(self, whole: Window, ranges: List) -> None:
        self._changes = coalesced(_in_windows(whole, ranges))
        self._held: Change | None = None

    async def of(self, window: Window) -> AsyncIterator[Change]:
        """List the ranges of the next window, cut to it."""
        while change := self._held or await anext(self._changes, None):
            self._held = change if change.end > window.end else None
            if clipped := clip(change, window):
                yield clipped
            if self._held:
                return


async def _in_windows(whole: Window, ranges: List) -> AsyncIterator[Change]:
    """List ranges in windows as long as they can be."""
    windows, position = ListingWindows(), whole.start
    while position < whole.end:
        window = windows.next(position, whole.end)
        async for change in ranges(window, windows.see_time_out):
            windows.see_range()
            yield change
        position = window.end

"""Listing the page ranges of a window of a version, however fragmented it is, and with few requests where it is not."""

from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise

from shared.azure.sources.source import ReadServices
from shared.changes.ranges import Change, Window, clip, halves
from shared.errors import ListingTimedOutError
from shared.events import Event, log_event
from shared.limits import RANGES_PER_REQUEST
from shared.model.version import Version

LISTING_WINDOW = 64 * 1024**3
"""Bytes of a disk that are listed at first: listing a whole fragmented disk times out (REST: Get Page Ranges)."""

SMALLEST_WINDOW = 1024**2
"""Bytes below which a window that times out is no longer halved."""

GROWTH = 4
"""How much longer the next window is where one request lists a window: 8 TiB without ranges take five requests."""

type TimedOut = Callable[[], Awaitable[None]]
"""Called after each listing that timed out."""


class ListingWindows:
    """The windows in which a disk is listed: ever longer ones, until one has many ranges or a listing times out."""

    def __init__(self) -> None:
        self._length = self._ranges = 0
        self._has_timed_out = False

    def next(self, position: int, end: int) -> Window:
        """Give the window that begins at a position; its end is a multiple of `LISTING_WINDOW`, or the end given."""
        is_quick = self._ranges < RANGES_PER_REQUEST and not self._has_timed_out
        self._length = max(LISTING_WINDOW, GROWTH * self._length if is_quick else 0)
        self._ranges, self._has_timed_out = 0, False
        return Window(position, min(position // LISTING_WINDOW * LISTING_WINDOW + self._length, end))

    def see_range(self) -> None:
        """Count a range of this window."""
        self._ranges += 1

    async def see_time_out(self) -> None:
        """Note that a listing of this window timed out."""
        self._has_timed_out = True


async def listed(
    services: ReadServices,
    version: Version,
    since: Version | None,
    window: Window,
    *,
    timed_out: TimedOut | None = None,
) -> AsyncIterator[Change]:
    """List the ranges of a window; when a listing times out, call `timed_out` and list the rest in smaller parts."""
    pending = [window]
    while pending:
        part = pending.pop()
        position = part.start
        try:
            async for change in services.pages.changes(version, since, part):
                if clipped := clip(change, part):
                    position = clipped.end
                    yield clipped
        except ListingTimedOutError:
            rest = Window(position, part.end)
            parts = _parts(rest)
            if parts is None or rest.end - rest.start < SMALLEST_WINDOW:
                raise
            log_event(Event.WINDOW_HALVED, blob=version.of, start=rest.start, end=rest.end)
            if timed_out:
                await timed_out()
            pending += reversed(parts)


def _parts(rest: Window) -> list[Window] | None:
    """Halve what is left of a window; a long one is cut at once: each time-out takes half a minute or more."""
    if rest.end - rest.start <= LISTING_WINDOW:
        return list(parts) if (parts := halves(rest)) else None
    edges = range(rest.start - rest.start % LISTING_WINDOW + LISTING_WINDOW, rest.end, LISTING_WINDOW)
    return [Window(*part) for part in pairwise((rest.start, *edges, rest.end))]

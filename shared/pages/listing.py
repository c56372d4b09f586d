"""Listing the page ranges of a window of a version, however fragmented it is."""

from collections.abc import AsyncIterator, Awaitable, Callable

from shared.azure.sources.source import ReadServices
from shared.changes.ranges import Change, Window, clip, halves
from shared.errors import ListingTimedOutError
from shared.events import Event, log_event
from shared.model.version import Version

LISTING_WINDOW = 64 * 1024**3
"""Bytes of a disk that one invocation lists: listing a whole fragmented disk times out (REST: Get Page Ranges)."""

SMALLEST_WINDOW = 1024**2
"""Bytes below which a window that times out is no longer halved."""


async def listed(
    services: ReadServices,
    version: Version,
    since: Version | None,
    window: Window,
    *,
    timed_out: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[Change]:
    """List the ranges of a window; when a listing times out, call `timed_out` and list the rest in halves."""
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
            parts = halves(rest)
            if parts is None or rest.end - rest.start < SMALLEST_WINDOW:
                raise
            log_event(Event.WINDOW_HALVED, blob=version.of, start=rest.start, end=rest.end)
            if timed_out:
                await timed_out()
            pending += reversed(parts)

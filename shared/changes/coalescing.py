"""Coalescing: the small gaps between the ranges of a diff are written as well, where that is faster than another call.

The pages of a gap have not changed since the base snapshot, so to write them again changes nothing. But each page that
is written is billed once more, whatever is in it (REST: Understanding how snapshots accrue charges). So a run does it
only where it is in a hurry. Pure functions of values.
"""

from collections.abc import AsyncIterable, AsyncIterator, Callable
from datetime import timedelta

from shared.changes.pace import blob_seconds
from shared.changes.ranges import Change, Effort, coalesced
from shared.limits import BYTES_PER_SECOND, MAX_WRITE, REQUESTS_PER_SECOND

HURRIES_AFTER = 0.25
"""The part of the time to the next tick that the calls of a run may take before the rest of it is coalesced."""

type ValidFrom = Callable[[int], AsyncIterable[Change]]
"""Lists the valid ranges of the version that is copied, from a byte on, in order."""


def is_in_hurry(done: Effort, time: timedelta) -> bool:
    """Return whether a run has made so many calls that the rest of it should be coalesced.

    Not if the bytes take the blob as long as the calls: then more bytes would make it slower.

    Args:
        done: what it has applied so far.
        time: the time from its source snapshot to the next tick.
    """
    by_calls = (done.write_calls + done.clear_calls) / REQUESTS_PER_SECOND
    return by_calls >= max(HURRIES_AFTER * time.total_seconds(), done.bytes_written / BYTES_PER_SECOND)


def write_seconds(length: int) -> float:
    """Return what it costs to write a range, in seconds of its blob: one call for every 4 MiB.

    Args:
        length: bytes of the range.
    """
    whole, rest = divmod(length, MAX_WRITE)
    return whole * blob_seconds(MAX_WRITE) + (blob_seconds(rest) if rest else 0)


def is_faster_joined(before: Change, after: Change, most: int) -> bool:
    """Return whether two ranges are written faster together with the gap between them than each by itself.

    Args:
        before: a range.
        after: the next one.
        most: the longest gap to write, in bytes.
    """
    if before.clear or after.clear or after.start - before.end > most:
        return False
    return write_seconds(after.end - before.start) < write_seconds(before.length) + write_seconds(after.length)


async def gaps_written(changes: AsyncIterable[Change], valid_from: ValidFrom, most: int) -> AsyncIterator[Change]:
    """Join neighbours that are written faster together, if all pages between them are valid: others are no zeros yet.

    Args:
        changes: a change list, in order, adjacent ranges of one kind joined.
        valid_from: asked once, from the first gap on that is short enough.
        most: the longest gap to write, in bytes.
    """
    valid, held = _Valid(valid_from), None
    async for change in changes:
        if held is None:
            held = change
        elif is_faster_joined(held, change, most) and await valid.holds(held.end, change.start):
            held = Change(held.start, change.end, clear=False)
        else:
            yield held
            held = change
    if held is not None:
        yield held


class _Valid:
    """The valid ranges of a version, listed once, as far as they are asked for."""

    def __init__(self, valid_from: ValidFrom) -> None:
        self._from = valid_from
        self._listing: AsyncIterator[Change] | None = None
        self._range: Change | None = None

    async def holds(self, start: int, end: int) -> bool:
        """Return whether all bytes from a start to an end are valid; each start is after the last."""
        if self._listing is None:
            self._listing = coalesced(self._from(start))
            self._range = await anext(self._listing, None)
        while self._range and self._range.end <= start:
            self._range = await anext(self._listing, None)
        return self._range is not None and self._range.start <= start and end <= self._range.end

"""The algebra of change lists: pure functions over page ranges, in bytes, always on page boundaries.

A change list is a stream of ranges in order, never overlapping. It is never held in memory as a whole: there may be
millions of ranges.
"""

from collections.abc import AsyncIterable, AsyncIterator, Iterator
from typing import NamedTuple

from shared.errors import Remedy, TidemarkError
from shared.limits import MAX_CLEAR, MAX_WRITE, PAGE


class Change(NamedTuple):
    """A page range to write or to clear.

    Attributes:
        start: first byte.
        end: first byte after the range.
        clear: whether to clear the range rather than to write it.
    """

    start: int
    end: int
    clear: bool

    @property
    def length(self) -> int:
        """The range's length in bytes."""
        return self.end - self.start

    @property
    def described(self) -> str:
        """The range for people: its first and last byte."""
        return f"bytes {self.start}-{self.end - 1}"

    @property
    def longest(self) -> int:
        """The most bytes that one request of its kind can apply."""
        return MAX_CLEAR if self.clear else MAX_WRITE

    @property
    def calls(self) -> int:
        """The fewest requests that apply it: one per 4 MiB written or per GiB cleared, rounded up."""
        return -(-self.length // self.longest)


class Effort(NamedTuple):
    """The work of applying changes, planned or done.

    Attributes:
        ranges: changes applied.
        bytes_written: bytes of the ranges written.
        bytes_cleared: bytes of the ranges cleared.
        write_calls: requests that write, one per 4 MiB of a range or part thereof.
        clear_calls: requests that clear, one per GiB of a range or part thereof.
    """

    ranges: int = 0
    bytes_written: int = 0
    bytes_cleared: int = 0
    write_calls: int = 0
    clear_calls: int = 0

    def plus(self, other: "Effort") -> "Effort":
        """Add two efforts."""
        return Effort(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


def effort(piece: Change, *, ends: bool) -> Effort:
    """Return the effort of one request for a piece of a range; `ends` if it is the range's last piece."""
    if piece.clear:
        return Effort(int(ends), bytes_cleared=piece.length, clear_calls=1)
    return Effort(int(ends), bytes_written=piece.length, write_calls=1)


class Window(NamedTuple):
    """A part of a disk whose changes are listed on their own.

    Attributes:
        start: first byte.
        end: first byte after the window.
    """

    start: int
    end: int


class Overlaid(NamedTuple):
    """A range that is in one of two lists, or in both.

    Attributes:
        start: first byte.
        end: first byte after the range.
        in_first: whether it is in the first list.
        in_second: whether it is in the second list.
    """

    start: int
    end: int
    in_first: bool
    in_second: bool

    @property
    def change(self) -> Change:
        """It as a range to write."""
        return Change(self.start, self.end, clear=False)


class DisorderedRangesError(TidemarkError):
    """The service listed ranges that are out of order, overlapping, empty or not on page boundaries."""

    remedy = Remedy.FAIL


def windows(size: int, length: int) -> list[Window]:
    """Cut a disk of `size` bytes into windows of `length` bytes; the last may be shorter."""
    return [Window(start, min(start + length, size)) for start in range(0, size, length)]


def halves(window: Window) -> tuple[Window, Window] | None:
    """Halve a window at a page boundary; None for a window of one page."""
    middle = window.start + (window.end - window.start) // 2 // PAGE * PAGE
    return None if middle == window.start else (Window(window.start, middle), Window(middle, window.end))


def clip(change: Change, window: Window) -> Change | None:
    """Cut a change to a window; None if they don't overlap."""
    start, end = max(change.start, window.start), min(change.end, window.end)
    return Change(start, end, change.clear) if start < end else None


def writes(change: Change) -> Iterator[Change]:
    """Cut a change into pieces of one request each: 4 MiB to write, or 1 GiB to clear."""
    for start in range(change.start, change.end, change.longest):
        yield Change(start, min(start + change.longest, change.end), change.clear)


async def coalesced(changes: AsyncIterable[Change]) -> AsyncIterator[Change]:
    """Join adjacent changes of one kind, so that the list does not depend on how it was listed.

    Raises:
        DisorderedRangesError: a range starts before the end of the last one, is empty, or is not on page boundaries.
    """
    held: Change | None = None
    async for change in changes:
        if change.start >= change.end or change.start % PAGE or change.end % PAGE or (held and change.start < held.end):
            after = f", after {held.described}" if held else ""
            raise DisorderedRangesError(f"the service returned an invalid page range: {change.described}{after}")
        if held is None:
            held = change
        elif held.end == change.start and held.clear == change.clear:
            held = Change(held.start, change.end, held.clear)
        else:
            yield held
            held = change
    if held is not None:
        yield held


async def gaps_cleared(changes: AsyncIterable[Change], window: Window) -> AsyncIterator[Change]:
    """Add a clear for each gap of the list in the window: the change list of a resync."""
    position = window.start
    async for change in changes:
        if position < change.start:
            yield Change(position, change.start, clear=True)
        yield change
        position = change.end
    if position < window.end:
        yield Change(position, window.end, clear=True)


async def overlaid(first: AsyncIterable[Change], second: AsyncIterable[Change]) -> AsyncIterator[Overlaid]:
    """Overlay two lists of valid ranges, each in order and never overlapping."""
    firsts, seconds = aiter(first), aiter(second)
    mine, other = await anext(firsts, None), await anext(seconds, None)
    while mine or other:
        start = min(change.start for change in (mine, other) if change)
        in_first, in_second = (change is not None and change.start == start for change in (mine, other))
        ends = [change.end for change, is_in in ((mine, in_first), (other, in_second)) if change and is_in]
        starts = [change.start for change, is_in in ((mine, in_first), (other, in_second)) if change and not is_in]
        end = min(ends + starts)
        yield Overlaid(start, end, in_first, in_second)
        if mine and in_first:
            mine = mine._replace(start=end) if end < mine.end else await anext(firsts, None)
        if other and in_second:
            other = other._replace(start=end) if end < other.end else await anext(seconds, None)

"""Batches: a change list cut into parts that one queue message carries and one short invocation applies."""

import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from shared.names import PAGE
from shared.ranges import Change

# A page blob takes 500 requests/s and 60 MiB/s (Scalability targets for Blob storage). A batch may use 4 seconds of
# that, so that a dozen at work on one blob are each done within about a minute.
REQUESTS_PER_SECOND = 500
BYTES_PER_SECOND = 60 * 1024 * 1024
SECONDS_OF_BLOB = 4.0
MAX_CHANGES = 2000
"""Ranges in a batch: at 20 characters each, with the worst offsets there are, its message stays under 48 KiB."""


class Effort(NamedTuple):
    """What applying changes takes, or took.

    Attributes:
        ranges: changes applied.
        bytes_written: bytes of the ranges written.
        bytes_cleared: bytes of the ranges cleared.
        write_calls: requests that write.
        clear_calls: requests that clear.
    """

    ranges: int = 0
    bytes_written: int = 0
    bytes_cleared: int = 0
    write_calls: int = 0
    clear_calls: int = 0

    def plus(self, other: "Effort") -> "Effort":
        """Add two efforts."""
        return Effort(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


def effort(changes: Sequence[Change]) -> Effort:
    """Count the least that applying these changes takes."""
    written = [change for change in changes if not change.clear]
    cleared = [change for change in changes if change.clear]
    return Effort(
        ranges=len(changes),
        bytes_written=sum(change.length for change in written),
        bytes_cleared=sum(change.length for change in cleared),
        write_calls=sum(change.calls for change in written),
        clear_calls=sum(change.calls for change in cleared),
    )


class Packer:
    """Fills batches with a change list, in order. The same list always gives the same batches."""

    def __init__(self) -> None:
        self._changes: list[Change] = []
        self._seconds = 0.0

    def add(self, change: Change) -> Iterator[tuple[Change, ...]]:
        """Take one more change; give the batches that are full with it.

        A range too long for what room is left is cut, at a multiple of 4 MiB from its start, one that is cleared of
        1 GiB: it takes no more calls.
        """
        rest: Change | None = change
        while rest is not None:
            part, rest = _cut(rest, SECONDS_OF_BLOB - self._seconds)
            self._changes.append(part)
            self._seconds += _seconds(part)
            if rest is not None or self._seconds >= SECONDS_OF_BLOB or len(self._changes) == MAX_CHANGES:
                yield self._take()

    def rest(self) -> Iterator[tuple[Change, ...]]:
        """Give what is left as the last batch, if anything is."""
        if self._changes:
            yield self._take()

    def _take(self) -> tuple[Change, ...]:
        batch, self._changes, self._seconds = tuple(self._changes), [], 0.0
        return batch


def encode(changes: Sequence[Change]) -> list[int]:
    """Write a batch as small integers: for each range the pages since the last one, then its own, negative to clear."""
    numbers: list[int] = []
    position = 0
    for change in changes:
        pages = change.length // PAGE
        numbers += [(change.start - position) // PAGE, -pages if change.clear else pages]
        position = change.end
    return numbers


def fingerprint(numbers: Sequence[int]) -> int:
    """Tell batches apart by their ranges, as `encode` writes them: a number from 0 to 2**32 - 1."""
    return zlib.crc32(",".join(map(str, numbers)).encode())


def decode(numbers: Sequence[int]) -> list[Change]:
    """Read what `encode` wrote.

    Raises:
        ValueError: these are not the numbers of a batch.
    """
    if len(numbers) % 2:
        raise ValueError("a batch's ranges are pairs of numbers")
    changes: list[Change] = []
    position = 0
    for gap, pages in zip(numbers[::2], numbers[1::2], strict=True):
        if gap < 0 or pages == 0:
            raise ValueError("a batch's ranges are in order, and none is empty")
        start = position + gap * PAGE
        position = start + abs(pages) * PAGE
        changes.append(Change(start, position, clear=pages < 0))
    return changes


def _seconds(change: Change) -> float:
    """Estimate the seconds of the blob's limits that applying a change uses up."""
    return change.calls / REQUESTS_PER_SECOND + (0 if change.clear else change.length / BYTES_PER_SECOND)


def _cut(change: Change, seconds: float) -> tuple[Change, Change | None]:
    """Cut a change so that the first part takes about `seconds`, at least one call."""
    one_call = _seconds(change._replace(end=change.start + change.longest))
    length = max(1, int(seconds / one_call)) * change.longest
    if change.length <= length:
        return change, None
    middle = change.start + length
    return change._replace(end=middle), change._replace(start=middle)

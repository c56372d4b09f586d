"""Which parts of a disk changes are in: its partitions, and what is outside them. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from shared.changes.ranges import Change, Effort
from shared.content.filesystems import DiskContent

OUTSIDE, WHOLE = "outside the partitions", "the whole disk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a disk, and what has changed in it.

    Attributes:
        name: `partition 1` and so on, by its number in the partition table; `outside the partitions`, which is where
            the table itself is; or `the whole disk`, if it has no partitions.
        start, end: its first byte, and the first byte after it; what is outside the partitions has those of the disk.
        filesystem: what it holds, as far as that is known.
        written, cleared: bytes that were written and cleared.
        ranges: the ranges that it has a part of.
    """

    name: str
    start: int
    end: int
    filesystem: str
    written: int
    cleared: int
    ranges: int


def counted(length: int, *, clear: bool, ranges: int = 1) -> Effort:
    """Count so many bytes of ranges as written, or as cleared."""
    return Effort(ranges, bytes_cleared=length) if clear else Effort(ranges, bytes_written=length)


class _Segment(NamedTuple):
    """A piece of a disk that is all of one part.

    Attributes:
        end: the first byte after it; it starts where the one before ends.
        part: the number of the part.
    """

    end: int
    part: int


class Attribution:
    """Counts changes, in order, by the parts of a disk that they are in."""

    def __init__(self, content: DiskContent, size: int) -> None:
        """Begin with none.

        Args:
            content: what is on the disk.
            size: its bytes.
        """
        spans = [(found.start, found.end) for found in content.table.partitions]
        self._names = [f"partition {found.number}" for found in content.table.partitions]
        self._names.append(OUTSIDE if spans else WHOLE)
        self._spans = [*spans, (0, size)]
        self._content = content
        self._counts = [Effort()] * len(self._spans)
        self._segments = list(_segments(spans, size))
        self._at = self._start = 0

    def add(self, change: Change) -> None:
        """Count a change, which begins after all before it."""
        counted = set[int]()
        while self._segments[self._at].end <= change.start:
            self._start = self._segments[self._at].end
            self._at += 1
        at, start = self._at, change.start
        while start < change.end:
            segment = self._segments[at]
            end = min(change.end, segment.end)
            self._count(segment.part, end - start, clear=change.clear, is_first=segment.part not in counted)
            counted.add(segment.part)
            at, start = at + 1, end

    def _count(self, part: int, length: int, *, clear: bool, is_first: bool) -> None:
        self._counts[part] = self._counts[part].plus(counted(length, clear=clear, ranges=int(is_first)))

    @property
    def parts(self) -> tuple[Part, ...]:
        """The disk's parts: its partitions in the table's order, then what is outside them."""
        filesystems = [*self._content.filesystems, *[""] * len(self._spans)][: len(self._spans)]
        found = zip(self._names, self._spans, self._counts, filesystems, strict=True)
        return tuple(
            Part(
                name=name,
                start=span[0],
                end=span[1],
                filesystem=filesystem,
                written=count.bytes_written,
                cleared=count.bytes_cleared,
                ranges=count.ranges,
            )
            for name, span, count, filesystem in found
        )


def _segments(spans: Sequence[tuple[int, int]], size: int) -> Iterator[_Segment]:
    """Cut a disk into segments; what is in two partitions counts for the one that begins first."""
    outside, position = len(spans), 0
    for start, end, number in sorted((start, end, number) for number, (start, end) in enumerate(spans)):
        if position < start:
            yield _Segment(start, outside)
        if position < end:
            yield _Segment(end, number)
        position = max(position, end)
    if position < size:
        yield _Segment(size, outside)

"""The pages of a large page blob, as ranges that hold the same: a disk of many TiB takes a few numbers."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple, Self, overload

from shared.changes.ranges import Change, Window
from shared.limits import PAGE
from tests.simulation.blobs import Page


class Extent(NamedTuple):
    """Pages that hold the same.

    Attributes:
        first: the first page.
        end: the first page after them.
        value: what each of them holds; 0 is zeros.
    """

    first: int
    end: int
    value: int


class Extents(Sequence[Page]):
    """Pages, in order of address; those in no extent were never written or are cleared."""

    def __init__(self, count: int, extents: Sequence[Extent] = ()) -> None:
        self._count = count
        self._firsts = [extent.first for extent in extents]
        self._ends = [extent.end for extent in extents]
        self._values = [extent.value for extent in extents]

    @classmethod
    def of(cls, pages: Sequence[Page]) -> "Extents":
        """Make them of single pages; what are extents stays as it is."""
        if isinstance(pages, Extents):
            return pages
        made, at = [], 0
        for value, alike in groupby(pages):
            count = len(list(alike))
            if value is not None:
                made.append(Extent(at, at + count, value))
            at += count
        return cls(len(pages), made)

    def __len__(self) -> int:
        return self._count

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Extents) and len(self) == len(other) and list(self.all()) == list(other.all())

    __hash__ = None  # type: ignore[assignment]  # they change

    @overload
    def __getitem__(self, index: int) -> Page: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Page]: ...

    def __getitem__(self, index: int | slice) -> Page | Sequence[Page]:
        if isinstance(index, int):
            return self[index : index + 1][0]
        first, end, _ = index.indices(self._count)
        pages: list[Page] = [None] * (end - first)
        for part in self.cut(first, end):
            pages[part.first - first : part.end - first] = [part.value] * (part.end - part.first)
        return pages

    @property
    def allocated(self) -> int:
        """How many pages are in extents."""
        return sum(self._ends) - sum(self._firsts)

    def copy(self, count: int | None = None) -> Self:
        """Copy them; if need be cut off, or with pages added that were never written."""
        copied = type(self)(self._count)
        copied._firsts, copied._ends, copied._values = self._firsts.copy(), self._ends.copy(), self._values.copy()  # noqa: SLF001
        if count is not None:
            copied.lay(count, self._count, ())
            copied._count = count  # noqa: SLF001
        return copied

    def all(self) -> Iterator[Extent]:
        """Give all extents."""
        return map(Extent, self._firsts, self._ends, self._values)

    def cut(self, first: int, end: int) -> Iterator[Extent]:
        """Give the extents of some pages, cut to them."""
        at = bisect_right(self._ends, first)
        while at < len(self._firsts) and self._firsts[at] < end:
            yield Extent(max(first, self._firsts[at]), min(end, self._ends[at]), self._values[at])
            at += 1

    def read(self, first: int, end: int) -> "Extents":
        """Give some pages as they read: what is in no extent is zeros."""
        made, at = [], first
        for part in (*self.cut(first, end), Extent(end, end, 0)):
            if at < part.first:
                made.append(Extent(at - first, part.first - first, 0))
            if part.first < part.end:
                made.append(Extent(part.first - first, part.end - first, part.value))
            at = part.end
        return Extents(end - first, made)

    def content(self) -> bytes:
        """Give what they hold, all of which must be in extents."""
        return b"".join(part.value.to_bytes(PAGE, "big") * (part.end - part.first) for part in self.all())

    def lay(self, first: int, end: int, parts: Sequence[Extent]) -> None:
        """Put extents in the place of whatever some pages were."""
        low, high = bisect_right(self._ends, first), bisect_left(self._firsts, end)
        new = [*self._outside(low, high, first, end)]
        new[1:1] = parts
        if low > 0 and self._ends[low - 1] == new[0].first:
            low -= 1
            new.insert(0, Extent(self._firsts[low], self._ends[low], self._values[low]))
        if high < len(self._firsts) and self._firsts[high] == new[-1].end:
            new.append(Extent(self._firsts[high], self._ends[high], self._values[high]))
            high += 1
        new = _joined(new)
        self._firsts[low:high] = [part.first for part in new]
        self._ends[low:high] = [part.end for part in new]
        self._values[low:high] = [part.value for part in new]

    def _outside(self, low: int, high: int, first: int, end: int) -> tuple[Extent, Extent]:
        """Give what is left of the extents that reach over both ends; empty where nothing is."""
        before, after = Extent(first, first, 0), Extent(end, end, 0)
        if low < high and self._firsts[low] < first:
            before = Extent(self._firsts[low], first, self._values[low])
        if low < high and self._ends[high - 1] > end:
            after = Extent(end, self._ends[high - 1], self._values[high - 1])
        return before, after

    def valid(self, window: Window) -> Iterator[Change]:
        """List the allocated ranges of a window, joined whatever they hold."""
        held: Change | None = None
        for part in self.cut(window.start // PAGE, window.end // PAGE):
            start, end = part.first * PAGE, part.end * PAGE
            if held and held.end == start:
                held = held._replace(end=end)
                continue
            if held:
                yield held
            held = Change(start, end, clear=False)
        if held:
            yield held

    def diff(self, old: "Extents", window: Window) -> Iterator[Change]:
        """List what differs from older pages in a window: what to write, and what to clear."""
        first, end = window.start // PAGE, window.end // PAGE
        both = [list(extents.cut(first, end)) for extents in (self, old)]
        edges = sorted({first, end} | {edge for parts in both for part in parts for edge in part[:2]})
        for start, stop in pairwise(edges):
            now, before = (extents._at(start) for extents in (self, old))  # noqa: SLF001
            if now != before:
                yield Change(start * PAGE, stop * PAGE, clear=now is None)

    def _at(self, page: int) -> Page:
        at = bisect_right(self._ends, page)
        return self._values[at] if at < len(self._firsts) and self._firsts[at] <= page else None


def _joined(parts: Sequence[Extent]) -> list[Extent]:
    """Join neighbours that hold the same, and leave out what is empty."""
    joined: list[Extent] = []
    for part in parts:
        if part.first == part.end:
            continue
        if joined and joined[-1].end == part.first and joined[-1].value == part.value:
            joined[-1] = joined[-1]._replace(end=part.end)
        else:
            joined.append(part)
    return joined

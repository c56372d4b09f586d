"""Comparing two versions that should be identical: their page maps, samples of their content, or every byte."""

from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from typing import Self

from shared.azure.services import Services
from shared.changes.pace import DOCUMENTED
from shared.changes.ranges import Change, Window, coalesced, overlaid, writes
from shared.errors import MismatchError
from shared.limits import PAGE
from shared.model.version import Version
from shared.pages.ahead import Ahead
from shared.pages.at_once import AtOnce
from shared.pages.listing import TimedOut, listed
from shared.pages.paced import Paced
from shared.pages.signed import SignedReads

READERS = 4
"""Concurrent comparisons of pieces of at most 4 MiB; each reads both versions."""


class Comparison:
    """A comparison of two versions.

    Attributes:
        ranges: number of valid ranges of the original so far.
        samples: number of pieces whose content was compared.
        bytes_compared: bytes of these pieces.
    """

    def __init__(
        self,
        services: Services,
        versions: tuple[Version, Version],
        reads: tuple[SignedReads, SignedReads],
        at_once: int,
    ) -> None:
        self._services = services
        self._original, self._copy = versions
        self._original_reads, self._copy_reads = reads
        self._pace = Paced(services, READERS, rate=DOCUMENTED / at_once)
        self._ahead: dict[Version, Ahead] = {}
        self.ranges = self.samples = self.bytes_compared = 0

    @classmethod
    async def begin(cls, services: Services, original: Version, copy: Version, *, at_once: int = 1) -> Self:
        """Begin to compare a copy with its original, or one of `at_once` parts that are compared concurrently."""
        reads = await SignedReads.begin(services, original), await SignedReads.begin(services, copy)
        return cls(services, (original, copy), reads, at_once)

    def list_ahead(self, whole: Window) -> None:
        """List ahead from now on: the windows to compare are those of a part of the disk, in order.

        The copy must be known to have been the same all along, once all are compared.
        """
        for version in (self._original, self._copy):
            self._ahead[version] = Ahead(whole, partial(self._listed, version))

    async def require_size(self, size: int) -> None:
        """Require that the copy has this size.

        Raises:
            MismatchError: it has another size.
            SourceGoneError: it no longer exists.
        """
        found = await self._services.pages.properties(self._copy)
        if found.size != size:
            raise MismatchError(f"{self._copy.name} is {found.size} bytes, expected {size}")

    async def page_maps(self, window: Window, on_range: Callable[[Change], None]) -> None:
        """Compare the page maps of a window: a page valid on one side only must read as zeros.

        Args:
            window: the window.
            on_range: called with each valid range of the original.

        Raises:
            MismatchError: one side has data where the other has none.
            SourceGoneError: one of the two no longer exists.
        """
        await self._compare_window(window, on_range, whole=False)

    async def contents(self, samples: Iterable[Change]) -> None:
        """Compare the content of pieces of at most 4 MiB each.

        Raises:
            MismatchError: the content differs.
            SourceGoneError: one of the two no longer exists.
        """
        async with AtOnce(READERS) as reading:
            for sample in samples:
                await reading.start(self._compare_content(sample))

    async def whole(self, window: Window) -> None:
        """Compare every byte of a window; pages valid on neither side are zeros on both.

        Raises:
            MismatchError: the content differs.
            SourceGoneError: one of the two no longer exists.
        """
        await self._compare_window(window, lambda _: None, whole=True)

    async def last_page(self, size: int) -> bytes:
        """Compare the last page, where a VHD has its footer, and return it; empty for a disk without pages.

        Raises:
            MismatchError: the page differs.
            SourceGoneError: one of the two no longer exists.
        """
        return await self._compare_content(Change(size - PAGE, size, clear=False)) if size else b""

    async def last_of_copy(self, size: int) -> bytes:
        """Return the last page of the copy.

        Raises:
            SourceGoneError: it no longer exists.
        """
        return await self._copy_reads.last_page(size)

    async def _compare_window(self, window: Window, on_range: Callable[[Change], None], *, whole: bool) -> None:
        async with AtOnce(READERS) as reading:
            async for part in overlaid(self._original_ranges(window, on_range), self._ranges(self._copy, window)):
                is_on_both = part.in_first and part.in_second
                for piece in writes(part.change) if whole or not is_on_both else ():
                    check = (
                        self._compare_content(piece)
                        if is_on_both
                        else self._check_zeros(piece, is_original=part.in_first)
                    )
                    await reading.start(check)

    async def _original_ranges(self, window: Window, on_range: Callable[[Change], None]) -> AsyncIterator[Change]:
        async for change in self._ranges(self._original, window):
            self.ranges += 1
            on_range(change)
            yield change

    def _ranges(self, version: Version, window: Window) -> AsyncIterator[Change]:
        if ahead := self._ahead.get(version):
            return ahead.of(window)
        return coalesced(self._listed(version, window))

    def _listed(self, version: Version, window: Window, timed_out: TimedOut | None = None) -> AsyncIterator[Change]:
        return listed(self._services, version, None, window, timed_out=timed_out)

    async def _check_zeros(self, piece: Change, *, is_original: bool) -> None:
        await self._pace.call(lambda: self._require_zeros(piece, is_original=is_original), piece.length)

    async def _compare_content(self, piece: Change) -> bytes:
        return await self._pace.call(lambda: self._require_same(piece), piece.length)

    async def _require_zeros(self, piece: Change, *, is_original: bool) -> None:
        content = await (self._original_reads if is_original else self._copy_reads).read(piece)
        if content.count(0) != len(content):
            there, missing = (self._original, self._copy) if is_original else (self._copy, self._original)
            raise MismatchError(f"{there.name} has data in {piece.described}, where {missing.name} has none")

    async def _require_same(self, piece: Change) -> bytes:
        content = await self._original_reads.read(piece)
        if await self._copy_reads.read(piece) != content:
            raise MismatchError(f"{piece.described} of {self._copy.name} differ from {self._original.name}")
        self.samples += 1
        self.bytes_compared += piece.length
        return content

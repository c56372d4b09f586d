"""Comparing two versions of what should be one disk: their page maps, samples of their content, or every byte."""

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Self

from shared.azure.services import Services
from shared.changes.pace import FASTEST
from shared.changes.ranges import Change, Window, coalesced, overlaid, writes
from shared.errors import MismatchError
from shared.limits import PAGE
from shared.model.version import Version
from shared.pages.at_once import AtOnce
from shared.pages.listing import listed
from shared.pages.paced import Paced

READERS = 4
"""Pieces of a disk that are compared at once, of at most 4 MiB each, on both sides."""


class Comparison:
    """Two versions while they are compared.

    Attributes:
        ranges: ranges of the original that went by.
        samples: pieces of which the content was compared.
        bytes_compared: bytes of these.
    """

    def __init__(
        self, services: Services, versions: tuple[Version, Version], urls: tuple[str, str], at_once: int
    ) -> None:
        self._services = services
        self._original, self._copy = versions
        self._original_url, self._copy_url = urls
        self._pace = Paced(services, READERS, rate=FASTEST / at_once)
        self.ranges = self.samples = self.bytes_compared = 0

    @classmethod
    async def begin(cls, services: Services, original: Version, copy: Version, *, at_once: int = 1) -> Self:
        """Begin to compare a copy with its original, or a part of it, where so many parts are compared at once."""
        original_url = await services.pages.signed_url(original)
        copy_url = await services.pages.signed_url(copy)
        return cls(services, (original, copy), (original_url, copy_url), at_once)

    async def require_size(self, size: int) -> None:
        """See to it that the copy is as long as its original.

        Raises:
            MismatchError: it is not.
            SourceGoneError: it is gone.
        """
        found = await self._services.pages.properties(self._copy)
        if found.size != size:
            raise MismatchError(f"{self._copy.name} is {found.size} bytes, expected {size}")

    async def page_maps(self, window: Window, see: Callable[[Change], None]) -> None:
        """Compare the page maps of a window: what is valid on one side only must read as zeros.

        Args:
            window: what is compared.
            see: is shown each range of the original.

        Raises:
            MismatchError: a side has data where the other has none.
            SourceGoneError: one of the two is gone.
        """
        await self._hold(window, see, whole=False)

    async def contents(self, samples: Iterable[Change]) -> None:
        """Compare the content of some pieces, of at most 4 MiB each.

        Raises:
            MismatchError: it is not the same.
            SourceGoneError: one of the two is gone.
        """
        async with AtOnce(READERS) as reading:
            for sample in samples:
                await reading.start(self._same(sample))

    async def whole(self, window: Window) -> None:
        """Compare every byte of a window; what is valid on neither side is zeros on both.

        Raises:
            MismatchError: it is not the same.
            SourceGoneError: one of the two is gone.
        """
        await self._hold(window, lambda _: None, whole=True)

    async def last_page(self, size: int) -> bytes:
        """Compare the last page, where a VHD has its footer, and give it; empty for a disk without pages.

        Raises:
            MismatchError: it is not the same.
            SourceGoneError: one of the two is gone.
        """
        return await self._same(Change(size - PAGE, size, clear=False)) if size else b""

    async def _hold(self, window: Window, see: Callable[[Change], None], *, whole: bool) -> None:
        async with AtOnce(READERS) as reading:
            async for part in overlaid(self._seen(window, see), self._ranges(self._copy, window)):
                is_on_both = part.in_first and part.in_second
                for piece in writes(part.change) if whole or not is_on_both else ():
                    same = self._same(piece) if is_on_both else self._zeros(piece, is_original=part.in_first)
                    await reading.start(same)

    async def _seen(self, window: Window, see: Callable[[Change], None]) -> AsyncIterator[Change]:
        async for change in self._ranges(self._original, window):
            self.ranges += 1
            see(change)
            yield change

    def _ranges(self, version: Version, window: Window) -> AsyncIterator[Change]:
        return coalesced(listed(self._services, version, None, window))

    async def _zeros(self, piece: Change, *, is_original: bool) -> None:
        await self._pace.call(lambda: self._require_zeros(piece, is_original=is_original), piece.length)

    async def _same(self, piece: Change) -> bytes:
        return await self._pace.call(lambda: self._require_same(piece), piece.length)

    async def _require_zeros(self, piece: Change, *, is_original: bool) -> None:
        content = await self._services.pages.read(self._original_url if is_original else self._copy_url, piece)
        if content.count(0) != len(content):
            there, missing = (self._original, self._copy) if is_original else (self._copy, self._original)
            raise MismatchError(f"{there.name} has data in {piece.described}, where {missing.name} has none")

    async def _require_same(self, piece: Change) -> bytes:
        content = await self._services.pages.read(self._original_url, piece)
        if await self._services.pages.read(self._copy_url, piece) != content:
            raise MismatchError(f"{piece.described} of {self._copy.name} differ from {self._original.name}")
        self.samples += 1
        self.bytes_compared += piece.length
        return content

"""What statements are made on that hold of the disks of every kind: a cloud whose disks are of one kind."""

from abc import ABC, abstractmethod
from datetime import timedelta

from shared.azure.services import Services
from shared.azure.sources.source import READ_URL_LIFETIME
from shared.changes.ranges import Change, Window
from shared.model.addresses import BlobAddress
from shared.model.disk import Disk
from shared.model.version import Version

type Place = BlobAddress | Disk
"""Where bytes are: a blob, or a disk of any kind."""

type Told = list[tuple[int, int, str]]
"""Ranges: the first page, the first page after, and whether that is a `write` or a `clear`."""


class AnyCloud(ABC):
    """A cloud with nothing in it.

    A page is identified by a number, which is written there big-endian; 0 is zeros, written or not.

    Attributes:
        services: its services as the app sees them; the disks `disk*` are to be backed up.
        unit: bytes of what the statements call a page: of the blocks in which the service tracks changes.
    """

    services: Services
    unit: int

    @abstractmethod
    async def disk(self, *content: int | None, name: str = "disk.vhd") -> Disk:
        """Make a disk of these pages; None is a page never written."""

    @abstractmethod
    def named(self, name: str) -> Disk:
        """Name a disk, whether or not it exists."""

    @abstractmethod
    async def write(self, disk: Place, first: int, *content: int) -> None:
        """Write pages, as a guest does."""

    @abstractmethod
    async def clear(self, disk: Place, first: int, count: int = 1) -> None:
        """Clear pages, as a guest does."""

    @abstractmethod
    async def resize(self, disk: Place, pages: int) -> None:
        """Grow a disk, or shrink it where that is possible."""

    @abstractmethod
    async def delete(self, disk: Place) -> None:
        """Delete a disk."""

    @property
    def beside(self) -> int:
        """Bytes that are read of a version beside those of the disk."""
        return 0

    @abstractmethod
    async def version(self, disk: Place, snapshot: str = "") -> Version:
        """Give a version of a disk; without a snapshot as it is now."""

    async def size(self, disk: Place, snapshot: str = "") -> int:
        """Get the size of a disk or a snapshot, in pages."""
        return await self.size_of(await self.version(disk, snapshot))

    async def size_of(self, version: Version) -> int:
        """Get the size of a version, in pages of the disk."""
        return ((await self.services.pages.properties(version)).size - self.beside) // self.unit

    async def content(self, disk: Place, snapshot: str = "") -> list[int]:
        """Read all pages of a disk or a snapshot."""
        version = await self.version(disk, snapshot)
        pages = await self.size_of(version)
        url = await self.services.pages.signed_url(version)
        read = await self.services.pages.read(url, self.pages_of(0, pages)) if pages else b""
        return self.numbers(read)

    async def changes(
        self, disk: Place, snapshot: str = "", since: str | None = None, window: tuple[int, int] | None = None
    ) -> Told:
        """List the pages that are valid, or with `since` those written or cleared since then; those of the disk."""
        version = await self.version(disk, snapshot)
        older = None if since is None else await self.version(disk, since)
        first, end = window or (0, await self.size_of(version))
        listed = self.services.pages.changes(version, older, Window(first * self.unit, end * self.unit))
        found = [change async for change in listed if change.length >= self.unit]
        return [
            (change.start // self.unit, change.end // self.unit, "clear" if change.clear else "write")
            for change in found
        ]

    async def source(self, disk: Place, snapshot: str = "", serves: timedelta = READ_URL_LIFETIME) -> str:
        """Give the signed URL of a disk or a snapshot."""
        return await self.services.pages.signed_url(await self.version(disk, snapshot), serves)

    def pages_of(self, first: int, end: int) -> Change:
        """Name a range by its pages: the first, and the first after it."""
        return Change(first * self.unit, end * self.unit, clear=False)

    def content_of(self, *pages: int) -> bytes:
        """Make the content of pages."""
        return b"".join(page.to_bytes(self.unit, "big") for page in pages)

    def numbers(self, content: bytes) -> list[int]:
        """Identify pages by their numbers."""
        return [int.from_bytes(content[at : at + self.unit], "big") for at in range(0, len(content), self.unit)]

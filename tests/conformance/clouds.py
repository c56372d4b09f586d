"""What the tests run on: the services of the app, and what others do to the same storage.

A page is identified by a number: what was written there as 512 bytes, big-endian; 0 is zeros, written or not.
"""

from abc import abstractmethod
from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol

from shared.azure.sources.source import COPY_URL_LIFETIME
from shared.azure.tables.index import IndexRows
from shared.changes.ranges import Change
from shared.limits import PAGE
from shared.model.addresses import BlobAddress, ContainerAddress
from shared.model.blob import BlobState
from shared.model.disk import PageBlobDisk, page_blob
from shared.model.version import BlobVersion
from tests.conformance.any_cloud import AnyCloud, Place

SOMEBODY = "5e0f2a34-7c1b-4f5e-9d53-1c2a7b8e9f00"
"""Somebody else's lease, like that of the VM a disk is attached to."""

RUN, LATER_RUN = "11111111-7c1b-4f5e-9d53-1c2a7b8e9f00", "22222222-7c1b-4f5e-9d53-1c2a7b8e9f00"
"""Leases of the app's own."""

SOON = timedelta(milliseconds=50)


class HeldCopy(Protocol):
    """A copy that is pending, or will be once it is started, until the test ends it."""

    def progress(self, share: float) -> None:
        """Set its progress (0 to 1)."""

    async def finish(self) -> None:
        """Let it succeed."""

    async def fail(self) -> None:
        """Let it fail."""

    async def abort(self, lease: str | None = None) -> None:
        """Abort it, as a client that knows the target's lease."""


class Cloud(AnyCloud):
    """A cloud whose disks are page blobs, with nothing in it.

    Attributes:
        index: the rows of the index, in the table of all tests.
        disks: the container of the disks.
        lab: another container in the account of the disks.
    """

    unit = PAGE
    index: IndexRows
    disks: ContainerAddress
    lab: ContainerAddress

    @abstractmethod
    async def make(self, blob: Place, pages: int, metadata: Mapping[str, str] | None = None) -> None:
        """Make an empty page blob, replacing any existing one (REST: Put Blob)."""

    @abstractmethod
    async def write(self, disk: Place, first: int, *content: int, lease: str | None = None) -> None:
        """Write pages."""

    @abstractmethod
    async def clear(self, disk: Place, first: int, count: int = 1) -> None:
        """Clear pages."""

    @abstractmethod
    async def resize(self, disk: Place, pages: int) -> None:
        """Grow or shrink a blob."""

    @abstractmethod
    async def encode(self, blob: Place, encoding: str) -> None:
        """Set a blob's Content-Encoding, as some upload tools do (REST: Set Blob Properties)."""

    @abstractmethod
    async def snapshot(self, blob: Place, metadata: Mapping[str, str] | None = None) -> str:
        """Snapshot a blob, as a user does; give the snapshot's time."""

    @abstractmethod
    async def delete(self, disk: Place) -> None:
        """Delete a blob with all its snapshots."""

    @abstractmethod
    async def lease(self, blob: Place) -> None:
        """Put a blob under somebody else's infinite lease."""

    @abstractmethod
    async def break_lease(self, blob: Place) -> None:
        """Break any lease on a blob."""

    @abstractmethod
    def turn_versioning_on(self, blob: Place) -> None:
        """Enable versioning on a blob's account until the end of the test."""

    @abstractmethod
    def hold(self, target: Place) -> HeldCopy:
        """Hold the next copies to a blob."""

    @abstractmethod
    def refuse_source(self, status: int) -> None:
        """Answer the service with this when it reads the source of a copy from another account to a disk."""

    @abstractmethod
    def want_signatures(self) -> None:
        """Make the service refuse unsigned copies within an account."""

    @abstractmethod
    def give_up_on_clears(self, longer_than: int) -> None:
        """Make clears of more pages than this time out."""

    @abstractmethod
    async def receive(self, queue: str) -> list[bytes]:
        """Take the visible messages from a queue."""

    @abstractmethod
    async def pass_time(self) -> None:
        """Let a twentieth of a second pass."""

    async def disk(self, *content: int | None, name: str = "disk.vhd") -> PageBlobDisk:
        """Make a disk of these pages; None is a page never written."""
        disk = self.named(name)
        await self.make(disk, len(content))
        for page, value in enumerate(content):
            if value is not None:
                await self.write(disk, page, value)
        return disk

    def named(self, name: str) -> PageBlobDisk:
        """Name a disk, whether or not it exists."""
        return PageBlobDisk(self.disks.blob(name))

    async def backup(self, disk: PageBlobDisk, pages: int) -> str:
        """Make an empty backup blob; give its ETag."""
        return await self.services.blobs.create(self.services.backups.address(disk), pages * PAGE, {})

    async def leased_backup(self, disk: PageBlobDisk, pages: int) -> str:
        """Make an empty backup blob under the run's lease; give its ETag."""
        etag = await self.backup(disk, pages)
        await self.services.leases.take(self.services.backups.address(disk), RUN, etag)
        return etag

    async def etag(self, blob: Place) -> str:
        """Get a blob's ETag."""
        return (await self.services.pages.properties(at(blob))).etag

    async def target(self, blob: Place) -> BlobState:
        """Get the state of a blob that exists."""
        found = await self.services.pages.find(address_of(blob))
        assert found
        return found

    async def version(self, disk: Place, snapshot: str = "") -> BlobVersion:
        """Give a version of a blob, or of the blob that a disk is."""
        return at(disk, snapshot)

    async def size(self, disk: Place, snapshot: str = "") -> int:
        """Get the size of a blob or a snapshot, in pages."""
        return await self.size_of(at(disk, snapshot))

    async def copy_over(
        self, target: Place, source: BlobVersion, metadata: Mapping[str, str] | None = None, lease: str | None = None
    ) -> None:
        """Copy a blob or a snapshot over another blob, from beginning to end."""
        held = self.hold(target)
        await self.begin_copy(target, source.blob, metadata or {}, lease, snapshot=source.snapshot)
        await held.finish()

    async def begin_copy(
        self,
        target: Place,
        source: Place,
        metadata: Mapping[str, str],
        lease: str | None = None,
        *,
        snapshot: str = "",
    ) -> None:
        """Start copying a blob or a snapshot to another blob as found; the test holds the copy."""
        url = await self.source(source, snapshot, COPY_URL_LIFETIME)
        to = address_of(target)
        found = await self.services.pages.find(to)
        await self.services.copies.start(to, url, metadata, etag=found.etag if found else None, lease_id=lease)


def address_of(place: Place) -> BlobAddress:
    """Give the address of a blob, or of the blob that a disk is."""
    return place if isinstance(place, BlobAddress) else page_blob(place)


def at(place: Place, snapshot: str = "") -> BlobVersion:
    """Give a version of a blob, or of the blob that a disk is."""
    return BlobVersion(address_of(place), snapshot)


def pages_of(first: int, end: int, *, clear: bool = False) -> Change:
    """Name a range by its pages: the first, and the first after it."""
    return Change(first * PAGE, end * PAGE, clear)


def content_of(*pages: int) -> bytes:
    """Make the content of pages."""
    return b"".join(page.to_bytes(PAGE, "big") for page in pages)


def numbers(content: bytes) -> list[int]:
    """Identify pages by their numbers."""
    return [int.from_bytes(content[at : at + PAGE], "big") for at in range(0, len(content), PAGE)]

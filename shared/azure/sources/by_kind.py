"""All kinds of disks behind one interface: each call goes to the kind that the disk, entry or version is of."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

from shared.azure.sources.source import READ_URL_LIFETIME, Reader, Source
from shared.changes.ranges import Change, Window
from shared.model.addresses import BlobAddress, ContainerAddress
from shared.model.blob import BlobState
from shared.model.disk import Disk, ManagedDisk
from shared.model.disk_ids import DiskId
from shared.model.version import SnapshotVersion, Version
from shared.source_disks import SourceDisk


@dataclass(frozen=True, slots=True)
class SourcesByKind(Source):
    """The disks of all kinds.

    Attributes:
        page_blobs: page blobs.
        managed: managed disks.
    """

    page_blobs: Source
    managed: Source

    async def find(self, pattern: SourceDisk) -> list[Disk]:
        """List the disks that match an entry."""
        return await (self.managed if isinstance(pattern.address, DiskId) else self.page_blobs).find(pattern)

    async def problem(self, disk: Disk) -> str:
        """Say why a disk can't be backed up."""
        return await self._of(disk).problem(disk)

    async def exists(self, disk: Disk) -> bool:
        """Tell whether the disk exists."""
        return await self._of(disk).exists(disk)

    async def take_snapshot(self, disk: Disk, etag: str | None = None) -> str:
        """Snapshot a disk, and give the snapshot's time."""
        return await self._of(disk).take_snapshot(disk, etag)

    async def pending(self, disk: Disk, snapshot: str) -> str:
        """Say why a snapshot can't be read yet."""
        return await self._of(disk).pending(disk, snapshot)

    async def own_snapshots(self, disk: Disk, old: ContainerAddress | None = None) -> list[str]:
        """List the times of the source snapshots."""
        return await self._of(disk).own_snapshots(disk, old)

    async def delete_snapshot(self, disk: Disk, snapshot: str) -> None:
        """Delete one source snapshot, if it exists."""
        await self._of(disk).delete_snapshot(disk, snapshot)

    async def let_go(self, disk: Disk, snapshot: str) -> None:
        """End the access to a snapshot that nothing reads for now."""
        await self._of(disk).let_go(disk, snapshot)

    async def profile(self, disk: Disk, snapshot: str) -> str:
        """Give what the disk was when a source snapshot was taken."""
        return await self._of(disk).profile(disk, snapshot)

    def version(self, disk: Disk, snapshot: str) -> Version:
        """Give the source snapshot of a time."""
        return self._of(disk).version(disk, snapshot)

    def notice(self, disk: Disk) -> str | None:
        """Warn of a setting of its account that costs."""
        return self._of(disk).notice(disk)

    def _of(self, disk: Disk) -> Source:
        return self.managed if isinstance(disk, ManagedDisk) else self.page_blobs


@dataclass(frozen=True, slots=True)
class ReadersByKind(Reader):
    """What reads the versions of all kinds.

    Attributes:
        blobs: blobs and their snapshots.
        managed: snapshots of managed disks.
    """

    blobs: Reader
    managed: Reader

    async def find(self, blob: BlobAddress) -> BlobState | None:
        """Get the state of a blob."""
        return await self.blobs.find(blob)

    async def properties(self, version: Version) -> BlobState:
        """Get the state of a version."""
        return await self._of(version).properties(version)

    def changes(self, version: Version, since: Version | None, window: Window) -> AsyncIterator[Change]:
        """List what changed in a window."""
        return self._of(version).changes(version, since, window)

    async def signed_url(
        self, version: Version, lifetime: timedelta = READ_URL_LIFETIME, *, fresh_key: bool = False
    ) -> str:
        """Give a URL that reads only one version."""
        return await self._of(version).signed_url(version, lifetime, fresh_key=fresh_key)

    async def read(self, signed_url: str, piece: Change) -> bytes:
        """Read a range."""
        return await self.blobs.read(signed_url, piece)

    def _of(self, version: Version) -> Reader:
        return self.managed if isinstance(version, SnapshotVersion) else self.blobs

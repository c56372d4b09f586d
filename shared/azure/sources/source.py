"""The interfaces to a kind of disk and to what reads its versions; the workflows know disks only through these.

Page blobs are one kind: `PageBlobSource`, whose snapshots `BlobReader` reads as it reads backups. Managed disks are
another, with their own `Disk`, `Version`, `Source` and reader. `by_kind` chooses.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import Protocol

from shared.changes.ranges import Change, Window
from shared.model.addresses import BlobAddress, ContainerAddress
from shared.model.blob import BlobState
from shared.model.disk import Disk
from shared.model.version import Version
from shared.source_disks import SourceDisk

READ_URL_LIFETIME = timedelta(hours=4)
"""How long a signed URL is valid for one batch."""

COPY_URL_LIFETIME = timedelta(days=6, hours=23)
"""How long a signed URL is valid for Copy Blob, which uses it to the end of the copy, for days if need be.

A user delegation SAS is valid for at most 7 days (REST: Get User Delegation Key).
"""


class Source(Protocol):
    """Access to the disks and Tidemark's own snapshots of them. It never writes to a disk."""

    async def find(self, pattern: SourceDisk) -> list[Disk]:
        """List the disks that match a pattern; backups are not disks."""
        ...

    async def problem(self, disk: Disk) -> str:
        """Say why a disk can't be backed up, as far as that can be told without touching it; empty if it can be.

        Nothing is wrong with one that does not exist.
        """
        ...

    async def exists(self, disk: Disk) -> bool:
        """Tell whether the disk exists."""
        ...

    async def take_snapshot(self, disk: Disk, etag: str | None = None) -> str:
        """Snapshot a disk, in use or not, and give the snapshot's time.

        Args:
            disk: the disk.
            etag: the ETag it must have; None for any.

        Raises:
            BlobChangedError: it has another ETag.
        """
        ...

    async def pending(self, disk: Disk, snapshot: str) -> str:
        """Say why a snapshot can't be read yet; empty once it can be, or is gone.

        Raises:
            DiskError: it can never be read as it is.
        """
        ...

    async def own_snapshots(self, disk: Disk, old: ContainerAddress | None = None) -> list[str]:
        """List the times of the source snapshots taken for the backup container, oldest first.

        Args:
            disk: the disk.
            old: the backup container they were taken for, if it is the one before.
        """
        ...

    async def delete_snapshot(self, disk: Disk, snapshot: str) -> None:
        """Delete one source snapshot, if it exists."""
        ...

    async def let_go(self, disk: Disk, snapshot: str) -> None:
        """End the access to a snapshot that nothing reads for now, if only few may have some at once.

        Whoever reads it all the same is given access anew.
        """
        ...

    async def profile(self, disk: Disk, snapshot: str) -> str:
        """Give what the disk was, beside its bytes, when a source snapshot was taken (`DiskProfile.text`).

        Empty where there is nothing to know, or the snapshot does not say.
        """
        ...

    def version(self, disk: Disk, snapshot: str) -> Version:
        """Give the source snapshot of a time, to read or copy."""
        ...

    def notice(self, disk: Disk) -> str | None:
        """Warn of a setting of its account that costs; None if it was not snapshotted just now."""
        ...


class Reader(Protocol):
    """Read-only access to disks' snapshots and backups alike."""

    async def find(self, blob: BlobAddress) -> BlobState | None:
        """Get the state of a blob and of the copy to it; None if there is none.

        Raises:
            TargetLeasedError: it is a premium disk attached to a VM.
        """
        ...

    async def properties(self, version: Version) -> BlobState:
        """Get the state of a version.

        Raises:
            SourceGoneError: it does not exist.
        """
        ...

    def changes(self, version: Version, since: Version | None, window: Window) -> AsyncIterator[Change]:
        """List what changed in a window since another version of the same disk, or without one all valid ranges.

        Raises:
            DiffRefusedError: the service refuses this diff.
            ListingTimedOutError: the listing timed out; what was listed so far is valid.
            SourceGoneError: the version no longer exists.
        """
        ...

    async def signed_url(
        self, version: Version, lifetime: timedelta = READ_URL_LIFETIME, *, fresh_key: bool = False
    ) -> str:
        """Mint a short-lived URL that reads only one version. It is a secret, and never stored.

        Args:
            version: the version.
            lifetime: how long it is valid.
            fresh_key: whether to use a new delegation key, in case the last one was revoked.
        """
        ...

    async def read(self, signed_url: str, piece: Change) -> bytes:
        """Read a range of at most 4 MiB with one request, as it is stored.

        Raises:
            SourceGoneError: the version no longer exists.
            AzureError: the service refused, or the response was truncated, which is transient.
        """
        ...


class ReadServices(Protocol):
    """What reading versions takes: the part of `Services` that a program has which only reads."""

    @property
    def pages(self) -> Reader:
        """Reads disks and backups."""
        ...

    @property
    def now(self) -> Callable[[], datetime]:
        """The clock, UTC."""
        ...

    @property
    def sleep(self) -> Callable[[timedelta], Awaitable[None]]:
        """Waits for a while."""
        ...

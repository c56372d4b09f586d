"""What a kind of disks has to offer, and what reads versions of any kind: the workflows know disks by these alone.

Page blobs are the first kind: `PageBlobSource`, whose snapshots `BlobReader` reads as it reads backups. Another kind
comes with a `Disk` and a `Version` of its own, with a `Source` for these, and with what reads its versions.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Protocol

from shared.changes.ranges import Change, Window
from shared.model.addresses import BlobAddress
from shared.model.blob import BlobState
from shared.model.disk import Disk
from shared.model.version import Version
from shared.source_disks import SourceDisk

READ_FOR = timedelta(hours=4)
"""How long a signed URL serves for one batch."""

COPY_FOR = timedelta(days=6, hours=23)
"""How long a signed URL serves for Copy Blob, which reads its source to the end with it, for days if need be.

A user delegation SAS lives 7 days at most (REST: Get User Delegation Key).
"""


class Source(Protocol):
    """Access to the disks and Tidemark's own snapshots of them. It writes to no disk."""

    async def find(self, pattern: SourceDisk) -> list[Disk]:
        """List the disks that match a pattern; a backup is none."""
        ...

    async def is_disk(self, disk: Disk) -> bool:
        """Tell whether what is there is a disk that can be backed up, as far as it can be told without touching it."""
        ...

    async def is_there(self, disk: Disk) -> bool:
        """Tell whether there is such a disk."""
        ...

    async def take_snapshot(self, disk: Disk, etag: str | None = None) -> str:
        """Snapshot a disk, in use or not, and give the snapshot's time.

        Args:
            disk: the disk.
            etag: the ETag that it must have; None for any.

        Raises:
            NotAsLeftError: it has another ETag.
        """
        ...

    async def own_snapshots(self, disk: Disk) -> list[str]:
        """List the times of the source snapshots that were taken for this backup container, oldest first."""
        ...

    async def delete_snapshot(self, disk: Disk, snapshot: str) -> None:
        """Delete one source snapshot; one that is gone is fine."""
        ...

    def version(self, disk: Disk, snapshot: str) -> Version:
        """Give the source snapshot of a time, to be read and copied."""
        ...

    def notice(self, disk: Disk) -> str | None:
        """Say what its account is set to that costs; None where it was not snapshotted just now."""
        ...


class Reader(Protocol):
    """Access to what is read: disks' snapshots and backups alike. It writes nothing."""

    async def look(self, blob: BlobAddress) -> BlobState | None:
        """Look at a blob and at the copy to it; None where there is none.

        Raises:
            TargetLeasedError: it is a premium disk that is attached to a VM.
        """
        ...

    async def properties(self, version: Version) -> BlobState:
        """Look at a version.

        Raises:
            SourceGoneError: there is none.
        """
        ...

    def changes(self, version: Version, since: Version | None, window: Window) -> AsyncIterator[Change]:
        """List what changed in a window since another version of the same; where there is none, all that is valid.

        Raises:
            DiffRefusedError: the service does not give this diff.
            ListingTimedOutError: the service gave up; what was given so far holds.
            SourceGoneError: the version is gone.
        """
        ...

    async def signed_url(self, version: Version, serves: timedelta = READ_FOR, *, anew: bool = False) -> str:
        """Mint a URL that reads one version and nothing else, for a while. It is a secret: it is never kept.

        Args:
            version: the version.
            serves: for how long.
            anew: whether it is to be by another key than before, which may be revoked by now.
        """
        ...

    async def read(self, signed_url: str, piece: Change) -> bytes:
        """Read a range of at most 4 MiB with one request, as it is stored.

        Raises:
            SourceGoneError: what is to be read is gone.
            AzureError: the service refused, or the answer was cut short, which passes.
        """
        ...

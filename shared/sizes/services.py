"""What counting bytes takes of `Services`: a program that only reads has nothing else of Azure."""

from collections.abc import Sequence
from typing import Protocol

from shared.azure.sources.source import ReadServices
from shared.model.addresses import BlobAddress
from shared.model.disk import Disk
from shared.model.point import RecoveryPoint
from shared.model.sizes import PageDiff, SoftDeleted
from shared.points.versions import BackupAddresses


class Points(Protocol):
    """Gives the recovery points of a disk."""

    async def points(self, disk: Disk) -> list[RecoveryPoint]:
        """Read all recovery points of a disk, oldest first."""
        ...


class CountedDiffs(Protocol):
    """Remembers counted diffs: on record, or as long as a program runs."""

    async def of(self, disk: Disk) -> Sequence[PageDiff]:
        """Give all counted diffs of a disk."""
        ...

    async def put(self, disk: Disk, diff: PageDiff) -> None:
        """Remember a counted diff."""
        ...

    async def drop(self, disk: Disk, diff: PageDiff) -> None:
        """Forget a counted diff."""
        ...


class SnapshotSizes(Protocol):
    """Lists the snapshots of blobs."""

    async def sizes(self, blob: BlobAddress) -> dict[str, int]:
        """List the bytes of all snapshots of a blob, by their times, whoever took them."""
        ...


class Backups(BackupAddresses, Protocol):
    """Looks into the backup container."""

    async def soft_deleted(self, disk: Disk) -> list[SoftDeleted]:
        """List what soft delete keeps of a disk's deleted backups."""
        ...


class SizeServices(ReadServices, Protocol):
    """What counting bytes takes."""

    @property
    def records(self) -> Points:
        """The recovery points."""
        ...

    @property
    def diffs(self) -> CountedDiffs:
        """The counted page diffs."""
        ...

    @property
    def snapshots(self) -> SnapshotSizes:
        """The snapshots of backup blobs."""
        ...

    @property
    def backups(self) -> Backups:
        """The backup container."""
        ...

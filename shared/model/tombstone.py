"""What is left of a recovery point that was deleted on purpose, so that nobody takes it for lost or brings it back."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from shared.model.fields import BlobUrlOrNone
from shared.model.point import RecoveryPoint
from shared.model.run import Kind
from shared.model.texts import Text

TOMBSTONE_ROW_PREFIX = "deleted-"

TOMBSTONES_KEPT_FOR = timedelta(days=90)
"""How long a tombstone is kept; soft delete may hold what was deleted for as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """A recovery point that was deleted, and its row.

    Attributes:
        time: its time.
        why: why it was deleted.
        deleted: when, UTC.
        kind: the kind of run that made it.
        size: bytes of the disk.
        bytes_written: bytes that its run wrote in the backup blob.
        backup_blob, backup_snapshot: what held it, by which it can be undeleted.
        sealed: when it was taken, UTC.
    """

    time: str
    why: Text
    deleted: datetime
    kind: Kind
    size: int
    bytes_written: int
    backup_blob: BlobUrlOrNone = None
    backup_snapshot: str = ""
    sealed: datetime

    @classmethod
    def of(cls, point: RecoveryPoint, now: datetime) -> Self:
        """Make the tombstone of a recovery point that is being deleted."""
        return cls(
            time=point.time,
            why=point.deleting,
            deleted=now,
            kind=point.kind,
            size=point.size,
            bytes_written=point.bytes_written,
            backup_blob=point.backup_blob,
            backup_snapshot=point.backup_snapshot,
            sealed=point.sealed,
        )

    def is_old(self, now: datetime) -> bool:
        """Return whether it has been kept long enough."""
        return now - self.deleted >= TOMBSTONES_KEPT_FOR

    @property
    def row_key(self) -> str:
        """Its row in the disk's partition."""
        return f"{TOMBSTONE_ROW_PREFIX}{self.time}"

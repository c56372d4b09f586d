"""A recovery point, and its row."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from shared.model.addresses import BlobAddress
from shared.model.fields import BlobUrlOrNone
from shared.model.run import COPY_BLOB, Kind
from shared.model.texts import Text

POINT_ROW_PREFIX = "point-"


class PointState(StrEnum):
    """What is known of a recovery point: it was sealed, was compared completely, is damaged, or is being deleted.

    One that is being deleted stays so: what holds it may be gone already.
    """

    SEALED = "sealed"
    VERIFIED = "verified"
    DAMAGED = "damaged"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True)
class TakenSnapshot:
    """A snapshot that a run has taken of the backup blob.

    Attributes:
        time: the snapshot's time.
        plan: the run's plan at that time.
        etag: the backup blob's ETag at that time.
    """

    time: str
    plan: int
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryPoint:
    """A recovery point.

    Attributes:
        time: its source snapshot's time: it holds the disk's state at that moment.
        kind: the kind of run that made it; `restore` for the state that a disk was restored to.
        reason: why the run was not incremental, or what was restored.
        source_snapshot: its source snapshot, which is deleted once the next recovery point is sealed.
        backup_blob: the backup blob, or the full copy; None on rows that do not say.
        backup_snapshot: the snapshot of the backup blob; empty for a full copy.
        size: bytes of the disk.
        bytes_written, bytes_cleared: bytes that the run wrote and cleared in the backup blob.
        added_bytes: bytes that only it and the backup blob held when it was sealed: those not shared with the version
            before it; None where that is not known.
        added_since: that version, a snapshot of the backup blob; empty if there was none, or it is not known.
        ranges: changed ranges.
        write_calls, clear_calls: requests that wrote and cleared.
        batches: batches it took.
        copying: how pages were copied.
        started, sealed: when the source snapshot and the recovery point were taken, UTC.
        duration_seconds: the time between them.
        state: what is known of it.
        damage, damaged_at: what is wrong with it, if it is damaged, and when that was found, UTC.
        lost: whether it is damaged because its snapshot, or full copy, was deleted; undeleting it makes it good again.
        deleting: why it is being deleted.
        verified: when it was last compared with its source snapshot, UTC.
        used_by: the row of the last restore, verify or drill that was to use it; it may have ended.
        drilled, drill_seconds, drill_result: when it was last drilled, how long that took, and the outcome.
        kept, kept_until, kept_note: whether an operator holds it, whatever the retention says; until when, UTC, or
            None for ever; and why.
        profile: what a managed disk was, beside its bytes (`DiskProfile.text`); empty for a page blob.
    """

    time: str
    kind: Kind
    reason: Text
    source_snapshot: str
    backup_blob: BlobUrlOrNone = None
    backup_snapshot: str
    size: int
    bytes_written: int
    bytes_cleared: int
    ranges: int
    write_calls: int
    clear_calls: int
    batches: int
    copying: Text
    started: datetime
    sealed: datetime
    duration_seconds: float
    state: PointState = PointState.SEALED
    damage: Text = ""
    damaged_at: datetime | None = None
    lost: bool = False
    deleting: Text = ""
    verified: datetime | None = None
    used_by: str = ""
    drilled: datetime | None = None
    drill_seconds: float = 0.0
    drill_result: Text = ""
    kept: bool = False
    kept_until: datetime | None = None
    kept_note: Text = ""
    added_bytes: int | None = None
    added_since: str = ""
    profile: str = ""

    @classmethod
    def of_a_copy(
        cls,
        *,
        time: str,
        kind: Kind,
        reason: str,
        backup_blob: BlobAddress,
        backup_snapshot: str,
        size: int,
        started: datetime,
        sealed: datetime,
        copying: str = COPY_BLOB,
        bytes_written: int = 0,
    ) -> Self:
        """Make a recovery point that took no batches: a full copy, or the state that a disk was restored to.

        Its time is its source snapshot's. Of a run's counts only the bytes may be known, which one request wrote.
        """
        return cls(
            time=time,
            kind=kind,
            reason=reason,
            source_snapshot=time,
            backup_blob=backup_blob,
            backup_snapshot=backup_snapshot,
            size=size,
            bytes_written=bytes_written,
            bytes_cleared=0,
            ranges=0,
            write_calls=int(bytes_written > 0),
            clear_calls=0,
            batches=0,
            copying=copying,
            started=started,
            sealed=sealed,
            duration_seconds=max(0.0, (sealed - started).total_seconds()),
        )

    def as_verified(self, began: datetime, now: datetime) -> Self:
        """Record that it is identical to its source snapshot, compared completely.

        Damage found while it was being compared stays on record: that part may have been compared before.

        Args:
            began: when the comparison began, UTC.
            now: the time, UTC.
        """
        is_found_since = self.damaged_at is not None and self.damaged_at >= began and not self.lost
        if self.state is PointState.DELETING or is_found_since:
            return self
        return replace(self, state=PointState.VERIFIED, damage="", damaged_at=None, lost=False, verified=now)

    def as_damaged(self, damage: str, now: datetime, *, lost: bool = False) -> Self:
        """Record what is wrong with it. That it was deleted too doesn't hide damage that an undelete wouldn't mend."""
        if self.state is PointState.DELETING or (lost and self.state is PointState.DAMAGED and not self.lost):
            return self
        found_at = self.damaged_at if self.lost == lost else None
        return replace(self, state=PointState.DAMAGED, damage=damage, damaged_at=found_at or now, lost=lost)

    def damaged_since(self, when: datetime) -> Self:
        """Record when its damage was found at the latest, UTC, if the row of an older release does not say when."""
        is_unknown = self.state is PointState.DAMAGED and self.damaged_at is None
        return replace(self, damaged_at=when) if is_unknown else self

    def as_found(self) -> Self:
        """Record that a lost recovery point has been undeleted: it is as good as before."""
        if not self.lost or self.state is PointState.DELETING:
            return self
        state = PointState.VERIFIED if self.verified else PointState.SEALED
        return replace(self, state=state, damage="", damaged_at=None, lost=False)

    def as_deleting(self, why: str) -> Self:
        """Record that it is being deleted, and why."""
        return replace(self, state=PointState.DELETING, deleting=why)

    def as_used(self, job: str) -> Self:
        """Record the row of a job that is to use it, unless it is being deleted.

        That changes the ETag of its row: a deletion that has not seen the job's own row, which was written before, is
        refused.
        """
        return self if self.state is PointState.DELETING else replace(self, used_by=job)

    def as_drilled(self, ended: datetime | None, seconds: float, result: str) -> Self:
        """Record the outcome of a drill."""
        return replace(self, drilled=ended, drill_seconds=seconds, drill_result=result)

    def as_kept(self, until: datetime | None, note: str) -> Self:
        """Mark it as kept until a time, UTC, or for ever."""
        return replace(self, kept=True, kept_until=until, kept_note=note)

    def as_not_kept(self) -> Self:
        """Take the mark off."""
        return replace(self, kept=False, kept_until=None, kept_note="")

    def is_kept(self, now: datetime) -> bool:
        """Return whether an operator holds it now."""
        return self.kept and (self.kept_until is None or now < self.kept_until)

    @property
    def is_good(self) -> bool:
        """Whether it can be restored, as far as is known."""
        return self.state in {PointState.SEALED, PointState.VERIFIED}

    @property
    def row_key(self) -> str:
        """The recovery point's row in the disk's partition."""
        return f"{POINT_ROW_PREFIX}{self.time}"

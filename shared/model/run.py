"""What to do next, given the record: pure functions of values."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from shared.changes.ranges import Effort
from shared.model.addresses import BlobAddress, ContainerAddress, is_url_of
from shared.model.blob import BlobState
from shared.model.disk import DiskRecord, Kind, OpenRun, RecoveryPoint
from shared.model.names import BACKUP_METADATA, DISK_METADATA, TAKEN_METADATA
from shared.model.tick import tick_of_point
from shared.settings import Mode

LONGEST_CHECK_DELAY = timedelta(seconds=60)
SHORTEST_CHECK_DELAY = timedelta(seconds=1)

NO_TROUBLE: Mapping[str, Any] = {"tries": 0, "failed": "", "error_at": None, "trouble_since": None}
"""What a run that moves says of its troubles."""

# What Snapshot Blob may take with all its retries, and what two clocks may differ by.
_TAKES_AT_MOST = timedelta(minutes=10)

_MISSING = "the backup blob was missing"
_AFTER_FULL_COPY = "the last backup was a full copy"


class TakenSnapshot(BaseModel):
    """A snapshot of the backup blob that a run has taken.

    Attributes:
        time: the snapshot's time.
        plan: the plan of the run that it was taken under.
        etag: the backup blob's ETag at that moment.
    """

    model_config = ConfigDict(frozen=True)

    time: str
    plan: int
    etag: str


def opened(record: DiskRecord, blob: BlobState | None, *, leased: bool) -> DiskRecord:
    """Open the open run on the backup blob as it was found, or on none; opening it again changes nothing.

    An open run whose blob has gone, or has not been under its lease all the time, begins anew. This is to be recorded
    before the blob is created or leased: else a crash between the two would hide what was found.

    Args:
        record: the disk's record.
        blob: the backup blob, if it is there.
        leased: whether the blob is under the run's lease already.
    """
    run = run_of(record)
    if not run.opened:
        kind, reason = _kind_of_run(record, blob)
        return record.with_run(opened=True, kind=kind, reason=reason)
    if blob is None:
        return begun_anew(record, Kind.FULL, _MISSING)
    if not leased and not (run.kind is Kind.INCREMENTAL and _is_as_sealed(record, blob)):
        return begun_anew(record, Kind.RESYNC, "the run's lease was broken: others may have written to the backup blob")
    return record


def _kind_of_run(record: DiskRecord, blob: BlobState | None) -> tuple[Kind, str]:
    """Decide how a run makes its change list, and why it is not incremental.

    A diff may only be laid over a backup blob that equals the base snapshot: one that somebody else wrote to, that is
    missing, or that was there before the record is written anew.
    """
    if blob is None:
        had_none = record.resync_reason == _AFTER_FULL_COPY
        return Kind.FULL, _AFTER_FULL_COPY if had_none else _MISSING if record.base_snapshot else ""
    if record.resync_reason:
        return Kind.RESYNC, record.resync_reason
    if not record.base_snapshot:
        return Kind.RESYNC, "the backup blob was there before the record"
    if not _is_as_sealed(record, blob):
        return Kind.RESYNC, "the backup blob was changed outside a run"
    return Kind.INCREMENTAL, ""


def _is_as_sealed(record: DiskRecord, blob: BlobState) -> bool:
    """Tell whether nobody has written to the backup blob since the last seal: each write gives it another ETag."""
    return blob.etag == record.backup_etag and blob.size == record.base_size


def begun_anew(record: DiskRecord, kind: Kind, reason: str) -> DiskRecord:
    """Begin the open run's plan anew: what was done under the old one does not count."""
    return record.with_run(
        kind=kind,
        reason=reason,
        plan=run_of(record).plan + 1,
        position=0,
        at_work=False,
        batches=0,
        **Effort()._asdict(),
        windows_compared=0,
        compared_etag="",
    )


def given_up(record: DiskRecord, reason: str) -> DiskRecord:
    """Close the open run without a recovery point.

    The backup blob is between two states then, and the next run a resync; but a run that was not opened, or made a full
    copy, has not touched it.
    """
    if run_of(record).mode is Mode.FULL or not run_of(record).opened:
        return record.model_copy(update={"run": None})
    return record.model_copy(update={"run": None, "resync_reason": reason if record.base_snapshot else ""})


def is_own_snapshot(disk: BlobAddress, backup_container_url: str, time: str, metadata: Mapping[str, str]) -> bool:
    """Tell whether a snapshot of a disk was taken by Tidemark for this backup container, however the URLs were spelt.

    Metadata alone does not tell: a disk that was made of a source snapshot has inherited it, and so has every snapshot
    that its owner takes of it. So it must have been written at about the time that the snapshot was taken.
    """
    of_disk, for_backups = metadata.get(DISK_METADATA, ""), metadata.get(BACKUP_METADATA, "")
    backups = ContainerAddress.parse(backup_container_url)
    if not (is_url_of(disk, of_disk) and is_url_of(backups, for_backups)):
        return False
    try:
        taken = datetime.fromisoformat(metadata[TAKEN_METADATA])
        return abs(datetime.fromisoformat(time) - taken) <= _TAKES_AT_MOST
    except (KeyError, TypeError, ValueError):
        return False


class Watched(Protocol):
    """An open run or restore: its own message looks at it, again and again."""

    @property
    def checked(self) -> datetime:
        """When it was last looked at, UTC."""


def is_unwatched(watched: Watched, now: datetime, after: timedelta) -> bool:
    """Tell whether an open run or restore was not looked at for so long that its message must be taken for lost."""
    return now - watched.checked >= after


def next_check(run: OpenRun, now: datetime) -> timedelta:
    """Say when to look at a run's progress again."""
    return check_delay(run.started, now)


def check_delay(since: datetime, now: datetime) -> timedelta:
    """Say when to look again at what is under way: soon at what is young, rarely at what takes long."""
    return min(max((now - since) / 10, SHORTEST_CHECK_DELAY), LONGEST_CHECK_DELAY)


def recovery_point(record: DiskRecord, backup_snapshot: str, now: datetime) -> RecoveryPoint:
    """Describe the recovery point of a run whose change list is applied."""
    run = run_of(record)
    return RecoveryPoint(
        time=run.snapshot,
        kind=run.kind,
        reason=run.reason,
        source_snapshot=run.snapshot,
        backup_blob=record.backup_blob,
        backup_snapshot=backup_snapshot,
        size=run.size,
        batches=run.batches,
        copying=run.copying,
        started=run.started,
        sealed=now,
        duration_seconds=(now - run.started).total_seconds(),
        **run.done._asdict(),
    )


def sealed(record: DiskRecord, point: RecoveryPoint, taken: TakenSnapshot) -> DiskRecord:
    """Advance the record to a recovery point."""
    return record.model_copy(
        update={
            "backup_blob": point.backup_blob,
            "base_snapshot": point.source_snapshot,
            "base_size": point.size,
            "backup_etag": taken.etag,
            "sealed_plan": taken.plan,
            "backup_snapshot": point.backup_snapshot,
            "resync_reason": "",
            "run": None,
            "last_success": point.sealed,
            "last_point": point.time,
            "point_tick": tick_of_point(record, point.time),
        }
    )


def full_copy(record: DiskRecord, copy_url: str, bytes_copied: int, now: datetime) -> RecoveryPoint:
    """Describe the recovery point that is a full copy."""
    run = run_of(record)
    return RecoveryPoint.of_a_copy(
        time=run.snapshot,
        kind=Kind.FULL,
        reason="",
        backup_blob=copy_url,
        backup_snapshot="",
        size=run.size,
        bytes_written=bytes_copied,
        write_calls=1,
        started=run.started,
        sealed=now,
    )


def sealed_copy(record: DiskRecord, point: RecoveryPoint) -> DiskRecord:
    """Advance the record to a full copy: the backup blob, if there is one, does not follow the disk any more."""
    return record.model_copy(
        update={
            "base_snapshot": point.source_snapshot,
            "base_size": point.size,
            "sealed_plan": run_of(record).plan,
            "backup_snapshot": "",
            "resync_reason": _AFTER_FULL_COPY,
            "run": None,
            "last_success": point.sealed,
            "last_point": point.time,
            "point_tick": tick_of_point(record, point.time),
        }
    )


def copied(record: DiskRecord, done: int, now: datetime) -> DiskRecord:
    """Put the progress of a full copy on its record, in bytes; it may wait for the service as long as it likes."""
    if run_of(record).position == done:
        return record.with_run(checked=now, error_at=None, trouble_since=None)
    return record.with_run(position=done, checked=now, progressed=now, replans=0, **NO_TROUBLE)


def run_of(record: DiskRecord) -> OpenRun:
    """Give the open run of a disk that has one.

    Raises:
        ValueError: there is none.
    """
    if record.run is None:
        raise ValueError(f"{record.disk} has no open run")
    return record.run

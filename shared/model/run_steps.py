"""What to do next in a run, given the record. Pure functions."""

from dataclasses import replace
from datetime import datetime, timedelta

from shared.changes.ranges import Effort
from shared.model.addresses import BlobAddress, ContainerAddress
from shared.model.blob import BlobState
from shared.model.container_moves import move_reason
from shared.model.point import RecoveryPoint, TakenSnapshot
from shared.model.record import DiskRecord, run_of
from shared.model.retry_policy import check_delay
from shared.model.run import Kind, Mode, OpenRun
from shared.model.sizes import added_by_run
from shared.model.tick import tick_of_point

_MISSING = "the backup blob was missing"
_AFTER_FULL_COPY = "the last backup was a full copy"


def opened(
    record: DiskRecord, blob: BlobState | None, *, leased: bool, container: ContainerAddress | None = None
) -> DiskRecord:
    """Open the requested run on the backup blob as found, or on none; opening it again changes nothing.

    An open run whose blob is missing, or has not been under its lease all the time, starts over. This must be recorded
    before the blob is created or leased, or a crash between the two would hide what was found.

    Args:
        record: the disk's record.
        blob: the state of the backup blob; None if there is none.
        leased: whether the blob is under the run's lease already.
        container: the backup container; None if that is as on record.
    """
    run, moved = run_of(record), move_reason(record, container) if container else ""
    if not run.opened:
        kind, reason = _kind_of_run(record, blob, moved)
        return record.with_run(replace(run.opened_now(), kind=kind, reason=reason))
    if blob is None:
        return restarted(record, Kind.FULL, moved or _MISSING)
    if moved and run.kind is Kind.INCREMENTAL:
        return restarted(record, Kind.RESYNC, moved)  # what it has applied is in the other container
    if not leased and not (run.kind is Kind.INCREMENTAL and _is_as_sealed(record, blob)):
        broken = "the run's lease was broken, so others may have written to the backup blob"
        return restarted(record, Kind.RESYNC, moved or broken)
    return record


def _kind_of_run(record: DiskRecord, blob: BlobState | None, moved: str) -> tuple[Kind, str]:
    """Decide the kind of a run, and why it is not incremental.

    A diff may be applied only to a backup blob that equals the base snapshot. A blob that is missing, was changed
    outside Tidemark, or is older than the record is rewritten completely.
    """
    if blob is None:
        had_none = record.resync_reason == _AFTER_FULL_COPY
        missing = _MISSING if record.base_snapshot else ""
        return Kind.FULL, moved or (_AFTER_FULL_COPY if had_none else missing)
    if moved:
        return Kind.RESYNC, moved
    if record.resync_reason:
        return Kind.RESYNC, record.resync_reason
    if not record.base_snapshot:
        return Kind.RESYNC, "the backup blob exists, but has no recovery point on record"
    if not _is_as_sealed(record, blob):
        return Kind.RESYNC, "the backup blob was changed outside a run"
    return Kind.INCREMENTAL, ""


def _is_as_sealed(record: DiskRecord, blob: BlobState) -> bool:
    """Return whether the backup blob is unchanged since the last seal: each write gives it another ETag."""
    return blob.etag == record.backup_etag and blob.size == record.base_size


def restarted(record: DiskRecord, kind: Kind, reason: str) -> DiskRecord:
    """Start the open run over with a new plan: what was done under the old one does not count."""
    run = run_of(record)
    fresh = replace(
        run.after(Effort()).reached(0),
        kind=kind,
        reason=reason,
        plan=run.plan + 1,
        at_work=False,
        batches=0,
        windows_compared=0,
        compared_etag="",
        sealing=False,
    )
    return record.with_run(fresh)


def abandoned(record: DiskRecord, reason: str) -> DiskRecord:
    """Close the open run without a recovery point.

    That leaves the backup blob between two states, so the next run is a resync; but a run that was not opened, or made
    a full copy, has not touched it.
    """
    if run_of(record).mode is Mode.FULL or not run_of(record).opened:
        return replace(record, run=None)
    return replace(record, run=None, resync_reason=reason if record.base_snapshot else "")


def next_check(run: OpenRun, now: datetime) -> timedelta:
    """Say when to check a run's progress again."""
    return check_delay(run.started, now)


def recovery_point(record: DiskRecord, backup_snapshot: str, now: datetime) -> RecoveryPoint:
    """Describe the recovery point of a run whose change list is applied."""
    run = run_of(record)
    added, since = added_by_run(run.kind, run.bytes_written, record.backup_snapshot)
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
        ranges=run.ranges,
        bytes_written=run.bytes_written,
        bytes_cleared=run.bytes_cleared,
        write_calls=run.write_calls,
        clear_calls=run.clear_calls,
        added_bytes=added,
        added_since=since,
    )


def sealed(record: DiskRecord, point: RecoveryPoint, taken: TakenSnapshot) -> DiskRecord:
    """Advance the record to a recovery point."""
    return replace(
        record,
        backup_blob=point.backup_blob or record.backup_blob,
        base_snapshot=point.source_snapshot,
        base_size=point.size,
        backup_etag=taken.etag,
        sealed_plan=taken.plan,
        backup_snapshot=point.backup_snapshot,
        resync_reason="",
        run=None,
        last_success=point.sealed,
        last_point=point.time,
        point_tick=tick_of_point(record, point.time),
    )


def full_copy(record: DiskRecord, copy: BlobAddress, bytes_copied: int, now: datetime) -> RecoveryPoint:
    """Describe the recovery point of a full copy."""
    run = run_of(record)
    return RecoveryPoint.of_a_copy(
        time=run.snapshot,
        kind=Kind.FULL,
        reason=run.reason,
        backup_blob=copy,
        backup_snapshot="",
        size=run.size,
        bytes_written=bytes_copied,
        started=run.started,
        sealed=now,
    )


def sealed_copy(record: DiskRecord, point: RecoveryPoint) -> DiskRecord:
    """Advance the record to a full copy: the backup blob, if there is one, no longer follows the disk."""
    return replace(
        record,
        base_snapshot=point.source_snapshot,
        base_size=point.size,
        sealed_plan=run_of(record).plan,
        backup_snapshot="",
        resync_reason=_AFTER_FULL_COPY,
        run=None,
        last_success=point.sealed,
        last_point=point.time,
        point_tick=tick_of_point(record, point.time),
    )


def copy_progressed(record: DiskRecord, done: int, now: datetime) -> DiskRecord:
    """Record the progress of a full copy, in bytes; waiting for the service is no error."""
    if run_of(record).position == done:
        return record.with_run(replace(run_of(record), checked=now, error_at=None, trouble_since=None))
    moved = replace(run_of(record).recovered().reached(done), checked=now, progressed=now, replans=0)
    return record.with_run(moved)

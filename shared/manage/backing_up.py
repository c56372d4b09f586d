"""`backup`: back a disk up now, by an ordinary run without a tick."""

from datetime import datetime

from shared.azure.services import Services
from shared.jobs.intents import with_point
from shared.model.disk import Disk
from shared.model.intent_row import IntentRow
from shared.model.intents import BackupIntent, IntentFailedError, IntentRefusedError, IntentWaitsError
from shared.model.point import RecoveryPoint
from shared.model.record import DiskRecord
from shared.points.versions import require_own_record
from shared.runs.open_run import open_run, snapshot_now


async def back_up(services: Services, intent: BackupIntent, row: IntentRow) -> str:
    """Snapshot the disk as soon as it is free, open its run, and wait for the recovery point.

    A run whose source snapshot was taken after the intent was read counts, whatever it was opened for.

    Raises:
        IntentRefusedError: the disk is not backed up.
        IntentFailedError: its run was given up.
        IntentWaitsError: the disk is busy, or its run is open.
        DiskError: the disk can't be backed up, or its backups are in another container.
        NotOwnerError: the backup container belongs to another app.
    """
    disk = intent.disk
    record = await require_own_record(services, disk)
    adopted, retired = (record.adopted, record.retired is not None) if record else (False, False)
    if not services.settings.backs_up(disk, adopted=adopted, retired=retired):
        raise IntentRefusedError(f"{disk.name} is not backed up. What to do: check the URL, or add it to SOURCE_DISKS")
    if not row.point:
        run = await _run_since(services, disk, record, row.requested) or await _snapshot(services, disk, record)
        row = await with_point(services, row, run)
        record = await require_own_record(services, disk)
    if record and record.run_of(row.point):
        raise IntentWaitsError(f"backup run {row.point} is open")
    return await _sealed(services, intent, row, record)


async def _run_since(services: Services, disk: Disk, record: DiskRecord | None, since: datetime) -> str:
    """Return the first run, open or sealed, whose source snapshot was taken after a time; empty if there is none."""
    times = await services.records.point_times(disk)
    if record and record.run:
        times.append(record.run.snapshot)
    return min((time for time in times if datetime.fromisoformat(time) > since), default="")


async def _snapshot(services: Services, disk: Disk, record: DiskRecord | None) -> str:
    """Snapshot a free disk and open its run; return the run."""
    if record and record.run:
        raise IntentWaitsError(f"waits for backup run {record.run.snapshot} to end; the disk is snapshotted after that")
    if record and record.restore:
        raise IntentWaitsError(f"waits for restore {record.restore} to end; the disk is snapshotted after that")
    snapshot = await snapshot_now(services, disk, record)
    if not await open_run(services, disk, snapshot):
        raise IntentWaitsError("waits for another run or a restore, which has just begun")
    return snapshot


async def _sealed(services: Services, intent: BackupIntent, row: IntentRow, record: DiskRecord | None) -> str:
    """Return that the run is sealed, with its recovery point kept if that was asked for."""
    disk, note = intent.disk, intent.note or f"as asked for by {row.row_key}"

    def kept(point: RecoveryPoint) -> RecoveryPoint:
        return point.as_kept(None, note) if intent.keep else point

    if await services.records.update_point(disk, row.point, kept) is None:
        if record and record.retired:
            raise IntentRefusedError(
                f"{disk.name} was retired meanwhile. What to do: to back it up again, add its URL to SOURCE_DISKS"
            )
        error = record.last_error if record else ""
        raise IntentFailedError(f"backup run {row.point} of {disk.name} was given up. Last error: {error}")
    return f"recovery point {row.point} of {disk.name} is sealed{' and kept' if intent.keep else ''}"

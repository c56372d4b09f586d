"""Clean-up after a seal: release the run's lease and delete what is left over. Idempotent."""

from collections.abc import Collection

from azure.core.exceptions import AzureError

from shared.azure.services import Services
from shared.errors import SourceGoneError, TidemarkError
from shared.events import Event, log_event
from shared.model.disk import Disk
from shared.model.job import JobKind
from shared.model.messages import FinishMessage, RunMessage
from shared.model.point import PointState, RecoveryPoint
from shared.model.record import DiskRecord
from shared.points.versions import mark_damaged, properties_of, update_damaged_points
from shared.runs.failures import record_failure


async def clean_up_run(services: Services, message: FinishMessage, record: DiskRecord) -> None:
    """Release a sealed run's lease, and delete duplicate backup snapshots and old source snapshots.

    The lease is released first: after that the run can take no more snapshots of the backup blob.
    """
    disk = message.disk
    await services.leases.release(services.backups.address(disk), message.of_plan(record.sealed_plan).lease_id)
    await drop_duplicates(services, message, record.backup_snapshot)
    try:
        await drop_old_snapshots(services, disk)
    except (AzureError, TidemarkError) as error:  # a job of a newer release may still read one
        await record_failure(services, disk, Event.DELETE_SOURCE_SNAPSHOT_FAILED, error, message.run)
    damaged = await mark_missing(services, disk)
    if record.with_damaged(damaged) != record:
        await update_damaged_points(services, disk)


async def drop_old_snapshots(services: Services, disk: Disk) -> None:
    """Delete the disk's source snapshots that are older than the base, except those that a job still reads.

    A verify compares one; a restore in place copies the disk from one, if it can.
    """
    compared = {
        inspection.recovery_point or inspection.point
        for inspection in await services.inspections.open(disk)
        if inspection.task is JobKind.VERIFY and inspection.reads_point
    }
    restored = {
        restore.recovery_point
        for restore in await services.restores.open(disk)
        if restore.target == disk and restore.reads_point
    }
    snapshots = [*await services.disks.own_snapshots(disk), *await _snapshots_for_old_container(services, disk)]
    found = await services.records.get(disk)
    base = found[0].base_snapshot if found else ""
    for snapshot in snapshots:
        if snapshot < base and snapshot not in compared | restored:
            await services.disks.delete_snapshot(disk, snapshot)
            log_event(Event.SOURCE_SNAPSHOT_DELETED, disk=disk.name, snapshot=snapshot)


async def _snapshots_for_old_container(services: Services, disk: Disk) -> list[str]:
    """List the source snapshots taken for the container before, if the disk's recovery points show that it was so.

    Without those, the container may be another app's that backs up the same disk.
    """
    old = services.settings.moved_from
    snapshots = await services.disks.own_snapshots(disk, old) if old else []
    if not (old and snapshots):
        return []
    points = await services.records.points(disk)
    was_there = any(point.backup_blob and point.backup_blob.parent.is_same_as(old) for point in points)
    return snapshots if was_there else []


async def mark_missing(services: Services, disk: Disk) -> list[str]:
    """Mark recovery points that were deleted outside Tidemark as damaged; clear the mark of those that are back.

    A list that leaves a snapshot out is no proof: the snapshot itself is requested before it is marked.

    Returns:
        The times of all damaged recovery points, oldest first.
    """
    backup = services.backups.address(disk)
    # Order matters: a point sealed between the two calls must not be looked up in an older list of snapshots.
    points = await services.records.points(disk)
    existing = await services.snapshots.times(backup)
    return [point.time for point in points if await _is_damaged(services, disk, point, existing)]


async def _is_damaged(services: Services, disk: Disk, point: RecoveryPoint, existing: Collection[str]) -> bool:
    """Return whether a recovery point is damaged, after looking it up among the existing snapshots."""
    is_damaged = point.state is PointState.DAMAGED
    is_elsewhere = point.backup_blob and not point.backup_blob.is_same_as(services.backups.address(disk))
    if not point.backup_snapshot or is_elsewhere:
        return is_damaged
    if point.backup_snapshot not in existing:
        return is_damaged or await _mark_if_deleted(services, disk, point)
    if point.lost:
        await services.records.update_point(disk, point.time, RecoveryPoint.as_found)
    return is_damaged and not point.lost


async def _mark_if_deleted(services: Services, disk: Disk, point: RecoveryPoint) -> bool:
    """Mark a recovery point as damaged if it was deleted; return whether it was."""
    try:
        await properties_of(services, disk, point)
    except SourceGoneError as error:
        await mark_damaged(services, disk, point.time, str(error), lost=True)
        return True
    return False


async def drop_duplicates(services: Services, message: RunMessage, kept: str) -> None:
    """Delete a run's snapshots of the backup blob, except the one at the time `kept`."""
    backup = services.backups.address(message.disk)
    for taken in await services.snapshots.of_run(backup, message.run_id):
        if taken.time != kept:
            await services.snapshots.delete(backup, taken.time)

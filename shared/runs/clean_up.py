"""After the seal: the run's lease is ended, and what it has left over is deleted. Repeating it is harmless."""

from collections.abc import Collection

from azure.core.exceptions import AzureError

from shared.azure.services import Services
from shared.errors import SourceGoneError
from shared.events import Event, log_event
from shared.model.disk import Disk
from shared.model.job import JobKind, Stage
from shared.model.messages import FinishMessage, RunMessage
from shared.model.point import PointState, RecoveryPoint
from shared.model.record import DiskRecord
from shared.points.versions import mark_damaged, properties_of, update_damaged_points
from shared.runs.failures import record_failure


async def clean_up_run(services: Services, message: FinishMessage, record: DiskRecord) -> None:
    """End the run's lease; delete what the seal has left over: older source snapshots, orphans.

    A second snapshot of the backup blob by the same run can't come any more once the lease has ended.
    """
    disk = message.disk
    await services.leases.release(services.backups.address(disk), message.of_plan(record.sealed_plan).lease_id)
    await drop_duplicates(services, message, record.backup_snapshot)
    try:
        await drop_old_snapshots(services, disk)
    except AzureError as error:
        await record_failure(services, disk, Event.DELETE_SOURCE_SNAPSHOT_FAILED, error, message.run)
    damaged = await mark_missing(services, disk)
    if record.with_damaged(damaged) != record:
        await update_damaged_points(services, disk)


async def drop_old_snapshots(services: Services, disk: Disk) -> None:
    """Delete the source snapshots that are older than the base, but for those that a verify still compares."""
    inspections = await services.inspections.open(disk)
    compared = {
        found.recovery_point or found.point
        for found in inspections
        if found.task is JobKind.VERIFY and found.state is not Stage.ENDING
    }
    snapshots = await services.disks.own_snapshots(disk)
    found = await services.records.get(disk)
    base = found[0].base_snapshot if found else ""
    for snapshot in snapshots:
        if snapshot < base and snapshot not in compared:
            await services.disks.delete_snapshot(disk, snapshot)
            log_event(Event.SOURCE_SNAPSHOT_DELETED, disk=disk.name, snapshot=snapshot)


async def mark_missing(services: Services, disk: Disk) -> list[str]:
    """Put on record which recovery points somebody has deleted; and take it back of those that are there again.

    That a list leaves one out is no proof: it is asked for, before it is called damaged.

    Returns:
        The times of all that are damaged now, oldest first.
    """
    backup = services.backups.address(disk)
    # In this order: a recovery point that is sealed in between is not looked for in an older list.
    points = await services.records.points(disk)
    there = await services.snapshots.times(backup)
    return [point.time for point in points if await _is_damaged(services, disk, point, there)]


async def _is_damaged(services: Services, disk: Disk, point: RecoveryPoint, there: Collection[str]) -> bool:
    """Tell whether a recovery point is damaged, once it is looked for among the snapshots that are there."""
    is_damaged = point.state is PointState.DAMAGED
    if not point.backup_snapshot or point.backup_blob != services.backups.address(disk):
        return is_damaged
    if point.backup_snapshot not in there:
        return is_damaged or await _is_gone(services, disk, point)
    if point.lost:
        await services.records.update_point(disk, point.time, RecoveryPoint.as_found)
    return is_damaged and not point.lost


async def _is_gone(services: Services, disk: Disk, point: RecoveryPoint) -> bool:
    try:
        await properties_of(services, disk, point)
    except SourceGoneError as error:
        await mark_damaged(services, disk, point.time, str(error), lost=True)
        return True
    return False


async def drop_duplicates(services: Services, message: RunMessage, kept: str) -> None:
    """Delete the snapshots of the backup blob that a run has taken beside its recovery point."""
    backup = services.backups.address(message.disk)
    for taken in await services.snapshots.of_run(backup, message.run_id):
        if taken.time != kept:
            await services.snapshots.delete(backup, taken.time)

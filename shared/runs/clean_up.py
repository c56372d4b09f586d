"""After the seal: the run's lease is ended, and what it has left over is deleted. Repeating it is harmless."""

from dataclasses import replace

from azure.core.exceptions import AzureError

from shared.azure.services import Services
from shared.errors import SourceGoneError, not_found
from shared.events import Event, log_event
from shared.model.addresses import BlobAddress
from shared.model.disk import Disk
from shared.model.job import JobKind, Stage
from shared.model.messages import FinishMessage, RunMessage
from shared.model.point import PointState, RecoveryPoint
from shared.model.record import DiskRecord
from shared.model.version import BlobVersion
from shared.points.versions import mark_damaged
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
    await mark_missing(services, disk)


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


async def mark_missing(services: Services, disk: Disk) -> None:
    """Put on record which recovery points somebody has deleted; and take it back of those that are there again.

    That a list leaves one out is no proof: it is asked for, before it is called damaged.
    """
    backup = services.backups.address(disk)
    # In this order: a recovery point that is sealed in between is not looked for in an older list.
    points = await services.records.points(disk)
    there = await services.snapshots.times(backup)
    for point in points:
        if not point.backup_snapshot or point.backup_blob != backup:
            continue
        damage = not_found(backup.url, point.backup_snapshot)
        if point.backup_snapshot in there:
            if point.damage == damage:
                await services.records.mark(disk, replace(point, state=PointState.SEALED, damage=""))
        elif point.state is not PointState.DAMAGED and await _is_gone(services, backup, point):
            await mark_damaged(services, disk, point, damage)


async def _is_gone(services: Services, backup: BlobAddress, point: RecoveryPoint) -> bool:
    try:
        await services.pages.properties(BlobVersion(backup, point.backup_snapshot))
    except SourceGoneError:
        return True
    return False


async def drop_duplicates(services: Services, message: RunMessage, kept: str) -> None:
    """Delete the snapshots of the backup blob that a run has taken beside its recovery point."""
    backup = services.backups.address(message.disk)
    for taken in await services.snapshots.of_run(backup, message.run_id):
        if taken.time != kept:
            await services.snapshots.delete(backup, taken.time)

"""Clean-up after a seal: release the run's lease and delete what is left over. Idempotent."""

import contextlib

from azure.core.exceptions import AzureError

from shared.azure.services import Services
from shared.errors import TidemarkError
from shared.events import Event, log_event
from shared.model.disk import Disk
from shared.model.job import JobKind
from shared.model.messages import FinishMessage, RunMessage
from shared.model.record import DiskRecord
from shared.model.schema import UnknownSchemaError
from shared.points.check_points import SealedRun, check_points
from shared.runs.failures import record_failure
from shared.runs.judging import judge_run


async def clean_up_run(services: Services, message: FinishMessage, record: DiskRecord) -> None:
    """Release a sealed run's lease, and delete duplicate backup snapshots and old source snapshots.

    The lease is released first: after that the run can take no more snapshots of the backup blob.
    """
    disk = message.disk
    await services.leases.release(services.backups.address(disk), message.of_plan(record.sealed_plan).lease_id)
    try:
        await drop_old_snapshots(services, disk, record.base_snapshot)
    except (AzureError, TidemarkError) as error:  # a job of a newer release may still read one
        await record_failure(services, disk, Event.DELETE_SOURCE_SNAPSHOT_FAILED, error, message.run)
    try:
        points = await check_points(services, disk, SealedRun(message.run_id, record.backup_snapshot))
    except UnknownSchemaError:  # of a recovery point's row: what is left over is told by its own metadata
        await drop_duplicates(services, message, record.backup_snapshot)
        raise
    await judge_run(services, disk, points)


async def drop_old_snapshots(services: Services, disk: Disk, base: str | None = None) -> None:
    """Delete the disk's source snapshots that are older than the base, and let go of the base itself.

    Those that an open job or run still reads are left as they are.

    Args:
        services: the services.
        disk: the disk.
        base: a base that the disk's record has had: a later one is newer. None to read the record.
    """
    in_use = await snapshots_in_use(services, disk)
    snapshots = await source_snapshots(services, disk)
    if base is None:
        found = await services.records.get(disk)
        base = found[0].base_snapshot if found else ""
        if found and found[0].run:
            in_use.add(base)
    for snapshot in snapshots:
        if snapshot < base and snapshot not in in_use:
            await services.disks.delete_snapshot(disk, snapshot)
            log_event(Event.SOURCE_SNAPSHOT_DELETED, disk=disk.name, snapshot=snapshot)
    if base in snapshots and base not in in_use:
        with contextlib.suppress(AzureError):  # it ends by itself within hours, and nothing is wrong with the backup
            await services.disks.let_go(disk, base)


async def snapshots_in_use(services: Services, disk: Disk) -> set[str]:
    """List the source snapshots that open jobs still read: a verify compares one, a restore in place copies one."""
    verifies = [job for job in await services.inspections.open(disk) if job.task is JobKind.VERIFY]
    in_place = [job for job in await services.restores.open(disk) if job.target == disk]
    compared = {job.recovery_point or job.point for job in verifies if job.reads_point}
    return compared | {job.recovery_point for job in in_place if job.reads_point}


async def source_snapshots(services: Services, disk: Disk) -> list[str]:
    """List the times of a disk's source snapshots, those taken for the container before included."""
    return [*await services.disks.own_snapshots(disk), *await _snapshots_for_old_container(services, disk)]


async def _snapshots_for_old_container(services: Services, disk: Disk) -> list[str]:
    """List the source snapshots taken for the container before, if the disk's recovery points show that it was so.

    Others may be those of another app that backs up the same disk and has the container by now: no recovery point of
    this app has their time, and they are newer than its last one there.
    """
    old = services.settings.moved_from
    snapshots = await services.disks.own_snapshots(disk, old) if old else []
    if not (old and snapshots):
        return []
    points = await services.records.points(disk)
    there = [point.time for point in points if point.backup_blob and point.backup_blob.parent.is_same_as(old)]
    times, last = {point.time for point in points}, max(there, default="")
    return [snapshot for snapshot in snapshots if snapshot <= last or (there and snapshot in times)]


async def drop_duplicates(services: Services, message: RunMessage, kept: str) -> None:
    """Delete a run's snapshots of the backup blob, except the one at the time `kept`."""
    backup = services.backups.address(message.disk)
    for taken in await services.snapshots.of_run(backup, message.run_id):
        if taken.time != kept:
            await services.snapshots.delete(backup, taken.time)

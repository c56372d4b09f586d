"""The first step of a restore: every reason to refuse it is checked here, before anything is written."""

from dataclasses import replace
from datetime import timedelta

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from shared.azure.answers import explain, lacks_role
from shared.azure.services import Services
from shared.errors import DiskError, OtherDiskError, SourceGoneError, TargetLeasedError
from shared.model.addresses import AddressError
from shared.model.blob import BlobState
from shared.model.container_moves import move_problem
from shared.model.disk import Disk, PageBlobDisk
from shared.model.fitness import backup_problem, metadata_problem
from shared.model.job import JobKind, Next, Stage, job_row
from shared.model.messages import FinishMessage
from shared.model.names import DISK_METADATA, RESTORE_METADATA
from shared.model.point import PointState, RecoveryPoint
from shared.model.record import DiskRecord, restored_of
from shared.model.restore import RefusedError, Restore
from shared.model.restore_target import claimed, requested_point, require_allowed, without_restore
from shared.model.run import Mode, OpenRun
from shared.model.times import canonical_time
from shared.owner.mark import require_owner
from shared.points.versions import (
    mark_damaged,
    properties_of,
    require_not_lost,
    require_own_record,
    update_damaged_points,
    version_of,
)
from shared.restore.copying import copy_metadata
from shared.restore.end import clean_up_or_abandon
from shared.restore.prove import proof_parts
from shared.runs.abandon import abandon_run
from shared.runs.failures import new_record
from shared.runs.full_copies import is_copying

_RECHECK_AFTER = timedelta(seconds=5)
_OTHER_TARGET = "What to do: choose another target"


async def begin_restore(services: Services, restore: Restore) -> Next[Restore]:
    """Find the recovery point and check the target; then claim and lease the target.

    Raises:
        RefusedError: the restore can't be done as requested.
        NotOwnerError: the backup container belongs to another app.
        TargetLeasedError: the target is attached to a VM, or under another lease.
        SourceGoneError: the recovery point is on record but no longer exists.
    """
    if not restore.recovery_point:
        try:
            return await _find_point_and_target(services, restore)
        except OtherDiskError as error:
            raise RefusedError(str(error)) from None
        except AddressError as error:
            raise RefusedError(f"{error}. {_OTHER_TARGET}") from None
    await require_owner(services)
    record = await _claim(services, restore)
    if record.restore != restore.restore:
        return await _wait_for_restore(services, restore, restore.known_target, record)
    if record.run:
        return await _wait_for_run(services, restore, record.run)
    target_is_new = await _take_target(services, restore)
    # The run or restore that it waited for may have created the backup blob.
    backup_is_new = await services.pages.find(services.backups.address(restore.known_target)) is None
    promoting = restore.at_stage(Stage.PROMOTING, services.now())
    return Next(replace(promoting, target_is_new=target_is_new, backup_is_new=backup_is_new))


async def _find_point_and_target(services: Services, restore: Restore) -> Next[Restore]:
    """Find the recovery point to restore and the target to restore it to."""
    disk = restore.known_disk
    point = await require_not_lost(services, disk, await _requested_point(services, disk, restore.point))
    if point.state is PointState.DAMAGED and not restore.allow_damaged:
        raise RefusedError(
            f"recovery point {point.time} of {disk.name} is damaged: {point.damage}. What to do: restore another"
            ' recovery point, or set "allowDamaged": true to restore this one anyway'
        )
    target = restore.known_target if restore.target else disk.restored(point.time)
    require_allowed(target.address, services.settings.container, services.settings.source_services)
    if why := backup_problem(target, services.settings.container, services.settings.mode_of(target)):
        raise RefusedError(f"{target.shown} can't be restored to: {why}. {_OTHER_TARGET}")
    on_record = await services.records.get(target)
    if on_record and on_record[0].restore:
        return await _wait_for_restore(services, restore, target, on_record[0])
    if on_record and (why := move_problem(on_record[0], services.settings.container, services.settings.moved_from)):
        raise RefusedError(why)
    version = version_of(services, disk, point)
    found = await _require_exists(services, disk, point)
    if found.size != point.size:
        raise RefusedError(
            f"{version.name} is {found.size} bytes long, but was {point.size} when it was sealed: it was changed"
            " outside Tidemark. What to do: restore another recovery point"
        )
    existing = await services.pages.find(target.address)
    if existing:
        _require_overwritable(target, existing, overwrite=restore.overwrite)
        _require_metadata(restore, target, existing)
    await _require_writable(services, restore, target)
    address = services.backups.address(target)
    backup = await services.pages.find(address)
    if backup and not target.is_named(backup.metadata.get(DISK_METADATA, target.name)):
        raise RefusedError(
            f"{address.url}, where {target.name} would be backed up, holds the backup of"
            f" {backup.metadata[DISK_METADATA]}. {_OTHER_TARGET}"
        )
    known = replace(
        restore,
        recovery_point=point.time,
        target=target,
        size=found.size,
        target_is_new=existing is None,
        parts_total=proof_parts(found.size),
        checked=services.now(),
    )
    return Next(known)


async def _require_exists(services: Services, disk: Disk, point: RecoveryPoint) -> BlobState:
    """Return a recovery point's properties; mark it as lost if it was deleted.

    Raises:
        SourceGoneError: it was deleted.
    """
    try:
        return await properties_of(services, disk, point)
    except SourceGoneError as error:
        await mark_damaged(services, disk, point.time, str(error), lost=True)
        await update_damaged_points(services, disk)
        raise


async def _requested_point(services: Services, disk: Disk, asked: str) -> RecoveryPoint:
    record = await require_own_record(services, disk)
    times = await services.records.point_times(disk)
    if not times:
        is_known = services.settings.covers(disk) or record is not None
        what = "it has no recovery point yet" if is_known else "it is not in SOURCE_DISKS and has no record"
        raise RefusedError(
            f"{disk.name} can't be restored: {what}."
            " What to do: check the URL; if the table was lost, rebuild the catalogue first"
        )
    time = requested_point(times, asked)
    point = await services.records.point(disk, time) if time else None
    if point is None:
        raise RefusedError(
            f"{disk.name} has no recovery point at or before {canonical_time(asked)}; the oldest is {times[0]}."
            " What to do: restore that one or a later one"
        )
    return point


def _require_overwritable(target: PageBlobDisk, existing: BlobState, *, overwrite: bool) -> None:
    """Require that an existing blob may be overwritten."""
    if not overwrite:
        raise RefusedError(
            f"{target.name} already exists."
            " What to do: choose another target, or set overwrite to true to replace what it holds"
        )
    if not existing.is_page_blob:
        raise RefusedError(f"{target.name} is not a page blob, so a disk can't be restored over it. {_OTHER_TARGET}")
    if existing.leased:
        raise TargetLeasedError(target.name)


def _require_metadata(restore: Restore, target: PageBlobDisk, existing: BlobState) -> None:
    """Require that the target can keep its metadata beside the marks of the copy."""
    if why := metadata_problem(copy_metadata(restore, existing)):
        raise RefusedError(
            f"{target.name} has metadata that can't be kept: {why}. What to do: change the blob's metadata, or restore"
            " to a new disk"
        )


async def _require_writable(services: Services, restore: Restore, target: PageBlobDisk) -> None:
    """Require that the app may write to the target, without writing, before the target's record is claimed.

    Renewing a lease needs write permission (REST: Authorize with Microsoft Entra ID), even if there is no such lease.
    """
    try:
        await services.leases.renew(target.address, restore.lease)
    except HttpResponseError as error:
        if lacks_role(error):
            raise RefusedError(f"{target.name} can't be written to: {explain(error)}") from None
        raise


async def _claim(services: Services, restore: Restore) -> DiskRecord:
    """Record this restore on its target, unless another restore is recorded there."""
    target = restore.known_target

    def change(record: DiskRecord) -> DiskRecord:
        return record if record.restore else claimed(record, restore)

    record = await services.records.update(target, change)
    if record is None:
        record = claimed(new_record(services, target), restore)
        await services.records.put(target, record, None)
    return record


async def _wait_for_restore(
    services: Services, restore: Restore, target: PageBlobDisk, record: DiskRecord
) -> Next[Restore]:
    """Refuse a second restore to a target; if the first has ended, release the target and check again soon.

    Raises:
        RefusedError: the first is still under way.
    """
    first = await services.restores.find(restored_of(record), job_row(JobKind.RESTORE, record.restore))
    if first and not first[0].has_ended:
        raise RefusedError(
            f"restore {record.restore} to {target.name} is already under way. What to do: wait for it to finish, then"
            " send the request again"
        )
    if first:
        await clean_up_or_abandon(services, first[0])
    else:
        await services.records.update(target, lambda now: without_restore(now, record.restore))
    return Next(replace(restore, checked=services.now()), _RECHECK_AFTER)


async def _wait_for_run(services: Services, restore: Restore, run: OpenRun) -> Next[Restore]:
    """Wait for the target's open run to finish; give it up if it is stalled, unless the service is copying for it."""
    target, now, after = restore.known_target, services.now(), services.settings.stalled_after
    message = FinishMessage(disk=target, run=run.snapshot)
    is_stalled = now - run.progressed >= after
    if is_stalled and not (run.mode is Mode.FULL and await is_copying(services, message, run)):
        why = DiskError(f"it made no progress, and restore {restore.restore} is waiting to overwrite the disk")
        await abandon_run(services, message, why)
        return Next(replace(restore, checked=now))
    if run.is_check_overdue(now, after):
        await services.queues.send(message)
    waiting = (
        f"waiting for backup run {run.snapshot} of {target.name} to finish, then restores {restore.recovery_point}"
    )
    return Next(replace(restore, reason=waiting, checked=now), restore.next_check(now))


async def _take_target(services: Services, restore: Restore) -> bool:
    """Create the target if it is new, and lease it for the restore, so that nothing else can write to it.

    Returns:
        Whether this restore has created it.

    Raises:
        RefusedError: it was created or deleted since it was checked, or its container does not exist.
        TargetLeasedError: it is under another lease.
    """
    target = restore.known_target
    existing = await services.pages.find(target.address)
    if existing is None and not restore.target_is_new:
        raise RefusedError(
            f"{target.name} was deleted since the request was accepted. What to do: send the request again"
        )
    is_other = existing is not None and existing.metadata.get(RESTORE_METADATA) != restore.restore
    if existing and restore.target_is_new and is_other:
        _require_overwritable(target, existing, overwrite=restore.overwrite)
    try:
        mark = {RESTORE_METADATA: restore.restore}
        etag = existing.etag if existing else await services.blobs.create(target.address, restore.size, mark)
    except ResourceNotFoundError:
        raise RefusedError(
            f"the container {target.address.parent.url} does not exist. What to do: create it, or choose another target"
        ) from None
    await services.leases.acquire(target.address, restore.lease, etag)
    return restore.target_is_new and not is_other

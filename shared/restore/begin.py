"""The first step of a restore: every reason to refuse it is checked here, before anything is written."""

from dataclasses import replace

from azure.core.exceptions import HttpResponseError

from shared.azure.answers import explain, lacks_role
from shared.azure.services import Services
from shared.errors import OtherDiskError, SourceGoneError
from shared.model.addresses import AddressError
from shared.model.blob import BlobState
from shared.model.container_moves import move_problem
from shared.model.disk import Disk, ManagedDisk, PageBlobDisk, page_blob
from shared.model.expiry import expiry_of
from shared.model.fitness import backup_problem, metadata_problem
from shared.model.job import Next, Stage
from shared.model.names import DISK_METADATA
from shared.model.point import PointState, RecoveryPoint
from shared.model.restore import RefusedError, Restore
from shared.model.restore_target import OTHER_TARGET, require_allowed
from shared.owner.mark import require_owner
from shared.points.versions import (
    mark_damaged,
    properties_of,
    requested_time,
    require_not_lost,
    take_into_use,
    update_damaged_points,
    version_of,
)
from shared.restore.copying import copy_metadata
from shared.restore.managed_target import planned, require_free
from shared.restore.prove import proof_parts
from shared.restore.save import start_copies
from shared.restore.target import (
    claim,
    require_replaceable,
    require_unknown,
    take_target,
    wait_for_restore,
    wait_for_run,
)


async def begin_restore(services: Services, restore: Restore) -> Next[Restore]:
    """Find the recovery point and check the target; then claim and lease the target.

    Raises:
        RefusedError: the restore can't be done as requested.
        PointDeletingError: the recovery point is being deleted.
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
            raise RefusedError(f"{error}. {OTHER_TARGET}") from None
    await require_owner(services)
    record = await claim(services, restore, restore.known_target)
    if record.restore != restore.restore:
        return await wait_for_restore(services, restore, restore.known_target, record)
    if record.run:
        return await wait_for_run(services, restore, record.run, f"then restores {restore.recovery_point}")
    if restore.makes_managed_disk:
        await require_free(services, restore.managed_target)
        return Next(restore.at_stage(restore.first_stage, services.now()))
    taken = replace(restore, target_is_new=await take_target(services, restore))
    if taken.needs_undo_point:
        return Next(replace(taken.at_stage(Stage.SAVING, services.now()), saving=True))
    return Next(await start_copies(services, taken))


async def _find_point_and_target(services: Services, restore: Restore) -> Next[Restore]:
    """Find the recovery point to restore and the target to restore it to."""
    disk = restore.known_disk
    point = await require_not_lost(services, disk, await _requested_point(services, restore))
    if point.state is PointState.DAMAGED and not restore.allow_damaged:
        raise RefusedError(
            f"recovery point {point.time} of {disk.name} is damaged: {point.damage}. What to do: restore another"
            ' recovery point, or set "allowDamaged": true to restore this one anyway'
        )
    target = restore.known_target if restore.target else disk.restored(point.time)
    if target is None:
        raise RefusedError(
            f"{disk.name} is in no storage account that a new disk could be restored to. What to do: name the target,"
            " the ID that a new managed disk gets or the URL of a page blob:"
            ' "target": "https://ACCOUNT.blob.core.windows.net/CONTAINER/NAME.vhd"'
        )
    _require_place(services, target)
    if restore.adopt:
        _require_fit(services, target)
    else:
        await _require_trial(services, restore, target)
    on_record = await services.records.get(target)
    if on_record and on_record[0].restore:
        return await wait_for_restore(services, restore, target, on_record[0])
    if on_record and (why := move_problem(on_record[0], services.settings.container, services.settings.moved_from)):
        raise RefusedError(why)
    version = version_of(services, disk, point)
    found = await _require_exists(services, disk, point)
    if found.size != point.size:
        raise RefusedError(
            f"{version.name} is {found.size} bytes long, but was {point.size} when it was sealed: it was changed"
            " outside Tidemark. What to do: restore another recovery point"
        )
    checked = await _check_target(services, restore, target, point)
    known = replace(
        checked,
        recovery_point=point.time,
        size=found.size,
        parts_total=proof_parts(found.size, adopt=restore.adopt),
        checked=services.now(),
    )
    return Next(known)


async def _check_target(services: Services, restore: Restore, target: Disk, point: RecoveryPoint) -> Restore:
    """Check that a recovery point can be restored to a target, whichever kind that is of.

    Raises:
        RefusedError: it can't be.
        TargetLeasedError: the target is under another lease.
    """
    if isinstance(target, ManagedDisk):
        return await planned(services, restore, target, point)
    blob = PageBlobDisk(page_blob(target))
    existing = await services.pages.find(blob.address)
    if existing:
        await require_replaceable(services, restore, blob, existing, point.size)
        _require_metadata(restore, blob, existing)
    await _require_writable(services, restore, blob)
    if restore.adopt:
        await _require_own_backup(services, blob)
    return replace(restore, target=blob, target_is_new=existing is None)


def _require_place(services: Services, target: Disk) -> None:
    """Require a page blob in a place that restores may write to; that of a managed disk is checked with its rest."""
    if isinstance(target, PageBlobDisk):
        settings = services.settings
        require_allowed(
            target.address,
            settings.backup_containers,
            settings.source_services,
            restore_containers=settings.restore_containers,
        )


def _require_fit(services: Services, target: Disk) -> None:
    """Require that the target can be backed up afterwards."""
    if why := backup_problem(target, services.settings.container, services.settings.mode_of(target)):
        raise RefusedError(f"{target.shown} can't be restored to: {why}. {OTHER_TARGET}")


async def _require_trial(services: Services, restore: Restore, target: Disk) -> None:
    """Require that the target of a trial is not backed up afterwards, and expires in the future."""
    await require_unknown(services, target)
    now = services.now()
    if restore.expires and (expires := expiry_of(restore.expires, now)) <= now:
        raise RefusedError(
            f'the disk would expire at once: {expires:%Y-%m-%dT%H:%M:%SZ} is past. What to do: correct "expires"'
        )


async def _require_own_backup(services: Services, target: PageBlobDisk) -> None:
    """Require that the target's backup blob, if there is one, holds the backup of no other disk."""
    address = services.backups.address(target)
    backup = await services.pages.find(address)
    if backup and not target.is_named(backup.metadata.get(DISK_METADATA, target.name)):
        raise RefusedError(
            f"{address.url}, where {target.name} would be backed up, holds the backup of"
            f" {backup.metadata[DISK_METADATA]}. {OTHER_TARGET}"
        )


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


async def _requested_point(services: Services, restore: Restore) -> RecoveryPoint:
    return await take_into_use(services, restore, await requested_time(services, restore.known_disk, restore.point))


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

"""The second and third steps of a restore: promote the recovery point in the backup account, then copy it back."""

from dataclasses import replace
from functools import partial

from azure.core.exceptions import AzureError

from shared.azure.answers import explain, refuses_source
from shared.azure.services import Services
from shared.errors import BlobChangedError, CopyRefusedError, SourceGoneError
from shared.events import Event, log_event
from shared.model.addresses import BlobAddress
from shared.model.blob import BlobState, CopyProgress, CopyStage
from shared.model.fitness import metadata_problem
from shared.model.job import Next, Stage
from shared.model.names import COPY_METADATA, DISK_METADATA, RESTORE_METADATA
from shared.model.point import PointState
from shared.model.restore import Restore, RestoreFailedError
from shared.model.retry_policy import MIN_CHECK_DELAY
from shared.model.run import SERVER_SIDE
from shared.model.version import Version
from shared.owner.mark import require_owner
from shared.pages.copying import BlobCopy, check_copy, settle_copy, start_copy
from shared.points.versions import point_of, properties_of, version_of
from shared.restore.target import require_current
from shared.restore.through_function import copy_next_part


async def promote_to_backup(services: Services, restore: Restore) -> Next[Restore]:
    """Copy the recovery point over the target's backup blob, or to a new one; the blob's snapshots are kept.

    Raises:
        RestoreFailedError: the copy was aborted.
        NotOwnerError: the backup container belongs to another app by now.
        BlobChangedError: the copy failed, or the backup blob was changed or is no longer under the restore's lease.
        SourceGoneError: the recovery point no longer exists.
    """
    target = restore.known_target
    backup = services.backups.address(target)
    copy = BlobCopy(backup, restore.mark, restore.size, restore.lease)
    progress = await check_copy(services, copy)
    await require_current(services, restore)
    if copied := progress.succeeded:
        etag = await settle_copy(services, copy, copied)
        then = replace(restore.at_stage(restore.after_promotion, services.now()), backup_etag=etag)
        return Next(replace(then, bytes_done=restore.size) if then.state is Stage.PROVING else then)
    if progress.stage is not CopyStage.NOT_STARTED:
        return _copy_progress(services, restore, copy, progress)
    await require_owner(services)
    disk = restore.known_disk
    point = await point_of(services, disk, restore.recovery_point)
    await properties_of(services, disk, point)
    try:
        await _start_promotion(services, restore, copy, version_of(services, disk, point), progress.found)
    except BlobChangedError:
        found = await services.pages.find(backup)
        if found is None or found.metadata.get(RESTORE_METADATA) != restore.restore:
            raise
        # Another invocation of this step was faster.
        return Next(replace(restore, checked=services.now()), MIN_CHECK_DELAY)
    return Next(replace(restore, checked=services.now()))


async def _start_promotion(
    services: Services, restore: Restore, copy: BlobCopy, point: Version, found: BlobState | None
) -> None:
    """Start the copy over the target's backup blob in the state it was found, or to a new blob."""
    about = {DISK_METADATA: restore.known_target.name, RESTORE_METADATA: restore.restore}
    create = partial(services.blobs.create, copy.target, restore.size, about)
    etag = found.etag if found else await services.backups.ensured(create)
    if await services.leases.take(copy.target, restore.lease, etag):
        log_event(Event.LEASE_BROKEN, disk=restore.known_target.name, restore=restore.restore)
    if found:
        etag = await _discard_own_pages(services, restore, copy.target, found)
    await start_copy(services, copy, point, about, etag=etag)


async def copy_back(services: Services, restore: Restore) -> Next[Restore]:
    """Copy the recovery point to the target.

    Raises:
        RestoreFailedError: the target no longer exists, or the copy was aborted.
        BlobChangedError: the copy failed, or the target is no longer under the restore's lease.
        SourceGoneError: the recovery point no longer exists.
    """
    target = restore.page_blob_target
    copy = BlobCopy(target.address, restore.mark, restore.size, restore.lease)
    progress = await check_copy(services, copy)
    await require_current(services, restore)
    found = progress.found
    if found is None:
        raise RestoreFailedError(f"{target.name} no longer exists")
    if restore.target_is_new and found.metadata.get(RESTORE_METADATA) != restore.restore:
        raise RestoreFailedError(f"{target.name} was replaced by a blob that this restore did not create")
    if copied := progress.succeeded:
        etag = await settle_copy(services, copy, copied)
        then = restore.at_stage(Stage.PROVING, services.now())
        return Next(replace(then, target_etag=etag, saved_etag="", bytes_done=restore.size))
    if progress.stage is not CopyStage.NOT_STARTED:
        if restore.saved_etag:  # whoever started the copy has died since
            return Next(replace(restore, saved_etag="", checked=services.now()))
        return _copy_progress(services, restore, copy, progress)
    await _require_saved(services, restore, found)
    source = await _copy_source(services, restore)
    if restore.copying != SERVER_SIDE:
        return await copy_next_part(services, restore, source, found)
    about = copy_metadata(restore, found)
    if why := metadata_problem(about):
        raise RestoreFailedError(f"{target.name} has metadata that can't be kept: {why}")
    await services.leases.acquire(target.address, restore.lease, found.etag)
    etag = await _discard_own_pages(services, restore, target.address, found)
    started = replace(restore, copied_from=source.name, saved_etag="", checked=services.now())
    try:
        await start_copy(services, copy, source, about, etag=etag)
    except (CopyRefusedError, AzureError) as error:
        if isinstance(error, AzureError) and not refuses_source(error):
            raise
        how = f"through the function, because the service could not copy from the source: {explain(error)}"
        log_event(Event.COPY_THROUGH_FUNCTION, **restore.about, reason=how)
        return Next(replace(started, copying=how))
    log_event(Event.RESTORE_COPY_STARTED, **restore.about, target=target.name, copied_from=source.name)
    return Next(started)


async def _require_saved(services: Services, restore: Restore, found: BlobState) -> None:
    """Require that what is to be written over is what the undo point holds, and that this is still there.

    Raises:
        RestoreFailedError: somebody has broken the lease and written to the target since.
        SourceGoneError: somebody has deleted the undo point.
    """
    if not restore.saved_etag:
        return
    is_own = found.metadata.get(RESTORE_METADATA) == restore.restore
    if found.etag != restore.saved_etag and not is_own:
        raise RestoreFailedError(f"{restore.target} was changed since its undo point was taken")
    target = restore.known_target
    await properties_of(services, target, await point_of(services, target, restore.undo_point))


async def _discard_own_pages(services: Services, restore: Restore, blob: BlobAddress, found: BlobState) -> str:
    """Empty the copy of an earlier attempt, which soft delete would keep if it were copied over; return the ETag."""
    is_own = restore.attempt > 1 and found.metadata.get(RESTORE_METADATA) == restore.restore
    return await services.blobs.empty(blob, found, restore.lease) if is_own else found.etag


def copy_metadata(restore: Restore, found: BlobState) -> dict[str, str]:
    """Return the target's metadata during the copy: its own, and the marks of the restore and the copy."""
    return {**found.metadata, RESTORE_METADATA: restore.restore, COPY_METADATA: restore.mark}


def _copy_progress(services: Services, restore: Restore, copy: BlobCopy, progress: CopyProgress) -> Next[Restore]:
    """Record the progress of a copy under way.

    Raises:
        RestoreFailedError: the copy was aborted.
        BlobChangedError: the copy failed.
    """
    if progress.stage is CopyStage.ABORTED:
        raise RestoreFailedError(f"the copy to {copy.target.url} was aborted")
    if progress.stage is CopyStage.FAILED:
        raise BlobChangedError(f"the copy to {copy.target.url} failed: {progress.failure}")
    now = services.now()
    return Next(restore.with_progress(progress.bytes_done, progress.bytes_total, now), restore.next_check(now))


async def _copy_source(services: Services, restore: Restore) -> Version:
    """Return what to copy to the target: for an in-place restore the disk's own snapshot if it exists, else the backup.

    The disk's own snapshot is in the same account; the verification shows that it equals the recovery point.
    """
    point = await point_of(services, restore.known_disk, restore.recovery_point)
    if restore.target == restore.disk and point.state is not PointState.DAMAGED:
        own = services.disks.version(restore.known_disk, point.source_snapshot)
        try:
            found = await services.pages.properties(own)
        except SourceGoneError:
            pass
        else:
            if found.size == restore.size:
                return own
    await properties_of(services, restore.known_disk, point)
    return version_of(services, restore.known_disk, point)

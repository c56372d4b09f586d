"""The last steps of a restore: snapshot the restored disk, verify it, and adopt it together with its backup blob."""

from dataclasses import replace
from datetime import datetime

from azure.core.exceptions import AzureError

from shared.azure.answers import explain
from shared.azure.services import Services
from shared.azure.tables.records import RecordConflictError
from shared.errors import BlobChangedError, DiskError, SnapshotUnreadableError, StepFailedError
from shared.inspection.request import open_inspection
from shared.model.catalogue import point_metadata
from shared.model.disk_profile import DiskProfile
from shared.model.job import JobKind, Next
from shared.model.messages import RunMessage
from shared.model.point import TakenSnapshot
from shared.model.restore import Restore, RestoreFailedError, as_done
from shared.model.restore_target import adopted, restored_point
from shared.model.run import Kind
from shared.points.versions import point_of, version_of
from shared.restore.end import clean_up_restore, is_adopted
from shared.restore.footer import with_footer_of_disk
from shared.restore.prove import proof_text, prove_part


async def prove_and_adopt(services: Services, restore: Restore) -> Next[Restore]:
    """Snapshot the restored disk, then verify it part by part, then adopt it.

    Raises:
        RestoreFailedError: the disk differs from the recovery point.
        BlobChangedError: the disk or its backup blob was written to since the copy.
        SnapshotUnreadableError: the disk's snapshot can't be read.
        StepFailedError: a step failed, and it can't be read whether the disk is adopted; until it can, the restore is
            neither restarted nor ended.
    """
    try:
        return await _prove_and_adopt(services, restore)
    except Exception as error:
        try:
            has_adopted = await is_adopted(services, restore)
        except AzureError:
            raise StepFailedError(explain(error)) from None
        if not has_adopted:
            raise
        return Next(done_with_proof(restore, services.now()))


async def _prove_and_adopt(services: Services, restore: Restore) -> Next[Restore]:
    now = services.now()
    if (restore.adopt or restore.makes_managed_disk) and not restore.target_snapshot:
        taken = await services.disks.take_snapshot(restore.known_target, restore.target_etag)
        return Next(replace(restore, target_snapshot=taken, checked=now))
    if restore.makes_managed_disk and restore.parts_proved == 0:
        if waits := await _pending(services, restore):
            return Next(replace(restore, reason=waits, checked=now), restore.next_check(now))
        if restore.adopt and (etag := await with_footer_of_disk(services, restore)):
            return Next(replace(restore, backup_etag=etag, checked=services.now()))
    if restore.parts_proved < restore.parts_total:
        point = version_of(
            services, restore.known_disk, await point_of(services, restore.known_disk, restore.recovery_point)
        )
        proven = await prove_part(services, restore, point)
        return Next(replace(proven, checked=services.now()))
    if restore.adopt:
        await _adopt(services, restore)
    else:
        await _require_unchanged(services, restore)
    return Next(done_with_proof(restore, services.now()))


async def _pending(services: Services, restore: Restore) -> str:
    """Say why the snapshot can't be read yet; empty once it can be.

    Raises:
        SnapshotUnreadableError: it can never be read as it is.
    """
    try:
        return await services.disks.pending(restore.known_target, restore.target_snapshot)
    except DiskError as error:
        raise SnapshotUnreadableError(str(error)) from None


def done_with_proof(restore: Restore, now: datetime) -> Restore:
    """End a restore that has adopted its target, with its proof."""
    return as_done(restore, proof_text(restore), now)


async def end_restore(services: Services, restore: Restore) -> Next[Restore]:
    """Clean up after a restore whose target is usable; update its row last."""
    if restore.is_of_own_snapshot:
        # The disk and its backup blob were copied from different sources, and only samples of them were compared.
        name = f"restored-{restore.restore}"
        await open_inspection(services, JobKind.VERIFY, restore.known_target, restore.target_snapshot, name)
    await clean_up_restore(services, restore)
    return Next(restore.cleaned_up())


async def _adopt(services: Services, restore: Restore) -> None:
    """Take the restored disk's first recovery point and advance its record. Every part of this can be repeated.

    Raises:
        RestoreFailedError: the target's record no longer names this restore.
        BlobChangedError, LeaseLostError: the backup blob was written to, or its lease was broken.
        RecordConflictError: another invocation was faster.
    """
    target = restore.known_target
    # Read the record first: a seal by another invocation is then either seen below or refused by the ETag.
    found = await services.records.get(target)
    if await services.records.point(target, restore.target_snapshot):
        return
    if found is None or found[0].restore != restore.restore:
        raise RestoreFailedError(f"the record of {target.name} no longer names this restore")
    record, etag = found
    await _require_open(services, restore)
    profile = await services.disks.profile(target, restore.target_snapshot)
    try:
        taken = await _snapshot_backup(services, restore, profile)
    except BlobChangedError:
        # Another invocation may just have adopted the target and released the lease.
        if await services.records.point(target, restore.target_snapshot):
            return
        raise
    point = restored_point(restore, services.backups.address(target), taken.time, services.now())
    point = replace(point, profile=profile)
    tags = (DiskProfile.read(profile) or DiskProfile()).tags
    advanced = adopted(record, point, taken, is_listed=services.settings.lists(target, tags))
    await services.records.seal(target, advanced, etag, point)


async def _require_unchanged(services: Services, restore: Restore) -> None:
    """Require that the disk of a trial, of which no snapshot is taken, was not changed while it was compared.

    Raises:
        BlobChangedError: it was.
    """
    if restore.makes_managed_disk:
        is_there = await services.disks.exists(restore.known_target)
    else:
        await services.leases.require(restore.page_blob_target.address, restore.lease)
        found = await services.pages.find(restore.page_blob_target.address)
        is_there = found is not None and found.etag == restore.target_etag
    if not is_there:
        raise BlobChangedError(f"{restore.target} was changed while it was compared with the recovery point")
    await _require_open(services, restore)


async def _require_open(services: Services, restore: Restore) -> None:
    """Require that no other invocation has ended the restore; one that ends it later changes the target's record.

    Raises:
        RecordConflictError: another invocation has ended it.
    """
    found = await services.restores.find(restore.known_disk, restore.row_key)
    if found is None or found[0].has_ended:
        raise RecordConflictError(restore.restore)


async def _snapshot_backup(services: Services, restore: Restore, profile: str) -> TakenSnapshot:
    """Find the backup blob's snapshot from an earlier attempt, or take one."""
    target = restore.known_target
    run = RunMessage(disk=target, run=restore.target_snapshot)
    backup = services.backups.address(target)
    for taken in await services.snapshots.of_run(backup, run.run_id):
        if taken.etag == restore.backup_etag:
            return taken
    metadata = point_metadata(run, Kind.RESTORE, restore.backup_etag, profile)
    time = await services.snapshots.take(backup, restore.backup_etag, metadata, restore.lease)
    return TakenSnapshot(time=time, plan=run.plan, etag=restore.backup_etag)

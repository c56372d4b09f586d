"""The last steps of a restore: snapshot the restored disk, prove it, and adopt it with its backup blob."""

from dataclasses import replace
from datetime import datetime

from azure.core.exceptions import AzureError

from shared.azure.answers import explain
from shared.azure.services import Services
from shared.azure.tables.records import RecordConflictError
from shared.errors import BlobChangedError, StepFailedError
from shared.inspection.request import open_inspection
from shared.model.catalogue import point_metadata
from shared.model.job import JobKind, Next
from shared.model.messages import RunMessage
from shared.model.point import TakenSnapshot
from shared.model.restore import Restore, RestoreFailedError, as_done
from shared.model.restore_target import adopted, restored_point
from shared.model.run import Kind
from shared.points.versions import point_of, version_of
from shared.restore.end import clean_up_restore, is_adopted
from shared.restore.prove import prove_part, proved


async def prove_and_adopt(services: Services, restore: Restore) -> Next[Restore]:
    """Snapshot the restored disk; then prove it, a part at a time; then adopt it.

    Raises:
        RestoreFailedError: it is not the recovery point.
        BlobChangedError: somebody has written to the disk or its backup blob since the copy.
        StepFailedError: something went wrong, and whether the disk is adopted can't be seen: as long as that is so, the
            restore is not begun anew, nor ended.
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
        return Next(done(restore, services.now()))


async def _prove_and_adopt(services: Services, restore: Restore) -> Next[Restore]:
    now = services.now()
    if not restore.target_snapshot:
        taken = await services.disks.take_snapshot(restore.known_target, restore.target_etag)
        return Next(replace(restore, target_snapshot=taken, checked=now))
    if restore.parts_proved < restore.parts_total:
        point = version_of(
            services, restore.known_disk, await point_of(services, restore.known_disk, restore.recovery_point)
        )
        proven = await prove_part(services, restore, point)
        return Next(replace(proven, checked=services.now()))
    await _adopt(services, restore)
    return Next(done(restore, services.now()))


def done(restore: Restore, now: datetime) -> Restore:
    """End a restore that has adopted its target, and say what was proved."""
    return as_done(restore, proved(restore), now)


async def end_restore(services: Services, restore: Restore) -> Next[Restore]:
    """Clean up after a restore that has adopted its target; its row says so last."""
    if restore.is_of_own_snapshot:
        # The pair was copied from two places: that they hold the same, samples alone have shown so far.
        name = f"restored-{restore.restore}"
        await open_inspection(services, JobKind.VERIFY, restore.known_target, restore.target_snapshot, name)
    await clean_up_restore(services, restore)
    return Next(restore.cleaned_up())


async def _adopt(services: Services, restore: Restore) -> None:
    """Take the first recovery point of the restored disk, and advance its record. Repeating any part is harmless.

    Raises:
        RestoreFailedError: the target's record was taken from this restore.
        BlobChangedError, LeaseLostError: somebody has written to the backup blob, or broken its lease.
        RecordConflictError: somebody else was faster.
    """
    target = restore.known_target
    # The record first: a seal by another invocation after that is refused by its ETag, one before it is seen.
    found = await services.records.get(target)
    if await services.records.point(target, restore.target_snapshot):
        return
    if found is None or found[0].restore != restore.restore:
        raise RestoreFailedError(f"the record of {target.name} no longer names this restore")
    record, etag = found
    await _require_open(services, restore)
    try:
        taken = await _taken(services, restore)
    except BlobChangedError:
        # Another invocation may have adopted it just now, and ended the lease.
        if await services.records.point(target, restore.target_snapshot):
            return
        raise
    point = restored_point(restore, services.backups.address(target), taken.time, services.now())
    advanced = adopted(record, point, taken, is_listed=services.settings.covers(target))
    await services.records.seal(target, advanced, etag, point)


async def _require_open(services: Services, restore: Restore) -> None:
    """See to it that no other invocation has ended the restore; from now on that changes the target's record.

    Raises:
        RecordConflictError: one has.
    """
    found = await services.restores.find(restore.known_disk, restore.row_key)
    if found is None or found[0].has_ended:
        raise RecordConflictError(restore.restore)


async def _taken(services: Services, restore: Restore) -> TakenSnapshot:
    """Find the snapshot of the backup blob that an earlier try has taken, or take it."""
    target = restore.known_target
    run = RunMessage(disk=target, run=restore.target_snapshot)
    backup = services.backups.address(target)
    for taken in await services.snapshots.of_run(backup, run.run_id):
        if taken.etag == restore.backup_etag:
            return taken
    metadata = point_metadata(run, Kind.RESTORE, restore.backup_etag)
    time = await services.snapshots.take(backup, restore.backup_etag, metadata, restore.lease)
    return TakenSnapshot(time=time, plan=run.plan, etag=restore.backup_etag)

"""The target of a restore: claimed on record, free of runs and other restores, and under the restore's lease."""

from dataclasses import replace
from datetime import timedelta

from azure.core.exceptions import ResourceNotFoundError

from shared.azure.services import Services
from shared.azure.tables.records import RecordConflictError
from shared.errors import DiskError, TargetLeasedError
from shared.model.blob import BlobState
from shared.model.disk import Disk, ManagedDisk, PageBlobDisk
from shared.model.job import JobKind, Next, job_row
from shared.model.messages import FinishMessage
from shared.model.names import RESTORE_METADATA
from shared.model.record import DiskRecord, restored_of
from shared.model.restore import RefusedError, Restore, RestoreFailedError
from shared.model.restore_target import claimed, require_overwritable, require_trial, without_restore
from shared.model.run import Mode, OpenRun
from shared.restore.end import clean_up_or_abandon
from shared.restore.managed_target import discard_lost
from shared.runs.abandon import abandon_run
from shared.runs.failures import new_record
from shared.runs.full_copies import is_copying

_RECHECK_AFTER = timedelta(seconds=5)


async def claim(services: Services, restore: Restore, target: Disk) -> DiskRecord:
    """Record this restore on its target, unless another restore is recorded there."""

    def change(record: DiskRecord) -> DiskRecord:
        return record if record.restore else claimed(record, restore)

    record = await services.records.update(target, change)
    if record is None:
        record = claimed(new_record(services, target), restore)
        await services.records.put(target, record, None)
    return record


async def wait_for_restore(services: Services, restore: Restore, target: Disk, record: DiskRecord) -> Next[Restore]:
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
    elif isinstance(target, ManagedDisk):
        await discard_lost(services, target, record.restore)
    else:
        await services.records.update(target, lambda now: without_restore(now, record.restore))
    return Next(replace(restore, checked=services.now()), _RECHECK_AFTER)


async def require_current(services: Services, restore: Restore) -> None:
    """Require that the restore is still at the step its row was read at, and that it still holds its target.

    Called after the blob to copy to was read, and before any change, which is conditional on the ETag read: so an
    invocation that hung until the disk was in use again does not copy over it.

    Raises:
        RecordConflictError: another invocation has continued the restore.
        RestoreFailedError: the target's record was deleted, or names another restore.
    """
    row = await services.restores.find(restore.known_disk, restore.row_key)
    if row is None or (row[0].state, row[0].attempt) != (restore.state, restore.attempt):
        raise RecordConflictError(restore.restore)
    found = await services.records.get(restore.claims[0])
    if found is None or found[0].restore != restore.restore:
        raise RestoreFailedError(f"the record of {restore.target} no longer names this restore")


async def wait_for_run(services: Services, restore: Restore, run: OpenRun, then: str) -> Next[Restore]:
    """Wait for the target's open run to finish; give it up if it is stalled, unless the service is copying for it.

    Args:
        services: the services.
        restore: the restore.
        run: the run.
        then: what follows, for people.
    """
    target, now, after = restore.known_target, services.now(), services.settings.stalled_after
    message = FinishMessage(disk=target, run=run.snapshot)
    is_stalled = now - run.progressed >= after
    if is_stalled and not (run.mode is Mode.FULL and await is_copying(services, message, run)):
        why = DiskError(f"it made no progress, and restore {restore.restore} is waiting to overwrite the disk")
        await abandon_run(services, message, why)
        return Next(replace(restore, checked=now))
    if run.is_check_overdue(now, after):
        await services.queues.send(message)
    waiting = waiting_for(restore, run.snapshot, then)
    return Next(replace(restore, reason=waiting, checked=now), restore.next_check(now))


def waiting_for(restore: Restore, run: str, then: str) -> str:
    """Say which run of the target a restore waits for, and what follows."""
    return f"waiting for backup run {run} of {restore.known_target.name} to finish, {then}"


async def take_target(services: Services, restore: Restore) -> bool:
    """Create the target if it is new, and lease it for the restore, so that nothing else can write to it.

    Returns:
        Whether this restore has created it.

    Raises:
        RefusedError: it was created or deleted since it was checked, or its container does not exist.
        TargetLeasedError: it is under another lease.
    """
    target = restore.page_blob_target
    existing = await services.pages.find(target.address)
    if existing is None and not restore.target_is_new:
        raise RefusedError(
            f"{target.name} was deleted since the request was accepted. What to do: send the request again"
        )
    is_other = existing is not None and existing.metadata.get(RESTORE_METADATA) != restore.restore
    if existing and is_other:
        await require_replaceable(services, restore, target, existing, restore.size)
    if not restore.adopt:
        await require_unknown(services, target)
    try:
        mark = {RESTORE_METADATA: restore.restore}
        etag = existing.etag if existing else await services.blobs.create(target.address, restore.size, mark)
    except ResourceNotFoundError:
        raise RefusedError(
            f"the container {target.address.parent.url} does not exist. What to do: create it, or choose another target"
        ) from None
    await services.leases.acquire(target.address, restore.lease, etag)
    return restore.target_is_new and not is_other


async def require_replaceable(
    services: Services, restore: Restore, target: PageBlobDisk, existing: BlobState, point_size: int
) -> None:
    """Require that a restore may write over an existing blob, which nobody else has leased.

    Raises:
        RefusedError: the request does not say so.
        TargetLeasedError: it is under another lease.
    """
    known = max(await services.records.point_times(target), default="")
    require_overwritable(restore, target, existing, point_size, known)
    if existing.leased and not await services.leases.renew(target.address, restore.lease):
        raise TargetLeasedError(target.name)


async def require_unknown(services: Services, target: Disk) -> None:
    """Require that the target of a trial is not backed up, nor would be.

    Raises:
        RefusedError: it is.
    """
    record = await services.records.get(target)
    require_trial(target, record[0] if record else None, is_listed=services.settings.covers(target))

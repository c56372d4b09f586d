"""The undo point: the state of an existing target is sealed as a recovery point before anything is written over it.

The target is under the restore's lease meanwhile, so what its snapshot holds is what the copy then replaces.
"""

from dataclasses import replace

from shared.azure.services import Services
from shared.azure.tables.records import RecordConflictError
from shared.errors import DiskError, SourceGoneError
from shared.model.job import Next
from shared.model.messages import RunMessage
from shared.model.record import DiskRecord
from shared.model.restore import RefusedError, Restore
from shared.restore.target import wait_for_run, waiting_for
from shared.runs.open_run import enqueue_again, open_run, require_fit

_THEN = "which makes the undo point"


async def save_target(services: Services, restore: Restore) -> Next[Restore]:
    """Snapshot the target, then open its run, then wait until that is sealed; only then start the copies.

    The snapshot is on the restore's row before its run is opened: however often a step is repeated, there is one run.

    Raises:
        RefusedError: the undo point can't be taken.
        TargetLeasedError: the target is under another lease.
        BlobChangedError: the target was just changed.
        RecordConflictError: another invocation was faster.
    """
    if not restore.undo_run:
        return await _snapshot(services, restore)
    target = restore.known_target
    found = await services.records.get(target)
    if found is None or found[0].restore != restore.restore:
        raise RefusedError(f"the record of {target.name} no longer names this restore")
    if await services.records.point(target, restore.undo_run):
        return await _go_on(services, restore, found[0])
    if run := found[0].run:
        if not restore.reason:  # whoever opened it may have died before it enqueued the run's messages
            await enqueue_again(services, target, run)
        return await wait_for_run(services, restore, run, _THEN)
    try:
        if not await open_run(services, target, restore.undo_run, restore=restore.restore):
            raise RecordConflictError(target.name)
    except SourceGoneError:
        why = found[0].last_error or "its snapshot was deleted"
        raise RefusedError(f"backup run {restore.undo_run} was given up: {why}") from None
    except DiskError as error:
        raise RefusedError(str(error)) from None
    return Next(replace(restore, reason=waiting_for(restore, restore.undo_run, _THEN), checked=services.now()))


async def start_copies(services: Services, restore: Restore) -> Restore:
    """Move a restore that may write over its target to its first copy.

    Whatever it waited for, a run or another restore, may have created the backup blob.
    """
    backup_is_new = restore.adopt and (
        await services.pages.find(services.backups.address(restore.known_target)) is None
    )
    return replace(restore.at_stage(restore.first_stage, services.now()), backup_is_new=backup_is_new)


async def _snapshot(services: Services, restore: Restore) -> Next[Restore]:
    target = restore.known_target
    try:
        require_fit(services, target)
    except DiskError as error:
        raise RefusedError(str(error)) from None
    existing = await services.pages.find(target.address)
    if existing is None:
        raise RefusedError(f"{target.name} was deleted since the request was accepted")
    await services.leases.acquire(target.address, restore.lease, existing.etag)
    taken = await services.disks.take_snapshot(target, existing.etag)
    return Next(replace(restore, undo_run=taken, saved_etag=existing.etag, checked=services.now()))


async def _go_on(services: Services, restore: Restore, record: DiskRecord) -> Next[Restore]:
    """Release the sealed run's lease, and start the copies."""
    target = restore.known_target
    sealed = RunMessage(disk=target, run=restore.undo_run, plan=record.sealed_plan)
    await services.leases.release(services.backups.address(target), sealed.lease_id)
    saved = replace(restore, saving=False, undo_point=restore.undo_run)
    return Next(await start_copies(services, saved))

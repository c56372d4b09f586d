"""The undo point: the state of an existing target is sealed as a recovery point before anything is written over it.

The target is under the restore's lease meanwhile, so what its snapshot holds is what the copy then replaces.
"""

from dataclasses import replace

from shared.azure.services import Services
from shared.azure.tables.records import RecordConflictError
from shared.errors import DiskError, SourceGoneError
from shared.model.failed_runs import should_abandon
from shared.model.job import Next
from shared.model.messages import RunMessage
from shared.model.record import DiskRecord
from shared.model.restore import RefusedError, Restore
from shared.model.retry_policy import is_too_long
from shared.model.run import Mode, OpenRun
from shared.owner.mark import require_owner
from shared.restore.target import waiting_for
from shared.runs.abandon import abandon_run
from shared.runs.full_copies import is_copying
from shared.runs.open_run import enqueue_again, open_run, require_fit

_THEN = "which makes the undo point"


async def save_target(services: Services, restore: Restore) -> Next[Restore]:
    """Snapshot the target, then open its run, then wait until that is sealed; only then start the copies.

    The snapshot is on the restore's row before its run is opened: however often a step is repeated, there is one run.

    Raises:
        RefusedError: the undo point can't be taken.
        NotOwnerError: the backup container belongs to another app by now.
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
    if found[0].run:
        return await _wait(services, restore, found[0], found[0].run)
    await require_owner(services)  # else the run would be given up and opened again, for ever
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


async def _wait(services: Services, restore: Restore, record: DiskRecord, run: OpenRun) -> Next[Restore]:
    """Wait for the run that makes the undo point; it has as long as any run, for nothing can be done without it."""
    target, now = restore.known_target, services.now()
    message = RunMessage(disk=target, run=run.snapshot)
    is_stuck = should_abandon(record, now) or is_too_long(run.progressed, now)
    if is_stuck and not (run.mode is Mode.FULL and await is_copying(services, message, run)):
        await abandon_run(services, message, DiskError(record.last_error or "it made no progress for a day"))
        return Next(replace(restore, checked=now))
    # Whoever opened it may have died before it enqueued the run's messages.
    if not restore.reason or run.is_check_overdue(now, services.settings.stalled_after):
        await enqueue_again(services, target, run)
    trouble = f". Its last error: {record.last_error}" if run.error_at and record.last_error else ""
    waiting = waiting_for(restore, run.snapshot, f"{_THEN}{trouble}")
    return Next(replace(restore, reason=waiting, checked=now), restore.next_check(now))


async def _snapshot(services: Services, restore: Restore) -> Next[Restore]:
    target = restore.page_blob_target
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

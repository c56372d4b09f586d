"""Abandoning a run that can't be finished: close it on record, release its lease, and delete what it made."""

import contextlib

from azure.core.exceptions import AzureError

from shared.azure.services import Services
from shared.errors import NotOwnerError, TidemarkError
from shared.events import Event, log_event
from shared.model.messages import FinishMessage, RunMessage
from shared.model.record import DiskRecord
from shared.model.retry_policy import MAX_CHECK_DELAY
from shared.model.run import Mode, OpenRun
from shared.model.run_steps import abandoned
from shared.owner.mark import require_owner
from shared.runs.clean_up import drop_duplicates
from shared.runs.failures import record_failure
from shared.runs.full_copies import drop_full_copy, full_copy_of


async def abandon_run(services: Services, message: RunMessage, why: Exception, *, by_intent: bool = False) -> None:
    """Close a run without a recovery point. If it left the backup blob between two states, the next run is a resync.

    Args:
        services: the services.
        message: a message of the run.
        why: why it is closed.
        by_intent: whether an operator wants it; if not, it is a failure.
    """

    def closed(record: DiskRecord) -> DiskRecord:
        reason = f"run {message.run} was given up: {why}"
        return abandoned(record, reason) if record.run_of(message.run) else record

    found = await services.records.get(message.disk)
    run = found[0].run_of(message.run) if found else None
    if run is None:
        return
    if by_intent:
        log_event(Event.RUN_CANCELED, **message.about, reason=str(why))
    else:
        await record_failure(services, message.disk, Event.RUN_FAILED, why, message.run)
    record = await services.records.update(message.disk, closed)
    if await _is_anothers(services):
        await _leave_to_owner(services, message, run)
    else:
        await _drop(services, message, run, record)
    # If a tick found this run open, the disk must be caught up; a no-op if the current tick snapshots it.
    await services.queues.send(FinishMessage(disk=message.disk, run=message.run), MAX_CHECK_DELAY)


async def _is_anothers(services: Services) -> bool:
    """Return whether the backup container belongs to another app by now; False if that can't be told."""
    try:
        await require_owner(services)
    except NotOwnerError:
        return True
    except (AzureError, TidemarkError):
        pass
    return False


async def _drop(services: Services, message: RunMessage, run: OpenRun, record: DiskRecord | None) -> None:
    """Release the run's lease, and delete what it made, its source snapshot included unless it was sealed meanwhile."""
    try:
        await _drop_backups(services, message, run, record)
    finally:
        # In an outage of the backup account, too: premium storage allows 100 snapshots of a disk, and then no backup.
        if record and record.base_snapshot != message.run:
            await services.disks.delete_snapshot(message.disk, message.run)


async def _drop_backups(services: Services, message: RunMessage, run: OpenRun, record: DiskRecord | None) -> None:
    """Release the run's lease, and delete what it made in the backup account."""
    if run.mode is Mode.FULL:
        await drop_full_copy(services, message, run)
        return
    backup, lease = services.backups.address(message.disk), message.of_plan(run.plan).lease_id
    await services.leases.release(backup, lease)
    await _drop_backup_snapshots(services, message)
    if record and record.backup_blob and not record.backup_blob.is_same_as(backup):
        with contextlib.suppress(AzureError):  # it may have begun in the container before, which may be gone
            await services.leases.release(record.backup_blob, lease)


async def _leave_to_owner(services: Services, message: RunMessage, run: OpenRun) -> None:
    """Release the run's lease, but delete nothing that the container's new owner may have on record by now.

    A rebuilt catalogue has each snapshot and full copy that a run has made, sealed or not, and the source snapshot is
    the base of its next run. The owner deletes what it does not need.
    """
    if run.mode is Mode.FULL:
        is_used = (await services.pages.find(full_copy_of(services, message, run).target)) is not None
    else:
        backup = services.backups.address(message.disk)
        await services.leases.release(backup, message.of_plan(run.plan).lease_id)
        is_used = bool(await services.snapshots.of_run(backup, message.run_id))
    if not is_used:
        await services.disks.delete_snapshot(message.disk, message.run)


async def _drop_backup_snapshots(services: Services, message: RunMessage) -> None:
    """Delete the run's snapshots of the backup blob, which no row names.

    The lease is already released, so there can be no more. If another invocation sealed the run in the meantime, its
    recovery point is kept.
    """
    point = await services.records.point(message.disk, message.run)
    await drop_duplicates(services, message, point.backup_snapshot if point else "")

"""Abandoning a run that can't be finished: close it on record, release its lease, and delete what it made."""

from shared.azure.services import Services
from shared.events import Event, log_event
from shared.model.messages import FinishMessage, RunMessage
from shared.model.record import DiskRecord
from shared.model.retry_policy import MAX_CHECK_DELAY
from shared.model.run import Mode
from shared.model.run_steps import abandoned
from shared.runs.clean_up import drop_duplicates
from shared.runs.failures import record_failure
from shared.runs.full_copies import drop_full_copy


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
    if run is not None:
        if by_intent:
            log_event(Event.RUN_CANCELED, **message.about, reason=str(why))
        else:
            await record_failure(services, message.disk, Event.RUN_FAILED, why, message.run)
        record = await services.records.update(message.disk, closed)
        if run.mode is Mode.FULL:
            await drop_full_copy(services, message, run)
        else:
            backup = services.backups.address(message.disk)
            await services.leases.release(backup, message.of_plan(run.plan).lease_id)
            await _drop_backup_snapshots(services, message)
        if record and record.base_snapshot != message.run:
            await services.disks.delete_snapshot(message.disk, message.run)
    if run is not None:
        # If a tick found this run open, the disk must be caught up; a no-op if the current tick snapshots it.
        await services.queues.send(FinishMessage(disk=message.disk, run=message.run), MAX_CHECK_DELAY)


async def _drop_backup_snapshots(services: Services, message: RunMessage) -> None:
    """Delete the run's snapshots of the backup blob, which no row names.

    The lease is already released, so there can be no more. If another invocation sealed the run in the meantime, its
    recovery point is kept.
    """
    point = await services.records.point(message.disk, message.run)
    await drop_duplicates(services, message, point.backup_snapshot if point else "")

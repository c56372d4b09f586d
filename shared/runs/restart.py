"""Restarting a run under a new plan number and lease id, so that late messages and writes of the old plan fail."""

from dataclasses import replace
from datetime import timedelta

from shared.azure.services import Services
from shared.errors import DiskError
from shared.events import Event, log_event
from shared.model.disk import Disk
from shared.model.failed_runs import MAX_RESYNCS
from shared.model.messages import PlanMessage, RunMessage
from shared.model.record import DiskRecord, run_of
from shared.model.run import Kind
from shared.model.run_steps import restarted
from shared.runs.abandon import abandon_run

_PLAN_DELAY = timedelta(seconds=2)
"""Delay of a plan message that is sent before the record is updated, so that it finds the update."""


async def restart_run(services: Services, message: RunMessage, kind: Kind, reason: str) -> None:
    """Restart a run from scratch under a new plan.

    The plan message is sent before the record is updated: once the new plan is on record, a redelivery of `message` is
    dropped, so nothing would send it.

    Args:
        services: the services.
        message: a message of the current plan.
        kind: the kind that the run becomes.
        reason: why it restarts.
    """
    await services.queues.send(PlanMessage(disk=message.disk, run=message.run), _PLAN_DELAY)

    def change(record: DiskRecord) -> DiskRecord:
        run = record.run_of(message.run)
        return restarted(record, kind, reason) if run and run.plan == message.plan else record

    record = await services.records.update(message.disk, change)
    await _move_lease(services, message, record, reason)


async def resync(services: Services, message: RunMessage, reason: str) -> None:
    """Restart a run as a resync because its backup blob failed verification; after `MAX_RESYNCS`, abandon it.

    The run after an abandoned one starts from a new source snapshot.

    Args:
        services: the services.
        message: a message of the current plan.
        reason: what differs.
    """
    now = services.now()

    def change(record: DiskRecord) -> DiskRecord:
        run = record.run_of(message.run)
        if run is None or run.plan != message.plan or run.resyncs >= MAX_RESYNCS:
            return record
        return restarted(record, Kind.RESYNC, reason).with_run(
            replace(run_of(restarted(record, Kind.RESYNC, reason)), resyncs=run.resyncs + 1, progressed=now)
        )

    record = await services.records.update(message.disk, change)
    run = record.run_of(message.run) if record else None
    if run and run.plan == message.plan:
        await abandon_run(services, message, DiskError(f"it failed {run.resyncs + 1} times: {reason}"))
    else:
        await _enqueue_plan(services, message, record, reason)


async def force_resync(services: Services, disk: Disk, point: str, reason: str) -> None:
    """Stop basing runs on a damaged recovery point: the disk's open incremental run, or its next run, becomes a resync.

    Args:
        services: the services.
        disk: the disk.
        point: the time of the recovery point; nothing happens unless it is the base.
        reason: what is wrong with it.
    """
    restarted_runs: list[RunMessage] = []

    def change(record: DiskRecord) -> DiskRecord:
        restarted_runs.clear()
        if record.base_snapshot != point:
            return record
        flagged = replace(record, resync_reason=record.resync_reason or reason)
        run = record.run
        if run is None or not run.opened or run.kind is not Kind.INCREMENTAL:
            return flagged
        restarted_runs.append(RunMessage(disk=record.disk, run=run.snapshot, plan=run.plan))
        return restarted(flagged, Kind.RESYNC, reason)

    record = await services.records.update(disk, change)
    for message in restarted_runs:
        await _enqueue_plan(services, message, record, reason)


async def _enqueue_plan(services: Services, message: RunMessage, record: DiskRecord | None, reason: str) -> None:
    """Move the lease to the new plan, and enqueue that plan."""
    if await _move_lease(services, message, record, reason):
        await services.queues.send(PlanMessage(disk=message.disk, run=message.run))


async def _move_lease(services: Services, message: RunMessage, record: DiskRecord | None, reason: str) -> bool:
    """Move the backup blob's lease to the new plan, and log the restart; return whether the run is open."""
    run = record.run_of(message.run) if record else None
    if run is None:
        return False
    if run.plan == message.plan + 1:
        next_lease = message.of_plan(run.plan).lease_id
        await services.leases.change(services.backups.address(message.disk), message.lease_id, next_lease)
    log_event(Event.RUN_BEGUN_ANEW, **message.about, kind=run.kind, reason=reason)
    return True

"""How a run's plan is begun anew: under another number and another lease id, so that nothing of the old one counts."""

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
from shared.runs.give_up import give_up

_FIRST_ON_RECORD = timedelta(seconds=2)
"""How long a plan that is enqueued first waits, so that what it is about is on record."""


async def begin_anew(services: Services, message: RunMessage, kind: Kind, reason: str) -> None:
    """Begin the plan of a run anew, and say why; the message is of the plan that is over then.

    The next plan is enqueued first: once it is on record, the message that fails here is dropped when it comes again.
    """
    await services.queues.send(PlanMessage(disk=message.disk, run=message.run), _FIRST_ON_RECORD)

    def change(record: DiskRecord) -> DiskRecord:
        run = record.run_of(message.run)
        return restarted(record, kind, reason) if run and run.plan == message.plan else record

    record = await services.records.update(message.disk, change)
    await _hand_on(services, message, record, reason)


async def resync(services: Services, message: RunMessage, reason: str) -> None:
    """Have a run write the whole disk anew, since its backup blob is not what it should be.

    One that was tried often enough is given up: the next one begins with a source snapshot of its own.
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
        await give_up(services, message, DiskError(f"it failed {run.resyncs + 1} times: {reason}"))
    else:
        await _plan(services, message, record, reason)


async def distrust(services: Services, disk: Disk, point: str, reason: str) -> None:
    """Have nothing be based on what is not right any more: the next run, or the one that is open, is a resync.

    Args:
        services: the services.
        disk: the disk.
        point: the time of a recovery point; only where it is the base something follows.
        reason: what is wrong with it.
    """
    planned: list[RunMessage] = []

    def change(record: DiskRecord) -> DiskRecord:
        planned.clear()
        if record.base_snapshot != point:
            return record
        doubted = replace(record, resync_reason=record.resync_reason or reason)
        run = record.run
        if run is None or not run.opened or run.kind is not Kind.INCREMENTAL:
            return doubted
        planned.append(RunMessage(disk=record.disk, run=run.snapshot, plan=run.plan))
        return restarted(doubted, Kind.RESYNC, reason)

    record = await services.records.update(disk, change)
    for message in planned:
        await _plan(services, message, record, reason)


async def _plan(services: Services, message: RunMessage, record: DiskRecord | None, reason: str) -> None:
    """Hand the lease on to the next plan, and enqueue that."""
    if await _hand_on(services, message, record, reason):
        await services.queues.send(PlanMessage(disk=message.disk, run=message.run))


async def _hand_on(services: Services, message: RunMessage, record: DiskRecord | None, reason: str) -> bool:
    """Hand the lease on to the next plan; tell whether the run is open."""
    run = record.run_of(message.run) if record else None
    if run is None:
        return False
    if run.plan == message.plan + 1:
        next_lease = message.of_plan(run.plan).lease_id
        await services.leases.change(services.backups.address(message.disk), message.lease_id, next_lease)
    log_event(Event.RUN_BEGUN_ANEW, **message.about, kind=run.kind, reason=reason)
    return True

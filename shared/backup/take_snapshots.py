"""Step 1 of a backup, on the timer: snapshot all disks, as close together as possible, then open their runs."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from azure.core.exceptions import AzureError

from shared.azure.answers import explain
from shared.azure.services import Services
from shared.backup.find_disks import FoundDisks, find_disks, for_each
from shared.backup.tell_report import tell_app, tell_report
from shared.backup.tries import WAIT_FOR_SLOW, Tried, Tries, tried_for_each
from shared.backup.watch_known import watch_known
from shared.errors import NotOwnerError, TidemarkError
from shared.events import Event, Stopwatch, log_event
from shared.inspection.scratch import drop_orphans
from shared.jobs.storage import wait_for_storage
from shared.jobs.watch import watch_jobs
from shared.model.batches import is_run_stalled
from shared.model.disk import Disk, ManagedDisk
from shared.model.failed_runs import is_failing, retried
from shared.model.job import JobKind, job_row
from shared.model.late_snapshots import tried_soon
from shared.model.messages import FinishMessage, PlanMessage, RestoreMessage, TickMessage
from shared.model.record import DiskRecord, restored_of
from shared.model.report import AppReport
from shared.model.restore_target import without_restore
from shared.model.run import OpenRun
from shared.model.schedule import due_around
from shared.model.tick import MIN_TICK_CHECK_DELAY, Due, with_tick
from shared.owner.mark import require_owner
from shared.runs.catch_up import Refusal, catch_up, record_refusal
from shared.runs.open_run import open_run


async def take_snapshots(services: Services) -> None:
    """Snapshot every disk without an open run and start its run; make sure that open runs continue.

    All snapshots are taken at once, before any other work: the disks of one VM belong together. An error affects only
    its own disk, and the runs of the others do not wait for those that are slow. A disk with an open run or a restore
    is late: it is snapshotted as soon as that ends. So is one whose snapshot is refused for now: that is tried again
    within minutes, by `report_tick`.

    Args:
        services: the services.

    Raises:
        StepFailedError: the table or the queues can't be reached.
        NotOwnerError: the backup container belongs to another app: the tick fails, and nothing is done.
    """
    watch, tick = Stopwatch(), services.now()
    due = due_around(services.settings.backup_schedule, tick)
    await wait_for_storage(services, Event.TICK_FAILED)
    await _require_owner(services, tick, due)
    disks = await find_disks(services)
    async with Tries(disks.ready, services.disks.take_snapshot) as tries:
        prompt = await tries.ended(quiet_for=WAIT_FOR_SLOW)
        log_event(
            Event.SNAPSHOTS_TAKEN,
            tick=tick.isoformat(),
            disks=len(disks.due),
            snapshots=len(prompt.done),
            open_runs=len(disks.running),
            restores=len(disks.restoring),
            duration_seconds=watch.seconds,
            next_tick=due.next if due else None,
        )
        message = await _begin_tick(services, disks, tick, due)
        is_watched = await _is_sent(services, message)
        slow = tries.pending
        await _begin_runs(services, disks, tick, prompt, {*disks.due, *disks.running, *disks.restoring} - slow)
        if slow:
            await _begin_runs(services, disks, tick, await tries.ended(), slow)
    if not is_watched:  # else nobody would try again what was refused
        await _is_sent(services, message)
    await watch_jobs(services)
    await _drop_orphans(services)
    await watch_known(services, disks)  # it takes long where storage does not answer
    await tell_report(services, lambda app: app, repeat=True)


async def _begin_runs(
    services: Services, disks: FoundDisks, tick: datetime, snapshots: Tried[str], chosen: Collection[Disk]
) -> None:
    """Open the runs of the chosen disks that have a snapshot, and see to the others."""

    async def begin_run(disk: Disk) -> None:
        await open_run(services, disk, snapshots.done[disk], tick)

    async def watch_disk(disk: Disk) -> None:
        record = disks.found.get(disk)
        is_busy = record is not None and bool(record.run or record.restore)
        if disk in refusals:
            await record_refusal(services, disk, tick, refusals[disk])
        elif disk in disks.due and (is_busy or disk in disks.unfit):
            await services.records.update(disk, lambda current: with_tick(current, tick, is_late=is_busy))
        elif disk in disks.due:  # its record could not be read
            await services.records.update(disk, lambda current: tried_soon(current, tick, services.now()))
        if record and record.run:
            await _watch_run(services, disk, record, record.run)
        if record and record.restore:
            await _watch_restore(services, disk, record)
        if is_busy:
            await catch_up(services, disk)  # the run or restore may have ended just before this tick was recorded

    begun, unopened = await tried_for_each(list(snapshots.done), begin_run)
    refusals = {disk: Refusal(error, Event.SNAPSHOT_FAILED) for disk, error in snapshots.errors.items()}
    refusals |= {disk: Refusal(error, Event.OPEN_RUN_FAILED) for disk, error in unopened.items()}
    await for_each(services, sorted({*chosen} - begun.keys()), watch_disk, Event.WATCH_DISK_FAILED)


async def _require_owner(services: Services, tick: datetime, due: Due | None) -> None:
    """Require that the backup container is this app's.

    If that can't be told, the disks are snapshotted all the same: an outage of the backup account must not cost a
    recovery point, and nothing is written there before each run has asked again.

    Raises:
        NotOwnerError: it is another app's.
    """
    try:
        await require_owner(services)
    except NotOwnerError as error:
        reason = str(error)
        log_event(Event.NOT_OWNER, tick=tick.isoformat(), reason=reason)
        await tell_app(services, lambda app: app.at_tick(tick, due, disks=0, absent=0).as_failed(reason))
        raise
    except (AzureError, TidemarkError) as error:
        log_event(Event.OWNER_UNKNOWN, tick=tick.isoformat(), reason=explain(error))


async def _begin_tick(services: Services, disks: FoundDisks, tick: datetime, due: Due | None) -> TickMessage:
    """Log the disks that are due; return the message that checks the tick until all are backed up."""
    absent = len(disks.absent) + disks.unknown
    message = TickMessage(tick=tick, disks=len(disks.due) + absent, absent=absent)
    problem, is_set = services.settings.heartbeat_problem, services.settings.heartbeat_url is not None

    def ticked(app: AppReport) -> AppReport:
        at_tick = app.at_tick(tick, due, disks=message.disks, absent=absent)
        told = replace(at_tick, page_problem=services.settings.page_problem)
        return told.with_heartbeat_set(is_set=is_set, problem=problem)

    await tell_app(services, ticked)
    for disk in disks.due:
        record = disks.found.get(disk)
        point = record.last_point if record else ""
        log_event(Event.BACKUP_DUE, disk=disk.name, **message.about, last_point=point)
        if record and (record.run or record.restore):
            _log_late(disk, record, message)
    if problem:
        log_event(Event.HEARTBEAT_FAILED, **message.about, reason=problem)
    if services.settings.page_problem:
        log_event(Event.PAGE_FAILED, **message.about, reason=services.settings.page_problem)
    return message


async def _is_sent(services: Services, message: TickMessage) -> bool:
    """Enqueue the message that checks a tick; return whether it was, as the runs do not need it."""
    try:
        await services.queues.send(message, MIN_TICK_CHECK_DELAY)
    except AzureError as error:
        log_event(Event.REPORT_TICK_FAILED, **message.about, reason=explain(error))
        return False
    return True


def _log_late(disk: Disk, record: DiskRecord, message: TickMessage) -> None:
    """Log that a disk is busy at this tick and is snapshotted later."""
    waits_for = f"backup run {record.run.snapshot}" if record.run else f"restore {record.restore}"
    reason = f"waiting for {waits_for} to finish; the snapshot is taken right after that"
    log_event(Event.BACKUP_LATE, disk=disk.name, **message.about, reason=reason)


async def _watch_run(services: Services, disk: Disk, record: DiskRecord, run: OpenRun) -> None:
    """Retry an open run if it is failing, and enqueue its messages again if they appear to be lost."""
    now, after = services.now(), services.settings.stalled_after

    def retry(current: DiskRecord) -> DiskRecord:
        return retried(current, now) if current.run_of(run.snapshot) and is_failing(current, now) else current

    if is_failing(record, now):
        await services.records.update(disk, retry)
    if is_failing(record, now) or (not run.is_applied and is_run_stalled(run, now, after)):
        plan = PlanMessage(disk=disk, run=run.snapshot)
        log_event(Event.RUN_PLANNED_AGAIN, **plan.about)
        await services.queues.send(plan)
    if run.is_check_overdue(now, after):
        finish = FinishMessage(disk=disk, run=run.snapshot)
        log_event(Event.RUN_RESUMED, **finish.about)
        await services.queues.send(finish)


async def _watch_restore(services: Services, disk: Disk, record: DiskRecord) -> None:
    """Release a disk from a restore that has ended, or whose row no longer exists.

    A managed disk stays claimed until the restore's step has deleted what is half uploaded.
    """
    found = await services.restores.find(restored_of(record), job_row(JobKind.RESTORE, record.restore))
    if found is None and not isinstance(disk, ManagedDisk):
        await services.records.update(disk, lambda current: without_restore(current, record.restore))
    elif found is None or found[0].has_ended:
        await services.queues.send(RestoreMessage(disk=restored_of(record), restore=record.restore))


async def _drop_orphans(services: Services) -> None:
    """Delete the scratch blobs that drills have left behind."""
    try:
        await drop_orphans(services)
    except (AzureError, TidemarkError) as error:
        log_event(Event.WATCH_INSPECTIONS_FAILED, reason=explain(error))

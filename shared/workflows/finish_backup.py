"""The last step: count what is done; when all is, seal: verify, take the recovery point, advance the record."""

import contextlib
import logging
from collections.abc import Callable
from datetime import datetime

from azure.core.exceptions import AzureError

from shared.decisions import LONGEST_CHECK_DELAY, is_complete, is_stalled, next_check, progressed, replanned
from shared.errors import DiffersError, LeaseLostError, ListingTimedOutError, NotAsLeftError, SourceGoneError
from shared.events import Event, log_event
from shared.messages import FinishMessage, PlanMessage
from shared.ranges import DisorderedRangesError
from shared.record import DiskRecord, Kind, OpenRun, Progress, Task
from shared.settings import Mode
from shared.storage.records import RecordConflictError
from shared.storage.services import Services
from shared.workflows.begin_anew import resync
from shared.workflows.failures import on_record, record_failure
from shared.workflows.full_copies import look_at_copy
from shared.workflows.give_up import give_up
from shared.workflows.open_run import catch_up
from shared.workflows.request_inspection import open_inspection
from shared.workflows.sealing.clean_up import clean_up, drop_duplicates
from shared.workflows.sealing.seal import is_current, seal, seal_copy

_PASSING = (AzureError, RecordConflictError, ListingTimedOutError, DisorderedRangesError)


async def finish_backup(services: Services, message: FinishMessage) -> None:
    """Look at a run's progress: seal it when it is complete, else look again later.

    When the run is over, and a tick has passed meanwhile, that tick's run is opened.
    """
    async with on_record(services, message, Event.FINISH_BACKUP_FAILED):
        found = await services.records.get(message.address)
        run = found[0].run_of(message.run) if found else None
        try:
            if found and found[0].base_snapshot == message.run:
                await clean_up(services, message, found[0])
            elif run and run.mode is Mode.FULL:
                await _advance_copy(services, message, run)
            elif run:
                await _advance(services, message, run)
            else:
                log_event(Event.MESSAGE_DROPPED, disk=message.disk, run=message.run, step="finish-backup")
                if point := await services.records.point(message.address, message.run):
                    # Sealed, and the next run as well: this message may be the one that was to clean up.
                    await drop_duplicates(services, message, point.backup_snapshot)
        except SourceGoneError as error:
            await give_up(services, message, error)
        except _PASSING as error:
            # This message is the run's heartbeat: it outlasts any outage, while the queue tries five times only.
            await record_failure(services, message.address, Event.FINISH_BACKUP_FAILED, error, message.run)
            await services.queues.send(message, LONGEST_CHECK_DELAY)
    async with on_record(services, message, Event.SNAPSHOT_FAILED):
        await catch_up(services, message.address)


async def _advance(services: Services, message: FinishMessage, run: OpenRun) -> None:
    """Seal a run on the backup blob if all its batches are done."""
    progress = await services.plans.progress(message.of_plan(run.plan))
    current = await _look_at(services, message, run, lambda record, now: progressed(record, progress, now))
    stalled = current is not None and current.replans > run.replans
    if current and is_complete(current, progress):
        await _seal(services, message, current, progress)
    else:
        await _come_back(services, message, run, plan_again=stalled)


async def _seal(services: Services, message: FinishMessage, run: OpenRun, progress: Progress) -> None:
    """Seal a run that is complete; where its backup blob is not what it should be, find the way on."""
    try:
        if not await seal(services, message, run, progress):
            await services.queues.send(message)
    except DiffersError as error:
        await record_failure(services, message.address, Event.RUN_DIFFERS, error, message.run)
        await _doubt_base(services, message, run)
        await resync(services, message.of_plan(run.plan), f"before the seal, {error}")
        await services.queues.send(message, next_check(run, services.now()))
    except (LeaseLostError, NotAsLeftError) as error:
        await record_failure(services, message.address, Event.SEAL_FAILED, error, message.run)
        await _come_back(services, message, run, plan_again=True)


async def _doubt_base(services: Services, message: FinishMessage, run: OpenRun) -> None:
    """Have the recovery point verified that an incremental run was based on: it may be what is wrong."""
    found = await services.records.get(message.address)
    if found and found[0].base_snapshot and run.kind is Kind.INCREMENTAL:
        await open_inspection(services, Task.VERIFY, message.address, found[0].base_snapshot, f"before-{message.run}")


async def _advance_copy(services: Services, message: FinishMessage, run: OpenRun) -> None:
    """Seal a run in full-copy mode if its copy has succeeded."""
    copy = await look_at_copy(services, message, run)
    if copy.finished:
        with contextlib.suppress(NotAsLeftError):  # another invocation has just done the same
            await seal_copy(services, message, run, copy.finished)
            return
    current = await _look_at(services, message, run, copy.on_record)
    stalled = current is not None and current.replans > run.replans
    await _come_back(services, message, run, plan_again=copy.is_lost or stalled)


async def _look_at(
    services: Services, message: FinishMessage, run: OpenRun, progress: Callable[[DiskRecord, datetime], DiskRecord]
) -> OpenRun | None:
    """Put a run's progress on record, and whether it is stalled; give the run, if it is still open."""
    now = services.now()

    def change(record: DiskRecord) -> DiskRecord:
        if not is_current(record, run):
            return record
        looked_at = progress(record, now)
        stalled = looked_at.run and is_stalled(looked_at.run, now, services.settings.stalled_after)
        return replanned(looked_at, now) if stalled else looked_at

    record = await services.records.update(message.address, change)
    return record.run if record and is_current(record, run) else None


async def _come_back(services: Services, message: FinishMessage, run: OpenRun, *, plan_again: bool) -> None:
    """Look again later; have the run planned again first, where its messages must be taken for lost."""
    if plan_again:
        log_event(Event.RUN_PLANNED_AGAIN, level=logging.WARNING, disk=message.disk, run=message.run)
        await services.queues.send(PlanMessage(disk=message.disk, run=message.run))
    await services.queues.send(message, next_check(run, services.now()))

"""The last step: look how far a run is; at its end, seal: verify, take the recovery point, advance the record."""

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

from azure.core.exceptions import AzureError

from shared.azure.answers import remedy_for
from shared.azure.services import Services
from shared.backup.seal import is_current, seal, seal_copy
from shared.errors import BlobChangedError, MismatchError, Remedy, SourceGoneError, TidemarkError
from shared.events import Event, log_event
from shared.inspection.request import open_inspection
from shared.model.batches import is_run_stalled, requeued
from shared.model.job import JobKind
from shared.model.messages import FinishMessage, PlanMessage
from shared.model.record import DiskRecord, run_of
from shared.model.retry_policy import MAX_CHECK_DELAY
from shared.model.run import Kind, Mode, OpenRun
from shared.model.run_steps import next_check
from shared.runs.abandon import abandon_run
from shared.runs.clean_up import clean_up_run, drop_duplicates
from shared.runs.failures import record_failure, recording_failures
from shared.runs.full_copies import check_full_copy, copy_checked
from shared.runs.open_run import catch_up
from shared.runs.restart import resync

_LEFT_TO_THE_QUEUE = frozenset({Remedy.RESTART, Remedy.WAIT_FOR_OWNER})
"""What this step knows no way on from: its queue tries five times, then a tick does."""

_IN_VAIN = frozenset({Remedy.FAIL, Remedy.RESTART_OR_FAIL, Remedy.WAIT_FOR_OWNER})
"""What would fail again after a run."""

_ENDS_AGAIN_AFTER = timedelta(minutes=5)
"""How long after a run what could not be tidied up, or a snapshot that was refused, is tried again."""

_NOTED_WITHIN = timedelta(seconds=2)
"""How long a plan that is enqueued again waits: it is to find on record that nobody is at the run."""


async def finish_backup(services: Services, message: FinishMessage) -> None:
    """Look at a run: seal it when its change list is applied, else look again later; tidy up after one that is over.

    Then the disk is caught up, if a tick has passed meanwhile.
    """
    async with recording_failures(services, message, Event.FINISH_BACKUP_FAILED):
        found = await services.records.get(message.disk)
        run = found[0].run_of(message.run) if found else None
        if run is None:
            await _end(services, message, found[0] if found else None)
            return
        try:
            if run.mode is Mode.FULL:
                await _advance_copy(services, message, run)
            else:
                await _advance(services, message, run)
        except SourceGoneError as error:
            await abandon_run(services, message, error)
        except (AzureError, TidemarkError) as error:
            if remedy_for(error) in _LEFT_TO_THE_QUEUE:
                raise
            # This message is the run's heartbeat: it outlasts any outage, while the queue tries five times only.
            await record_failure(services, message.disk, Event.FINISH_BACKUP_FAILED, error, message.run)
            await services.queues.send(message, MAX_CHECK_DELAY)


async def _end(services: Services, message: FinishMessage, record: DiskRecord | None) -> None:
    """Tidy up after a run that is over, and catch the disk up, whatever becomes of the one; what fails comes back."""
    has_tidied_up = await _is_done(services, message, _tidy_up(services, message, record), Event.FINISH_BACKUP_FAILED)
    caught_up = catch_up(services, message.disk, after_a_run=True)
    if not (await _is_done(services, message, caught_up, Event.SNAPSHOT_FAILED) and has_tidied_up):
        await services.queues.send(message, _ENDS_AGAIN_AFTER)


async def _is_done(services: Services, message: FinishMessage, step: Awaitable[None], failed: Event) -> bool:
    """Do a step; put on record what it fails for, and tell whether it is done, or would fail again."""
    try:
        await step
    except (AzureError, TidemarkError) as error:
        await record_failure(services, message.disk, failed, error, message.run)
        return remedy_for(error) in _IN_VAIN
    return True


async def _tidy_up(services: Services, message: FinishMessage, record: DiskRecord | None) -> None:
    if record and record.base_snapshot == message.run:
        await clean_up_run(services, message, record)
        return
    log_event(Event.MESSAGE_DROPPED, **message.about, step="finish-backup")
    if point := await services.records.point(message.disk, message.run):
        # Sealed, and the next run as well: this message may be the one that was to clean up.
        await drop_duplicates(services, message, point.backup_snapshot)


async def _advance(services: Services, message: FinishMessage, run: OpenRun) -> None:
    """Seal a run on the backup blob if its change list is applied; see to it that its batches go on."""
    current = await _look_at(
        services, message, run, lambda record, now: record.with_run(replace(run_of(record), checked=now))
    )
    if current is None:
        await services.queues.send(message, next_check(run, services.now()))
    elif current.is_applied:
        await _seal(services, message, current)
    else:
        await _come_back(services, message, current)


async def _seal(services: Services, message: FinishMessage, run: OpenRun) -> None:
    """Seal a run whose change list is applied; where its backup blob is not what it should be, find the way on."""
    try:
        if not await seal(services, message, run):
            await services.queues.send(message)
    except MismatchError as error:
        await record_failure(services, message.disk, Event.RUN_DIFFERS, error, message.run)
        await _doubt_base(services, message, run)
        await resync(services, message.of_plan(run.plan), f"verification before the seal failed: {error}")
        await services.queues.send(message, next_check(run, services.now()))
    except BlobChangedError as error:
        await record_failure(services, message.disk, Event.SEAL_FAILED, error, message.run)
        await _come_back(services, message, run, plan_again=True)


async def _doubt_base(services: Services, message: FinishMessage, run: OpenRun) -> None:
    """Have the recovery point verified that an incremental run was based on: it may be what is wrong."""
    found = await services.records.get(message.disk)
    if found and found[0].base_snapshot and run.kind is Kind.INCREMENTAL:
        await open_inspection(services, JobKind.VERIFY, message.disk, found[0].base_snapshot, f"before-{message.run}")


async def _advance_copy(services: Services, message: FinishMessage, run: OpenRun) -> None:
    """Seal a run in full-copy mode if its copy has succeeded."""
    progress = await check_full_copy(services, message, run)
    if made := progress.succeeded:
        with contextlib.suppress(BlobChangedError):  # another invocation has just done the same
            await seal_copy(services, message, run, made)
            return
    current = await _look_at(services, message, run, lambda record, now: copy_checked(record, progress, now))
    await _come_back(services, message, current or run, plan_again=run.opened and not progress.is_healthy)


async def _look_at(
    services: Services, message: FinishMessage, run: OpenRun, progress: Callable[[DiskRecord, datetime], DiskRecord]
) -> OpenRun | None:
    """Put on record that a run was looked at; give the run, if it is still open."""
    now = services.now()

    def change(record: DiskRecord) -> DiskRecord:
        return progress(record, now) if is_current(record, run) else record

    record = await services.records.update(message.disk, change)
    return record.run if record and is_current(record, run) else None


async def _come_back(services: Services, message: FinishMessage, run: OpenRun, *, plan_again: bool = False) -> None:
    """Look again later; have the run planned again first, where its messages are taken for lost or that is asked."""
    now, after = services.now(), services.settings.stalled_after

    def noted(record: DiskRecord) -> DiskRecord:
        current = run_of(record) if is_current(record, run) else None
        is_noted = current is None or current.is_applied or not is_run_stalled(current, now, after)
        return record if is_noted else requeued(record, now)

    if plan_again or (not run.is_applied and is_run_stalled(run, now, after)):
        log_event(Event.RUN_PLANNED_AGAIN, **message.about)
        # Sent before it is noted: what was noted in vain would not be sent again for an hour.
        await services.queues.send(PlanMessage(disk=message.disk, run=message.run), _NOTED_WITHIN)
        await services.records.update(message.disk, noted)
    await services.queues.send(message, next_check(run, services.now()))

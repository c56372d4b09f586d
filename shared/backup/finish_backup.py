"""Step 4 of a backup: check a run's progress, and seal it once its change list is applied."""

import contextlib
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta

from azure.core.exceptions import AzureError

from shared.azure.answers import may_pass, remedy_for
from shared.azure.services import Services
from shared.backup.seal import Sealing, is_current, seal, seal_copy
from shared.errors import (
    BlobChangedError,
    DiskError,
    MismatchError,
    NotOwnerError,
    Remedy,
    SourceGoneError,
    TidemarkError,
)
from shared.events import Event, log_event
from shared.inspection.request import open_inspection
from shared.model.batches import is_run_stalled, requeued
from shared.model.blob import CopyProgress
from shared.model.job import JobKind
from shared.model.messages import FinishMessage, PlanMessage
from shared.model.record import DiskRecord, run_of
from shared.model.retry_policy import MAX_CHECK_DELAY
from shared.model.run import Kind, Mode, OpenRun
from shared.model.run_steps import next_check
from shared.owner.mark import require_owner
from shared.owner.moves import require_intended_move
from shared.runs.abandon import abandon_run
from shared.runs.catch_up import catch_up
from shared.runs.clean_up import clean_up_run, drop_duplicates
from shared.runs.failures import record_failure, recording_failures
from shared.runs.full_copies import check_full_copy, copy_checked
from shared.runs.restart import resync

_LEFT_TO_THE_QUEUE = frozenset({Remedy.RESTART, Remedy.WAIT_FOR_OWNER})
"""Errors left to the queue, which redelivers the message five times; then the next tick retries."""

_CLEAN_UP_RETRY_DELAY = timedelta(minutes=5)
"""Delay before retrying a failed clean-up after a run, or a catch-up that could not be recorded."""

_PLAN_DELAY = timedelta(seconds=2)
"""Delay of a plan message that is sent before the record is updated, so that it finds no batch at work."""


async def finish_backup(services: Services, message: FinishMessage) -> None:
    """Check a run: seal it once its change list is applied, else check again later; clean up after one that is over.

    After a run, the disk is caught up if a tick has found it busy.
    """
    async with recording_failures(services, message, Event.FINISH_BACKUP_FAILED):
        try:
            found = await services.records.get(message.disk)
        except AzureError as error:
            await _check_again(services, message, error)
            return
        run = found[0].run_of(message.run) if found else None
        if found is None or run is None:
            await _finish_ended_run(services, message, found[0] if found else None)
            return
        try:
            require_intended_move(services, found[0])
        except DiskError as error:
            await _check_again(services, message, error)
            return
        try:
            if run.mode is Mode.FULL:
                await _advance_copy(services, message, run)
            else:
                await _advance(services, message, found, run)
        except (SourceGoneError, NotOwnerError) as error:
            await abandon_run(services, message, error)
        except (AzureError, TidemarkError) as error:
            if remedy_for(error) in _LEFT_TO_THE_QUEUE:
                raise
            await _check_again(services, message, error)


async def _check_again(services: Services, message: FinishMessage, error: Exception) -> None:
    """Record a failure, and check the run again later.

    This message keeps the run alive, so it must outlast any outage; the queue delivers it only five times.
    """
    await record_failure(services, message.disk, Event.FINISH_BACKUP_FAILED, error, message.run)
    await services.queues.send(message, MAX_CHECK_DELAY)


async def _finish_ended_run(services: Services, message: FinishMessage, record: DiskRecord | None) -> None:
    """Clean up after a run and catch up the disk, each even if the other fails; retry what failed later."""
    is_clean = await _is_done(services, message, _clean_up(services, message, record), Event.FINISH_BACKUP_FAILED)
    caught_up = catch_up(services, message.disk, after_a_run=True)
    if not (await _is_done(services, message, caught_up, Event.SNAPSHOT_FAILED) and is_clean):
        await services.queues.send(message, _CLEAN_UP_RETRY_DELAY)


async def _is_done(services: Services, message: FinishMessage, step: Awaitable[None], failed: Event) -> bool:
    """Run a step and record its error, if any; return whether it is done or not worth a retry."""
    try:
        await step
    except (AzureError, TidemarkError) as error:
        await record_failure(services, message.disk, failed, error, message.run)
        return not may_pass(error)
    return True


async def _clean_up(services: Services, message: FinishMessage, record: DiskRecord | None) -> None:
    """Clean up after a run that was sealed; drop the message of any other."""
    if record and record.base_snapshot == message.run:
        await clean_up_run(services, message, record)
        return
    log_event(Event.MESSAGE_DROPPED, **message.about, step="finish-backup")
    if point := await services.records.point(message.disk, message.run):
        # The next run is sealed too, but this message may be the one that should have cleaned up after its own.
        await drop_duplicates(services, message, point.backup_snapshot)


async def _advance(services: Services, message: FinishMessage, found: tuple[DiskRecord, str], run: OpenRun) -> None:
    """Seal a run on the backup blob if its change list is applied; else make sure its batches continue."""
    has_begun, now = False, services.now()

    def checked(record: DiskRecord) -> DiskRecord:
        nonlocal has_begun
        if not is_current(record, run):
            return record
        current = run_of(record)
        has_begun = current.sealing
        return record.with_run(replace(current, checked=now, sealing=current.is_applied))

    written = await services.records.update_found(message.disk, found, checked)
    current = written[0].run if written and is_current(written[0], run) else None
    if written is None or current is None:
        await services.queues.send(message, next_check(run, services.now()))
    elif current.is_applied:
        await _seal(services, message, Sealing(*written, has_begun=has_begun))
    else:
        await _check_later(services, message, current)


async def _seal(services: Services, message: FinishMessage, sealing: Sealing) -> None:
    """Seal a run whose change list is applied; recover if its backup blob differs or was changed."""
    await require_owner(services)
    run = run_of(sealing.record)
    try:
        if not await seal(services, message, sealing):
            await services.queues.send(message)
    except MismatchError as error:
        await record_failure(services, message.disk, Event.RUN_DIFFERS, error, message.run)
        await _verify_base(services, message, run)
        await resync(services, message.of_plan(run.plan), f"verification before the seal failed: {error}")
        await services.queues.send(message, next_check(run, services.now()))
    except BlobChangedError as error:
        await record_failure(services, message.disk, Event.SEAL_FAILED, error, message.run)
        await _check_later(services, message, run, plan_again=True)


async def _verify_base(services: Services, message: FinishMessage, run: OpenRun) -> None:
    """Start a verify of the recovery point that a mismatched incremental run is based on: it may be damaged."""
    found = await services.records.get(message.disk)
    if found and found[0].base_snapshot and run.kind is Kind.INCREMENTAL:
        await open_inspection(services, JobKind.VERIFY, message.disk, found[0].base_snapshot, f"before-{message.run}")


async def _advance_copy(services: Services, message: FinishMessage, run: OpenRun) -> None:
    """Seal a run in full-copy mode if its copy has succeeded."""
    progress = await check_full_copy(services, message, run)
    if copied := progress.succeeded:
        await require_owner(services)
        with contextlib.suppress(BlobChangedError):  # another invocation has just sealed it
            await seal_copy(services, message, run, copied)
            return
    current = await _record_check(services, message, run, progress)
    await _check_later(services, message, current or run, plan_again=run.opened and not progress.is_healthy)


async def _record_check(
    services: Services, message: FinishMessage, run: OpenRun, progress: CopyProgress
) -> OpenRun | None:
    """Record a check of a full copy, with its progress; return the updated run, None if it is over or was restarted."""
    now = services.now()

    def change(record: DiskRecord) -> DiskRecord:
        return copy_checked(record, progress, now) if is_current(record, run) else record

    record = await services.records.update(message.disk, change)
    return record.run if record and is_current(record, run) else None


async def _check_later(services: Services, message: FinishMessage, run: OpenRun, *, plan_again: bool = False) -> None:
    """Schedule the next check; if the run is stalled or `plan_again` is set, enqueue its plan again first."""
    now, after = services.now(), services.settings.stalled_after

    def with_plan_sent(record: DiskRecord) -> DiskRecord:
        current = run_of(record) if is_current(record, run) else None
        is_up_to_date = current is None or current.is_applied or not is_run_stalled(current, now, after)
        return record if is_up_to_date else requeued(record, now)

    if plan_again or (not run.is_applied and is_run_stalled(run, now, after)):
        log_event(Event.RUN_PLANNED_AGAIN, **message.about)
        # Sent before it is recorded: a plan recorded but not sent would not be sent again for an hour.
        await services.queues.send(PlanMessage(disk=message.disk, run=message.run), _PLAN_DELAY)
        await services.records.update(message.disk, with_plan_sent)
    await services.queues.send(message, next_check(run, services.now()))

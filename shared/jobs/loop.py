"""The step loop of restores, verifies and drills: one step per invocation until the job ends.

Each step inspects the current state, does what is missing and enqueues the next step; nothing blocks. Steps are
idempotent: a job's row is only advanced by the invocation that read it, by ETag. A failed step enqueues its message
again, so a job outlasts any outage, although a queue delivers a message only five times.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from azure.core.exceptions import AzureError

from shared.azure.answers import explain, remedy_for
from shared.azure.services import Services
from shared.azure.tables.job_rows import JobRows
from shared.azure.tables.records import RecordConflictError
from shared.errors import Remedy, StepFailedError
from shared.events import Event, log_event
from shared.jobs.request import request_job
from shared.jobs.stage_events import STAGE_EVENTS
from shared.model.inspection import Inspection
from shared.model.job import CLEANED_UP, PREPARING, Next, Stage, give_up_reason
from shared.model.messages import InspectionMessage, JobMessage, Message, RestoreMessage
from shared.model.restore import Restore
from shared.model.retry_policy import MAX_CHECK_DELAY

AFTER_CONFLICT = timedelta(seconds=5)
"""Delay of the next step after a conflict with another invocation."""


async def _leave(_: Services, __: JobMessage) -> None:
    pass


@dataclass(frozen=True)
class Procedure[Kept: (Restore, Inspection)]:
    """How a kind of job works.

    Attributes:
        rows: returns the rows of its jobs.
        steps: the step to take at each stage.
        cleanup_before: the final stages that the stage `ending` precedes, which cleans up.
        cancel: ends a job that an operator has cancelled, with what it copies aborted.
        give_up: ends a job whose steps have all failed for too long.
        abandon_cleanup: stops trying to clean up after a job, and reports what may be left.
        on_ended: called for a job that ended without the stage `ending`, and for each ended job that a message finds.
        step_failed: the event of a failed step.
        on_lost: called for each message of a job that has no row any more.
    """

    rows: Callable[[Services], JobRows[Kept]]
    steps: Mapping[Stage, Callable[[Services, Kept], Awaitable[Next[Kept]]]]
    cleanup_before: frozenset[Stage]
    cancel: Callable[[Services, Kept], Awaitable[Next[Kept]]]
    give_up: Callable[[Services, Kept, str], Awaitable[Kept]]
    abandon_cleanup: Callable[[Services, Kept, str], Awaitable[None]]
    on_ended: Callable[[Services, Kept], Awaitable[None]]
    step_failed: Event
    on_lost: Callable[[Services, JobMessage], Awaitable[None]] = _leave


async def continue_job[Kept: (Restore, Inspection)](
    services: Services, procedure: Procedure[Kept], message: RestoreMessage | InspectionMessage
) -> None:
    """Take the next step of a job, and enqueue the one after it.

    Raises:
        StepFailedError: neither the table nor the queue can be reached.
    """
    async with requeueing_on_error(services, message, procedure.step_failed):
        rows = procedure.rows(services)
        found = await rows.find(message.disk, message.row_key)
        if found is None and message.request:
            await request_job(services, message.kind, message.request.encode(), message.job)
        elif found is None:
            log_event(Event.MESSAGE_DROPPED, **message.about, step=f"continue-{message.kind}")
            await procedure.on_lost(services, message)
        elif found[0].has_ended:
            rows.tell_end(found[0])
            await procedure.on_ended(services, found[0])
        else:
            await _take_step(services, procedure, message, *found)
        await services.status.tell_ended()


@contextlib.asynccontextmanager
async def requeueing_on_error(
    services: Services, message: Message, failed: Event, delay: timedelta = MAX_CHECK_DELAY
) -> AsyncIterator[None]:
    """Log a storage error or a record conflict, and enqueue the message again after a delay.

    Raises:
        StepFailedError: the queue can't be reached either.
    """
    try:
        yield
    except (AzureError, RecordConflictError) as error:
        reason = explain(error)
        log_event(failed, **message.about, reason=reason)
        try:
            await services.queues.send(message, delay)
        except AzureError:
            raise StepFailedError(reason) from None


async def _take_step[Kept: (Restore, Inspection)](
    services: Services,
    procedure: Procedure[Kept],
    message: RestoreMessage | InspectionMessage,
    job: Kept,
    etag: str,
) -> None:
    is_expired = message.given_up and job.last_error_at is not None and job.should_give_up(job.last_error_at)
    next_job, delay = await (
        _end_expired(services, procedure, job) if is_expired else _try_step(services, procedure, job)
    )
    try:
        await procedure.rows(services).put(next_job, etag)
    except RecordConflictError:
        # The invocation that won may have died; or the conflict is with this very write, which the SDK sent twice.
        await services.queues.send(job.message, AFTER_CONFLICT)
        return
    _log(procedure, job, next_job)
    if not next_job.has_ended:
        await services.queues.send(next_job.message, delay)
    elif job.state is not Stage.ENDING:  # else its clean-up is done
        await procedure.on_ended(services, next_job)


async def _end_expired[Kept: (Restore, Inspection)](
    services: Services, procedure: Procedure[Kept], job: Kept
) -> Next[Kept]:
    """End a job whose steps have failed for too long because its worker died each time."""
    return _insert_cleanup(procedure, job, Next(await _end_job(services, procedure, job)))


async def _try_step[Kept: (Restore, Inspection)](
    services: Services, procedure: Procedure[Kept], job: Kept
) -> Next[Kept]:
    """Take a step; record any error on the job, and derive from it how to continue."""
    step = procedure.cancel if job.cancelled and job.can_be_cancelled else procedure.steps[job.state]
    try:
        next_job, delay = await step(services, job)
        next_job = next_job.recovered() if next_job.attempt == job.attempt else next_job
    except Exception as error:  # noqa: BLE001 - no error may leave a job, and its disk, waiting forever
        next_job, delay = await _after_error(services, procedure, job, error)
    return _insert_cleanup(procedure, job, Next(next_job, delay))


def _insert_cleanup[Kept: (Restore, Inspection)](
    procedure: Procedure[Kept], before: Kept, after: Next[Kept]
) -> Next[Kept]:
    """Insert the stage `ending` before a final stage that needs clean-up."""
    needs_cleanup = before.state not in CLEANED_UP and after.job.state in procedure.cleanup_before
    return Next(after.job.cleaning_up()) if needs_cleanup else after


async def _after_error[Kept: (Restore, Inspection)](
    services: Services, procedure: Procedure[Kept], job: Kept, error: Exception
) -> Next[Kept]:
    """Return how a job continues after a failed step."""
    now, reason, remedy = services.now(), explain(error), remedy_for(error)
    if remedy is Remedy.REREAD:
        return Next(job, AFTER_CONFLICT)
    if job.state not in CLEANED_UP:
        if remedy in {Remedy.RESTART, Remedy.RESTART_OR_FAIL} and job.can_restart:
            return job.retry(reason, now)
        if remedy in {Remedy.FAIL, Remedy.RESTART_OR_FAIL}:
            return Next(job.stop(reason, now))
    failed = job.with_failed_step(reason, now)
    if failed.should_give_up(now):
        return Next(await _end_job(services, procedure, failed))
    is_waiting = remedy is Remedy.RESTART and job.state in PREPARING
    return Next(failed, job.next_check(now) if is_waiting else MAX_CHECK_DELAY)


async def _end_job[Kept: (Restore, Inspection)](services: Services, procedure: Procedure[Kept], job: Kept) -> Kept:
    """End a job whose steps have all failed for too long; if its clean-up fails too, end it without."""
    if job.state is not Stage.ENDING:
        return await procedure.give_up(services, job, give_up_reason(job))
    await procedure.abandon_cleanup(services, job, job.last_error)
    return job.cleaned_up()


def _log[Kept: (Restore, Inspection)](procedure: Procedure[Kept], before: Kept, after: Kept) -> None:
    """Log a job's new stage, and its new error."""
    if after.state is not before.state:
        log_event(
            STAGE_EVENTS[after.kind, after.state],
            **after.about,
            **after.log_fields,
            reason=after.reason,
            duration_seconds=after.duration_seconds or (after.checked - after.requested).total_seconds(),
        )
    if after.last_error_at != before.last_error_at:
        log_event(procedure.step_failed, **after.about, reason=after.last_error)

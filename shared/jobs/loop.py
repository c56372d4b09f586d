"""The loop of every job: a step an invocation, until it has ended.

Each step looks at what is there, does what is missing and comes back; nothing waits. Repeating a step is harmless: the
row of a job is only advanced by the invocation that has read it. The job's message outlasts any outage, while a queue
tries five times only.
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
from shared.model.job import Next, Stage, give_up_reason
from shared.model.messages import InspectionMessage, Message, RestoreMessage
from shared.model.restore import Restore
from shared.model.retry_policy import MAX_CHECK_DELAY

AFTER_CONFLICT = timedelta(seconds=5)
"""How long after another invocation was faster a job is looked at again."""


@dataclass(frozen=True)
class Procedure[Kept: (Restore, Inspection)]:
    """What a kind of job does.

    Attributes:
        rows: gives the rows of its jobs.
        steps: what is done next, by stage.
        through_ending: the ends before which is cleaned up, in the stage `ending`; the row says so last.
        give_up: ends a job of which every step has gone wrong for too long.
        leave_uncleaned: gives up cleaning up after a job, and says what may be left.
        on_ended: is done of a row that has ended without the stage `ending`, and of each that a message comes upon.
        step_failed: what the log calls that a step has failed.
    """

    rows: Callable[[Services], JobRows[Kept]]
    steps: Mapping[Stage, Callable[[Services, Kept], Awaitable[Next[Kept]]]]
    through_ending: frozenset[Stage]
    give_up: Callable[[Services, Kept, str], Awaitable[Kept]]
    leave_uncleaned: Callable[[Services, Kept, str], Awaitable[None]]
    on_ended: Callable[[Services, Kept], Awaitable[None]]
    step_failed: Event


async def continue_job[Kept: (Restore, Inspection)](
    services: Services, procedure: Procedure[Kept], message: RestoreMessage | InspectionMessage
) -> None:
    """Do the next step of a job, and enqueue the one after it.

    Raises:
        StepFailedError: neither the record nor the queue can be reached.
    """
    async with outlasting(services, message, procedure.step_failed):
        rows = procedure.rows(services)
        found = await rows.find(message.disk, message.row_key)
        if found is None and message.request:
            await request_job(services, message.kind, message.request.encode(), message.job)
        elif found is None:
            log_event(Event.MESSAGE_DROPPED, **message.about, step=f"continue-{message.kind}")
        elif found[0].has_ended:
            await procedure.on_ended(services, found[0])
        else:
            await _go_on(services, procedure, message, *found)


@contextlib.asynccontextmanager
async def outlasting(
    services: Services, message: Message, failed: Event, delay: timedelta = MAX_CHECK_DELAY
) -> AsyncIterator[None]:
    """Have a message that something hangs on come back, where the record or the storage can't be reached.

    Raises:
        StepFailedError: neither can the queue be.
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


async def _go_on[Kept: (Restore, Inspection)](
    services: Services,
    procedure: Procedure[Kept],
    message: RestoreMessage | InspectionMessage,
    job: Kept,
    etag: str,
) -> None:
    is_too_long = message.given_up and job.last_error_at is not None and job.should_give_up(job.last_error_at)
    then, delay = await (_end(services, procedure, job) if is_too_long else _step(services, procedure, job))
    try:
        await procedure.rows(services).put(then, etag)
    except RecordConflictError:
        # Whoever was faster may be dead by now; and it may have been this very write, sent twice by the SDK.
        await services.queues.send(job.message, AFTER_CONFLICT)
        return
    _log(procedure, job, then)
    if not then.has_ended:
        await services.queues.send(then.message, delay)
    elif job.state is not Stage.ENDING:  # else it is tidied up already, and whoever has read its row goes on
        await procedure.on_ended(services, then)


async def _end[Kept: (Restore, Inspection)](services: Services, procedure: Procedure[Kept], job: Kept) -> Next[Kept]:
    """End a job that is out of patience, whose worker has died each time."""
    return _through_ending(procedure, job, Next(await _out_of_patience(services, procedure, job)))


async def _step[Kept: (Restore, Inspection)](services: Services, procedure: Procedure[Kept], job: Kept) -> Next[Kept]:
    """Do a step; whatever goes wrong is put on the row, and tells how to go on."""
    try:
        then, delay = await procedure.steps[job.state](services, job)
        then = then.recovered() if then.attempt == job.attempt else then
    except Exception as error:  # noqa: BLE001 - nothing may keep a job, and its disk, waiting without an end
        then, delay = await _after_error(services, procedure, job, error)
    return _through_ending(procedure, job, Next(then, delay))


def _through_ending[Kept: (Restore, Inspection)](
    procedure: Procedure[Kept], before: Kept, then: Next[Kept]
) -> Next[Kept]:
    """Have a job that has come to an end be cleaned up after first, where it is to be."""
    is_ending = before.state is not Stage.ENDING and then.job.state in procedure.through_ending
    return Next(then.job.cleaning_up()) if is_ending else then


async def _after_error[Kept: (Restore, Inspection)](
    services: Services, procedure: Procedure[Kept], job: Kept, error: Exception
) -> Next[Kept]:
    """Say how a job goes on after a step that has gone wrong."""
    now, reason, then = services.now(), explain(error), remedy_for(error)
    if then is Remedy.REREAD:
        return Next(job, AFTER_CONFLICT)
    if job.state is not Stage.ENDING:
        if then in {Remedy.RESTART, Remedy.RESTART_OR_FAIL} and job.can_restart:
            return job.retry(reason, now)
        if then in {Remedy.FAIL, Remedy.RESTART_OR_FAIL}:
            return Next(job.stop(reason, now))
    troubled = job.with_failed_step(reason, now)
    if troubled.should_give_up(now):
        return Next(await _out_of_patience(services, procedure, troubled))
    is_waiting = then is Remedy.RESTART and job.state is Stage.REQUESTED
    return Next(troubled, job.next_check(now) if is_waiting else MAX_CHECK_DELAY)


async def _out_of_patience[Kept: (Restore, Inspection)](
    services: Services, procedure: Procedure[Kept], job: Kept
) -> Kept:
    """End a job of which every step has gone wrong for too long; what can't be cleaned up after ends all the same."""
    if job.state is not Stage.ENDING:
        return await procedure.give_up(services, job, give_up_reason(job))
    await procedure.leave_uncleaned(services, job, job.last_error)
    return job.cleaned_up()


def _log[Kept: (Restore, Inspection)](procedure: Procedure[Kept], before: Kept, then: Kept) -> None:
    """Log what a step has come to."""
    if then.state is not before.state:
        log_event(
            STAGE_EVENTS[then.kind, then.state],
            **then.about,
            **then.log_fields,
            reason=then.reason,
            duration_seconds=then.duration_seconds or (then.checked - then.requested).total_seconds(),
        )
    if then.last_error_at != before.last_error_at:
        log_event(procedure.step_failed, **then.about, reason=then.last_error)

"""Poisoned messages: after five failed deliveries, record the failure and keep the job going."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime

from azure.core.exceptions import AzureError
from pydantic import ValidationError

from shared.azure.answers import explain
from shared.azure.queues import MAX_DELIVERIES, POISON_SUFFIX
from shared.azure.services import Services
from shared.azure.tables.job_rows import JobRows
from shared.azure.tables.records import RecordConflictError
from shared.errors import DiskError, OtherDiskError, StepFailedError, UnreadableError
from shared.events import Event, log_event
from shared.jobs.intents import end_poisoned_intent
from shared.jobs.request import refuse_poisoned, request_job
from shared.jobs.stage_events import REQUEST_FAILED
from shared.jobs.unreadable import keep_message
from shared.model.disk import Disk
from shared.model.failed_runs import with_error, with_failure
from shared.model.inspection import Inspection
from shared.model.job import JobKind
from shared.model.messages import (
    BatchMessage,
    FinishMessage,
    InspectionMessage,
    JobMessage,
    PartMessage,
    PlanMessage,
    RestoreMessage,
    RetentionMessage,
    RunMessage,
    TickMessage,
)
from shared.model.names import (
    COMPARE_PARTS_QUEUE,
    CONTINUE_INSPECTION_QUEUE,
    CONTINUE_RESTORE_QUEUE,
    COPY_RANGES_QUEUE,
    DRILL_QUEUE,
    FINISH_BACKUP_QUEUE,
    MANAGE_QUEUE,
    PLAN_CHANGES_QUEUE,
    REPORT_TICK_QUEUE,
    RESTORE_REQUESTS_QUEUE,
    RETENTION_QUEUE,
    VERIFY_QUEUE,
)
from shared.model.record import DiskRecord
from shared.model.restore import Restore
from shared.model.retry_policy import MAX_CHECK_DELAY
from shared.model.tick import MAX_TICK_AGE
from shared.runs.failures import record_failure

_UNKNOWN_CAUSE = (
    "unknown: the worker died each time, or couldn't write to the table; see the app's log around that time"
)
_POISONED = f"failed {MAX_DELIVERIES} times and was moved to"


async def report_poison(services: Services, queue: str, body: bytes, message_id: str) -> None:
    """Record a poisoned message on its disk's record or its job's row, and recover from it.

    A plan or a batch is retried at the next tick, from the run's own source snapshot, at most `MAX_RUN_RETRIES` times.
    The message that monitors a run, and the one that steps a job, is enqueued again.

    Args:
        services: the services.
        queue: the queue it was moved from, without `-poison`.
        body: the message.
        message_id: the id of the message in the poison queue.

    Raises:
        StepFailedError: the table or the queue can't be reached.
    """
    log_event(Event.MESSAGE_POISONED, queue=queue, message=message_id)
    try:
        await services.ensure()
        try:
            await _REPORTS.get(queue, _report_unknown)(services, queue, body, message_id)
        except (UnreadableError, OtherDiskError, ValidationError) as error:
            await keep_message(services, queue, body, message_id, str(error))
    except (AzureError, RecordConflictError) as error:
        raise StepFailedError(explain(error)) from None


async def _report_run(services: Services, queue: str, message: RunMessage) -> bool:
    """Record on a disk's record that its open run is failing; return whether the message belongs to the open run."""
    found = await services.records.get(message.disk)
    run = found[0].run_of(message.run) if found else None
    is_of_plan = isinstance(message, BatchMessage)
    if found is None or run is None or (is_of_plan and run.plan != message.plan):
        log_event(Event.MESSAGE_DROPPED, **message.about, step=queue)
        return False
    # The cause stays in the record's last error, unquoted: a text that quotes another would grow each time.
    cause = found[0].last_error if run.error_at else _UNKNOWN_CAUSE
    reason, now = f"a message on {queue} {_POISONED} {queue}{POISON_SUFFIX}", services.now()

    def failed(record: DiskRecord) -> DiskRecord:
        current = record.run_of(message.run)
        if current is None:
            return record
        noted = with_error(record if current.failed else with_failure(record, reason), message.run, now)
        return replace(noted, last_error=cause, last_error_at=now)

    await services.records.update(message.disk, failed)
    log_event(Event.RUN_FAILED, **message.about, reason=f"{reason}. Last error: {cause}", cause=cause)
    return True


async def _report_plan(services: Services, queue: str, body: bytes, _: str) -> None:
    await _report_run(services, queue, PlanMessage.read(body))


async def _report_batch(services: Services, queue: str, body: bytes, _: str) -> None:
    await _report_run(services, queue, BatchMessage.read(body))


async def _report_finish(services: Services, queue: str, body: bytes, _: str) -> None:
    message = FinishMessage.read(body)
    if await _report_run(services, queue, message):
        await services.queues.send(message, MAX_CHECK_DELAY)


async def _report_step(services: Services, queue: str, message: RestoreMessage | InspectionMessage) -> None:
    """Record on a job's row that a step failed, and enqueue it again: the step loop ends a job that fails too long."""
    if not await _is_on_record(services, message) and message.request:
        await request_job(services, message.kind, message.request.encode(), message.job)
    elif await _record_failed_step(services, queue, message):
        await services.queues.send(replace(message, given_up=True), MAX_CHECK_DELAY)


async def _report_restore(services: Services, queue: str, body: bytes, _: str) -> None:
    await _report_step(services, queue, RestoreMessage.read(body))


async def _report_inspection(services: Services, queue: str, body: bytes, _: str) -> None:
    await _report_step(services, queue, InspectionMessage.read(body))


async def _report_part(services: Services, queue: str, body: bytes, _: str) -> None:
    await _record_failed_step(services, queue, PartMessage.read(body))


async def _is_on_record(services: Services, message: JobMessage) -> bool:
    rows: JobRows[Restore] | JobRows[Inspection] = (
        services.restores if message.kind is JobKind.RESTORE else services.inspections
    )
    return await rows.find(message.disk, message.row_key) is not None


async def _record_failed_step(services: Services, queue: str, message: JobMessage) -> bool:
    """Record on a job's row that a step failed; return whether the job is on record.

    A job that has ended is left unchanged, and counts as on record: its message may still have to clean up.
    """
    if message.kind is JobKind.RESTORE:
        await _add_failure(services.restores, message, services.now())
    else:
        await _add_failure(services.inspections, message, services.now())
    is_known = await _is_on_record(services, message)
    if not is_known:
        log_event(Event.MESSAGE_DROPPED, **message.about, step=queue)
    return is_known


async def _add_failure[Kept: (Restore, Inspection)](rows: JobRows[Kept], message: JobMessage, now: datetime) -> None:
    """Record a failed step, with the last error if there is one: a worker that dies reports none."""
    await rows.update(
        message.disk, message.row_key, lambda job: job.with_failed_step(job.last_error or _UNKNOWN_CAUSE, now)
    )


async def _report_request(services: Services, queue: str, body: bytes, message_id: str) -> None:
    kind = _KIND_OF_REQUEST[queue]
    why = (
        f"the request could not be recorded: its message on {queue} {_POISONED} {queue}{POISON_SUFFIX}."
        " What to do: send the request again"
    )
    disk = await refuse_poisoned(services, kind, body, message_id, why)
    await _record_refusal(services, disk, REQUEST_FAILED[kind], why)


async def _report_intent(services: Services, queue: str, body: bytes, message_id: str) -> None:
    why = f"it may not have been carried out: its message on {queue} {_POISONED} {queue}{POISON_SUFFIX}"
    await end_poisoned_intent(services, body, message_id, why)


async def _record_refusal(services: Services, disk: Disk, event: Event, why: str) -> None:
    """Record a refused request on its disk's record, unless the disk has none."""
    if await services.records.get(disk) is not None:
        await record_failure(services, disk, event, DiskError(why))


async def _report_tick(services: Services, _queue: str, body: bytes, _: str) -> None:
    message = TickMessage.read(body)
    if services.now() - message.tick < MAX_TICK_AGE:
        await services.queues.send(message, MAX_CHECK_DELAY)


async def _report_retention(services: Services, queue: str, body: bytes, _: str) -> None:
    """Record on a disk's plan that it can't be carried out; the next tick tries again."""
    disk = RetentionMessage.read(body).disk
    why = f"a message on {queue} {_POISONED} {queue}{POISON_SUFFIX}; the app's log says why. The next tick tries again"
    if found := await services.plans.find(disk):
        await services.plans.put(found[0].with_error(why, services.now()), found[1])
    log_event(Event.RETENTION_FAILED, disk=disk.name, reason=why)


async def _report_unknown(services: Services, queue: str, body: bytes, message_id: str) -> None:
    await keep_message(
        services,
        queue,
        body,
        message_id,
        f"a message on {queue} {_POISONED} {queue}{POISON_SUFFIX}; the app's log says why",
    )


_KIND_OF_REQUEST: Mapping[str, JobKind] = {
    RESTORE_REQUESTS_QUEUE: JobKind.RESTORE,
    VERIFY_QUEUE: JobKind.VERIFY,
    DRILL_QUEUE: JobKind.DRILL,
}

_REPORTS: Mapping[str, Callable[[Services, str, bytes, str], Awaitable[None]]] = {
    PLAN_CHANGES_QUEUE: _report_plan,
    COPY_RANGES_QUEUE: _report_batch,
    FINISH_BACKUP_QUEUE: _report_finish,
    CONTINUE_RESTORE_QUEUE: _report_restore,
    CONTINUE_INSPECTION_QUEUE: _report_inspection,
    COMPARE_PARTS_QUEUE: _report_part,
    REPORT_TICK_QUEUE: _report_tick,
    RETENTION_QUEUE: _report_retention,
    MANAGE_QUEUE: _report_intent,
    **dict.fromkeys(_KIND_OF_REQUEST, _report_request),
}

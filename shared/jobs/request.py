"""Requests for jobs: each request gets one row and one outcome, whatever fails on the way."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from azure.core.exceptions import AzureError

from shared.azure.answers import explain
from shared.azure.services import Services
from shared.azure.tables.job_rows import JobRows
from shared.errors import StepFailedError
from shared.events import Event, log_event
from shared.jobs.stage_events import REQUEST_FAILED, STAGE_EVENTS
from shared.model.disk import Disk
from shared.model.inspection import Inspection
from shared.model.intent_row import IntentRow
from shared.model.job import JobKind, Stage
from shared.model.messages import InspectionMessage, RestoreMessage
from shared.model.names import request_id
from shared.model.requests import LATEST, InspectionRequest, RequestError, RestoreRequest
from shared.model.restore import Restore

_MAX_MESSAGE_AGE = timedelta(days=7)
"""How long a queue keeps delivering a message, at most: its time to live (REST: Put Message, messagettl)."""

_MAX_DELIVERY_TIME = timedelta(hours=2)
"""How long five failed deliveries take, at most; each may wait 10 minutes for a dead worker's message to reappear."""

RECORD_RETRY_DELAY = timedelta(seconds=10)
"""Delay before recording a carried request is retried."""


@dataclass(frozen=True)
class _Request[Kept: (Restore, Inspection)]:
    """A valid request.

    Attributes:
        rows: the rows of its kind.
        row: its initial row.
        carrier: the message that carries the request if it can't be recorded yet.
    """

    rows: JobRows[Kept]
    row: Kept
    carrier: RestoreMessage | InspectionMessage


async def request_job(services: Services, kind: JobKind, body: bytes, message_id: str) -> None:
    """Open a job, or record why the request is refused. A redelivered message opens no second job.

    A request that can't be recorded is carried by the job's own message, under the same id, until it can.

    Args:
        services: the services.
        kind: the kind of job requested.
        body: the message, as a person wrote it.
        message_id: the queue message's id, from which the job id is derived; if empty, the body is used.

    Raises:
        StepFailedError: neither the table nor the queue can be written to.
    """
    job, now = request_id(message_id, body), services.now()
    if kind is JobKind.RESTORE:
        unreadable = Restore.unreadable(job, now)
        await _request(services, services.restores, unreadable, lambda: _restore(services, job, body, now))
    else:
        blank = Inspection.of(job, kind, None, LATEST, now)
        await _request(services, services.inspections, blank, lambda: _inspection(services, kind, job, body, now))


async def _request[Kept: (Restore, Inspection)](
    services: Services, rows: JobRows[Kept], unreadable: Kept, read: Callable[[], _Request[Kept]]
) -> None:
    async with _redelivered(unreadable.kind, unreadable.about):
        try:
            asked = read()
        except RequestError as error:
            await _refuse(services, rows, unreadable.refuse(str(error), services.now()))
        else:
            await _open(services, asked)
        await services.status.tell_ended()


async def refuse_poisoned(services: Services, kind: JobKind, body: bytes, message_id: str, why: str) -> Disk:
    """Refuse a poisoned request on its row; return the disk that it names.

    Raises:
        RequestError: it can't be parsed.
    """
    now = services.now()
    if kind is JobKind.RESTORE:
        asked = _restore(services, message_id, body, now)
        await end_own_row(asked.rows, asked.row, lambda row: row.refuse(why, now))
        return asked.row.known_disk
    inspection = _inspection(services, kind, message_id, body, now)
    await end_own_row(inspection.rows, inspection.row, lambda row: row.refuse(why, now))
    return inspection.row.known_disk


async def record_job[Kept: (Restore, Inspection)](rows: JobRows[Kept], row: Kept) -> Kept | None:
    """Record a job unless it is on record; return its row, or None if it has ended."""
    if await rows.add(row):
        log_event(STAGE_EVENTS[row.kind, Stage.REQUESTED], **{**row.about, **row.request_fields})
        return row
    return await _still_open(rows, row)


async def _still_open[Kept: (Restore, Inspection)](rows: JobRows[Kept], row: Kept) -> Kept | None:
    """Return the row that a job has already; None if it has ended, which is told again."""
    found = await rows.find(row.disk, row.row_key)
    if found and found[0].has_ended:
        rows.tell_end(found[0])
        return None
    return found[0] if found else None


def _restore(services: Services, job: str, body: bytes, now: datetime) -> _Request[Restore]:
    request = RestoreRequest.read(body)
    text = request.model_dump_json(by_alias=True)
    carrier = RestoreMessage(disk=request.disk, restore=job, request=text)
    return _Request(services.restores, Restore.of(job, request, now), carrier)


def _inspection(services: Services, kind: JobKind, job: str, body: bytes, now: datetime) -> _Request[Inspection]:
    request = InspectionRequest.read(body)
    row = Inspection.of(job, kind, request.disk, request.point, now, on_request=True)
    text = request.model_dump_json()
    return _Request(
        services.inspections, row, InspectionMessage(disk=request.disk, task=kind, inspection=job, request=text)
    )


@contextlib.asynccontextmanager
async def _redelivered(kind: JobKind, about: dict[str, str]) -> AsyncIterator[None]:
    """Log an SDK error, and have the queue redeliver the request.

    Raises:
        StepFailedError: in place of an SDK error.
    """
    try:
        yield
    except AzureError as error:
        reason = explain(error)
        log_event(REQUEST_FAILED[kind], **about, reason=reason)
        raise StepFailedError(reason) from None


async def _refuse[Kept: (Restore, Inspection)](services: Services, rows: JobRows[Kept], refused: Kept) -> None:
    """Record why an unreadable request is refused."""
    await services.ensure()
    if await rows.add(refused):
        log_event(STAGE_EVENTS[refused.kind, Stage.REFUSED], **refused.about, reason=refused.reason)
    else:
        await _still_open(rows, refused)


async def _open[Kept: (Restore, Inspection)](services: Services, asked: _Request[Kept]) -> None:
    """Record a request, and enqueue its first step.

    Raises:
        AzureError: neither the table nor the queue can be written to.
    """
    try:
        await services.ensure()
        row = await record_job(asked.rows, asked.row)
    except AzureError as error:
        await services.queues.send(asked.carrier, RECORD_RETRY_DELAY)
        log_event(Event.REQUEST_CARRIED, **asked.carrier.about, reason=explain(error))
        return
    if row:
        await _enqueue(services, asked.rows, row)


async def _enqueue[Kept: (Restore, Inspection)](services: Services, rows: JobRows[Kept], row: Kept) -> None:
    """Enqueue a job's first step; if that fails, refuse the request on its row.

    The row decides: should the message have got through after all, it finds a job that has ended.

    Raises:
        AzureError: neither the queue nor the row can be written to; the request is redelivered.
    """
    try:
        await services.queues.send(row.message)
    except AzureError as error:
        why = f"couldn't enqueue its first step: {explain(error).rstrip('.')}. What to do then: send the request again"

        def refused(found: Kept) -> Kept:
            if not found.is_untouched:
                return found
            log_event(STAGE_EVENTS[row.kind, Stage.REFUSED], **row.about, reason=why)
            return found.refuse(why, services.now())

        await rows.update(row.known_disk, row.row_key, refused)


async def end_own_row[Kept: (Restore, Inspection, IntentRow)](
    rows: JobRows[Kept], asked: Kept, ended: Callable[[Kept], Kept]
) -> None:
    """End a request that was given up, on its own row, which is created if missing.

    A poisoned message has another id than the original, so its row is found by the request's content. A row that was
    already processed is the request's outcome and stays.
    """
    own = list(_matching_rows(await rows.of(asked.disk), asked))
    if not own:
        await rows.add(ended(asked))
    for row in own:
        await rows.update(row.disk, row.row_key, lambda found: ended(found) if found.is_untouched else found)


def _matching_rows[Kept: (Restore, Inspection, IntentRow)](rows: Iterable[Kept], asked: Kept) -> Iterable[Kept]:
    """Return the rows that may belong to a request whose last delivery has just failed."""
    now = asked.requested
    for row in rows:
        is_in_time = now - row.requested < _MAX_MESSAGE_AGE and (row.ended or now) >= now - _MAX_DELIVERY_TIME
        if is_in_time and row.request_fields == asked.request_fields:
            yield row

"""A job is asked for: one request, one row, one outcome, whatever fails between the two queues."""

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
from shared.model.job import JobKind, Stage
from shared.model.messages import InspectionMessage, RestoreMessage
from shared.model.names import request_id
from shared.model.requests import LATEST, InspectionRequest, RequestError, RestoreRequest
from shared.model.restore import Restore

_DELIVERED_FOR = timedelta(days=7)
"""For how long, at most, a queue delivers a request again: so long a message lives (REST: Put Message, messagettl)."""

_TRIED_FOR = timedelta(hours=2)
"""For how long, at most, five deliveries fail, each with the time that a queue waits for a dead worker (10 minutes)."""

_CARRIED_FOR = timedelta(seconds=10)
"""How long a request is carried before it is tried again to put it on record."""


@dataclass(frozen=True)
class _Asked[Kept: (Restore, Inspection)]:
    """What somebody has asked for.

    Attributes:
        rows: the rows of its kind.
        row: its own row, as it is at first.
        carried: the message that carries the request, where it can't be put on record yet.
    """

    rows: JobRows[Kept]
    row: Kept
    carried: RestoreMessage | InspectionMessage


async def request_job(services: Services, kind: JobKind, body: bytes, message_id: str) -> None:
    """Open a job, or put on record why not. The same message delivered again opens no other.

    What can't be put on record is carried by the job's own message, under its id, until it can.

    Args:
        services: the services.
        kind: what is asked for.
        body: the message, as a person wrote it.
        message_id: the queue message's id, which names the job; where there is none, the body does.

    Raises:
        StepFailedError: neither the record nor the queue can be written to.
    """
    job, now = request_id(message_id, body), services.now()
    if kind is JobKind.RESTORE:
        unreadable = Restore.unreadable(job, now)
        await _request(services, services.restores, unreadable, lambda: _restore(services, job, body, now))
    else:
        blank = Inspection.of(job, kind, None, LATEST, now)
        await _request(services, services.inspections, blank, lambda: _inspection(services, kind, job, body, now))


async def _request[Kept: (Restore, Inspection)](
    services: Services, rows: JobRows[Kept], unreadable: Kept, read: Callable[[], _Asked[Kept]]
) -> None:
    async with _redelivered(unreadable.kind, unreadable.about):
        try:
            asked = read()
        except RequestError as error:
            await _refuse(services, rows, unreadable.refuse(str(error), services.now()))
        else:
            await _open(services, asked)


async def refuse_given_up(services: Services, kind: JobKind, body: bytes, message_id: str, why: str) -> Disk:
    """Refuse a request that its queue has given up, on its row; give the disk that it names.

    Raises:
        RequestError: it can't be read.
    """
    now = services.now()
    if kind is JobKind.RESTORE:
        asked = _restore(services, message_id, body, now)
        await _refuse_own(asked, lambda row: row.refuse(why, now))
        return asked.row.known_disk
    inspection = _inspection(services, kind, message_id, body, now)
    await _refuse_own(inspection, lambda row: row.refuse(why, now))
    return inspection.row.known_disk


async def put_on_record[Kept: (Restore, Inspection)](rows: JobRows[Kept], row: Kept) -> Kept | None:
    """Give the row of a job, new or not; None where it has ended."""
    if await rows.add(row):
        log_event(STAGE_EVENTS[row.kind, Stage.REQUESTED], **{**row.about, **row.request_fields})
        return row
    found = await rows.find(row.known_disk, row.row_key)
    return None if found is None or found[0].has_ended else found[0]


def _restore(services: Services, job: str, body: bytes, now: datetime) -> _Asked[Restore]:
    request = RestoreRequest.read(body)
    said = request.model_dump_json(by_alias=True)
    carried = RestoreMessage(disk=request.disk, restore=job, request=said)
    return _Asked(services.restores, Restore.of(job, request, now), carried)


def _inspection(services: Services, kind: JobKind, job: str, body: bytes, now: datetime) -> _Asked[Inspection]:
    request = InspectionRequest.read(body)
    row = Inspection.of(job, kind, request.disk, request.point, now, on_request=True)
    said = request.model_dump_json()
    return _Asked(
        services.inspections, row, InspectionMessage(disk=request.disk, task=kind, inspection=job, request=said)
    )


@contextlib.asynccontextmanager
async def _redelivered(kind: JobKind, about: dict[str, str]) -> AsyncIterator[None]:
    """Log what a request fails for, and have the queue deliver it again.

    Raises:
        StepFailedError: in the place of an error of the SDK.
    """
    try:
        yield
    except AzureError as error:
        reason = explain(error)
        log_event(REQUEST_FAILED[kind], **about, reason=reason)
        raise StepFailedError(reason) from None


async def _refuse[Kept: (Restore, Inspection)](services: Services, rows: JobRows[Kept], refused: Kept) -> None:
    """Put on record why a request is refused that can't be read."""
    await services.ensure()
    if await rows.add(refused):
        log_event(STAGE_EVENTS[refused.kind, Stage.REFUSED], **refused.about, reason=refused.reason)


async def _open[Kept: (Restore, Inspection)](services: Services, asked: _Asked[Kept]) -> None:
    """Put a request on record, and enqueue its first step.

    Raises:
        AzureError: neither the table nor the queue can be written to.
    """
    try:
        await services.ensure()
        row = await put_on_record(asked.rows, asked.row)
    except AzureError as error:
        await services.queues.send(asked.carried, _CARRIED_FOR)
        log_event(Event.REQUEST_CARRIED, **asked.carried.about, reason=explain(error))
        return
    if row:
        await _enqueue(services, asked.rows, row)


async def _enqueue[Kept: (Restore, Inspection)](services: Services, rows: JobRows[Kept], row: Kept) -> None:
    """Enqueue the first step of what was asked for; where the queue refuses it, so is the request, on its own row.

    The row is what counts: a message that gets through all the same finds a row that has ended.

    Raises:
        AzureError: neither the queue nor the row can be written to; the request is delivered again.
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


async def _refuse_own[Kept: (Restore, Inspection)](asked: _Asked[Kept], refused: Callable[[Kept], Kept]) -> None:
    """Refuse a request on its own row where it has one, else on a row that is made for it.

    A queue gives messages up under another id than they were put: so its row is known by what it asks for. One that
    somebody has looked at is what has come of the request.
    """
    own = list(_own(await asked.rows.of(asked.row.known_disk), asked.row))
    if not own:
        await asked.rows.add(refused(asked.row))
    for row in own:
        await asked.rows.update(
            row.known_disk, row.row_key, lambda found: refused(found) if found.is_untouched else found
        )


def _own[Kept: (Restore, Inspection)](rows: Iterable[Kept], asked: Kept) -> Iterable[Kept]:
    """Give the rows that may be the request's, which has been delivered five times until just now."""
    now = asked.requested
    for row in rows:
        may_be = now - row.requested < _DELIVERED_FOR and (row.ended or now) >= now - _TRIED_FOR
        if may_be and row.request_fields == asked.request_fields:
            yield row

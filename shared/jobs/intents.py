"""The life of an operator's intent: one row and one outcome, however often its message is delivered."""

from dataclasses import replace
from typing import NamedTuple

from azure.core.exceptions import AzureError
from pydantic_core import from_json

from shared.azure.answers import explain
from shared.azure.services import Services
from shared.errors import StepFailedError
from shared.events import Event, log_event
from shared.jobs.request import RECORD_RETRY_DELAY, end_own_row
from shared.model.intent_row import IntentRow
from shared.model.intents import Intent, read_intent
from shared.model.job import Stage
from shared.model.messages import IntentMessage
from shared.model.names import request_id
from shared.model.schema import SCHEMA_PROPERTY

_ENDS = {
    Stage.DONE: Event.INTENT_DONE,
    Stage.REFUSED: Event.INTENT_REFUSED,
    Stage.FAILED: Event.INTENT_FAILED,
}


class Delivered(NamedTuple):
    """An intent as the queue delivers it.

    Attributes:
        intent: what the operator asks for.
        row: its row if it has none yet.
        is_original: whether it is the operator's own message, rather than one that carries on with it.
    """

    intent: Intent
    row: IntentRow
    is_original: bool


def read_delivered(services: Services, body: bytes, message_id: str) -> Delivered:
    """Read a message of the queue `manage`: an operator's, or one that carries on with an intent.

    Raises:
        RequestError: it is no valid intent.
        MessageError, UnknownSchemaError: it carries on with one, and can't be read.
    """
    carried = _carried(body)
    name, text = (carried.intent, carried.request.encode()) if carried else (request_id(message_id, body), body)
    intent = read_intent(text)
    row = IntentRow.of(name, services.now(), do=intent.do, disk=intent.about, request=intent.request)
    return Delivered(intent, row, is_original=carried is None)


def _carried(body: bytes) -> IntentMessage | None:
    """Read a message that carries on with an intent; None if an operator wrote it."""
    try:
        values = from_json(body)
    except ValueError:
        return None
    is_own = isinstance(values, dict) and SCHEMA_PROPERTY in values and "do" not in values
    return IntentMessage.read(body) if is_own else None


async def claim_intent(services: Services, asked: IntentRow) -> IntentRow | None:
    """Put an intent on record; return its row, or None if it has ended, or can't be recorded yet.

    Raises:
        StepFailedError: neither the table nor the queue can be written to.
    """
    try:
        await services.ensure()
        if await services.intents.add(asked):
            log_event(Event.INTENT_REQUESTED, **asked.about, do=asked.do)
            return asked
        found = await services.intents.find(asked.disk, asked.row_key)
    except AzureError as error:
        await _carry(services, asked, error)
        return None
    if found is None or found[0].has_ended:
        log_event(Event.MESSAGE_DROPPED, **asked.about, step="manage")
        return None
    return found[0]


async def _carry(services: Services, asked: IntentRow, error: AzureError) -> None:
    """Have a message carry an intent that can't be recorded yet, under the same id."""
    reason = explain(error)
    try:
        await services.queues.send(asked.message, RECORD_RETRY_DELAY)
    except AzureError:
        raise StepFailedError(reason) from None
    log_event(Event.REQUEST_CARRIED, **asked.about, reason=reason)


async def with_point(services: Services, row: IntentRow, time: str) -> IntentRow:
    """Fix which recovery point or run an intent is about, unless that is fixed already."""
    return await _fix(services, row, replace(row, point=time))


async def with_subject(services: Services, row: IntentRow, subject: str, listed: str = "") -> IntentRow:
    """Fix what else an intent is about, unless that is fixed already."""
    return await _fix(services, row, replace(row, subject=subject, listed=listed))


async def _fix(services: Services, row: IntentRow, fixed: IntentRow) -> IntentRow:
    found = await services.intents.update(
        row.disk,
        row.row_key,
        lambda current: (
            current
            if current.point or current.subject
            else replace(current, point=fixed.point, subject=fixed.subject, listed=fixed.listed)
        ),
    )
    return found or fixed


async def refuse_unreadable(services: Services, intent: str, why: str) -> None:
    """Record why a message that can't be read is refused, once.

    Raises:
        StepFailedError: the table can't be written to.
    """
    row = IntentRow.of(intent, services.now()).refuse(why, services.now())
    try:
        await services.ensure()
        if await services.intents.add(row):
            log_ended(row)
    except AzureError as error:
        raise StepFailedError(explain(error)) from None


async def end_poisoned_intent(services: Services, body: bytes, message_id: str, why: str) -> None:
    """End an intent as failed whose message was given up.

    Raises:
        RequestError, MessageError, UnknownSchemaError: the message can't be read.
    """
    delivered, now = read_delivered(services, body, message_id), services.now()
    asked = delivered.row

    def failed(row: IntentRow) -> IntentRow:
        ended = row.fail(f"{why}. Last error: {row.last_error}" if row.last_error else why, now)
        log_ended(ended)
        return ended

    if delivered.is_original:
        await end_own_row(services.intents, asked, failed)
    elif await services.intents.find(asked.disk, asked.row_key) is None:
        await services.intents.add(failed(asked))
    else:
        await services.intents.update(asked.disk, asked.row_key, failed)


def log_ended(row: IntentRow) -> None:
    """Log the outcome of an intent."""
    log_event(_ENDS[row.state], **row.about, do=row.do, reason=row.reason, outcome=row.outcome)

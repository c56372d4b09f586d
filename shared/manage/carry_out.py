"""Carrying out operators' intents, each once: its row says what came of it."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from azure.core.exceptions import AzureError

from shared.azure.answers import explain, remedy_for
from shared.azure.services import Services
from shared.errors import Remedy, TidemarkError
from shared.events import Event, log_event
from shared.jobs.intents import claim_intent, log_ended, read_delivered, refuse_unreadable, with_point
from shared.jobs.loop import AFTER_CONFLICT, requeueing_on_error
from shared.jobs.unreadable import keep_poisoned
from shared.manage.backing_up import back_up
from shared.manage.cancelling import cancel
from shared.manage.forgetting import forget
from shared.manage.keeping import keep, unkeep
from shared.manage.orphans import list_or_delete
from shared.manage.points import find_point_to_delete
from shared.manage.retire import retire
from shared.model.intent_row import IntentRow
from shared.model.intents import (
    ApproveIntent,
    BackupIntent,
    CancelIntent,
    ForgetIntent,
    Intent,
    IntentFailedError,
    IntentWaitsError,
    KeepIntent,
    OrphansIntent,
    PointIntent,
    RetireIntent,
    TakeoverIntent,
    UnkeepIntent,
)
from shared.model.messages import MessageError
from shared.model.names import MANAGE_QUEUE, request_id
from shared.model.requests import RequestError
from shared.model.retry_policy import MAX_CHECK_DELAY, MIN_CHECK_DELAY
from shared.owner.takeover import takeover
from shared.points.versions import requested_time
from shared.retention.approve import approve

type _Verb = Callable[[Services, Any, IntentRow], Awaitable[str]]

MAX_WAIT_DELAY = timedelta(minutes=10)
"""How long an intent that waits is left alone at most; one that has waited for a minute, for seconds."""

_REFUSED = frozenset({Remedy.FAIL, Remedy.WAIT_FOR_OWNER})


def _asked(verb: Callable[[Services, Any], Awaitable[str]]) -> _Verb:
    """Adapt a verb that needs nothing of the intent's row."""

    async def carry_out(services: Services, intent: Intent, _: IntentRow) -> str:
        return await verb(services, intent)

    return carry_out


_VERBS: Mapping[type[Intent], _Verb] = {
    KeepIntent: keep,
    RetireIntent: _asked(retire),
    UnkeepIntent: _asked(unkeep),
    ForgetIntent: _asked(forget),
    ApproveIntent: _asked(approve),
    BackupIntent: back_up,
    CancelIntent: cancel,
    OrphansIntent: list_or_delete,
    TakeoverIntent: _asked(takeover),
}
"""How each intent is carried out: idempotent; it returns the outcome as a sentence.

It raises `IntentRefusedError` to refuse, `IntentWaitsError` to be called again later, and any other error to be called
again too, until it has failed for a day.
"""


async def carry_out(services: Services, body: bytes, message_id: str) -> None:
    """Carry out an operator's intent, or record why it is refused; one that has ended is left alone.

    Args:
        services: the services.
        body: the message.
        message_id: its id, which becomes the intent's.

    Raises:
        StepFailedError: neither the table nor the queue can be written to.
    """
    try:
        delivered = read_delivered(services, body, message_id)
    except RequestError as error:
        await refuse_unreadable(services, request_id(message_id, body), str(error))
        return
    except MessageError as error:
        await keep_poisoned(services, MANAGE_QUEUE, (body, message_id), str(error))
        return
    if row := await claim_intent(services, delivered.row):
        async with requeueing_on_error(services, row.message, Event.INTENT_STEP_FAILED):
            await _carry_out(services, delivered.intent, row)


async def _carry_out(services: Services, intent: Intent, row: IntentRow) -> None:
    try:
        outcome = await _outcome(services, intent, row)
    except IntentWaitsError as waiting:
        await _wait(services, row, str(waiting))
    except IntentFailedError as error:
        reason, now = str(error), services.now()
        await _end(services, row, lambda found: found.fail(reason, now))
    except (AzureError, TidemarkError) as error:
        await _after_error(services, row, error)
    else:
        await _end(services, row, lambda found: found.done(outcome, services.now()))


async def _outcome(services: Services, intent: Intent, row: IntentRow) -> str:
    if isinstance(intent, PointIntent):
        row = await _with_point(services, intent, row)
        intent = intent.model_copy(update={"point": row.point})
    return await _VERBS[type(intent)](services, intent, row)


async def _with_point(services: Services, intent: PointIntent, row: IntentRow) -> IntentRow:
    """Fix which recovery point an intent is about: `latest` must not become another one when it is delivered again."""
    if row.point:
        return row
    find = find_point_to_delete if isinstance(intent, ForgetIntent) else requested_time
    return await with_point(services, row, await find(services, intent.disk, intent.point))


async def _wait(services: Services, row: IntentRow, reason: str) -> None:
    """Record what an intent waits for, and look again later."""
    now = services.now()
    found = await services.intents.update(row.disk, row.row_key, lambda current: current.waits(reason, now))
    if found:
        if reason != row.reason:
            log_event(Event.INTENT_WAITS, **row.about, do=row.do, reason=reason)
        await services.queues.send(row.message, min((now - row.requested) / 10 + MIN_CHECK_DELAY, MAX_WAIT_DELAY))


async def _after_error(services: Services, row: IntentRow, error: Exception) -> None:
    """Refuse an intent, try it again later, or give it up."""
    remedy, reason, now = remedy_for(error), explain(error), services.now()
    if remedy in _REFUSED:
        await _end(services, row, lambda found: found.refuse(reason, now))
        return
    if remedy is Remedy.REREAD:
        await services.queues.send(row.message, AFTER_CONFLICT)
        return
    log_event(Event.INTENT_STEP_FAILED, **row.about, do=row.do, reason=reason)
    failed = await services.intents.update(row.disk, row.row_key, lambda found: found.with_error(reason, now))
    if failed and (remedy is Remedy.RESTART_OR_FAIL or failed.should_give_up(now)):
        await _end(services, row, lambda found: found.fail(reason, now))
    elif failed:
        await services.queues.send(row.message, MAX_CHECK_DELAY)


async def _end(services: Services, row: IntentRow, ended: Callable[[IntentRow], IntentRow]) -> None:
    """Write the outcome of an intent, unless it has one by now."""
    if found := await services.intents.update(row.disk, row.row_key, ended):
        log_ended(found)

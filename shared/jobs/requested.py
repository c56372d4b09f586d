"""What people ask for: one request, one row, one outcome, whatever fails between the two queues."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import asdict
from datetime import timedelta

from azure.core.exceptions import AzureError

from shared.azure.answers import explain
from shared.azure.services import Services
from shared.azure.tables.job_rows import Rows
from shared.errors import StepFailedError
from shared.events import Event, log_event
from shared.model.inspection import Inspection
from shared.model.messages import Message
from shared.model.restore import Restore

_DELIVERED_FOR = timedelta(days=7)
"""For how long, at most, a queue delivers a request again: so long a message lives (REST: Put Message, messagettl)."""

_TRIED_FOR = timedelta(hours=2)
"""For how long, at most, five deliveries fail, each with the time that a queue waits for a dead worker (10 minutes)."""

_CARRIED_FOR = timedelta(seconds=10)
"""How long a request is carried before it is tried again to put it on record."""


@contextlib.asynccontextmanager
async def redelivered(failed: Event, **about: object) -> AsyncIterator[None]:
    """Log what a request fails for, and have the queue deliver it again.

    Raises:
        StepFailedError: in the place of an error of the SDK.
    """
    try:
        yield
    except AzureError as error:
        reason = explain(error)
        log_event(failed, **about, reason=reason)
        raise StepFailedError(reason) from None


async def put_on_record[Kept: (Restore, Inspection)](
    services: Services, on_record: Callable[[], Awaitable[Kept | None]], carried: Message
) -> Kept | None:
    """Put a request on record; where the table does not take it, have a message carry it until it does.

    Args:
        services: the services.
        on_record: gives the row, None where there is nothing more to do.
        carried: the message, which outlasts an outage.

    Raises:
        AzureError: neither the table nor the queue can be written to.
    """
    try:
        await services.ensure()
        return await on_record()
    except AzureError as error:
        await services.queues.send(carried, _CARRIED_FOR)
        about = {name: value for name, value in asdict(carried).items() if name != "request"}
        log_event(Event.REQUEST_CARRIED, **about, reason=explain(error))
        return None


async def enqueue_first_step[Kept: (Restore, Inspection)](
    services: Services, rows: Rows[Kept], row: Kept, message: Message, refused: Callable[[Kept, str], Kept]
) -> None:
    """Enqueue the first step of what was asked for; where the queue refuses it, so is the request, on its own row.

    The row is what counts: a message that gets through all the same finds a row that has ended.

    Args:
        services: the services.
        rows: the rows of its kind.
        row: the request's row.
        message: its first step.
        refused: ends a row, and says why.

    Raises:
        AzureError: neither the queue nor the row can be written to; the request is delivered again.
    """
    try:
        await services.queues.send(message)
    except AzureError as error:
        why = f"its first step could not be enqueued. {explain(error)} What to do then: enqueue the request again"
        await rows.update(row.address, row.row_key, lambda found: refused(found, why) if found.is_untouched else found)


async def refuse_given_up[Kept: (Restore, Inspection)](
    rows: Rows[Kept], asked: Kept, refused: Callable[[Kept], Kept]
) -> None:
    """Refuse a request that its queue has given up: on its own row where it has one, else on a row of its own.

    A queue gives messages up under another id than they were put: so its row is known by what it asks for. One that
    somebody has looked at is what has come of the request.

    Args:
        rows: the rows of its kind.
        asked: the row that the request would have, under the id that it has now.
        refused: ends a row, and says why.
    """
    own = list(_own(await rows.of(asked.address), asked))
    if not own:
        await rows.add(refused(asked))
    for row in own:
        await rows.update(row.address, row.row_key, lambda found: refused(found) if found.is_untouched else found)


def _own[Kept: (Restore, Inspection)](rows: Iterable[Kept], asked: Kept) -> Iterable[Kept]:
    """Give the rows that may be the request's, which has been delivered five times until just now."""
    now = asked.requested
    for row in rows:
        may_be = now - row.requested < _DELIVERED_FOR and (row.ended or now) >= now - _TRIED_FOR
        if may_be and row.asks_for == asked.asks_for:
            yield row

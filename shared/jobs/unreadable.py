"""Messages that no try makes readable: kept in the partition `poison` at once, under the id that they were put under.

A queue that gives a message up puts it on its poison queue under another id, and does not tell the first.
"""

from collections.abc import Awaitable, Callable

from azure.core.exceptions import AzureError

from shared.azure.answers import explain
from shared.azure.services import Services
from shared.errors import StepFailedError, without_secrets
from shared.events import Event, log_event
from shared.model.messages import Message, MessageError
from shared.model.requests import decoded

MOST_SAID = 500
"""Characters of a message that nobody can read, as they are put on record."""


async def step_of[Read: Message](
    services: Services,
    queue: str,
    kind: type[Read],
    step: Callable[[Services, Read], Awaitable[None]],
    message: tuple[bytes, str],
) -> None:
    """Do the step that a message asks for; one that nobody can read is kept under its own id, and not tried again.

    Args:
        services: the services.
        queue: the queue that has delivered it.
        kind: what it should be.
        step: what is done then.
        message: its body and its id.

    Raises:
        UnknownSchemaError: a newer release wrote it.
        StepFailedError: it can't be kept; the queue delivers it again.
    """
    try:
        read = kind.read(message[0])
    except MessageError as error:
        await keep_as_delivered(services, queue, message, str(error))
        return
    await step(services, read)


async def keep_as_delivered(services: Services, queue: str, message: tuple[bytes, str], reason: str) -> None:
    """Keep a message that its queue is not to deliver again, and log it as one that was given up.

    Raises:
        StepFailedError: it can't be kept.
    """
    body, message_id = message
    log_event(Event.MESSAGE_POISONED, queue=queue, message=message_id)
    try:
        await services.ensure()
        await keep(services, queue, body, message_id, reason)
    except AzureError as error:
        raise StepFailedError(explain(error)) from None


async def keep(services: Services, queue: str, body: bytes, message_id: str, reason: str) -> None:
    """Keep a message that belongs to no disk, or that nobody can read, in a row of its own."""
    said = without_secrets(decoded(body).decode(errors="replace"))[:MOST_SAID]
    await services.records.keep_poison(message_id, {"queue": queue, "reason": reason[:MOST_SAID], "body": said})

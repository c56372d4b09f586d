"""Unreadable messages: kept in the table's partition `poison` at once, under their original ids.

The host moves a message to the poison queue under a new id, without the original one.
"""

from collections.abc import Awaitable, Callable

from azure.core.exceptions import AzureError

from shared.azure.answers import explain
from shared.azure.services import Services
from shared.errors import StepFailedError, without_secrets
from shared.events import Event, log_event
from shared.model.messages import Message, MessageError
from shared.model.requests import decoded

MAX_KEPT_CHARACTERS = 500
"""Characters kept of a message, and of the reason it is kept for."""


async def handle_message[Read: Message](
    services: Services,
    queue: str,
    kind: type[Read],
    step: Callable[[Services, Read], Awaitable[None]],
    message: tuple[bytes, str],
) -> None:
    """Take the step that a message requests; keep an unreadable message under its own id, and don't retry it.

    Args:
        services: the services.
        queue: the queue that delivered it.
        kind: the expected kind of message.
        step: the step.
        message: its body and its id.

    Raises:
        UnknownSchemaError: a newer release wrote it.
        StepFailedError: it is unreadable and can't be kept; the queue redelivers it.
    """
    try:
        read = kind.read(message[0])
    except MessageError as error:
        await keep_poisoned(services, queue, message, str(error))
        return
    await step(services, read)


async def keep_poisoned(services: Services, queue: str, message: tuple[bytes, str], reason: str) -> None:
    """Keep a message that its queue must not redeliver, and log it as poisoned.

    Raises:
        StepFailedError: it can't be kept.
    """
    body, message_id = message
    log_event(Event.MESSAGE_POISONED, queue=queue, message=message_id)
    try:
        await services.ensure()
        await keep_message(services, queue, body, message_id, reason)
    except AzureError as error:
        raise StepFailedError(explain(error)) from None


async def keep_message(services: Services, queue: str, body: bytes, message_id: str, reason: str) -> None:
    """Keep a message that is unreadable or belongs to no disk, in a row of the partition `poison`."""
    text = without_secrets(decoded(body).decode(errors="replace"))[:MAX_KEPT_CHARACTERS]
    await services.records.keep_poison(
        message_id, {"queue": queue, "reason": reason[:MAX_KEPT_CHARACTERS], "body": text}
    )

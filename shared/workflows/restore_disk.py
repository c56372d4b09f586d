"""A restore is asked for: the request is read and put on record; whatever comes after is done step by step."""

import logging

from azure.core.exceptions import AzureError

from shared.errors import StepFailedError, explain
from shared.events import Event, log_event
from shared.messages import RestoreMessage
from shared.names import request_id
from shared.requests import RequestError, RestoreRequest
from shared.restores import Restore, State, ended
from shared.storage.services import Services


async def restore_disk(services: Services, body: bytes, message_id: str) -> None:
    """Open a restore, or put on record why not. The same message delivered again opens no other.

    Args:
        services: the services.
        body: the message, as a person wrote it.
        message_id: the queue message's id, which names the restore; where there is none, the body does.

    Raises:
        StepFailedError: the record can't be written.
    """
    restore = request_id(message_id, body)
    try:
        await services.ensure()
        try:
            request = RestoreRequest.read(body)
        except RequestError as error:
            await _refuse(services, restore, str(error))
        else:
            await _open(services, restore, request)
    except AzureError as error:
        reason = explain(error)
        log_event(Event.RESTORE_DISK_FAILED, level=logging.ERROR, restore=restore, reason=reason)
        raise StepFailedError(reason) from None


async def _refuse(services: Services, restore: str, reason: str) -> None:
    now = services.now()
    opened = Restore(restore=restore, requested=now, checked=now, phase_began=now)
    if await services.restores.add(ended(opened, State.REFUSED, reason, now)):
        log_event(Event.RESTORE_REFUSED, level=logging.WARNING, restore=restore, reason=reason)


async def _open(services: Services, restore: str, request: RestoreRequest) -> None:
    opened = Restore.of(restore, request, services.now())
    if await services.restores.add(opened):
        log_event(Event.RESTORE_REQUESTED, **request.model_dump(), restore=restore)
    else:
        found = await services.restores.get(opened.address, restore)
        if found is None or found[0].has_ended:
            return
    await services.queues.send(RestoreMessage(disk=request.disk, restore=restore))

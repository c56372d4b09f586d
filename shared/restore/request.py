"""A restore is asked for: the request is read and put on record; whatever comes after is done step by step."""

from functools import partial

from shared.azure.services import Services
from shared.events import Event, log_event
from shared.jobs.requested import enqueue_first_step, put_on_record, redelivered
from shared.model.messages import RestoreMessage
from shared.model.names import request_id
from shared.model.requests import RequestError, RestoreRequest
from shared.model.restore import Restore, State, ended


async def restore_disk(services: Services, body: bytes, message_id: str) -> None:
    """Open a restore, or put on record why not. The same message delivered again opens no other.

    What can't be put on record is carried by the restore's own message, under its id, until it can.

    Args:
        services: the services.
        body: the message, as a person wrote it.
        message_id: the queue message's id, which names the restore; where there is none, the body does.

    Raises:
        StepFailedError: neither the record nor the queue can be written to.
    """
    restore = request_id(message_id, body)
    try:
        request = RestoreRequest.read(body)
    except RequestError as error:
        async with redelivered(Event.RESTORE_DISK_FAILED, restore=restore):
            await services.ensure()
            await _refuse(services, restore, str(error))
        return
    carried = RestoreMessage(disk=request.disk, restore=restore, request=request.model_dump_json(by_alias=True))
    async with redelivered(Event.RESTORE_DISK_FAILED, restore=restore):
        opened = await put_on_record(services, partial(_on_record, services, restore, request), carried)
        if opened:
            await _enqueue(services, opened)


async def _refuse(services: Services, restore: str, reason: str) -> None:
    now = services.now()
    opened = Restore(restore=restore, requested=now, checked=now, phase_began=now)
    if await services.restores.add(ended(opened, State.REFUSED, reason, now)):
        log_event(Event.RESTORE_REFUSED, restore=restore, reason=reason)


async def _on_record(services: Services, restore: str, request: RestoreRequest) -> Restore | None:
    """Give the row of a restore, new or not; None where it has ended."""
    opened = Restore.of(restore, request, services.now())
    if await services.restores.add(opened):
        log_event(Event.RESTORE_REQUESTED, **request.model_dump(), restore=restore)
        return opened
    found = await services.restores.get(opened.address, restore)
    return None if found is None or found[0].has_ended else found[0]


async def _enqueue(services: Services, opened: Restore) -> None:
    def refused(row: Restore, why: str) -> Restore:
        log_event(Event.RESTORE_REFUSED, **row.about, reason=why)
        return ended(row, State.REFUSED, why, services.now())

    message = RestoreMessage(disk=opened.disk, restore=opened.restore)
    await enqueue_first_step(services, services.restores, opened, message, refused)

"""An inspection is asked for, by a message or by the timer, and put on record; what comes after is step by step."""

import logging

from azure.core.exceptions import AzureError

from shared.addresses import BlobAddress
from shared.errors import StepFailedError, explain
from shared.events import Event, log_event
from shared.inspections import Inspection, Stage, ended
from shared.messages import InspectionMessage
from shared.names import request_id
from shared.record import Task
from shared.requests import LATEST, InspectionRequest, RequestError
from shared.storage.services import Services
from shared.workflows.failures import record_failure


async def request_inspection(services: Services, task: Task, body: bytes, message_id: str) -> None:
    """Open an inspection, or put on record why not. The same message delivered again opens no other.

    Args:
        services: the services.
        task: what is to be done.
        body: the message, as a person wrote it.
        message_id: the queue message's id, which names the inspection; where there is none, the body does.

    Raises:
        StepFailedError: the record can't be written.
    """
    inspection = request_id(message_id, body)
    try:
        await services.ensure()
        try:
            request = InspectionRequest.read(body)
        except RequestError as error:
            await _refuse(services, task, inspection, str(error))
        else:
            await open_inspection(services, task, BlobAddress.parse(request.disk), request.point, inspection)
    except AzureError as error:
        raise _failed(task, error) from None


async def inspect_all(services: Services, task: Task) -> None:
    """Open an inspection of every disk that is backed up, of its newest recovery point; a second timer opens no other.

    Raises:
        StepFailedError: the record can't be read.
    """
    inspection = f"{services.now():%Y%m%dT%H%MZ}"
    try:
        await services.ensure()
        known = await services.records.disks()
    except AzureError as error:
        raise _failed(task, error) from None
    for disk, is_adopted in known.items():
        if not (is_adopted or services.settings.covers(disk)):
            continue
        try:
            if await services.records.point_times(disk):
                await open_inspection(services, task, disk, LATEST, inspection)
        except AzureError as error:
            await record_failure(services, disk, Event(f"{task}-failed"), error)


async def open_inspection(services: Services, task: Task, disk: BlobAddress, point: str, inspection: str) -> None:
    """Put an inspection on record, and enqueue its first step; one that is on record is enqueued again."""
    opened = Inspection.of(inspection, task, disk.url, point, services.now())
    if await services.inspections.add(opened):
        log_event(Event(f"{task}-requested"), disk=disk.url, point=point, inspection=inspection)
    else:
        found = await services.inspections.get(disk, task, inspection)
        if found is None or found[0].has_ended:
            return
    await services.queues.send(InspectionMessage(disk=disk.url, task=task, inspection=inspection))


async def _refuse(services: Services, task: Task, inspection: str, reason: str) -> None:
    now = services.now()
    if await services.inspections.add(
        ended(Inspection.of(inspection, task, "", LATEST, now), Stage.REFUSED, reason, now)
    ):
        log_event(Event(f"{task}-refused"), level=logging.WARNING, inspection=inspection, reason=reason)


def _failed(task: Task, error: AzureError) -> StepFailedError:
    reason = explain(error)
    log_event(Event(f"{task}-failed"), level=logging.ERROR, reason=reason)
    return StepFailedError(reason)

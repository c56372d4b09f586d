"""An inspection is asked for, by a message or by the timer, and put on record; what comes after is step by step."""

from functools import partial

from azure.core.exceptions import AzureError

from shared.azure.answers import explain
from shared.azure.services import Services
from shared.errors import StepFailedError, TidemarkError
from shared.events import log_event
from shared.jobs.requested import enqueue_first_step, put_on_record, redelivered
from shared.jobs.stage_events import OF_INSPECTION
from shared.model.addresses import BlobAddress
from shared.model.inspection import Inspection, Stage, Task, ended
from shared.model.messages import InspectionMessage
from shared.model.names import request_id
from shared.model.requests import LATEST, InspectionRequest, RequestError
from shared.runs.failures import record_failure


async def request_inspection(services: Services, task: Task, body: bytes, message_id: str) -> None:
    """Open an inspection, or put on record why not. The same message delivered again opens no other.

    What can't be put on record is carried by the inspection's own message, under its id, until it can.

    Args:
        services: the services.
        task: what is to be done.
        body: the message, as a person wrote it.
        message_id: the queue message's id, which names the inspection; where there is none, the body does.

    Raises:
        StepFailedError: the record can't be written.
    """
    inspection = request_id(message_id, body)
    failed = OF_INSPECTION[task, Stage.FAILED]
    try:
        request = InspectionRequest.read(body)
    except RequestError as error:
        async with redelivered(failed, inspection=inspection):
            await services.ensure()
            await _refuse(services, task, inspection, str(error))
        return
    carried = InspectionMessage(disk=request.disk, task=task, inspection=inspection, request=request.model_dump_json())
    async with redelivered(failed, inspection=inspection):
        now = services.now()
        asked = Inspection.of(inspection, task, request.disk, request.point, now, on_request=True)
        opened = await put_on_record(services, partial(_on_record, services, asked), carried)
        if opened:
            await _enqueue(services, opened)


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
        except (AzureError, TidemarkError) as error:
            await record_failure(services, disk, OF_INSPECTION[task, Stage.FAILED], error)


async def open_inspection(services: Services, task: Task, disk: BlobAddress, point: str, inspection: str) -> None:
    """Put an inspection on record, and enqueue its first step; one that is on record is enqueued again."""
    if await _on_record(services, Inspection.of(inspection, task, disk.url, point, services.now())):
        await services.queues.send(InspectionMessage(disk=disk.url, task=task, inspection=inspection))


async def _on_record(services: Services, asked: Inspection) -> Inspection | None:
    """Give the row of an inspection, new or not; None where it has ended."""
    if await services.inspections.add(asked):
        log_event(OF_INSPECTION[asked.task, Stage.REQUESTED], **asked.about, point=asked.point)
        return asked
    found = await services.inspections.get(asked.address, asked.task, asked.inspection)
    return None if found is None or found[0].has_ended else found[0]


async def _enqueue(services: Services, asked: Inspection) -> None:
    """Enqueue the first step of what a person has asked for, who is told if it can't be done."""

    def refused(row: Inspection, why: str) -> Inspection:
        log_event(OF_INSPECTION[row.task, Stage.REFUSED], **row.about, reason=why)
        return ended(row, Stage.REFUSED, why, services.now())

    message = InspectionMessage(disk=asked.disk, task=asked.task, inspection=asked.inspection)
    await enqueue_first_step(services, services.inspections, asked, message, refused)


async def _refuse(services: Services, task: Task, inspection: str, reason: str) -> None:
    now = services.now()
    if await services.inspections.add(
        ended(Inspection.of(inspection, task, "", LATEST, now), Stage.REFUSED, reason, now)
    ):
        log_event(OF_INSPECTION[task, Stage.REFUSED], inspection=inspection, reason=reason)


def _failed(task: Task, error: AzureError) -> StepFailedError:
    reason = explain(error)
    log_event(OF_INSPECTION[task, Stage.FAILED], reason=reason)
    return StepFailedError(reason)

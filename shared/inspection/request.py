"""Opening inspections that no message requested: those of the timers, and those that follow from other jobs."""

from azure.core.exceptions import AzureError

from shared.azure.answers import explain
from shared.azure.services import Services
from shared.errors import StepFailedError, TidemarkError
from shared.events import log_event
from shared.jobs.request import record_job
from shared.jobs.stage_events import STAGE_EVENTS
from shared.jobs.storage import wait_for_storage
from shared.model.disk import Disk
from shared.model.inspection import Inspection
from shared.model.job import JobKind, Stage
from shared.model.requests import LATEST
from shared.runs.failures import record_failure


async def inspect_all(services: Services, task: JobKind) -> None:
    """Open an inspection of the newest recovery point of every disk in backup; a timer that fires twice opens one.

    Raises:
        StepFailedError: the records can't be read.
    """
    inspection = f"{services.now():%Y%m%dT%H%MZ}"
    await wait_for_storage(services, STAGE_EVENTS[task, Stage.FAILED])
    try:
        known = await services.records.disks()
    except AzureError as error:
        raise _failed(task, error) from None
    for disk, summary in known.items():
        if not services.settings.backs_up(disk, adopted=summary.was_restored, retired=summary.retired is not None):
            continue
        try:
            if await services.records.point_times(disk):
                await open_inspection(services, task, disk, LATEST, inspection)
        except (AzureError, TidemarkError) as error:
            await record_failure(services, disk, STAGE_EVENTS[task, Stage.FAILED], error)


async def open_inspection(services: Services, task: JobKind, disk: Disk, point: str, inspection: str) -> None:
    """Record an inspection and enqueue its first step; one that is already on record is enqueued again."""
    opened = Inspection.of(inspection, task, disk, point, services.now())
    if row := await record_job(services.inspections, opened):
        await services.queues.send(row.message)


def _failed(task: JobKind, error: AzureError) -> StepFailedError:
    reason = explain(error)
    log_event(STAGE_EVENTS[task, Stage.FAILED], reason=reason)
    return StepFailedError(reason)

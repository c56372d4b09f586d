"""The end of an inspection: delete what it has created and record its outcome. It can be repeated."""

from dataclasses import replace

from azure.core.exceptions import AzureError

from shared.azure.services import Services
from shared.events import Event, log_event
from shared.inspection.conclude import record_outcome
from shared.inspection.scratch import drop_scratch
from shared.inspection.versions import scratch_of
from shared.model.inspection import Inspection
from shared.model.job import JobKind, Next
from shared.model.retry_policy import MAX_CHECK_DELAY
from shared.runs.clean_up import drop_old_snapshots
from shared.runs.failures import record_failure


async def end_inspection(services: Services, inspection: Inspection) -> Next[Inspection]:
    """Clean up after an inspection and record its outcome; update its own row last."""
    ended = inspection.cleaned_up()
    if not inspection.recovery_point:
        return Next(ended)
    if inspection.task is JobKind.DRILL and not await drop_scratch(services, inspection):
        return Next(replace(inspection, checked=services.now()), MAX_CHECK_DELAY)
    await services.parts.drop(inspection)
    if inspection.task is JobKind.VERIFY:
        try:
            await drop_old_snapshots(services, inspection.known_disk)
        except AzureError as error:
            await record_failure(services, inspection.known_disk, Event.DELETE_SOURCE_SNAPSHOT_FAILED, error)
    await record_outcome(services, ended)
    return Next(ended)


async def abandon_cleanup(services: Services, inspection: Inspection, why: str) -> None:
    """Stop cleaning up after an inspection, and log what may be left over; ticks keep trying to delete it."""
    ended = inspection.cleaned_up()
    if ended.task is JobKind.DRILL:
        scratch = scratch_of(services, ended).url
        log_event(Event.SCRATCH_LEFT_OVER, disk=ended.disk, blob=scratch, reason=why)
    await record_outcome(services, ended)

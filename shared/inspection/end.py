"""The end of an inspection: nothing of it is left, and what came of it is on record. Repeating it is harmless."""

from dataclasses import replace

from azure.core.exceptions import AzureError

from shared.azure.services import Services
from shared.events import Event, log_event
from shared.inspection.conclude import note_outcome
from shared.inspection.scratch import drop_scratch
from shared.inspection.versions import scratch_of
from shared.model.inspection import Inspection
from shared.model.job import JobKind, Next
from shared.model.retry_policy import MAX_CHECK_DELAY
from shared.runs.clean_up import drop_old_snapshots
from shared.runs.failures import record_failure


async def end_inspection(services: Services, inspection: Inspection) -> Next[Inspection]:
    """Clean up after an inspection, and put on record what came of it; its row says so last."""
    over = inspection.cleaned_up()
    if not inspection.recovery_point:
        return Next(over)
    if inspection.task is JobKind.DRILL and not await drop_scratch(services, inspection):
        return Next(replace(inspection, checked=services.now()), MAX_CHECK_DELAY)
    await services.parts.drop(inspection)
    if inspection.task is JobKind.VERIFY:
        try:
            await drop_old_snapshots(services, inspection.known_disk)
        except AzureError as error:
            await record_failure(services, inspection.known_disk, Event.DELETE_SOURCE_SNAPSHOT_FAILED, error)
    await note_outcome(services, over)
    return Next(over)


async def end_as_it_is(services: Services, inspection: Inspection, why: str) -> None:
    """Give up cleaning up after an inspection: say what may be left of it; the ticks go on trying to."""
    over = inspection.cleaned_up()
    if over.task is JobKind.DRILL:
        scratch = scratch_of(services, over).url
        log_event(Event.SCRATCH_LEFT_OVER, disk=over.disk, blob=scratch, reason=why)
    await note_outcome(services, over)

"""The steps of an inspection, one per invocation: find the recovery point, promote it (a drill), compare, conclude."""

from collections.abc import Awaitable, Callable

from shared.azure.services import Services
from shared.errors import SourceGoneError
from shared.events import Event, log_event
from shared.inspection.begin import begin_inspection
from shared.inspection.compare import compare
from shared.inspection.end import abandon_cleanup, end_inspection
from shared.inspection.missing import handle_missing
from shared.inspection.promote import promote_to_scratch
from shared.inspection.versions import scratch_of
from shared.jobs.loop import Procedure, continue_job
from shared.model.inspection import Inspection
from shared.model.job import ENDS, Next, Stage
from shared.model.messages import InspectionMessage
from shared.pages.copying import BlobCopy, abort_copy


async def continue_inspection(services: Services, message: InspectionMessage) -> None:
    """Run the next step of an inspection and enqueue the one after it.

    Raises:
        StepFailedError: the record or the queue can't be reached.
    """
    await continue_job(services, INSPECTION_PROCEDURE, message)


def _or_missing(
    step: Callable[[Services, Inspection], Awaitable[Next[Inspection]]],
) -> Callable[[Services, Inspection], Awaitable[Next[Inspection]]]:
    """Wrap a step so that it handles a version that no longer exists."""

    async def handling(services: Services, inspection: Inspection) -> Next[Inspection]:
        try:
            return await step(services, inspection)
        except SourceGoneError as error:
            return await handle_missing(services, inspection, error)

    return handling


async def _give_up(services: Services, inspection: Inspection, why: str) -> Inspection:
    return inspection.fail(why, services.now())


async def _cancel(services: Services, inspection: Inspection) -> Next[Inspection]:
    """End an inspection that an operator has cancelled; a drill's copy is aborted."""
    if inspection.state is Stage.PROMOTING:
        await abort_copy(services, BlobCopy(scratch_of(services, inspection), inspection.mark, inspection.size))
    return Next(inspection.stop(inspection.cancelled, services.now()))


async def _drop(_: Services, inspection: Inspection) -> None:
    """Drop the message of an inspection that has ended: cleanup comes before its row says so."""
    log_event(Event.MESSAGE_DROPPED, **inspection.about, step="continue-inspection")


INSPECTION_PROCEDURE = Procedure[Inspection](
    rows=lambda services: services.inspections,
    steps={
        Stage.REQUESTED: begin_inspection,
        Stage.PROMOTING: _or_missing(promote_to_scratch),
        Stage.COMPARING: _or_missing(compare),
        Stage.ENDING: end_inspection,
    },
    cleanup_before=ENDS,
    cancel=_cancel,
    give_up=_give_up,
    abandon_cleanup=abandon_cleanup,
    on_ended=_drop,
    step_failed=Event.INSPECTION_STEP_FAILED,
)

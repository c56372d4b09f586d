"""An inspection goes on, a step an invocation: find the recovery point, promote it (a drill), compare it, conclude."""

from collections.abc import Awaitable, Callable

from shared.azure.services import Services
from shared.errors import SourceGoneError
from shared.events import Event, log_event
from shared.inspection.begin import begin_inspection
from shared.inspection.compare import compare
from shared.inspection.end import end_as_it_is, end_inspection
from shared.inspection.gone import conclude_gone
from shared.inspection.promote import promote_to_scratch
from shared.jobs.loop import Procedure, continue_job
from shared.model.inspection import Inspection
from shared.model.job import ENDS, Next, Stage
from shared.model.messages import InspectionMessage


async def continue_inspection(services: Services, message: InspectionMessage) -> None:
    """Do the next step of an inspection, and enqueue the one after it.

    Raises:
        StepFailedError: neither the record nor the queue can be reached.
    """
    await continue_job(services, INSPECTION_PROCEDURE, message)


def _or_gone(
    step: Callable[[Services, Inspection], Awaitable[Next[Inspection]]],
) -> Callable[[Services, Inspection], Awaitable[Next[Inspection]]]:
    """Make a step that concludes, where something is gone, which of the two that are compared it is."""

    async def concluding(services: Services, inspection: Inspection) -> Next[Inspection]:
        try:
            return await step(services, inspection)
        except SourceGoneError as error:
            return await conclude_gone(services, inspection, error)

    return concluding


async def _give_up(services: Services, inspection: Inspection, why: str) -> Inspection:
    return inspection.fail(why, services.now())


async def _drop(_: Services, inspection: Inspection) -> None:
    """Do nothing about an inspection that has ended: it is cleaned up after before its row says so."""
    log_event(Event.MESSAGE_DROPPED, **inspection.about, step="continue-inspection")


INSPECTION_PROCEDURE = Procedure[Inspection](
    rows=lambda services: services.inspections,
    steps={
        Stage.REQUESTED: begin_inspection,
        Stage.PROMOTING: _or_gone(promote_to_scratch),
        Stage.COMPARING: _or_gone(compare),
        Stage.ENDING: end_inspection,
    },
    cleanup_before=ENDS,
    give_up=_give_up,
    abandon_cleanup=end_as_it_is,
    on_ended=_drop,
    step_failed=Event.INSPECTION_STEP_FAILED,
)

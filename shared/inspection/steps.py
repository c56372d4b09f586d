"""An inspection goes on, a step an invocation: find the recovery point, promote it for a drill, compare it, conclude.

Each step looks at what is there, does what is missing and comes back. Repeating a step is harmless: the row of the
inspection is only advanced by the invocation that has read it.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

from azure.core.exceptions import AzureError

from shared.azure.answers import explain, then_of
from shared.azure.services import Services
from shared.azure.tables.records import RecordConflictError
from shared.errors import SourceGoneError, StepFailedError, Then
from shared.events import Event, log_event
from shared.inspection.begin import begin
from shared.inspection.compare import compare
from shared.inspection.end import end, end_as_it_is
from shared.inspection.gone import conclude_gone
from shared.inspection.promote import promote
from shared.inspection.request import request_inspection
from shared.jobs.stage_events import OF_INSPECTION
from shared.model.inspection import Inspection, Next, Stage, Task, ended, ending, tried_again
from shared.model.job import LONGEST_CHECK_DELAY, out_of_patience
from shared.model.messages import InspectionMessage

_AFTER_CONFLICT = timedelta(seconds=5)

_STEPS: Mapping[Stage, Callable[[Services, Inspection], Awaitable[Next]]] = {
    Stage.REQUESTED: begin,
    Stage.PROMOTING: promote,
    Stage.COMPARING: compare,
}


async def continue_inspection(services: Services, message: InspectionMessage) -> None:
    """Do the next step of an inspection, and enqueue the one after it.

    Raises:
        StepFailedError: neither the record nor the queue can be reached.
    """
    try:
        await _continue(services, message)
    except (AzureError, RecordConflictError) as error:
        reason = explain(error)
        log_event(Event.INSPECTION_STEP_FAILED, **message.about, reason=reason)
        try:
            await services.queues.send(message, LONGEST_CHECK_DELAY)
        except AzureError:
            raise StepFailedError(reason) from None


async def _continue(services: Services, message: InspectionMessage) -> None:
    found = await services.inspections.get(message.address, message.task, message.inspection)
    if found is None and message.request:
        await request_inspection(services, message.task, message.request.encode(), message.inspection)
        return
    if found is None or found[0].has_ended:
        log_event(Event.MESSAGE_DROPPED, **message.about, step="continue-inspection")
        return
    inspection, etag = found
    then, delay = await _step(services, inspection)
    try:
        await services.inspections.put(then, etag)
    except RecordConflictError:
        # Whoever was faster may be dead by now; and it may have been this very write, sent twice by the SDK.
        await services.queues.send(message, _AFTER_CONFLICT)
        return
    if then.state is not inspection.state:
        _log(then)
    if not then.has_ended:
        await services.queues.send(message, delay)


async def _step(services: Services, inspection: Inspection) -> Next:
    """Do a step; whatever goes wrong is put on the row, and tells how to go on.

    What an inspection has come to is on its row before anything is cleaned up.
    """
    if inspection.state is Stage.ENDING:
        return await _end(services, inspection)
    try:
        then, delay = await _step_or_gone(services, inspection)
    except Exception as error:  # noqa: BLE001 - nothing may keep an inspection waiting without an end
        then, delay = _after_error(inspection, error, services.now())
    return Next(ending(then)) if then.has_ended else Next(then, delay)


async def _end(services: Services, inspection: Inspection) -> Next:
    """Clean up after an inspection; where that can't be done for too long, it ends all the same."""
    try:
        then, delay = await end(services, inspection)
        return Next(then.out_of_trouble(), delay)
    except Exception as error:  # noqa: BLE001 - nothing may keep an inspection waiting without an end
        now, reason = services.now(), explain(error)
        if inspection.is_out_of_patience(now):
            return Next(await end_as_it_is(services, inspection, reason))
        return Next(inspection.in_trouble(reason, now), LONGEST_CHECK_DELAY)


async def _step_or_gone(services: Services, inspection: Inspection) -> Next:
    """Do a step; where something is gone, conclude which of the two that are compared it is."""
    try:
        then, delay = await _STEPS[inspection.state](services, inspection)
    except SourceGoneError as error:
        return await conclude_gone(services, inspection, error)
    return Next(then.out_of_trouble(), delay)


def _after_error(inspection: Inspection, error: Exception, now: datetime) -> Next:
    """Say how an inspection goes on after a step that has gone wrong.

    Raises:
        Exception: somebody else was faster: there is nothing to be put on the row.
    """
    match then_of(error):
        case Then.LOOK_AGAIN:
            raise error
        case Then.BEGIN_ANEW_OR_END:
            return Next(_again_or_end(inspection, explain(error), now), LONGEST_CHECK_DELAY)
        case _:
            return _wait(inspection, explain(error), now)


def _wait(inspection: Inspection, reason: str, now: datetime) -> Next:
    """Come back to a step that has gone wrong, until it has for too long.

    This message is the inspection's heartbeat: it outlasts an outage, while the queue tries five times only.
    """
    troubled = inspection.in_trouble(reason, now)
    if troubled.is_out_of_patience(now):
        return Next(ended(troubled, Stage.FAILED, out_of_patience(troubled), now))
    return Next(troubled, LONGEST_CHECK_DELAY)


def _again_or_end(inspection: Inspection, reason: str, now: datetime) -> Inspection:
    """Begin a drill anew after an error that lasts; what has looked at nothing yet is refused."""
    if inspection.state is Stage.REQUESTED:
        return ended(inspection, Stage.REFUSED, reason, now)
    if inspection.task is Task.DRILL:
        return tried_again(inspection, reason, now)
    return ended(inspection, Stage.FAILED, reason, now)


def _log(inspection: Inspection) -> None:
    """Log what an inspection has come to."""
    log_event(
        OF_INSPECTION[inspection.task, inspection.state],
        **inspection.about,
        recovery_point=inspection.recovery_point,
        size=inspection.size,
        bytes_done=inspection.bytes_done,
        reason=inspection.reason,
        duration_seconds=inspection.duration_seconds or (inspection.checked - inspection.requested).total_seconds(),
    )

"""A restore goes on, a step an invocation: find the recovery point, promote it, copy it back, prove it, adopt the pair.

Each step looks at what is there, does what is missing and comes back; nothing waits for a copy. Repeating a step is
harmless: the row of the restore is only advanced by the invocation that has read it.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from azure.core.exceptions import AzureError

from shared.azure.answers import explain, then_of
from shared.azure.services import Services
from shared.azure.tables.records import RecordConflictError
from shared.errors import StepFailedError, Then
from shared.events import Event, log_event
from shared.jobs.stage_events import OF_RESTORE
from shared.model.job import LONGEST_CHECK_DELAY, out_of_patience
from shared.model.messages import RestoreMessage
from shared.model.restore import (
    Next,
    Restore,
    RestoreFailedError,
    State,
    ended,
    failed,
    next_look,
    next_try,
    tried_again,
)
from shared.restore.adopt import as_done, prove_and_adopt
from shared.restore.begin import begin
from shared.restore.copying import copy_back, promote
from shared.restore.end import clean_up_or_leave, is_adopted, let_go
from shared.restore.request import restore_disk

_AFTER_CONFLICT = timedelta(seconds=5)

_STEPS: Mapping[State, Callable[[Services, Restore], Awaitable[Next]]] = {
    State.REQUESTED: begin,
    State.PROMOTING: promote,
    State.COPYING: copy_back,
    State.PROVING: prove_and_adopt,
}


async def continue_restore(services: Services, message: RestoreMessage) -> None:
    """Do the next step of a restore, and enqueue the one after it.

    Raises:
        StepFailedError: neither the record nor the queue can be reached.
    """
    try:
        await _continue(services, message)
    except AzureError as error:
        reason = explain(error)
        log_event(Event.RESTORE_STEP_FAILED, **message.about, reason=reason)
        try:
            await services.queues.send(message, LONGEST_CHECK_DELAY)
        except AzureError:
            raise StepFailedError(reason) from None


async def _continue(services: Services, message: RestoreMessage) -> None:
    found = await services.restores.get(message.address, message.restore)
    if found is None and message.request:
        await restore_disk(services, message.request.encode(), message.restore)
        return
    if found is None:
        log_event(Event.MESSAGE_DROPPED, **message.about, step="continue-restore")
        return
    restore, etag = found
    if restore.has_ended:
        await clean_up_or_leave(services, restore)
        return
    then, delay = await _step(services, restore)
    try:
        await services.restores.put(then, etag)
    except RecordConflictError:
        # Whoever was faster may be dead by now; and it may have been this very write, sent twice by the SDK.
        await services.queues.send(message, _AFTER_CONFLICT)
        return
    _log(restore, then)
    if not then.has_ended:
        await services.queues.send(message, delay)
    elif then.state is not State.DONE:
        await clean_up_or_leave(services, then)


async def _step(services: Services, restore: Restore) -> Next:
    """Do a step; whatever goes wrong is put on the row, and tells how to go on."""
    try:
        then, delay = await _STEPS[restore.state](services, restore)
        return Next(then.out_of_trouble(), delay)
    except Exception as error:  # noqa: BLE001 - nothing may keep a restore, and its disk, waiting without an end
        return await _after(services, restore, error)


async def _after(services: Services, restore: Restore, error: Exception) -> Next:
    """Say how a restore goes on after a step that has gone wrong; one that has adopted its target is only tidied up."""
    if restore.state is State.PROVING and await is_adopted(services, restore):
        return await _wait(services, restore, explain(error), LONGEST_CHECK_DELAY)
    return await _after_error(services, restore, error)


async def _after_error(services: Services, restore: Restore, error: Exception) -> Next:
    reason, has_begun = explain(error), restore.state is not State.REQUESTED
    match then_of(error):
        case Then.BEGIN_ANEW | Then.BEGIN_ANEW_OR_END if has_begun:
            return _begin_anew(services, restore, reason)
        case Then.END | Then.BEGIN_ANEW_OR_END:
            return _end(services, restore, reason)
        case Then.LOOK_AGAIN:
            return Next(restore, _AFTER_CONFLICT)
        case Then.BEGIN_ANEW:
            return await _wait(services, restore, reason, next_look(restore, services.now()))
        case _:
            return await _wait(services, restore, reason, LONGEST_CHECK_DELAY)


async def _wait(services: Services, restore: Restore, reason: str, delay: timedelta) -> Next:
    """Come back to a step that has gone wrong, until it has for too long.

    This message is the restore's heartbeat: it outlasts an outage, while the queue tries five times only.
    """
    now = services.now()
    troubled = restore.in_trouble(reason, now)
    return await _run_out_of_patience(services, troubled) if troubled.is_out_of_patience(now) else Next(troubled, delay)


async def _run_out_of_patience(services: Services, restore: Restore) -> Next:
    """End a restore of which every step has gone wrong for too long; one that has adopted its target is done."""
    now, why = services.now(), out_of_patience(restore)
    if restore.state is State.PROVING and await is_adopted(services, restore):
        await let_go(services, restore, why)
        return Next(as_done(restore, now))
    return Next(failed(restore, why, now))


def _end(services: Services, restore: Restore, why: str) -> Next:
    """End a restore: before anything is written it is refused, else it has failed."""
    if restore.state is State.REQUESTED:
        return Next(ended(restore, State.REFUSED, why, services.now()))
    return Next(failed(restore, why, services.now()))


def _begin_anew(services: Services, restore: Restore, reason: str) -> Next:
    """Begin the copies anew, unless that was done often enough."""
    try:
        again = tried_again(restore, reason, services.now())
    except RestoreFailedError as error:
        return _end(services, restore, str(error))
    return Next(again, next_try(again))


def _log(before: Restore, then: Restore) -> None:
    """Log what a step has come to."""
    about = {**then.about, "target": then.target, "recovery_point": then.recovery_point}
    if then.state is not before.state:
        log_event(
            OF_RESTORE[then.state],
            **about,
            point=then.target_snapshot,
            size=then.size,
            bytes_compared=then.bytes_compared,
            duration_seconds=(then.checked - then.requested).total_seconds(),
            reason=then.reason,
            proof=then.proof,
        )
    if then.last_error_at != before.last_error_at:
        log_event(Event.RESTORE_STEP_FAILED, **about, reason=then.last_error)

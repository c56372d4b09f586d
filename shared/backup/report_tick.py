"""A tick is looked at until all its disks are backed up; then the heartbeat is called."""

from dataclasses import replace
from typing import Any

from shared.azure.services import Services
from shared.errors import HeartbeatError
from shared.events import Event, log_event
from shared.jobs.loop import requeueing_on_error
from shared.model.messages import TickMessage
from shared.model.tick import HEARTBEAT_FOR, MAX_TICK_CHECK_DELAY, Outcome, backed_up, next_check, outcome


async def report_tick(services: Services, message: TickMessage) -> None:
    """Look whether every disk of a tick has its recovery point; say so, and call the heartbeat; else come back.

    Raises:
        StepFailedError: neither the record nor the queue can be reached.
    """
    async with requeueing_on_error(services, message, Event.REPORT_TICK_FAILED, MAX_TICK_CHECK_DELAY):
        await _report(services, message)


async def _report(services: Services, message: TickMessage) -> None:
    tick, now = message.tick, services.now()
    if message.succeeded is None:
        due = await services.records.due()
        found, done = outcome(tick, message.disks, due, now), backed_up(tick, due)
        if found is Outcome.PENDING:
            await services.queues.send(message, next_check(tick, now))
            return
        about: dict[str, Any] = {**message.about, "disks": message.disks, "backed_up": done}
        if found is Outcome.INCOMPLETE:
            log_event(Event.TICK_INCOMPLETE, **about)
            return
        log_event(Event.TICK_SUCCEEDED, **about, duration_seconds=(now - tick).total_seconds())
        message = replace(message, succeeded=now)
    await _call_heartbeat(services, message)


async def _call_heartbeat(services: Services, message: TickMessage) -> None:
    try:
        await services.heartbeat.call()
    except HeartbeatError as error:
        log_event(Event.HEARTBEAT_FAILED, **message.about, reason=str(error))
        now = services.now()
        if message.succeeded and now - message.succeeded < HEARTBEAT_FOR:
            await services.queues.send(message, next_check(message.succeeded, now))

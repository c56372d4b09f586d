"""Checking a tick until all its disks are backed up, then calling the heartbeat. What was refused is tried again."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shared.azure.services import Services
from shared.backup.find_disks import for_each
from shared.backup.tell_report import tell_app, tell_outdated, tell_report
from shared.errors import HeartbeatError
from shared.events import Event, log_event
from shared.jobs.loop import requeueing_on_error
from shared.model.disk import Disk
from shared.model.index import Summary
from shared.model.messages import TickMessage
from shared.model.report import AppReport
from shared.model.schedule import due_around
from shared.model.tick import HEARTBEAT_FOR, MAX_TICK_CHECK_DELAY, Outcome, backed_up, next_check, outcome
from shared.retention.ask import ask_for_retention
from shared.runs.catch_up import catch_up


async def report_tick(services: Services, message: TickMessage) -> None:
    """Log whether a tick has succeeded, and call the heartbeat if so; while runs are pending, check again later.

    Raises:
        StepFailedError: neither the table nor the queue can be reached.
    """
    async with requeueing_on_error(services, message, Event.REPORT_TICK_FAILED, MAX_TICK_CHECK_DELAY):
        await _report(services, message)


async def _report(services: Services, message: TickMessage) -> None:
    tick, now = message.tick, services.now()

    def known(app: AppReport) -> AppReport:
        """Say again what the tick has said, if somebody has deleted that."""
        if app.last_tick:
            return app
        due = due_around(services.settings.backup_schedule, tick)
        return app.at_tick(tick, due, disks=message.disks, absent=message.absent)

    if message.succeeded is None:
        due, on_record = await services.records.due()
        result, done = outcome(tick, message.disks, due, now, absent=message.absent), backed_up(tick, due)
        if result is Outcome.PENDING:
            await _catch_up(services, on_record)
            await tell_outdated(services, on_record, known)
            await services.queues.send(message, next_check(tick, now))
            return
        await ask_for_retention(services)
        fields: dict[str, Any] = {**message.about, "disks": message.disks, "backed_up": done}
        if result is Outcome.INCOMPLETE:
            log_event(Event.TICK_INCOMPLETE, **fields, absent=message.absent)
        else:
            log_event(Event.TICK_SUCCEEDED, **fields, duration_seconds=(now - tick).total_seconds())
            await _call_heartbeat(services, replace(message, succeeded=now))
        # Last, as nothing waits for it. Ticks repeat what they say; of one that failed nobody knows how far it came.
        has_failed = result is Outcome.INCOMPLETE
        await tell_report(services, lambda app: known(app).with_outcome(tick, result), repeat=has_failed)
        return
    await _call_heartbeat(services, message)


async def _catch_up(services: Services, on_record: Mapping[Disk, Summary]) -> None:
    """Snapshot the disks whose snapshots were refused for now, where it is time to try again."""
    now = services.now()
    waiting = [disk for disk, found in on_record.items() if found.snapshot_after and found.snapshot_after <= now]
    await for_each(services, waiting, lambda disk: catch_up(services, disk), Event.SNAPSHOT_FAILED)


async def _call_heartbeat(services: Services, message: TickMessage) -> None:
    now = services.now()
    try:
        await services.heartbeat.call()
        if services.settings.heartbeat_url and not services.settings.heartbeat_problem:
            await tell_app(services, lambda app: replace(app, heartbeat=now, heartbeat_problem=""))
    except HeartbeatError as error:
        problem = str(error)
        log_event(Event.HEARTBEAT_FAILED, **message.about, reason=problem)
        await tell_app(services, lambda app: replace(app, heartbeat_problem=problem))
        if message.succeeded and now - message.succeeded < HEARTBEAT_FOR:
            await services.queues.send(message, next_check(message.succeeded, now))

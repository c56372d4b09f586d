"""The functions host of a history: it starts functions, delivers messages, and takes back those that failed."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shared.azure.queues import POISON_SUFFIX
from shared.azure.services import Services, telling
from shared.azure.tables.rows import from_row
from shared.backup.copy_ranges import copy_ranges
from shared.backup.finish_backup import finish_backup
from shared.backup.plan_changes import plan_changes
from shared.backup.report_tick import report_tick
from shared.backup.take_snapshots import take_snapshots
from shared.inspection.compare_part import compare_part
from shared.inspection.request import inspect_all
from shared.inspection.steps import continue_inspection
from shared.jobs.poison import report_poison
from shared.jobs.request import request_job
from shared.manage.carry_out import carry_out
from shared.model.disk_ids import PREFIX
from shared.model.job import JobKind
from shared.model.late_snapshots import waits_since
from shared.model.messages import (
    BatchMessage,
    FinishMessage,
    InspectionMessage,
    PartMessage,
    PlanMessage,
    RestoreMessage,
    RetentionMessage,
    TickMessage,
)
from shared.model.names import (
    COMPARE_PARTS_QUEUE,
    CONTINUE_INSPECTION_QUEUE,
    CONTINUE_RESTORE_QUEUE,
    COPY_RANGES_QUEUE,
    DRILL_QUEUE,
    FINISH_BACKUP_QUEUE,
    MANAGE_QUEUE,
    PLAN_CHANGES_QUEUE,
    REPORT_TICK_QUEUE,
    RESTORE_REQUESTS_QUEUE,
    RETENTION_QUEUE,
    VERIFY_QUEUE,
)
from shared.model.record import DiskRecord
from shared.model.schema import is_known
from shared.points.rebuild_catalogue import rebuild_catalogue
from shared.restore.steps import continue_restore
from shared.retention.retain import retain_points
from shared.settings import Settings
from tests.simulation import ticks
from tests.simulation.calls import CURRENT, Calls, Crash, Invocation
from tests.simulation.kept import QueueMessage
from tests.simulation.managed.machines import LAB_GROUP
from tests.simulation.named import is_of_one_disk
from tests.simulation.services import settings_of, simulated, source_disks
from tests.simulation.world import DISKS, World

FUNCTION_TIMEOUT = timedelta(minutes=30)  # host.json, functionTimeout

LATE_AT_MOST = timedelta(hours=1)
"""How long a call may take: far longer than any service lets it, and as long as the app reckons with."""

_HANGS_AT_MOST = 2 * FUNCTION_TIMEOUT

_TICK = timedelta(hours=12)
_LOOKED_AT_FOR = timedelta(minutes=15)
_AGAIN_AFTER_FAILURE = timedelta(seconds=30)  # host.json, visibilityTimeout
_AGAIN_AFTER_CRASH = timedelta(minutes=10)  # the queue trigger's hold on a message
_MOST_DELIVERIES = 5  # host.json, maxDequeueCount
_AT_ONCE = 4

Step = Callable[[Services, QueueMessage], Coroutine[Any, Any, None]]
STEPS: Mapping[str, Step] = {
    PLAN_CHANGES_QUEUE: lambda services, message: plan_changes(services, PlanMessage.read(message.body)),
    COPY_RANGES_QUEUE: lambda services, message: copy_ranges(services, BatchMessage.read(message.body)),
    FINISH_BACKUP_QUEUE: lambda services, message: finish_backup(services, FinishMessage.read(message.body)),
    RESTORE_REQUESTS_QUEUE: lambda services, message: request_job(services, JobKind.RESTORE, message.body, message.id),
    CONTINUE_RESTORE_QUEUE: lambda services, message: continue_restore(services, RestoreMessage.read(message.body)),
    VERIFY_QUEUE: lambda services, message: request_job(services, JobKind.VERIFY, message.body, message.id),
    DRILL_QUEUE: lambda services, message: request_job(services, JobKind.DRILL, message.body, message.id),
    CONTINUE_INSPECTION_QUEUE: lambda services, message: continue_inspection(
        services, InspectionMessage.read(message.body)
    ),
    COMPARE_PARTS_QUEUE: lambda services, message: compare_part(services, PartMessage.read(message.body)),
    MANAGE_QUEUE: lambda services, message: carry_out(services, message.body, message.id),
    REPORT_TICK_QUEUE: lambda services, message: report_tick(services, TickMessage.read(message.body)),
    RETENTION_QUEUE: lambda services, message: retain_points(services, RetentionMessage.read(message.body)),
}
_REQUESTS = (RESTORE_REQUESTS_QUEUE, VERIFY_QUEUE, DRILL_QUEUE, MANAGE_QUEUE)


class WrongError(AssertionError):
    """The simulation found something wrong."""


@dataclass(eq=False)
class _Running:
    invocation: Invocation
    task: asyncio.Task[str]
    message: QueueMessage | None


class Host:
    """The host.

    Attributes:
        running: the invocations at work.
        delivered: the messages delivered so far.
        last_tick: when the timer went off last.
        log: what happened, in order.
    """

    def __init__(
        self, world: World, calls: Calls, rng: random.Random, modes: Mapping[str, str], **settings: str
    ) -> None:
        self._world, self._calls, self._rng, self._modes, self._settings = world, calls, rng, modes, settings
        self.running: list[_Running] = []
        self.delivered: list[QueueMessage] = []
        self.last_tick = world.now
        self.log: list[str] = []

    @property
    def settings(self) -> Settings:
        """The app settings as they are now."""
        is_managed = any(url.startswith(PREFIX) for url in self._modes)
        others = {"restore_containers": DISKS.url, "restore_groups": LAB_GROUP.url} if is_managed else {}
        return settings_of(source_disks(self._modes), **self._settings, **others)

    def tick(self) -> None:
        """Have the timer go off."""
        self.last_tick = self._world.now
        ticks.begun(self._world, self.settings, self.last_tick)
        self._start("take_snapshots", take_snapshots, None)

    def inspect(self, task: JobKind) -> None:
        """Have the timer of inspections go off."""
        self._start(f"{task} all", lambda services: inspect_all(services, task), None)

    def rebuild(self) -> None:
        """Have the catalogue rebuilt."""
        self._start("rebuild_catalogue", rebuild_catalogue, None)

    def can_deliver(self) -> bool:
        """Tell whether a message can be delivered now."""
        return bool(self._visible()) and len(self._at_work()) < _AT_ONCE

    def is_idle(self) -> bool:
        """Tell whether there is nothing to do but wait."""
        return not self._at_work() and not self._visible()

    def has_work(self) -> bool:
        """Tell whether a message waits; a tick that can't succeed is looked at for long, which nobody waits for."""
        is_awaited = self._world.now - self.last_tick < _LOOKED_AT_FOR or self._waits_for_a_snapshot()
        return any(is_awaited or message.queue != REPORT_TICK_QUEUE for message in self._world.messages)

    def _waits_for_a_snapshot(self) -> bool:
        """Tell whether a disk waits until a snapshot that was refused is tried again."""
        rows = [row for row, _ in self._world.records.values() if "snapshot_after" in row]
        waiting = [from_row(DiskRecord, row) for row in rows if is_known(row) and is_of_one_disk(row)]
        return any(map(waits_since, waiting))

    def deliver(self) -> None:
        """Deliver a message."""
        message = self._rng.choice(self._visible())
        self._world.messages.remove(message)
        self._handle(message)

    def deliver_again(self) -> None:
        """Deliver a message that has been delivered before, be it long done or still at work."""
        old = self._rng.choice(self.delivered[-30:])
        is_request = old.queue in _REQUESTS
        self._handle(QueueMessage(old.queue, old.body, self._world.now, old.id, _MOST_DELIVERIES, is_request))

    def pass_time(self) -> None:
        """Wait for the next message; for the next tick where none goes on with anything."""
        if self.has_work():
            self._world.now = min(message.visible_at for message in self._world.messages)
        else:
            self._world.now += _TICK
            self.tick()

    def pause_or_go_on(self) -> None:
        """Have an invocation hang for a while, or end that."""
        invocation = self._rng.choice(self.running).invocation
        invocation.paused = not invocation.paused

    def end_what_hangs(self) -> None:
        """End the invocations that have hung for longer than the platform lets them."""
        for running in self.running:
            if running.invocation.paused and self._world.now - running.invocation.began > _HANGS_AT_MOST:
                self._calls.kill(running.invocation)

    def go_on(self) -> None:
        """Have no invocation hang any more."""
        for running in self.running:
            running.invocation.paused = False

    async def run(self) -> None:
        """Let every invocation run up to its next call, or to its end."""
        for _ in range(3):
            await asyncio.sleep(0)
        for running in [running for running in self.running if running.task.done()]:
            self.running.remove(running)
            self._end(running)

    async def stop(self) -> None:
        """End all that is running."""
        for running in self.running:
            self._calls.kill(running.invocation)
        await asyncio.gather(*(running.task for running in self.running))

    def _services(self) -> Services:
        return simulated(self._world, self._calls, self.settings)

    def _at_work(self) -> list[_Running]:
        return [running for running in self.running if not running.invocation.paused]

    def _visible(self) -> list[QueueMessage]:
        return [message for message in self._world.messages if message.visible_at <= self._world.now]

    def _handle(self, message: QueueMessage) -> None:
        message.deliveries += 1
        self.delivered.append(message)
        name = f"{message.queue} {message.body.decode()}"
        self._start(name, lambda services: handle(services, message), message)

    def _start(self, name: str, work: Callable[[Services], Awaitable[None]], message: QueueMessage | None) -> None:
        self._note(name)
        invocation = Invocation(name, self._world.now)
        task = asyncio.ensure_future(_run(invocation, self._services(), work))
        self.running.append(_Running(invocation, task, message))

    def _end(self, running: _Running) -> None:
        end = running.task.result()
        self._note(f"{running.invocation.name}: {end}")
        message = running.message
        if message and message.queue in (CONTINUE_RESTORE_QUEUE, CONTINUE_INSPECTION_QUEUE):
            about = json.loads(message.body)
            job = about.get("restore") or about.get("inspection")
            self._world.unlucky[job] = self._world.unlucky[job] + 1 if running.invocation.errors else 0
        if message is None or end == "done" or message.is_duplicate:
            return
        if message.deliveries >= _MOST_DELIVERIES:
            self._give_up(message)
            return
        message.visible_at = self._world.now + (_AGAIN_AFTER_CRASH if running.invocation.dead else _AGAIN_AFTER_FAILURE)
        self._world.messages.append(message)

    def _give_up(self, message: QueueMessage) -> None:
        """Put a message that keeps failing into the poison queue; what is given up there is lost."""
        if not message.queue.endswith(POISON_SUFFIX):
            self._world.given_up.add(self._world.enqueue(f"{message.queue}{POISON_SUFFIX}", message.body))

    def _note(self, what: str) -> None:
        self.log.append(f"{self._world.now:%d %H:%M:%S} {what}")


async def handle(services: Services, message: QueueMessage) -> None:
    """Do what a message is for."""
    if message.queue.endswith(POISON_SUFFIX):
        queue = message.queue.removesuffix(POISON_SUFFIX)
        await report_poison(services, queue, message.body, message.id)
    else:
        await STEPS[message.queue](services, message)


async def _run(invocation: Invocation, services: Services, work: Callable[[Services], Awaitable[None]]) -> str:
    CURRENT.set(invocation)
    try:
        async with telling(services):
            await work(services)
    except (Exception, Crash, BaseExceptionGroup) as error:  # noqa: BLE001 - the host would take them all
        return "died" if invocation.dead else f"{type(error).__name__}: {error}"
    return "done"

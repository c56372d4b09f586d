"""A history: ticks, deliveries, guests, foreign hands and faults, in an order that its seed decides; then calm."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shared.addresses import BlobAddress
from shared.messages import BatchMessage, FinishMessage, PlanMessage
from shared.names import COPY_RANGES_QUEUE, FINISH_BACKUP_QUEUE, PLAN_CHANGES_QUEUE
from shared.workflows.copy_ranges import copy_ranges
from shared.workflows.finish_backup import finish_backup
from shared.workflows.plan_changes import plan_changes
from shared.workflows.take_snapshots import take_snapshots
from tests.simulation.blobs import Disk
from tests.simulation.calls import CHANGE_FATES, CURRENT, Calls, Crash, Invocation
from tests.simulation.hands import SIZES, Hands
from tests.simulation.services import simulated
from tests.simulation.world import QueueMessage, World

ACTIONS = 500
"""Actions of a history before it calms down."""

MOST_ACTIONS_OF_A_TICK = 20_000
"""Actions within which all is done that a tick has started, when nothing goes wrong."""

TICKS_TO_RECOVER = 3
"""Ticks within which every disk has a new recovery point once nothing goes wrong any more."""

_TICK = timedelta(hours=12)
_AGAIN_AFTER_FAILURE = timedelta(seconds=30)  # host.json, visibilityTimeout
_AGAIN_AFTER_CRASH = timedelta(minutes=10)  # the queue trigger's hold on a message
_FUNCTION_TIMEOUT = timedelta(minutes=30)  # host.json, functionTimeout
_MOST_DELIVERIES = 5  # host.json, maxDequeueCount
_AT_ONCE = 4


class WrongError(AssertionError):
    """The simulation found something wrong."""


@dataclass(eq=False)
class _Running:
    invocation: Invocation
    task: asyncio.Task[str]
    message: QueueMessage | None


class History:
    """One history, all of it decided by its seed.

    Attributes:
        world: what it is about.
        log: what happened, in order.
    """

    def __init__(self, seed: int) -> None:
        self._rng = rng = random.Random(seed)
        container = "https://disks.blob.core.windows.net/vhds"
        self.world = World(
            {
                BlobAddress.parse(f"{container}/{name}.vhd"): _new_disk(rng)
                for name in ("os", "data")[: rng.choice((1, 1, 2))]
            }
        )
        self.log: list[str] = []
        fates = rng.sample(CHANGE_FATES, rng.randint(1, len(CHANGE_FATES)))
        self._calls = Calls(rng, self.world.call_passed, fates, rate=rng.choice((0.003, 0.01, 0.03, 0.1)))
        self._hands = Hands(self.world, rng)
        self._services = simulated(self.world, self._calls)
        self._running: list[_Running] = []
        self._delivered: list[QueueMessage] = []

    def play(self) -> None:
        """Play it from its beginning to its calm end.

        Raises:
            WrongError: something is not as it must be.
        """
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda _loop, _context: None)  # what a dead invocation leaves unread
        try:
            loop.run_until_complete(self._play())
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()

    async def _play(self) -> None:
        try:
            await self._disturb()
            await self._recover()
        finally:
            for running in self._running:
                self._calls.kill(running.invocation)
            await asyncio.gather(*(running.task for running in self._running))

    async def _disturb(self) -> None:
        """Have everything go wrong for a while, then let it calm down."""
        for _ in range(ACTIONS):
            await self._do(self._chaos())
        self._calls.rate = 0
        for running in self._running:
            running.invocation.paused = False
        while self._running or self._calls.late:
            await self._do(self._calming())

    async def _recover(self) -> None:
        """Have every disk backed up anew, with nobody's help, and nothing left behind."""
        since = self.world.time()
        for _ in range(TICKS_TO_RECOVER):
            next_tick = self.world.now + _TICK
            self._tick()
            for _ in range(MOST_ACTIONS_OF_A_TICK):
                if not self._running and (not self.world.messages or self.world.now >= next_tick):
                    break
                await self._do(self._calm())
            else:
                raise WrongError("the queues never come to rest")
            if all(any(point.time > since for point in self.world.points_of(disk)) for disk in self.world.disks):
                break
            self.world.now = max(self.world.now, next_tick)
        else:
            raise WrongError(f"no new recovery point within {TICKS_TO_RECOVER} ticks")
        if wrong := list(self.world.wrong_at_rest()):
            raise WrongError("; ".join(wrong))

    async def _do(self, actions: dict[Callable[[], None], float]) -> None:
        """Do one of some actions, by their weights; then let every invocation run up to its next call."""
        [action] = self._rng.choices(list(actions), list(actions.values()))
        action()
        for _ in range(3):
            await asyncio.sleep(0)
        for running in [running for running in self._running if running.task.done()]:
            self._running.remove(running)
            self._end(running)
        if self.world.violations:
            raise WrongError("; ".join(self.world.violations))

    def _calm(self) -> dict[Callable[[], None], float]:
        """What happens when nothing goes wrong."""
        actions: dict[Callable[[], None], float] = {self._hands.guest_writes: 1}
        at_work = [running for running in self._running if not running.invocation.paused]
        if self._calls.ready():
            actions[self._calls.give_turn] = 30
        if self._visible() and len(at_work) < _AT_ONCE:
            actions[self._deliver] = 10
        elif not at_work and not self._visible():
            actions[self._pass_time] = 10
        return actions

    def _calming(self) -> dict[Callable[[], None], float]:
        """What still happens when nothing goes wrong any more: late calls land."""
        return self._calm() | ({self._calls.land: 3} if self._calls.late else {})

    def _chaos(self) -> dict[Callable[[], None], float]:
        """What happens while all goes wrong that can."""
        actions = self._calm() | {self._tick: 0.1, self._time_is_lost: 0.05}
        if self._calls.late:
            actions[self._calls.land] = 0.5
        if self._running:
            actions[self._pause_or_go_on] = 0.3
        if self._delivered:
            actions[self._deliver_again] = 0.3
        if self._hands.foreign:
            actions[self._hands.foreign_hand] = 0.4
        return actions

    def _visible(self) -> list[QueueMessage]:
        return [message for message in self.world.messages if message.visible_at <= self.world.now]

    def _pass_time(self) -> None:
        """Wait for the next message; for the next tick where there is none."""
        if self.world.messages:
            self.world.now = min(message.visible_at for message in self.world.messages)
        else:
            self.world.now += _TICK
            self._tick()

    def _time_is_lost(self) -> None:
        self.world.now += self._rng.random() * (_FUNCTION_TIMEOUT if self._running else _TICK)

    def _pause_or_go_on(self) -> None:
        """Have an invocation hang for a while, or end that."""
        invocation = self._rng.choice(self._running).invocation
        invocation.paused = not invocation.paused

    def _tick(self) -> None:
        self._start("take_snapshots", take_snapshots(self._services), None)

    def _deliver(self) -> None:
        message = self._rng.choice(self._visible())
        self.world.messages.remove(message)
        self._handle(message)

    def _deliver_again(self) -> None:
        """Deliver a message that has been delivered before, be it long done or still at work."""
        old = self._rng.choice(self._delivered[-30:])
        self._handle(QueueMessage(old.queue, old.body, self.world.now, _MOST_DELIVERIES))

    def _handle(self, message: QueueMessage) -> None:
        message.deliveries += 1
        self._delivered.append(message)
        steps: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            PLAN_CHANGES_QUEUE: lambda: plan_changes(self._services, PlanMessage.read(message.body)),
            COPY_RANGES_QUEUE: lambda: copy_ranges(self._services, BatchMessage.read(message.body)),
            FINISH_BACKUP_QUEUE: lambda: finish_backup(self._services, FinishMessage.read(message.body)),
        }
        self._start(f"{message.queue} {message.body.decode()}", steps[message.queue](), message)

    def _start(self, name: str, work: Coroutine[Any, Any, None], message: QueueMessage | None) -> None:
        self.log.append(f"{self.world.now:%d %H:%M:%S} {name}")
        invocation = Invocation(name)
        self._running.append(_Running(invocation, asyncio.ensure_future(_run(invocation, work)), message))

    def _end(self, running: _Running) -> None:
        end = running.task.result()
        self.log.append(f"{self.world.now:%d %H:%M:%S} {running.invocation.name}: {end}")
        message = running.message
        if message is None or end == "done" or message.deliveries >= _MOST_DELIVERIES:
            return
        message.visible_at = self.world.now + (_AGAIN_AFTER_CRASH if running.invocation.dead else _AGAIN_AFTER_FAILURE)
        self.world.messages.append(message)


async def _run(invocation: Invocation, work: Coroutine[Any, Any, None]) -> str:
    CURRENT.set(invocation)
    try:
        await work
    except (Exception, Crash, BaseExceptionGroup) as error:  # noqa: BLE001 - the host would take them all
        return "died" if invocation.dead else f"{type(error).__name__}: {error}"
    return "done"


def _new_disk(rng: random.Random) -> Disk:
    size = rng.choice(SIZES)
    pages = [rng.choice((None, None, 1)) for _ in range(size)]
    return Disk(pages, [0] * size, tracked=rng.random() < 0.5)

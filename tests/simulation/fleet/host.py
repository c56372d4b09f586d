"""The model of the platform: instances of each queue function, as many as its queue is long, each with its messages.

As the sources of the host's queue extension have it (QueueListener, QueueMetricsProvider): a queue's length counts the
messages at work and those not visible yet, but is none while nothing is visible.
"""

import asyncio
import math
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from infra.local.host.settings import QueueOptions, read_queue_options
from shared.azure.queues import POISON_SUFFIX
from shared.azure.services import Services, telling
from shared.backup.take_snapshots import take_snapshots
from tests.simulation import ticks
from tests.simulation.calls import CURRENT
from tests.simulation.fleet import clock
from tests.simulation.fleet.service import Instance, OnInstance
from tests.simulation.fleet.world import FleetWorld, Queue
from tests.simulation.host import FUNCTION_TIMEOUT, handle
from tests.simulation.kept import QueueMessage

HOLD = timedelta(minutes=10)
"""For how long a message is not visible that is at work; it is renewed at half-time."""

_APP = Path(__file__).parents[3]
_FIRST_WAIT = 0.1
_FETCH = 0.02


@dataclass(frozen=True)
class Platform:
    """What the platform is like.

    Attributes:
        maximum: instances of one function (`maximumInstanceCount`).
        queues: how they poll their queues; as host.json has it.
        decides_every: seconds from one look at the queues to the next.
        starts_in: seconds that a new instance takes to start.
        idle_for: seconds that instances must have been too many before they are taken away: one at work finishes what
            it has, and gets no more.
        begins_in: seconds that an invocation takes to begin: the host, the worker, its connections.
    """

    maximum: int = 40
    queues: QueueOptions = field(default_factory=lambda: read_queue_options(_APP, {}))
    decides_every: float = 10
    starts_in: float = 5
    idle_for: float = 120
    begins_in: float = 0.1

    @property
    def at_once(self) -> int:
        """Messages that one instance has at work."""
        return self.queues.batch_size + self.queues.refill_at


@dataclass(eq=False)
class _AtWork:
    message: QueueMessage
    invocation: OnInstance
    task: asyncio.Task[None]


class Worker(Instance):
    """An instance of one function: it polls its queue, and has some of its messages at work.

    Attributes:
        name: the function's queue.
        at_work: what it is at.
        paid: seconds in which it was at work, up to when it last began or ended to be.
    """

    def __init__(self, host: "FleetHost", name: str) -> None:
        super().__init__()
        self.at_work: list[_AtWork] = []
        self.paid = 0.0
        self.name, self._host, self._queue = name, host, host.world.queues[name]
        self._at_work_since = 0.0
        self._ended = asyncio.Event()
        self._polling = asyncio.create_task(self._poll())

    async def _poll(self) -> None:
        options, loop, wait = self._host.platform.queues, asyncio.get_running_loop(), _FIRST_WAIT
        while True:
            self._ended.clear()
            if len(self.at_work) > options.refill_at:
                await self._ended.wait()
                continue
            messages = self._queue.take(options.batch_size, loop.time())
            for message in messages:
                self._begin(message)
            await asyncio.sleep(_FETCH if messages else wait)
            longer = wait * 2 * self._host.rng.uniform(0.8, 1.2)
            wait = _FIRST_WAIT if messages else min(longer, options.max_polling_interval.total_seconds())

    def _begin(self, message: QueueMessage) -> None:
        message.deliveries += 1
        invocation = OnInstance(f"{self.name} {message.body.decode()}", clock.now(), instance=self)
        if not self.at_work:
            self._at_work_since = asyncio.get_running_loop().time()
        work = _AtWork(message, invocation, asyncio.create_task(self._host.invoke(self.name, invocation, message)))
        self.at_work.append(work)
        work.task.add_done_callback(lambda _: self._end(work))

    def _end(self, work: _AtWork) -> None:
        if work not in self.at_work:
            return  # it was killed
        self._remove(work)
        if not work.task.cancelled() and (error := work.task.exception()):
            self._host.failed(self.name, work.message, error)

    def _remove(self, work: _AtWork) -> None:
        self.at_work.remove(work)
        self._queue.at_work -= 1
        if not self.at_work:
            self.paid += asyncio.get_running_loop().time() - self._at_work_since
        self._ended.set()

    @property
    def paid_now(self) -> float:
        """Seconds in which it was at work, up to now."""
        return self.paid + (asyncio.get_running_loop().time() - self._at_work_since if self.at_work else 0)

    def leave(self) -> None:
        """Take no more messages; what is at work goes on."""
        self._polling.cancel()

    def kill(self) -> None:
        """End the process: its messages come back when nobody has renewed them for long enough."""
        self.leave()
        for work in list(self.at_work):
            self._remove(work)
            work.invocation.dead = True
            work.task.cancel()
            began, half = work.invocation.began, HOLD / 2
            work.message.visible_at = began + (clock.now() - began) // half * half + HOLD
            self._queue.put(work.message)


class FleetHost:
    """The platform.

    Attributes:
        workers: the instances of each function, by its queue.
        invocations: how many there were of each.
        failures: what the invocations have failed with, and how often.
        peak: the most instances that each function had.
    """

    def __init__(self, world: FleetWorld, services: Services, platform: Platform, rng: random.Random) -> None:
        self.world, self.platform, self.rng, self._services = world, platform, rng, services
        self.workers: defaultdict[str, list[Worker]] = defaultdict(list)
        self.invocations: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.peak: Counter[str] = Counter()
        self._left: list[Worker] = []
        self._starting: Counter[str] = Counter()
        self._too_many_since: dict[str, float] = {}

    async def tick(self, services: Services) -> None:
        """Have the timer go off, on an instance of its own."""
        ticks.begun(self.world, services.settings, clock.now())
        CURRENT.set(OnInstance("take_snapshots", clock.now(), instance=Instance()))
        async with telling(services):
            await take_snapshots(services)

    async def scale(self) -> None:
        """Look at the queues, again and again, and have instances start and leave."""
        while True:
            for name, queue in list(self.world.queues.items()):
                self._end_what_hangs(name)
                self._scale(name, queue)
            await asyncio.sleep(self.platform.decides_every)

    async def invoke(self, name: str, invocation: OnInstance, message: QueueMessage) -> None:
        """Run a function on a message."""
        CURRENT.set(invocation)
        self.invocations[name] += 1
        await asyncio.sleep(self.platform.begins_in)
        async with telling(self._services):
            await handle(self._services, message)

    def failed(self, name: str, message: QueueMessage, error: BaseException) -> None:
        """Have a message come back that failed, or give it up."""
        self.failures[f"{name}: {type(error).__name__}: {error}"] += 1
        options = self.platform.queues
        if message.deliveries < options.max_dequeue_count:
            message.visible_at = clock.now() + options.visibility_timeout
            self.world.queues[name].put(message)
        elif not name.endswith(POISON_SUFFIX):
            self.world.enqueue(f"{name}{POISON_SUFFIX}", message.body)

    def kill(self, name: str) -> bool:
        """Kill the instance of a function that has most at work; tell whether one was at work at all."""
        worker = max(self.workers[name], key=lambda found: len(found.at_work), default=None)
        if worker is None or not worker.at_work:
            return False
        worker.kill()
        self._replace(name, worker)
        return True

    def paid(self, name: str) -> float:
        """Give the seconds for which instances of a function are paid: those in which they had something at work."""
        return sum(worker.paid_now for worker in (*self.workers[name], *self._left) if worker.name == name)

    def _scale(self, name: str, queue: Queue) -> None:
        at, platform = asyncio.get_running_loop().time(), self.platform
        wanted = min(math.ceil(queue.length / platform.at_once), platform.maximum) if queue.is_visible(at) else 0
        workers = self.workers[name]
        there = len(workers) + self._starting[name]
        for _ in range(there, wanted):
            self._starting[name] += 1
            asyncio.get_running_loop().call_later(platform.starts_in, self._start, name)
        if wanted >= there:
            self._too_many_since.pop(name, None)
        elif at - self._too_many_since.setdefault(name, at) >= platform.idle_for:
            for worker in sorted(workers, key=lambda found: len(found.at_work))[: len(workers) - wanted]:
                worker.leave()
                workers.remove(worker)
                self._left.append(worker)

    def _start(self, name: str) -> None:
        self._starting[name] = max(0, self._starting[name] - 1)
        self.workers[name].append(Worker(self, name))
        self.peak[name] = max(self.peak[name], len(self.workers[name]))

    def _replace(self, name: str, worker: Worker) -> None:
        self._left.append(worker)
        self.workers[name].remove(worker)
        self._starting[name] += 1
        asyncio.get_running_loop().call_later(self.platform.starts_in, self._start, name)

    def _end_what_hangs(self, name: str) -> None:
        """Start the instances anew that have an invocation beyond the time limit, with all that they are at."""
        since = clock.now() - FUNCTION_TIMEOUT
        for worker in list(self.workers[name]):
            if any(work.invocation.began < since for work in worker.at_work):
                self.failures[f"{name}: functionTimeout"] += 1
                worker.kill()
                self._replace(name, worker)

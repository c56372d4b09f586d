"""A scene: one condition that lasts, on the simulation's services, with every message delivered when it is due."""

import random
from collections import Counter
from collections.abc import Mapping
from copy import copy
from datetime import timedelta
from typing import Any

from shared.azure.queues import POISON_SUFFIX
from shared.azure.services import Services, telling
from shared.backup.take_snapshots import take_snapshots
from shared.model.names import REPORT_TICK_QUEUE
from shared.settings import Settings
from tests.conformance.in_memory import PromptCalls
from tests.simulation import ticks
from tests.simulation.blobs import SUCCESS, Blob
from tests.simulation.calls import CURRENT, Invocation
from tests.simulation.host import handle
from tests.simulation.kept import QueueMessage
from tests.simulation.named import Named, disk_of
from tests.simulation.services import settings_of, simulated, source_disks
from tests.simulation.world import DISKS, World

MOST_DELIVERIES = 5  # host.json, maxDequeueCount
_AGAIN = timedelta(seconds=30)  # host.json, visibilityTimeout


def services_on(world: World, settings: Settings) -> Services:
    """Give the services of a world in which each call takes effect when it is made."""
    return simulated(world, PromptCalls(random.Random(0), world.call_passed, (), rate=0), settings)


class Scene:
    """One disk and its app, with nothing going wrong but what a test has go wrong.

    Attributes:
        world: all that is.
        disk: the disk.
        services: what the app has of it; a test may take something away.
        handled: how many messages of each queue were handled.
    """

    def __init__(self, mode: str = "incremental") -> None:
        self.disk = DISKS.blob("os.vhd")
        self.world = World()
        self.world.blobs[self.disk] = Blob([1, 2, None, 3], self.world.number)
        self.services: Any = services_on(self.world, settings_of(source_disks({self.disk.url: mode})))
        self.handled: Counter[str] = Counter()

    def of_another_app(self, name: str = "", **settings: str) -> "Scene":
        """Give another app on the same storage accounts, with a table, queues and a clock of its own.

        Args:
            name: its name.
            settings: its settings, where they differ from this app's.
        """
        other = copy(self)
        other.world = World(
            blobs=self.world.blobs,
            held=self.world.held,
            snapshots_of=self.world.snapshots_of,
            now=self.world.now,
            _numbers=self.world._numbers,  # noqa: SLF001 - no ETag comes twice
        )
        modes = {disk.url: disk.mode for disk in self.services.settings.source_disks}
        other.services = services_on(other.world, settings_of(source_disks(modes), WEBSITE_SITE_NAME=name, **settings))
        other.handled = Counter()
        return other

    def reconfigure(self, **settings: str) -> None:
        """Start the app again with other settings, on the same disks."""
        modes = {disk.url: disk.mode for disk in self.services.settings.source_disks}
        named = settings.pop("SOURCE_DISKS", source_disks(modes))
        self.services = services_on(self.world, settings_of(named, **settings))

    def catch_up_with(self, other: "Scene") -> None:
        """Let this app's clock go on to that of another app."""
        self.world.now = max(self.world.now, other.world.now)

    async def tick(self) -> None:
        """Have the timer go off."""
        CURRENT.set(Invocation("take_snapshots", self.world.now))
        ticks.begun(self.world, self.services.settings, self.world.now)
        async with telling(self.services):
            await take_snapshots(self.services)

    async def pass_time(self, duration: timedelta) -> None:
        """Deliver what is due, in its order, until so much time has passed; every copy under way succeeds."""
        until = self.world.now + duration
        while any(message.visible_at <= until for message in self.world.messages):
            await self.deliver_next()
            for blob in self.world.pending():
                self.world.end_copy(blob, SUCCESS)
        self.world.now = max(self.world.now, until)

    async def deliver_next(self) -> None:
        """Deliver the message that is due next, once it is; copies under way stay so."""
        message = min(self.world.messages, key=lambda found: found.visible_at)
        self.world.now = max(self.world.now, message.visible_at)
        self.world.messages.remove(message)
        await self.deliver(message)

    def waiting(self) -> Mapping[str, int]:
        """Count the messages that wait, by their queues; those that look at ticks left out."""
        return Counter(found.queue for found in self.world.messages if found.queue != REPORT_TICK_QUEUE)

    def snapshots_taken(self, disk: Named | None = None) -> int:
        """Count the source snapshots that were ever taken."""
        chosen = disk_of(disk or self.disk)
        return len([time for time, of in self.world.snapshots_of.items() if of == chosen])

    async def deliver(self, message: QueueMessage) -> None:
        """Deliver a message, again if it fails and may be."""
        message.deliveries += 1
        self.handled[message.queue] += 1
        CURRENT.set(Invocation(f"{message.queue} {message.body.decode()}", self.world.now))
        try:
            async with telling(self.services):
                await handle(self.services, message)
        except Exception:  # noqa: BLE001 - the host would take them all
            if message.deliveries < MOST_DELIVERIES:
                message.visible_at = self.world.now + _AGAIN
                self.world.messages.append(message)
            else:
                self.world.enqueue(f"{message.queue}{POISON_SUFFIX}", message.body)

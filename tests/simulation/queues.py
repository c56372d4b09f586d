"""The queues, and who is told when all went well, as the workflows see them, on top of the world."""

from datetime import timedelta

from azure.core.exceptions import AzureError

from shared.azure.heartbeat import Heartbeat
from shared.azure.queues import QUEUE_OF, Queues
from shared.errors import HeartbeatError
from shared.model.messages import Message, TickMessage
from tests.simulation import ticks
from tests.simulation.calls import CURRENT, Calls
from tests.simulation.refusals import refusal
from tests.simulation.world import World


class SimulatedQueues(Queues):
    """The queues."""

    def __init__(self, world: World, calls: Calls) -> None:
        self._world, self._calls = world, calls

    async def ensure(self) -> None:
        await self._calls.read(lambda: None)

    async def send(self, message: Message, delay: timedelta = timedelta()) -> None:
        queue, body = QUEUE_OF[type(message)], message.body.encode()
        seen_after = timedelta(seconds=int(delay.total_seconds()))

        def effect() -> None:
            if queue in self._world.refusing:
                raise refusal(503, "ServerBusy")
            self._world.enqueue(queue, body, seen_after)
            if isinstance(message, TickMessage) and message.succeeded:
                ticks.succeeded(self._world, message.tick)

        await self._calls.change(effect)

    async def is_any_waiting(self, kind: type[Message]) -> bool:
        def effect() -> bool:
            waiting = [message for message in self._world.messages if message.queue == QUEUE_OF[kind]]
            return any(message.visible_at <= self._world.now for message in waiting)

        return await self._calls.read(effect)


class SimulatedHeartbeat(Heartbeat):
    """Who is told when all went well."""

    def __init__(self, world: World, calls: Calls) -> None:
        self._world, self._calls = world, calls

    async def call(self) -> None:
        tick = TickMessage.read(CURRENT.get().name.partition(" ")[2].encode()).tick

        def effect() -> None:
            self._world.heartbeats.append(tick)
            ticks.succeeded(self._world, tick)

        try:
            await self._calls.change(effect)
        except AzureError as error:
            raise HeartbeatError(str(error)) from None

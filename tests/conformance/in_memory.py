"""The services of the simulation, without faults: each call takes effect when it is made."""

import random
from collections.abc import Callable, Mapping

from shared.model.addresses import BlobAddress
from shared.model.names import RESTORE_REQUESTS_QUEUE
from tests.conformance.any_cloud import Place
from tests.conformance.clouds import SOMEBODY, SOON, Cloud, HeldCopy, address_of
from tests.simulation.blobs import ABORTED, FAILED, SUCCESS, Blob
from tests.simulation.calls import CURRENT, Calls, Invocation
from tests.simulation.index import SimulatedIndexRows
from tests.simulation.services import settings_of, simulated
from tests.simulation.world import DISKS, LAB, World


class PromptCalls(Calls):
    """Calls that take effect when they are made."""

    async def read[Result](self, effect: Callable[[], Result]) -> Result:
        self.passed()
        return effect()

    async def change[Result](self, effect: Callable[[], Result]) -> Result:
        self.passed()
        return effect()


class SimulatedCloud(Cloud):
    """A world of the simulation."""

    def __init__(self) -> None:
        self.world = world = World()
        self.disks, self.lab = DISKS, LAB
        CURRENT.set(Invocation(RESTORE_REQUESTS_QUEUE, world.now))
        calls = PromptCalls(random.Random(0), world.call_passed, (), rate=0)
        self.services = simulated(world, calls, settings_of(DISKS.blob("disk*.vhd").url))
        self.index = SimulatedIndexRows(world, calls)

    async def make(self, blob: Place, pages: int, metadata: Mapping[str, str] | None = None) -> None:
        if address_of(blob) not in self.world.blobs:
            self.world.make(address_of(blob), pages, {})
        else:
            self._blob(blob).put_blob(pages)
        self._blob(blob).metadata = dict(metadata or {})

    async def write(self, disk: Place, first: int, *content: int, lease: str | None = None) -> None:
        found = self._blob(disk)
        found.require_open()
        found.require_lease(lease)
        found.set(first, content)

    async def clear(self, disk: Place, first: int, count: int = 1) -> None:
        found = self._blob(disk)
        found.require_open()
        found.require_lease(None)
        found.set(first, [None] * count)

    async def resize(self, disk: Place, pages: int) -> None:
        self._blob(disk).resize(pages, None)

    async def encode(self, blob: Place, encoding: str) -> None:  # noqa: ARG002 - no call gives or heeds it
        self._blob(blob).forget_copy()

    async def snapshot(self, blob: Place, metadata: Mapping[str, str] | None = None) -> str:
        return self.world.snapshot(address_of(blob), metadata)

    async def delete(self, disk: Place) -> None:
        found = self._blob(disk)
        found.require_open()
        found.require_lease(None)
        self.world.lose(address_of(disk))

    async def lease(self, blob: Place) -> None:
        self._blob(blob).acquire(SOMEBODY)

    async def break_lease(self, blob: Place) -> None:
        self._blob(blob).break_lease()

    def turn_versioning_on(self, blob: Place) -> None:
        self.world.versioned.add(address_of(blob).account)

    def hold(self, target: Place) -> HeldCopy:
        return _SimulatedCopy(self.world, address_of(target))

    def refuse_source(self, status: int) -> None:
        self.world.source_answers = status

    def want_signatures(self) -> None:
        self.world.wants_signature = True

    def give_up_on_clears(self, longer_than: int) -> None:
        self.world.longest_clear = longer_than

    async def receive(self, queue: str) -> list[bytes]:
        seen = [message for message in self.world.messages if message.queue == queue]
        seen = [message for message in seen if message.visible_at <= self.world.now]
        self.world.messages = [message for message in self.world.messages if message not in seen]
        return [message.body for message in seen]

    async def pass_time(self) -> None:
        self.world.now += SOON

    def _blob(self, blob: Place) -> Blob:
        return self.world.blob(address_of(blob))


class _SimulatedCopy:
    def __init__(self, world: World, target: BlobAddress) -> None:
        self._world, self._target = world, target

    def progress(self, share: float) -> None:
        copy = self._world.blob(self._target).copy
        assert copy
        copy.done = int(share * len(copy.content))

    async def finish(self) -> None:
        self._world.end_copy(self._target, SUCCESS)

    async def fail(self) -> None:
        self._world.end_copy(self._target, FAILED)

    async def abort(self, lease: str | None = None) -> None:
        self._world.blob(self._target).require_lease(lease)
        self._world.end_copy(self._target, ABORTED)

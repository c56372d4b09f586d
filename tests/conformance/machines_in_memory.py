"""The managed disks of the simulation, without faults: each request takes effect when it is made."""

import random
from collections.abc import Mapping
from datetime import timedelta

from infra.local.managed_disks import GROUP, SUBSCRIPTION
from shared.azure.sources.uploads import ManagedUploads
from shared.limits import PAGE
from shared.model.addresses import BlobAddress
from shared.model.disk import ManagedDisk
from shared.model.disk_ids import DiskId
from shared.model.names import RESTORE_REQUESTS_QUEUE
from tests.conformance.any_cloud import Place
from tests.conformance.in_memory import PromptCalls
from tests.conformance.machines import ALL, BLOCK, Machines, SecondUpload, machine
from tests.simulation.blobs import SUCCESS, Page
from tests.simulation.calls import CURRENT, Invocation
from tests.simulation.managed.services import manager_of, uploads_on
from tests.simulation.services import settings_of, simulated
from tests.simulation.world import World

_SECTORS = BLOCK // PAGE
_HOUR = timedelta(hours=1)
_TIB = 16
"""Blocks that stand for 1 TiB."""


class SimulatedMachines(Machines):
    """A world of the simulation; some blocks stand for each TiB of a large disk."""

    def __init__(self) -> None:
        self.world = world = World()
        self.compute = compute = world.compute
        compute.block, compute.boundary = _SECTORS, 4 * _TIB * BLOCK
        CURRENT.set(Invocation(RESTORE_REQUESTS_QUEUE, world.now))
        calls = PromptCalls(random.Random(0), world.call_passed, (), rate=0)
        self.services, self.manager = simulated(world, calls, settings_of(ALL.url)), manager_of(world, calls)
        self._others = uploads_on(world, calls, self.manager, {})
        self.allow()

    async def disk(
        self, *content: int | None, name: str = "disk.vhd", tags: Mapping[str, str] | None = None
    ) -> ManagedDisk:
        pages = [page for number in content for page in _block(number)]
        return self.compute.make(DiskId(SUBSCRIPTION, GROUP, name), pages, tags=tags)

    async def large_disk(self, size: int) -> ManagedDisk:
        return await self.disk(*[None] * size * _TIB, name="disk-large")

    async def grow_large(self, disk: ManagedDisk, size: int) -> None:
        await self.resize(disk, size * _TIB)

    async def write(self, disk: Place, first: int, *content: int) -> None:
        pages = [page for number in content for page in _block(number)]
        self.compute.write(machine(disk), first * _SECTORS, pages)

    async def write_sector(self, disk: ManagedDisk, sector: int, content: int) -> None:
        self.compute.write(disk, sector, [content])

    async def clear(self, disk: Place, first: int, count: int = 1) -> None:
        self.compute.write(machine(disk), first * _SECTORS, [None] * count * _SECTORS)

    async def resize(self, disk: Place, pages: int) -> None:
        self.compute.resize(machine(disk), pages * _SECTORS)

    async def delete(self, disk: Place) -> None:
        self.compute.delete(machine(disk))

    def end_access(self) -> None:
        for resource in self.compute.snapshots:
            self.compute.revoke(resource)

    def begin_family(self, disk: ManagedDisk) -> None:
        self.compute.of(disk).family = self.compute.new_id()

    def hide_footers(self) -> None:
        self.compute.shows_footer = False

    def another_process(self) -> ManagedUploads:
        return self._others

    def give_second_upload(self, given: SecondUpload) -> None:
        self.compute.second_upload = given

    def set_policy(self, network_access: str, public_access: str = "Enabled") -> None:
        self.compute.network_access, self.compute.public_access = network_access, public_access

    def join_network(self, *, gives_diffs: bool = True) -> None:
        self.compute.is_in_network, self.compute.relays_give_diffs = True, gives_diffs

    def slow_down(self) -> None:
        self.world.takes = lambda: _HOUR

    def get_ready(self) -> None:
        self.world.now += _HOUR

    def let_time_pass(self, duration: timedelta) -> None:
        self.world.now += duration

    def allow(self, *, snapshots: int = 500, in_five_minutes: int = 1000) -> None:
        self.compute.most_snapshots, self.compute.most_in_window = snapshots, in_five_minutes

    async def copied(self, blob: BlobAddress) -> None:
        self.world.end_copy(blob, SUCCESS)


def _block(number: int | None) -> list[Page]:
    return [None] * _SECTORS if number is None else [*[0] * (_SECTORS - 1), number]

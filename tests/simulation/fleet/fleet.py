"""A fleet: large first backups and small increments side by side, for some time; and what came of them."""

import asyncio
import itertools
import logging
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from shared.azure.services import Services
from shared.limits import MAX_WRITE, PAGE
from shared.model.addresses import BlobAddress
from shared.model.disk import PageBlobDisk
from shared.model.names import COPY_RANGES_QUEUE, PLAN_CHANGES_QUEUE
from tests.simulation.fleet import clock
from tests.simulation.fleet.extents import Extent, Extents
from tests.simulation.fleet.host import FleetHost, Platform
from tests.simulation.fleet.service import MIB, Service, TimedCalls
from tests.simulation.fleet.services import fleet_services
from tests.simulation.fleet.world import FleetWorld
from tests.simulation.services import settings_of, source_disks
from tests.simulation.world import DISKS

GIB, TIB = 1024**3, 1024**4

_WRITTEN = 256 * 1024 // PAGE


@dataclass(frozen=True)
class Fleet:
    """What is simulated.

    Attributes:
        large: how many disks get their first backup.
        small: how many have been backed up before, and get an increment of it beside them, at each tick.
        minutes: for how long, from the first tick on.
        ticks: at which minutes there are ticks.
        size: bytes of a large disk.
        piece, every: bytes of each of a large disk's ranges, and from the start of one to that of the next.
        small_size, data, changed: bytes of a small disk, how many hold data, and how many change before each tick.
        warm: minutes after the first tick from which on it is measured how fast the large disks are.
        kills: minutes at which the instance is killed that has most of copy_ranges at work.
        service, platform: what they are like.
        seed: what is left to chance.
    """

    large: int = 1
    small: int = 0
    minutes: float = 10
    ticks: Sequence[float] = (0,)
    size: int = TIB
    piece: int = 0
    every: int = 0
    small_size: int = 32 * GIB
    data: int = GIB
    changed: int = 64 * MIB
    warm: float = 1
    kills: Sequence[float] = ()
    service: Service = field(default_factory=Service)
    platform: Platform = field(default_factory=Platform)
    seed: int = 0


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        mib_per_second: of each large disk, the useful MiB of its backup blob a second, since it was warm.
        share: the same as a part of what one blob takes.
        made, refused: requests to the blobs of the large disks, and how many were refused.
        instance_seconds: paid for copy_ranges and plan_changes.
        copied: bytes of the large disks that are in their backups.
        waits: seconds of each small run from its tick to its seal; infinite where it is not sealed.
        sealed: how many large disks have a recovery point.
        peak: the most instances that any function had.
        failures: what invocations have failed with.
        violations: what is wrong.
        invocations: of each function.
    """

    mib_per_second: Sequence[float]
    share: Sequence[float]
    made: int
    refused: int
    instance_seconds: float
    copied: int
    waits: Sequence[float]
    sealed: int
    peak: int
    failures: Mapping[str, int]
    violations: Sequence[str]
    invocations: Mapping[str, int]

    @property
    def refused_share(self) -> float:
        """The part of the requests that was refused."""
        return self.refused / self.made if self.made else 0.0

    @property
    def seconds_per_tib(self) -> float:
        """Instance-seconds per TiB copied."""
        return self.instance_seconds / (self.copied / TIB) if self.copied else float("inf")

    @property
    def longest_wait(self) -> float:
        """Seconds that a small run took at most from its tick to its seal."""
        return max(self.waits, default=0.0)


class _Simulation:
    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._rng = random.Random(fleet.seed)
        self._world = FleetWorld()
        self._calls = TimedCalls(fleet.service, self._rng, self._world.sync)
        self._large = [DISKS.blob(f"large-{number:03}.vhd") for number in range(fleet.large)]
        self._small = [DISKS.blob(f"small-{number:03}.vhd") for number in range(fleet.small)]
        self._host = FleetHost(self._world, self._services(), fleet.platform, self._rng)
        self._tick_times: list[datetime] = []

    async def run(self) -> Outcome:
        fleet, loop = self._fleet, asyncio.get_running_loop()
        scaling = asyncio.create_task(self._host.scale())
        for disk in self._small:
            self._world.add(disk, Extents(fleet.small_size // PAGE, [Extent(0, fleet.data // PAGE, 1)]), {})
        if self._small:
            await self._back_up_small()
        for disk in self._large:
            self._world.add(disk, self._content(), {})
        began, paid, (made, refused) = loop.time(), self._paid(), self._requests()
        hands = [asyncio.create_task(self._tick(began + 60 * minute)) for minute in fleet.ticks]
        hands += [asyncio.create_task(self._kill(began + 60 * minute)) for minute in fleet.kills]
        await asyncio.sleep(60 * fleet.warm)
        warm = [self._copied(disk) for disk in self._large]
        await asyncio.sleep(60 * (fleet.minutes - fleet.warm))
        for task in (scaling, *hands):
            if task.done():
                task.result()
            task.cancel()
        rates = [self._rate(disk, at_warm, began) for disk, at_warm in zip(self._large, warm, strict=True)]
        made, refused = (now - before for now, before in zip(self._requests(), (made, refused), strict=True))
        return self._outcome(rates, made=made, refused=refused, paid=self._paid() - paid)

    def _outcome(self, rates: Sequence[float], *, made: int, refused: int, paid: float) -> Outcome:
        piece = min(self._fleet.piece or MAX_WRITE, MAX_WRITE)
        limit = piece / self._fleet.service.share_of(piece) / MIB
        return Outcome(
            mib_per_second=rates,
            share=[rate / limit for rate in rates],
            made=made,
            refused=refused,
            instance_seconds=paid,
            copied=sum(map(self._copied, self._large)),
            waits=list(self._waits()),
            sealed=sum(bool(self._world.points_of(disk)) for disk in self._large),
            peak=max(self._host.peak.values(), default=0),
            failures=dict(self._host.failures),
            violations=self._world.violations,
            invocations=dict(self._host.invocations),
        )

    async def _back_up_small(self) -> None:
        """Give the small disks their first recovery point."""
        await self._host.tick(self._services(large=False))
        for _ in range(3600):
            if all(self._world.points_of(disk) for disk in self._small):
                return
            await asyncio.sleep(1)
        raise AssertionError(f"the small disks are not backed up: {self._host.failures}")

    async def _tick(self, at: float) -> None:
        await asyncio.sleep(at - asyncio.get_running_loop().time())
        for disk in self._small:
            self._write_to(disk)
        began = clock.now()
        await self._host.tick(self._services())
        self._tick_times.append(began)

    async def _kill(self, at: float) -> None:
        await asyncio.sleep(at - asyncio.get_running_loop().time())
        while not self._host.kill(COPY_RANGES_QUEUE):  # noqa: ASYNC110 - nobody tells when one is at work
            await asyncio.sleep(1)

    def _services(self, *, large: bool = True) -> Services:
        names = ["small-*.vhd"] * bool(self._small) + ["large-*.vhd"] * (large and bool(self._large))
        modes = {DISKS.blob(name).url: "incremental" for name in names}
        return fleet_services(self._world, self._calls, settings_of(source_disks(modes)))

    def _content(self) -> Extents:
        """Make a large disk's pages: all of them written, or ranges with gaps between them."""
        fleet, pages = self._fleet, self._fleet.size // PAGE
        if not fleet.every:
            return Extents(pages, [Extent(0, pages, 1)])
        piece, every = fleet.piece // PAGE, fleet.every // PAGE
        return Extents(pages, [Extent(first, first + piece, 1) for first in range(0, pages, every)])

    def _write_to(self, disk: BlobAddress) -> None:
        """Have somebody write to a small disk, here and there."""
        blob, value = self._world.blob(disk), self._world.number()
        pages = len(blob.pages) // _WRITTEN
        for place in self._rng.sample(range(pages), self._fleet.changed // PAGE // _WRITTEN):
            blob.set(place * _WRITTEN, Extents(_WRITTEN, [Extent(0, _WRITTEN, value)]))

    def _requests(self) -> tuple[int, int]:
        blobs = [self._world.backup_of(disk) for disk in self._large]
        return sum(self._calls.made[blob] for blob in blobs), sum(self._calls.refused[blob] for blob in blobs)

    def _paid(self) -> float:
        return self._host.paid(COPY_RANGES_QUEUE) + self._host.paid(PLAN_CHANGES_QUEUE)

    def _copied(self, disk: BlobAddress) -> int:
        blob = self._world.blobs.get(self._world.backup_of(disk))
        return Extents.of(blob.pages).allocated * PAGE if blob else 0

    def _rate(self, disk: BlobAddress, at_warm: int, began: float) -> float:
        """Give the MiB a second since it was warm, till the disk's seal or till now."""
        sealed = self._world.sealed.get(PageBlobDisk(disk).key, {}).values()
        until = min((at - clock.EPOCH).total_seconds() for at in (*sealed, clock.now()))
        seconds = until - began - 60 * self._fleet.warm
        return (self._copied(disk) - at_warm) / seconds / MIB if seconds > 0 else 0.0

    def _waits(self) -> Iterator[float]:
        """Give the seconds that each small run took from its tick to its seal."""
        for tick, disk in itertools.product(self._tick_times, self._small):
            sealed = self._world.sealed.get(PageBlobDisk(disk).key, {})
            after = [at for time, at in sealed.items() if datetime.fromisoformat(time) >= tick]
            yield (min(after) - tick).total_seconds() if after else math.inf


def simulate(fleet: Fleet) -> Outcome:
    """Simulate a fleet, in virtual time."""
    log = logging.getLogger("tidemark")
    was, log.disabled = log.disabled, True
    try:
        return clock.run(_Simulation(fleet).run())
    finally:
        log.disabled = was

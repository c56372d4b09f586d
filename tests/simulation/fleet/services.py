"""The services of an invocation on top of a world of large disks: what moves pages counts on its blob's limits."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any
from urllib.parse import parse_qs

from shared.azure.queues import QUEUE_OF
from shared.azure.services import Services
from shared.changes.ranges import Change, Window
from shared.limits import PAGE, RANGES_PER_REQUEST
from shared.model.addresses import BlobAddress
from shared.model.disk import Disk, PageBlobDisk, page_blob
from shared.model.messages import Message
from shared.model.point import RecoveryPoint
from shared.model.record import DiskRecord
from shared.model.version import Version, blob_version
from shared.settings import Settings
from tests.simulation.backups import SimulatedContainer
from tests.simulation.blobs import Page
from tests.simulation.fleet import clock
from tests.simulation.fleet.extents import Extents
from tests.simulation.fleet.service import MOVED, Moved, TimedCalls
from tests.simulation.fleet.world import FleetWorld
from tests.simulation.queues import SimulatedQueues
from tests.simulation.reading import SimulatedReader, reading
from tests.simulation.services import simulated
from tests.simulation.tables import SimulatedRecords
from tests.simulation.world import OWN
from tests.simulation.writing import SimulatedWriter


def fleet_services(world: FleetWorld, calls: TimedCalls, settings: Settings) -> Services:
    """Bundle the services."""
    services = simulated(world, calls, settings)
    return replace(
        services,
        pages=FleetReader(world, calls),
        blobs=FleetWriter(world, calls),
        backups=FleetContainer(world, calls, settings.container),
        records=FleetRecords(world, calls, services.status),
        queues=FleetQueues(world, calls),
        now=clock.now,
        sleep=lambda duration: asyncio.sleep(duration.total_seconds()),
    )


@functools.cache
def _parsed(url: str) -> tuple[BlobAddress, str]:
    """Read a blob's address and a snapshot's time in a URL."""
    path, _, query = url.partition("?")
    return BlobAddress.parse(path), parse_qs(query).get("snapshot", [""])[0]


@functools.cache
def _backup_of(disk: BlobAddress) -> BlobAddress:
    return OWN.blob(PageBlobDisk(disk).backup_name)


@contextlib.contextmanager
def _moving(moved: Moved) -> Iterator[None]:
    """Have the calls inside count on a blob's limits."""
    token = MOVED.set(moved)
    try:
        yield
    finally:
        MOVED.reset(token)


class FleetReader(SimulatedReader):
    """What is read of page blobs; a list of ranges comes page by page, as the service gives it."""

    _world: FleetWorld

    async def changes(self, version: Version, since: Version | None, window: Window) -> AsyncIterator[Change]:
        asked, previous = blob_version(version), blob_version(since).snapshot if since else None
        blob, snapshot = asked.blob, asked.snapshot
        listing: list[Iterator[Change]] = []

        def next_page() -> list[Change]:
            if not listing:
                found = self._world.blob(blob)
                changes = found.diff(snapshot, previous, window) if previous else None
                listing.append(iter(Extents.of(found.at(snapshot).pages).valid(window) if changes is None else changes))
            return list(islice(listing[0], RANGES_PER_REQUEST))

        while True:
            with reading(blob, snapshot, previous), _moving(Moved(blob, 0)):
                page = await self._calls.read(next_page)
            for change in page:
                yield change
            if len(page) < RANGES_PER_REQUEST:
                return

    async def read(self, signed_url: str, piece: Change) -> bytes:
        blob, snapshot = _parsed(signed_url)
        first, end = piece.start // PAGE, piece.end // PAGE
        with reading(blob, snapshot, None), _moving(Moved(blob, piece.length, is_read=True)):
            return await self._calls.read(lambda: self._world.pages(blob, snapshot).read(first, end).content())


class FleetContainer(SimulatedContainer):
    """The backup container."""

    def address(self, disk: Disk) -> BlobAddress:
        return _backup_of(page_blob(disk))


class FleetWriter(SimulatedWriter):
    """What is written."""

    _world: FleetWorld

    async def put_from_url(self, blob: BlobAddress, piece: Change, source_url: str, lease_id: str) -> None:
        with _moving(Moved(blob, piece.length)):
            await super().put_from_url(blob, piece, source_url, lease_id)

    async def write(self, blob: BlobAddress, piece: Change, content: bytes, lease_id: str) -> None:
        with _moving(Moved(blob, piece.length)):
            await super().write(blob, piece, content, lease_id)

    async def clear(self, blob: BlobAddress, piece: Change, lease_id: str) -> None:
        with _moving(Moved(blob, 0)):
            await super().clear(blob, piece, lease_id)

    def _source(self, source_url: str, piece: Change) -> Sequence[Page]:
        blob, snapshot = _parsed(source_url)
        return self._world.pages(blob, snapshot).read(piece.start // PAGE, piece.end // PAGE)


class FleetQueues(SimulatedQueues):
    """The queues."""

    _world: FleetWorld

    async def is_any_waiting(self, kind: type[Message]) -> bool:
        at = asyncio.get_running_loop().time()
        return await self._calls.read(lambda: self._world.queues[QUEUE_OF[kind]].is_visible(at))


class FleetRecords(SimulatedRecords):
    """The record. A recovery point that does not hold what its source snapshot held is a violation."""

    def _require_progress(self, disk: Disk, before: dict[str, Any], entity: dict[str, Any]) -> None:
        """Leave that to the histories: these disks are too large to be compared at each save."""

    async def _seal(self, disk: Disk, record: DiskRecord, etag: str, point: RecoveryPoint) -> None:
        def effect() -> None:
            self._replace(disk, record, etag)
            world, blob = self._world, page_blob(disk)
            world.points.setdefault(disk.key, {})[point.row_key] = point
            world.sealed.setdefault(disk.key, {})[point.time] = world.now
            backup = world.blobs[world.backup_of(blob)].snapshots[point.backup_snapshot]
            if backup.pages != world.blobs[blob].snapshots[point.time].pages:
                world.violations.append(f"{point.time} ({point.kind}) of {blob.blob} is not its source snapshot")

        await self._calls.change(effect)

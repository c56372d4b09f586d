"""The services of an invocation, as the workflows see them, on top of the world: disks and what is read, all in all."""

import contextlib
import functools
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError

from shared.azure.answers import gave_up, refuses_diff
from shared.azure.blobs.reading import READ_FOR, PageBlob, PageBlobs, Version
from shared.azure.services import Services
from shared.azure.sources.page_blobs import SourceDisks
from shared.changes.ranges import Change, Window
from shared.errors import DiffRefusedError, ListingTimedOutError, NotAsLeftError, SourceGoneError
from shared.limits import PAGE
from shared.model.addresses import BlobAddress
from shared.model.names import BACKUP_METADATA, DISK_METADATA, TAKEN_METADATA
from shared.settings import Settings, SourceDisk
from tests.simulation.backups import SimulatedBackups, SimulatedCatalogue
from tests.simulation.calls import Calls
from tests.simulation.copies import SimulatedCopies
from tests.simulation.queues import SimulatedHeartbeat, SimulatedQueues
from tests.simulation.tables import SimulatedInspections, SimulatedParts, SimulatedRecords, SimulatedRestores
from tests.simulation.world import OWN, World

STALLED_AFTER = timedelta(minutes=30)


@functools.cache
def settings_of(source_disks: str) -> Settings:
    """Make the app settings with these disks."""
    return Settings.model_validate(
        {
            "backup_schedule": "0 0 */12 * * *",
            "source_disks": source_disks,
            "backup_container": OWN.url,
            "run_stalled_after_seconds": STALLED_AFTER.seconds,
            "AzureWebJobsStorage": "UseDevelopmentStorage=true",
        }
    )


def source_disks(modes: Mapping[str, str]) -> str:
    """Write the setting: disks and patterns, and how each is backed up."""
    return json.dumps([{"url": url, "mode": mode} for url, mode in modes.items()])


def simulated(world: World, calls: Calls, settings: Settings) -> Services:
    """Bundle the simulated services for one invocation."""
    return Services(
        settings=settings,
        disks=SimulatedDisks(world, calls),
        pages=SimulatedPages(world, calls),
        backups=SimulatedBackups(world, calls),
        copies=SimulatedCopies(world, calls),
        catalogue=SimulatedCatalogue(world, calls),
        records=SimulatedRecords(world, calls),
        restores=SimulatedRestores(world, calls),
        inspections=SimulatedInspections(world, calls),
        parts=SimulatedParts(world, calls),
        queues=SimulatedQueues(world, calls),
        heartbeat=SimulatedHeartbeat(world, calls),
        now=lambda: world.now,
        sleep=lambda duration: calls.read(lambda: world.pass_time(duration)),
    )


@contextlib.contextmanager
def reading(blob: BlobAddress, snapshot: str, previous: str | None) -> Iterator[None]:
    """Tell apart what reading is refused for, as `shared.azure.blobs.reading` does."""
    try:
        yield
    except ResourceNotFoundError as error:
        raise SourceGoneError(f"{blob.url} {snapshot} is gone") from error
    except AzureError as error:
        if isinstance(error, HttpResponseError) and previous and refuses_diff(error):
            raise DiffRefusedError(str(error)) from error
        if gave_up(error):
            raise ListingTimedOutError(str(error)) from error
        raise


class SimulatedDisks(SourceDisks):
    """The disks."""

    def __init__(self, world: World, calls: Calls) -> None:
        self._world, self._calls = world, calls
        self.versioned = {}

    async def matching(self, pattern: SourceDisk) -> list[BlobAddress]:
        return await self._calls.read(lambda: [disk for disk in sorted(self._world.blobs) if pattern.covers(disk)])

    async def is_page_blob(self, disk: BlobAddress) -> bool:  # noqa: ARG002
        return await self._calls.read(lambda: True)  # there are no others

    async def take_snapshot(self, disk: BlobAddress, etag: str | None = None) -> str:
        def effect() -> str:
            taken = self._world.now.isoformat()
            self.versioned[disk] = disk.account in self._world.versioned
            metadata = {DISK_METADATA: disk.url, BACKUP_METADATA: OWN.url, TAKEN_METADATA: taken}
            return self._world.snapshot(disk, metadata, etag)

        try:
            return await self._calls.change(effect)
        except HttpResponseError as error:
            if etag and error.status_code == 412:
                raise NotAsLeftError(f"{disk.url} was written to just now") from error
            raise

    async def own_snapshots(self, disk: BlobAddress) -> list[str]:
        return await self._calls.read(lambda: self._world.own_snapshots(disk))

    async def delete_snapshot(self, disk: BlobAddress, snapshot: str) -> None:
        await self._calls.change(lambda: self._delete(disk, snapshot))

    def _delete(self, disk: BlobAddress, time: str) -> None:
        world, record = self._world, self._world.record(disk)
        if record and time == record.base_snapshot:
            world.violations.append(f"the base snapshot {time} was deleted")
        if record and record.run_of(time):
            world.violations.append(f"the open run's source snapshot {time} was deleted")
        if (disk, time) in world.foreign_snapshots:
            world.violations.append(f"the snapshot {time} was deleted, which is not Tidemark's")
        if disk in world.blobs:
            world.blobs[disk].snapshots.pop(time, None)


class SimulatedPages(PageBlobs):
    """What is read of page blobs and their snapshots."""

    def __init__(self, world: World, calls: Calls) -> None:
        self._world, self._calls = world, calls

    async def properties(self, blob: BlobAddress, snapshot: str) -> PageBlob:
        try:
            taken = await self._calls.read(lambda: self._world.blob(blob).at(snapshot))
        except ResourceNotFoundError as error:
            raise SourceGoneError(f"{blob.url} {snapshot} is gone") from error
        return PageBlob(len(taken.pages) * PAGE, taken.etag, is_page_blob=True)

    async def changes(
        self, blob: BlobAddress, snapshot: str, previous: str | None, window: Window
    ) -> AsyncIterator[Change]:
        def effect() -> list[Change]:
            found = self._world.blob(blob)
            return found.diff(snapshot, previous, window) if previous else found.valid(snapshot, window)

        with reading(blob, snapshot, previous):
            listed = await self._calls.read(effect)
            if previous and self._world.lies:
                listed = self._lied(blob, (snapshot, previous), window, listed)
        for change in listed:
            if self._calls.gives_up():
                raise ListingTimedOutError("OperationTimedOut")
            yield change

    def _lied(
        self, blob: BlobAddress, snapshots: tuple[str, str], window: Window, listed: list[Change]
    ) -> list[Change]:
        """Leave out a change: one that the page maps show, since of others only samples are compared."""
        now, before = (self._world.blob(blob).at(snapshot).pages for snapshot in snapshots)

        def shows(change: Change) -> bool:
            first, last = max(change.start, window.start) // PAGE, min(change.end, window.end) // PAGE
            pages = range(first, min(last, len(before)))
            return any(
                (now[page] is None) != (before[page] is None) and (now[page] or 0) != (before[page] or 0)
                for page in pages
            )

        left_out = next((change for change in listed if shows(change)), None)
        if left_out:
            self._world.meddle(blob)
        return [change for change in listed if change is not left_out]

    async def signed_url(
        self,
        blob: BlobAddress,
        snapshot: str,
        serves: timedelta = READ_FOR,  # noqa: ARG002
        *,
        anew: bool = False,  # noqa: ARG002
    ) -> str:
        url = Version(blob, snapshot).url
        return await self._calls.read(lambda: f"{url}{'&' if snapshot else '?'}sig=secret")

    async def read(self, signed_url: str, piece: Change) -> bytes:
        try:
            taken = await self._calls.read(lambda: self._world.source(signed_url))
        except ResourceNotFoundError as error:
            raise SourceGoneError("what is to be read is gone") from error
        found = taken.pages[piece.start // PAGE : piece.end // PAGE]
        if len(found) * PAGE != piece.length:
            raise HttpResponseError(f"{len(found) * PAGE} bytes for {piece.length}")
        return b"".join((page or 0).to_bytes(PAGE, "big") for page in found)

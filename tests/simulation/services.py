"""The services of an invocation, as the workflows see them, on top of the world: the disks, and all in all."""

import functools
import json
from collections.abc import Mapping
from datetime import timedelta

from azure.core.exceptions import HttpResponseError

from shared.azure.services import Services
from shared.azure.sources.by_kind import ReadersByKind, SourcesByKind
from shared.azure.sources.source import Source
from shared.azure.tables.status import Status
from shared.errors import BlobChangedError
from shared.model.addresses import BlobAddress, ContainerAddress
from shared.model.disk import Disk, PageBlobDisk, page_blob
from shared.model.names import BACKUP_METADATA, DISK_METADATA, TAKEN_METADATA
from shared.model.notices import versions_kept
from shared.model.version import BlobVersion
from shared.settings import Settings
from shared.source_disks import SourceDisk
from tests.simulation.backups import SimulatedContainer, SimulatedSnapshots
from tests.simulation.calls import Calls
from tests.simulation.copies import SimulatedCopies
from tests.simulation.diffs import SimulatedDiffs
from tests.simulation.intents import SimulatedIntents
from tests.simulation.leases import SimulatedLeases
from tests.simulation.managed.services import managed_disks
from tests.simulation.queues import SimulatedHeartbeat, SimulatedQueues
from tests.simulation.reading import SimulatedReader
from tests.simulation.retention_rows import SimulatedPlans, SimulatedTombstones
from tests.simulation.source_snapshots import note_dropped
from tests.simulation.status_rows import SimulatedStatusRows
from tests.simulation.tables import (
    SimulatedInspections,
    SimulatedParts,
    SimulatedRecords,
    SimulatedRestores,
    SimulatedTables,
)
from tests.simulation.world import BACKUPS, OWN, World
from tests.simulation.writing import SimulatedWriter

HOST = "DefaultEndpointsProtocol=https;AccountName=host;AccountKey=a2V5;EndpointSuffix=core.windows.net"
"""The app's own storage."""

STALLED_AFTER = timedelta(minutes=30)

EXCLUDE = "exclude"
"""In place of a disk's mode: it is excluded."""


@functools.cache
def settings_of(source_disks: str, **others: str) -> Settings:
    """Make the app settings with these disks, and with others that a test chooses."""
    return Settings.model_validate(
        {
            "backup_schedule": "0 0 */12 * * *",
            "source_disks": source_disks,
            "backup_container": OWN.url,
            "retention_mode": "on" if others.get("retention") else "off",
            "run_stalled_after_seconds": STALLED_AFTER.seconds,
            "coalesce_gap_kib": 0,  # what is small is in a hurry from its first call on
            "AzureWebJobsStorage": HOST,
            **others,
        }
    )


def source_disks(modes: Mapping[str, str]) -> str:
    """Write the setting: disks and patterns, and how each is backed up, or that it is excluded."""
    return json.dumps(
        [
            {"url": url, "exclude": True} if mode == EXCLUDE else {"url": url, "mode": mode}
            for url, mode in modes.items()
        ]
    )


def simulated(world: World, calls: Calls, settings: Settings) -> Services:
    """Bundle the simulated services for one invocation."""
    status = Status(
        SimulatedStatusRows(world, calls),
        inspects=settings.inspects,
        excludes=settings.excludes_by_url,
        now=lambda: world.now,
    )
    blobs = SimulatedReader(world, calls)
    managed = managed_disks(world, calls, settings, blobs)
    return Services(
        settings=settings,
        disks=Sources(SimulatedDisks(world, calls, settings), managed.disks),
        uploads=managed.uploads,
        pages=Readers(blobs, managed.reader),
        blobs=SimulatedWriter(world, calls),
        leases=SimulatedLeases(world, calls),
        copies=SimulatedCopies(world, calls),
        snapshots=SimulatedSnapshots(world, calls),
        backups=SimulatedContainer(world, calls, settings.container),
        records=SimulatedRecords(world, calls, status),
        status=status,
        restores=SimulatedRestores(world, calls, status),
        inspections=SimulatedInspections(world, calls, status),
        parts=SimulatedParts(world, calls),
        tables=SimulatedTables(calls),
        intents=SimulatedIntents(world, calls, status),
        plans=SimulatedPlans(world, calls),
        tombstones=SimulatedTombstones(world, calls),
        diffs=SimulatedDiffs(world, calls),
        queues=SimulatedQueues(world, calls),
        heartbeat=SimulatedHeartbeat(world, calls),
        now=lambda: world.now,
        sleep=lambda duration: calls.read(lambda: world.pass_time(duration)),
    )


class Sources(SourcesByKind):
    """The disks of all kinds; a test may have a call do something else, which the real one does not let it."""

    def __setattr__(self, name: str, value: object) -> None:
        """Replace a call."""
        object.__setattr__(self, name, value)


class Readers(ReadersByKind):
    """What reads the versions of all kinds; with these, too, a test may have a call do something else."""

    def __setattr__(self, name: str, value: object) -> None:
        """Replace a call."""
        object.__setattr__(self, name, value)


class SimulatedDisks(Source):
    """The disks that are page blobs."""

    def __init__(self, world: World, calls: Calls, settings: Settings) -> None:
        self._world, self._calls, self._backups = world, calls, settings.container
        self._versioned: dict[Disk, bool] = {}

    async def find(self, pattern: SourceDisk) -> list[Disk]:
        def effect() -> list[Disk]:
            blobs = sorted(blob for blob in self._world.blobs if blob.parent not in BACKUPS)
            return [disk for disk in map(PageBlobDisk, blobs) if pattern.covers(disk)]

        return await self._calls.read(effect)

    async def problem(self, disk: Disk) -> str:  # noqa: ARG002
        return await self._calls.read(lambda: "")  # there are no others

    async def pending(self, disk: Disk, snapshot: str) -> str:
        if not self._world.readable:
            return ""
        is_too_early = await self._calls.read(lambda: self._world.is_too_early(page_blob(disk), snapshot))
        return "it is not ready" if is_too_early else ""

    async def exists(self, disk: Disk) -> bool:
        def effect() -> bool:
            self._world.require_allowed(page_blob(disk))
            return page_blob(disk) in self._world.blobs

        return await self._calls.read(effect)

    async def take_snapshot(self, disk: Disk, etag: str | None = None) -> str:
        def effect() -> str:
            taken = self._world.now.isoformat()
            self._versioned[disk] = page_blob(disk).account in self._world.versioned
            metadata = {DISK_METADATA: disk.name, BACKUP_METADATA: self._backups.url, TAKEN_METADATA: taken}
            time = self._world.snapshot(page_blob(disk), metadata, etag)
            if not etag and (takes := self._world.takes()):  # a restored disk is a page blob
                self._world.readable[page_blob(disk), time] = self._world.now + takes
            return time

        try:
            return await self._calls.change(effect)
        except HttpResponseError as error:
            if etag and error.status_code == 412:
                raise BlobChangedError(f"{disk.name} has just been changed") from error
            raise

    async def own_snapshots(self, disk: Disk, old: ContainerAddress | None = None) -> list[str]:
        return await self._calls.read(lambda: self._world.own_snapshots(page_blob(disk), old or self._backups))

    async def delete_snapshot(self, disk: Disk, snapshot: str) -> None:
        await self._calls.change(lambda: self._delete(page_blob(disk), snapshot))

    async def let_go(self, disk: Disk, snapshot: str) -> None:
        pass  # there are page blobs only

    async def profile(self, disk: Disk, snapshot: str) -> str:  # noqa: ARG002
        return ""  # there are page blobs only

    def version(self, disk: Disk, snapshot: str) -> BlobVersion:
        return BlobVersion(page_blob(disk), snapshot)

    def notice(self, disk: Disk) -> str | None:
        if disk not in self._versioned:
            return None
        return versions_kept(page_blob(disk)) if self._versioned[disk] else ""

    def _delete(self, disk: BlobAddress, time: str) -> None:
        if (disk, time) in self._world.foreign_snapshots:
            self._world.violations.append(f"the snapshot {time} was deleted, which is not Tidemark's")
        note_dropped(self._world, PageBlobDisk(disk), time)
        if disk in self._world.blobs:
            self._world.blobs[disk].snapshots.pop(time, None)

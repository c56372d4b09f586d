"""All of Azure that the workflows use, in one bundle: what the simulation replaces."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.azure.blobs.backup_container import BackupContainer
from shared.azure.blobs.copying import BlobCopies
from shared.azure.blobs.leases import BlobLeases
from shared.azure.blobs.reading import BlobReader
from shared.azure.blobs.snapshots import BlobSnapshots
from shared.azure.blobs.writing import BlobWriter
from shared.azure.heartbeat import Heartbeat
from shared.azure.kept_connections import KeptConnections
from shared.azure.queues import Queues
from shared.azure.resource_manager import ResourceManager
from shared.azure.sources.by_kind import ReadersByKind, SourcesByKind
from shared.azure.sources.managed_disks import ManagedDiskSource
from shared.azure.sources.managed_reading import ManagedReader
from shared.azure.sources.page_blobs import PageBlobSource
from shared.azure.sources.source import Reader, Source
from shared.azure.sources.uploads import ManagedUploads, Uploads
from shared.azure.tables.diffs import DiffRows
from shared.azure.tables.index import Index, IndexRows
from shared.azure.tables.job_rows import JobRows
from shared.azure.tables.missing import Tables
from shared.azure.tables.parts import Parts
from shared.azure.tables.records import Records
from shared.azure.tables.retention_rows import Plans, Tombstones
from shared.azure.tables.status import Status, StatusRows
from shared.model.inspection import INSPECTION_KINDS, Inspection
from shared.model.intent_row import INTENT, IntentRow
from shared.model.job import JobKind
from shared.model.names import BACKUPS_TABLE, PARTS_TABLE
from shared.model.restore import Restore
from shared.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """The services of one invocation.

    Attributes:
        settings: the app settings.
        disks: the disks and their source snapshots.
        uploads: the managed disks that restores make.
        pages: reads disks and backups.
        blobs: writes backup blobs and restored disks.
        leases: the leases on them.
        copies: copies whole blobs on the server.
        snapshots: the snapshots of backup blobs.
        backups: the backup container, and where it holds a disk's backups.
        records: the records of disks.
        status: the report on record.
        restores: the rows of restores.
        inspections: the rows of inspections.
        parts: the rows of their parts.
        tables: the tables that hold all rows.
        plans: the retention plans.
        tombstones: the tombstones of deleted recovery points.
        intents: the rows of operators' intents.
        diffs: the rows of counted page diffs.
        queues: the queues.
        heartbeat: called when all disks are backed up.
        now: the clock, UTC.
        sleep: waits for a while.
    """

    settings: Settings
    disks: Source
    uploads: Uploads
    pages: Reader
    blobs: BlobWriter
    leases: BlobLeases
    copies: BlobCopies
    snapshots: BlobSnapshots
    backups: BackupContainer
    records: Records
    status: Status
    restores: JobRows[Restore]
    inspections: JobRows[Inspection]
    parts: Parts
    tables: Tables
    plans: Plans
    tombstones: Tombstones
    intents: JobRows[IntentRow]
    diffs: DiffRows
    queues: Queues
    heartbeat: Heartbeat
    now: Callable[[], datetime]
    sleep: Callable[[timedelta], Awaitable[None]]

    async def ensure(self) -> None:
        """Create the queues and tables that are missing."""
        await asyncio.gather(self.queues.ensure(), self.tables.ensure())


type OpenServices = Callable[[], contextlib.AbstractAsyncContextManager[Services]]
"""Opens the services of an invocation."""


@contextlib.asynccontextmanager
async def telling(services: Services) -> AsyncIterator[Services]:
    """Put on record, at the end of an invocation, what the report says now of the disks that it has changed.

    It is last, even of one that fails: whoever dies before has left nothing else undone.
    """
    try:
        yield services
    except Exception:
        await services.status.tell_changed(services.records.read, services.records.points)
        raise
    await services.status.tell_changed(services.records.read, services.records.points)


@contextlib.asynccontextmanager
async def open_services(settings: Settings, kept: KeptConnections) -> AsyncIterator[Services]:
    """Open the services for one invocation, on connections that outlive it."""
    async with kept.of(settings) as connections:
        queues = await connections.queue_service()
        tables = await connections.table_service()
        table = tables.get_table_client(BACKUPS_TABLE)
        index = Index(IndexRows(table))
        status = Status(StatusRows(table), inspects=settings.inspects, excludes=settings.excludes_by_url)
        blobs = BlobReader(connections, settings.storage_api_version)
        manager = ResourceManager(connections.resource_manager, settings.resource_manager_url)
        managed = ManagedReader(connections, manager, blobs, settings.storage_api_version, kept.access)
        opened = Services(
            settings=settings,
            disks=SourcesByKind(
                PageBlobSource(connections, settings), ManagedDiskSource(manager, settings, kept.access)
            ),
            uploads=ManagedUploads(connections, manager, settings.storage_api_version, kept.uploads),
            pages=ReadersByKind(blobs, managed),
            blobs=BlobWriter(connections),
            leases=BlobLeases(connections),
            copies=BlobCopies(connections),
            snapshots=BlobSnapshots(connections),
            backups=BackupContainer(connections, settings.container),
            records=Records(table, index, status),
            status=status,
            restores=JobRows(table, index, status, Restore, [JobKind.RESTORE]),
            inspections=JobRows(table, index, status, Inspection, INSPECTION_KINDS),
            parts=Parts(tables.get_table_client(PARTS_TABLE)),
            tables=Tables(tables, (BACKUPS_TABLE, PARTS_TABLE)),
            plans=Plans(table),
            tombstones=Tombstones(table),
            intents=JobRows(table, index, status, IntentRow, [INTENT]),
            diffs=DiffRows(table),
            queues=Queues(queues),
            heartbeat=Heartbeat(connections, None if settings.heartbeat_problem else settings.heartbeat_url),
            now=lambda: datetime.now(UTC),
            sleep=lambda duration: asyncio.sleep(duration.total_seconds()),
        )
        async with telling(opened):
            yield opened

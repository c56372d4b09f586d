"""All that the workflows have of Azure, in one bundle: what a simulation replaces."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.azure.blobs.backup_blobs import BackupBlobs
from shared.azure.blobs.backup_container import Catalogue
from shared.azure.blobs.copying import Copies
from shared.azure.blobs.reading import PageBlobs
from shared.azure.connections import open_connections
from shared.azure.heartbeat import Heartbeat
from shared.azure.queues import QUEUES, Queues
from shared.azure.sources.page_blobs import SourceDisks
from shared.azure.tables.inspections import Inspections
from shared.azure.tables.records import Records
from shared.azure.tables.restores import Restores
from shared.model.names import BACKUPS_TABLE, PARTS_TABLE
from shared.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """The services of one invocation.

    Attributes:
        settings: the app settings.
        disks: the disks and their source snapshots.
        pages: what is read of disks and backups.
        backups: the backup blobs.
        copies: what the service copies whole.
        catalogue: what the backup container holds.
        records: the record.
        restores: the rows of restores.
        inspections: the rows of inspections, and of their parts.
        queues: the queues.
        heartbeat: who is told when all went well.
        now: the clock, UTC.
        sleep: waits for a while.
    """

    settings: Settings
    disks: SourceDisks
    pages: PageBlobs
    backups: BackupBlobs
    copies: Copies
    catalogue: Catalogue
    records: Records
    restores: Restores
    inspections: Inspections
    queues: Queues
    heartbeat: Heartbeat
    now: Callable[[], datetime]
    sleep: Callable[[timedelta], Awaitable[None]]

    async def ensure(self) -> None:
        """Create the queues and tables that are missing."""
        await asyncio.gather(self.queues.ensure(), self.records.ensure(), self.inspections.ensure())


@contextlib.asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Open the services for one invocation: of them the process keeps the identity's tokens, and nothing else."""
    async with open_connections(settings) as connections:
        queues = await connections.queue_service()
        tables = await connections.table_service()
        yield Services(
            settings=settings,
            disks=SourceDisks(connections, settings),
            pages=PageBlobs(connections, settings.storage_api_version),
            backups=BackupBlobs(connections, settings.container),
            copies=Copies(connections),
            catalogue=Catalogue(connections, settings.container),
            records=Records(tables.get_table_client(BACKUPS_TABLE)),
            restores=Restores(tables.get_table_client(BACKUPS_TABLE)),
            inspections=Inspections(tables.get_table_client(BACKUPS_TABLE), tables.get_table_client(PARTS_TABLE)),
            queues=Queues({name: queues.get_queue_client(name) for name in QUEUES}),
            heartbeat=Heartbeat(connections, None if settings.heartbeat_mistake else settings.heartbeat_url),
            now=lambda: datetime.now(UTC),
            sleep=lambda duration: asyncio.sleep(duration.total_seconds()),
        )

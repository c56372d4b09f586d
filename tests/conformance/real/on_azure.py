"""A real storage account: the third cloud that the statements of the conformance suite can be made on.

All that a run makes bears its name; of the table and the queues of an app in the same account it uses none.
"""

import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NoReturn

import pytest
from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from shared.azure.kept_connections import KeptConnections
from shared.azure.queues import Queues
from shared.azure.services import Services, open_services
from shared.azure.tables.diffs import DiffRows
from shared.azure.tables.index import Index, IndexRows
from shared.azure.tables.job_rows import JobRows
from shared.azure.tables.missing import Tables
from shared.azure.tables.parts import Parts
from shared.azure.tables.records import Records
from shared.azure.tables.retention_rows import Plans, Tombstones
from shared.azure.tables.status import Status, StatusRows
from shared.model.addresses import ContainerAddress
from shared.model.inspection import INSPECTION_KINDS, Inspection
from shared.model.intent_row import INTENT, IntentRow
from shared.model.job import JobKind
from shared.model.names import BACKUPS_TABLE, PARTS_TABLE
from shared.model.restore import Restore
from shared.model.version import BlobVersion
from shared.settings import Settings
from tests.conformance.any_cloud import Place
from tests.conformance.on_azurite import ServedCloud, received
from tests.conformance.real.accounts import Account
from tests.conformance.real.ground import Accounts, table_prefix
from tests.conformance.real.sources import ended


@dataclass(frozen=True, slots=True)
class Run:
    """A run of the suite: its name and its accounts."""

    name: str
    accounts: Accounts


RUN = pytest.StashKey[Run]()
"""Where pytest finds the run; there is none but in `infra/local prove`."""

_COPIED_WITHIN_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Rented:
    """The clients of a run, its table and its queues, which all statements share."""

    run: Run
    blobs: Mapping[str, BlobServiceClient]
    queues: QueueServiceClient
    tables: TableServiceClient
    numbers: Iterator[int]

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, run: Run) -> AsyncIterator["Rented"]:
        """Open the clients."""
        async with contextlib.AsyncExitStack() as stack:
            accounts = (run.accounts.disks, run.accounts.backups)
            blobs = {account.name: await stack.enter_async_context(account.blobs()) for account in accounts}
            queues = await stack.enter_async_context(run.accounts.backups.queues())
            tables = await stack.enter_async_context(run.accounts.backups.tables())
            yield cls(run, blobs, queues, tables, itertools.count())

    def queue_name(self, queue: str) -> str:
        """Give the run's own name of a queue."""
        return f"{self.run.name}-{queue}"

    def own(self, services: Services) -> Services:
        """Give the services with the run's own tables and queues in the place of the app's."""
        first = table_prefix(self.run.name)
        table = self.tables.get_table_client(f"{first}{BACKUPS_TABLE}")
        index = Index(IndexRows(table))
        status = Status(
            StatusRows(table), inspects=services.settings.inspects, excludes=services.settings.excludes_by_url
        )
        return replace(
            services,
            records=Records(table, index, status),
            status=status,
            restores=JobRows(table, index, status, Restore, [JobKind.RESTORE]),
            inspections=JobRows(table, index, status, Inspection, INSPECTION_KINDS),
            intents=JobRows(table, index, status, IntentRow, [INTENT]),
            plans=Plans(table),
            tombstones=Tombstones(table),
            diffs=DiffRows(table),
            parts=Parts(self.tables.get_table_client(f"{first}{PARTS_TABLE}")),
            tables=Tables(self.tables, [f"{first}{name}" for name in (BACKUPS_TABLE, PARTS_TABLE)]),
            queues=Queues(self.queues, prefix=self.queue_name("")),
        )


@contextlib.asynccontextmanager
async def open_real_cloud(rented: Rented) -> AsyncIterator["RealCloud"]:
    """Open a cloud with containers of its own; the tables and the queues are those of the run."""
    run, number = rented.run, next(rented.numbers)
    disks, lab, backups = (
        ContainerAddress.parse(f"{account.blob_url}/{run.name}-{kind}-{number}")
        for account, kind in ((run.accounts.disks, "vhds"), (run.accounts.disks, "lab"), (run.accounts.backups, "kept"))
    )
    for container in (disks, lab):
        await rented.blobs[run.accounts.disks.name].create_container(container.container)
    settings = _settings(run.accounts, disks, backups)
    async with contextlib.aclosing(KeptConnections()) as kept, open_services(settings, kept) as opened:
        services = rented.own(opened)
        await services.ensure()
        await services.backups.ensure()
        table = rented.tables.get_table_client(f"{table_prefix(run.name)}{BACKUPS_TABLE}")
        yield RealCloud(rented, services, (disks, lab), IndexRows(table))


def _settings(accounts: Accounts, disks: ContainerAddress, backups: ContainerAddress) -> Settings:
    host = accounts.backups
    texts = [account.connection_string for account in (accounts.disks, host) if account.connection_string]
    return Settings.model_validate(
        {
            "backup_schedule": "0 0 */12 * * *",
            "source_disks": disks.blob("disk*.vhd").url,
            "backup_container": backups.url,
            "storage_connections": [_connection(account) for account in (accounts.disks, host) if account.key],
            "AzureWebJobsStorage__queueServiceUri": host.queue_url,
            "AzureWebJobsStorage__tableServiceUri": host.table_url,
            **({"AzureWebJobsStorage": texts[-1].get_secret_value()} if host.connection_string else {}),
        }
    )


def _connection(account: Account) -> dict[str, str]:
    return {"account": account.name, "key": account.key or ""}


class RealCloud(ServedCloud):
    """Containers of a real storage account. What only the local Azure can be made to do, it is not asked for."""

    def __init__(
        self,
        rented: Rented,
        services: Services,
        containers: tuple[ContainerAddress, ContainerAddress],
        index: IndexRows,
    ) -> None:
        super().__init__(rented.blobs, services, *containers, index)
        self._rented = rented

    def turn_versioning_on(self, blob: Place) -> NoReturn:
        del blob
        _not_here("is not to be turned on in somebody's account")

    def hold(self, target: Place) -> NoReturn:
        del target
        _not_here("can't be made to hold a copy pending")

    def refuse_source(self, status: int) -> NoReturn:
        _not_here(f"can't be made to refuse a source with {status}")

    def want_signatures(self) -> NoReturn:
        _not_here("can't be made to refuse what is not signed")

    def give_up_on_clears(self, longer_than: int) -> NoReturn:
        _not_here(f"can't be made to give up on clears of more than {longer_than} pages")

    async def receive(self, queue: str) -> list[bytes]:
        return await received(self._rented.queues.get_queue_client(self._rented.queue_name(queue)))

    async def copy_over(
        self, target: Place, source: BlobVersion, metadata: Mapping[str, str] | None = None, lease: str | None = None
    ) -> None:
        """Copy a blob or a snapshot over another blob; the service ends the copy in its own time."""
        await self.begin_copy(target, source.blob, metadata or {}, lease, snapshot=source.snapshot)
        await ended(self._blob(target), _COPIED_WITHIN_SECONDS)


def _not_here(what: str) -> NoReturn:
    pytest.skip(f"a real service {what}")

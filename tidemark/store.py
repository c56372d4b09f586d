"""The app's storage, as far as the command line may go: it reads rows and puts messages, and writes nothing else."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)
from azure.data.tables.aio import TableClient, TableServiceClient
from pydantic import ValidationError

from shared.azure.tables.diffs import DiffRows
from shared.azure.tables.index import Index, IndexRows
from shared.azure.tables.job_rows import JobRows
from shared.azure.tables.records import Records
from shared.azure.tables.retention_rows import ALL_ROW, RETENTION_PARTITION, Plans
from shared.azure.tables.rows import from_properties, from_row
from shared.azure.tables.status import Status, StatusRows
from shared.errors import OtherDiskError, without_secrets
from shared.limits import STORAGE_API_VERSION
from shared.model.addresses import AddressError
from shared.model.disk import Disk
from shared.model.inspection import INSPECTION_KINDS, Inspection
from shared.model.intent_row import INTENT, IntentRow
from shared.model.job import ENDS, JobKind
from shared.model.names import BACKUPS_TABLE, request_id
from shared.model.point import POINT_ROW_PREFIX, RecoveryPoint
from shared.model.record import DISK_ROW, DiskRecord
from shared.model.report import Report
from shared.model.restore import Restore
from shared.model.retention_plan import PlanOnRecord
from shared.model.schema import UnknownSchemaError
from shared.model.sizes import PageDiff
from shared.page.reading import Reads
from tidemark.configuration import Storage
from tidemark.outcome import Exit, Problem

if TYPE_CHECKING:
    from azure.identity.aio import DefaultAzureCredential
    from azure.storage.queue.aio import QueueServiceClient

READ_ROLE, PUT_ROLE = "Storage Table Data Reader", "Storage Queue Data Message Sender"

type Job = Restore | Inspection | IntentRow

_KINDS = (*JobKind, INTENT)
_RETRIES: dict[str, Any] = {"retry_total": 2, "connection_timeout": 10, "read_timeout": 60}
_CLOCKS_DIFFER = timedelta(minutes=5)
"""The app's clock says when something happened, and the service's when its row was written."""

_DENIED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class Store:
    """The table and the queues of an app."""

    def __init__(
        self, storage: Storage, table: TableClient, queues: Callable[[], Awaitable["QueueServiceClient"]]
    ) -> None:
        self.account = storage.account
        self._table, self._queues = table, queues
        self._status = Status(StatusRows(table), inspects=False)
        self._index = IndexRows(table)
        self._index_of_app = Index(self._index)
        self._records = Records(table, self._index_of_app, self._status)
        self._plans = Plans(table)
        self._diffs = DiffRows(table)

    @contextlib.contextmanager
    def page(self) -> Iterator[Reads]:
        """Give what the app's page reads by; what keeps somebody from the storage is told as of every other read."""
        with self._reading():
            yield Reads(
                status=self._status,
                records=self._records,
                restores=JobRows(self._table, self._index_of_app, self._status, Restore, [JobKind.RESTORE]),
                inspections=JobRows(self._table, self._index_of_app, self._status, Inspection, INSPECTION_KINDS),
                plans=self._plans,
                now=lambda: datetime.now(UTC),
                account=self.account,
            )

    async def report(self) -> Report:
        """Read the report."""
        with self._reading():
            return await self._status.read()

    async def record(self, disk: Disk) -> DiskRecord | None:
        """Read a disk's record; None if there is none that this release can read."""
        with self._reading(), contextlib.suppress(OtherDiskError, UnknownSchemaError, ValidationError):
            found = await self._records.get(disk)
            return found[0] if found else None
        return None

    async def points(self, disk: Disk) -> list[RecoveryPoint]:
        """Read a disk's recovery points, oldest first."""
        with self._reading():
            return await self._records.points(disk)

    async def diffs(self, disk: Disk) -> list[PageDiff]:
        """Read the page diffs of a disk's backups that the app has counted."""
        with self._reading():
            return await self._diffs.of(disk)

    async def plan(self, disk: Disk) -> PlanOnRecord | None:
        """Read a disk's retention plan; None if there is none."""
        with self._reading():
            found = await self._plans.find(disk)
            return found[0] if found else None

    async def waiting_plans(self) -> list[PlanOnRecord]:
        """List the retention plans that wait for approval."""
        with self._reading():
            return await self._plans.to_approve()

    async def hash_of_all(self) -> str:
        """Return the hash that approves all plans that wait; empty if the app has put none on record."""
        with self._reading(), contextlib.suppress(ResourceNotFoundError):
            row = from_properties(await self._table.get_entity(RETENTION_PARTITION, ALL_ROW))
            return str(row.get("plan", ""))
        return ""

    async def open_jobs(self) -> list[Job]:
        """List the restores, verifies, drills and intents that have not ended."""
        with self._reading():
            listed = await self._index.of_jobs()
            if not listed.is_complete:
                return [job for job in await self.all_jobs() if job.state not in ENDS]
            rows = [(str(row.values["partition"]), str(row.values["row"])) for row in listed.rows]
            found = [await self.job(partition, key) for partition, key in rows]
        return [job for job in found if job is not None and job.state not in ENDS]

    async def job(self, partition: str, row: str) -> Job | None:
        """Read the row of a job or an intent; None if there is none."""
        with self._reading():
            try:
                return job_of(from_properties(await self._table.get_entity(partition, row)))
            except ResourceNotFoundError:
                return None

    async def all_jobs(self) -> list[Job]:
        """List all jobs and intents on record; this looks through the whole table."""
        return await self._jobs(_between(""))

    async def jobs_named(self, start: str) -> list[Job]:
        """List the jobs and intents whose ids begin like this; this looks through the whole table."""
        return await self._jobs(_between(start))

    async def run_named(self, start: str) -> tuple[Disk, DiskRecord | RecoveryPoint] | None:
        """Find the backup run whose source snapshot's time begins like this: an open one, or its recovery point."""
        query = (
            f"(RowKey eq '{DISK_ROW}' and run_snapshot ge '{start}' and run_snapshot lt '{start}~')"
            f" or (RowKey ge '{POINT_ROW_PREFIX}{start}' and RowKey lt '{POINT_ROW_PREFIX}{start}~')"
        )
        point: tuple[str, RecoveryPoint] | None = None
        disks = {Disk.parse(name).key: name for name in known_disks(await self.report())}
        with self._reading():
            async for row in self._table.query_entities(query):
                partition, values = str(row["PartitionKey"]), from_properties(row)
                with contextlib.suppress(ValidationError, UnknownSchemaError):
                    if row["RowKey"] == DISK_ROW:
                        record = from_row(DiskRecord, values)
                        return record.disk, record
                    point = (partition, from_row(RecoveryPoint, values))
        return (Disk.parse(disks[point[0]]), point[1]) if point and point[0] in disks else None

    async def jobs_of(self, disk: Disk) -> list[Job]:
        """List all jobs and intents of a disk."""
        return await self._jobs(f"PartitionKey eq @disk and ({_between('')})", disk=disk.key)

    async def written_since(self, since: datetime, disk: Disk | None = None) -> list[dict[str, Any]]:
        """List the rows of a disk, or of all, that were written since a time; the service looks through all of them."""
        parts = ["Timestamp ge @since", *(["PartitionKey eq @disk"] if disk else [])]
        values = {"since": since - _CLOCKS_DIFFER, **({"disk": disk.key} if disk else {})}
        with self._reading():
            rows = self._table.query_entities(" and ".join(parts), parameters=values)
            return [from_properties(row) async for row in rows]

    async def put(self, queue: str, message: str) -> str:
        """Put a message on a queue; return the id of what it asks for."""
        with self._sending(queue):
            sent = await (await self._queues()).get_queue_client(queue).send_message(message)
        return request_id(str(sent.id), message.encode())

    async def _jobs(self, rows: str, **values: str) -> list[Job]:
        found = list[Job]()
        with self._reading():
            async for row in self._table.query_entities(rows, parameters=values):
                if (job := job_of(from_properties(row))) is not None:
                    found.append(job)
        return found

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except UnknownSchemaError as error:
            raise Problem(
                f"{str(error).partition('. ')[0]}. What to do: use the command line of that release", Exit.ATTENTION
            ) from None
        except ValidationError:
            raise Problem(
                f"a row of the table {BACKUPS_TABLE} can't be read: somebody has edited it", Exit.ATTENTION
            ) from None
        except AzureError as error:
            raise self._explained(error, READ_ROLE, f"the table {BACKUPS_TABLE}") from None

    @contextlib.contextmanager
    def _sending(self, queue: str) -> Iterator[None]:
        try:
            yield
        except AzureError as error:
            raise self._explained(error, PUT_ROLE, f"the queue {queue}") from None

    def _explained(self, error: AzureError, role: str, what: str) -> Problem:
        """Say what keeps somebody from the storage, and what to do."""
        where = f"{what} of the storage account {self.account}"
        status = error.status_code if isinstance(error, HttpResponseError) else None
        if status == HTTPStatus.NOT_FOUND:
            why = f"{where} is not there. What to do: name the app's own storage account; before its first tick, wait"
        elif status in _DENIED:
            why = (
                f"{where} refuses you. What to do: sign in as somebody with the role {role!r} there, or have it given"
                " to you; and see whether the account's firewall lets you through"
            )
        elif isinstance(error, ClientAuthenticationError):
            why = f"nobody is signed in to Azure. What to do: `az login`, as somebody with the role {role!r}"
        else:
            first = without_secrets(str(error).partition("\n")[0])
            why = f"{where} can't be reached: {first}. What to do: check the account's name, and the network"
        return Problem(why, Exit.UNREACHABLE)


@contextlib.asynccontextmanager
async def open_store(storage: Storage) -> AsyncIterator[Store]:
    """Open the app's storage: as whoever is signed in, or by the connection string of a local Azure."""
    async with contextlib.AsyncExitStack() as stack:
        signed_in = None if storage.connection else await stack.enter_async_context(_signed_in())
        if signed_in is None:
            tables = TableServiceClient.from_connection_string(storage.connection, **_RETRIES)
        else:
            tables = TableServiceClient(storage.tables, credential=signed_in, **_RETRIES)
        await stack.enter_async_context(tables)

        async def queues() -> "QueueServiceClient":
            from azure.storage.queue.aio import QueueServiceClient  # noqa: PLC0415 - most commands put no message

            how: dict[str, Any] = {"api_version": STORAGE_API_VERSION, **_RETRIES}
            if signed_in is None:
                client = QueueServiceClient.from_connection_string(storage.connection, **how)
            else:
                client = QueueServiceClient(storage.queues, signed_in, **how)
            return await stack.enter_async_context(client)

        yield Store(storage, tables.get_table_client(BACKUPS_TABLE), queues)


def _signed_in() -> "DefaultAzureCredential":
    """Return whoever is signed in to Azure on this machine."""
    from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415 - a local Azure needs none of it

    return DefaultAzureCredential()


def job_of(row: dict[str, Any]) -> Job | None:
    """Read the row of a job; None if it is not readable."""
    kind = str(row.get("RowKey", "")).partition("-")[0]
    with contextlib.suppress(ValidationError, UnknownSchemaError):
        if kind == JobKind.RESTORE:
            return from_row(Restore, row)
        return from_row(IntentRow, row) if kind == INTENT else from_row(Inspection, row)
    return None


def _between(start: str) -> str:
    """Write the condition for the rows of jobs whose ids begin like this."""
    return " or ".join(f"(RowKey ge '{kind}-{start}' and RowKey lt '{kind}-{start}~')" for kind in _KINDS)


def known_disks(report: Report) -> Sequence[str]:
    """Return the names of the disks on record; what the report says of an edited row, by its key, is of none."""
    return [disk.disk for disk in report.disks if _is_named(disk.disk)]


def _is_named(text: str) -> bool:
    with contextlib.suppress(AddressError):
        return bool(Disk.parse(text))
    return False

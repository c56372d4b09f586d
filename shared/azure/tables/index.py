"""The index in the table `backups`; `shared.model.index` says how its rows stay correct."""

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, NamedTuple

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.data.tables import TableEntity, UpdateMode
from azure.data.tables.aio import TableClient
from pydantic import ValidationError

from shared.azure.tables.at_once import each
from shared.azure.tables.rows import from_properties, to_properties
from shared.azure.tables.unless_changed import delete_unless_changed, has_changed, put_unless_changed
from shared.model.disk import Disk
from shared.model.index import (
    COMPLETE_ROW,
    DISKS_FROM,
    DROPPED_AFTER,
    INDEX_PARTITION,
    JOB_PREFIX,
    Summary,
    is_complete,
    is_idle,
    is_settled,
    job_key,
    open_job,
    read_summary,
    settled,
    unsettled,
)
from shared.model.intent_row import INTENT
from shared.model.job import ENDS, Endable, JobKind, job_row
from shared.model.record import DISK_ROW, DiskRecord
from shared.model.schema import SCHEMA_PROPERTY, UnknownSchemaError, with_schema

_COLUMNS = [SCHEMA_PROPERTY, *(field.name for field in fields(Summary))]
_JOB_PREFIXES = [*(job_row(kind, "") for kind in JobKind), f"{INTENT}-"]


class IndexRow(NamedTuple):
    """A row of the index.

    Attributes:
        key: its row key.
        values: its properties.
        etag: its ETag.
        written: when it was last written, UTC.
    """

    key: str
    values: dict[str, Any]
    etag: str
    written: datetime


class IndexList(NamedTuple):
    """A list of rows of the index.

    Attributes:
        is_complete: whether the index has every record and open job.
        rows: the rows.
    """

    is_complete: bool
    rows: list[IndexRow]


class IndexRows:
    """Access to the rows of the index, and to the rows it is built from; each method is one request or one query."""

    def __init__(self, table: TableClient) -> None:
        self._table = table

    async def put(self, key: str, values: dict[str, Any]) -> str:
        """Write a row unconditionally; give its ETag."""
        return str((await self._table.upsert_entity(_entity(key, values), UpdateMode.REPLACE))["etag"])

    async def replace(self, key: str, values: dict[str, Any], etag: str) -> bool:
        """Write a row, provided that it has this ETag; tell whether it had."""
        try:
            await put_unless_changed(self._table, _entity(key, values), etag)
        except HttpResponseError as error:
            if has_changed(error):
                return False
            raise
        return True

    async def drop(self, key: str, etag: str) -> None:
        """Delete a row, provided that it has this ETag."""
        try:
            await delete_unless_changed(self._table, INDEX_PARTITION, key, etag)
        except HttpResponseError as error:
            if not has_changed(error):
                raise

    async def forget(self, key: str) -> None:
        """Delete a row, if it exists."""
        await self._table.delete_entity(INDEX_PARTITION, key)

    async def of_disks(self) -> IndexList:
        """List the rows of disks."""
        return await self._from(DISKS_FROM, "~")

    async def of_jobs(self) -> IndexList:
        """List the rows of open jobs."""
        return await self._from(JOB_PREFIX, f"{JOB_PREFIX}~")

    async def record(self, key: str) -> dict[str, Any] | None:
        """Read the part of a disk's record that the index has; None if there is no record."""
        try:
            return from_properties(await self._table.get_entity(key, DISK_ROW, select=_COLUMNS))
        except ResourceNotFoundError:
            return None

    async def missing(self) -> list[tuple[str, dict[str, Any]]]:
        """Give all rows of a new index. Only this scans the whole table, with all its recovery points."""
        jobs = " or ".join(f"(RowKey ge '{prefix}' and RowKey lt '{prefix}~')" for prefix in _JOB_PREFIXES)
        rows = self._table.query_entities(
            f"RowKey eq '{DISK_ROW}' or {jobs}", select=["PartitionKey", "RowKey", "disk", "state"]
        )
        return [found async for row in rows if (found := index_entry(from_properties(row)))]

    async def _from(self, first: str, end: str) -> IndexList:
        """List rows, and before them the one that says whether any is missing: its key is less than all others."""
        found = self._table.query_entities(
            "PartitionKey eq @partition and RowKey ge @first and RowKey lt @end",
            parameters={"partition": INDEX_PARTITION, "first": COMPLETE_ROW, "end": end},
        )
        rows = [_row(entity) async for entity in found]
        is_whole = any(row.key == COMPLETE_ROW and is_complete(row.values) for row in rows)
        return IndexList(is_whole, [row for row in rows if row.key >= first])


class Index:
    """The index, correct after any crash and under concurrent writes."""

    def __init__(self, rows: IndexRows, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._rows, self._now = rows, now

    async def write[Written](
        self, disk: Disk, after: DiskRecord | None, write: Callable[[], Awaitable[Written]]
    ) -> Written:
        """Write or delete a disk's record when that may change what the index says of it; give what `write` gives.

        Args:
            disk: the disk.
            after: the record to write; None to delete it.
            write: writes or deletes it, provided that the record has not changed since it was read.
        """
        etag = await self.unsettle(disk)
        written = await write()
        if after and is_idle(after):
            with contextlib.suppress(AzureError):  # an unsettled row is correct as well
                await self._rows.replace(disk.key, settled(after), etag)
        return written

    async def unsettle(self, disk: Disk) -> str:
        """Make readers of the index read a disk's record instead; give the ETag of its row."""
        return await self._rows.put(disk.key, unsettled(disk.name))

    async def disks(self) -> dict[str, Summary]:
        """Summarize the records of all disks by their keys, without reading those of idle disks."""
        return dict(await each(await self._complete(self._rows.of_disks), self._summary))

    async def open_jobs[Found: Endable](
        self, prefixes: Sequence[str], read: Callable[[str, str], Awaitable[Found | None]]
    ) -> list[Found]:
        """List the open jobs whose row keys start with one of the prefixes.

        Args:
            prefixes: the prefixes.
            read: reads the job of a partition and a row key, None if there is none.
        """

        async def look(row: IndexRow) -> Found | None:
            try:
                found = await read(row.values["partition"], row.values["row"])
            except (ValidationError, UnknownSchemaError):  # an invalid row must not stop the others
                return None
            if found is None:
                await self._drop_if_old(row)
            elif found.has_ended:
                await self._rows.drop(row.key, row.etag)
                return None
            return found

        rows, names = await self._complete(self._rows.of_jobs), tuple(prefixes)
        return await each([row for row in rows if row.values["row"].startswith(names)], look)

    async def listed_jobs(self, prefixes: Sequence[str]) -> list[tuple[str, str]]:
        """List where the rows of open jobs are, as the index says, and write nothing: some may have ended since.

        An index that is not complete, as after an upgrade, may leave some out until the next tick.
        """
        rows = [(str(row.values["partition"]), str(row.values["row"])) for row in (await self._rows.of_jobs()).rows]
        return [place for place in rows if place[1].startswith(tuple(prefixes))]

    async def job_opens(self, partition: str, row: str) -> None:
        """Add a job that is about to be recorded."""
        await self._rows.put(job_key(partition, row), open_job(partition, row))

    async def job_ended(self, partition: str, row: str) -> None:
        """Remove a job that has ended on record; if that fails, the next reader removes it."""
        with contextlib.suppress(AzureError):
            await self._rows.forget(job_key(partition, row))

    async def _complete(self, listed: Callable[[], Awaitable[IndexList]]) -> list[IndexRow]:
        """List rows; if the index is not complete, rebuild it first: after an upgrade, or after somebody deleted it."""
        if (found := await listed()).is_complete:
            return found.rows

        async def put(row: tuple[str, dict[str, Any]]) -> None:
            await self._rows.put(*row)

        await each(await self._rows.missing(), put)
        await self._rows.put(COMPLETE_ROW, with_schema({}))
        return (await listed()).rows

    async def _summary(self, row: IndexRow) -> tuple[str, Summary] | None:
        if is_settled(row.values):
            return row.key, read_summary(row.values)
        record = await self._rows.record(row.key)
        if record is None:
            await self._drop_if_old(row)
            return None
        return row.key, read_summary(record)

    async def _drop_if_old(self, row: IndexRow) -> None:
        if self._now() - row.written >= DROPPED_AFTER:
            await self._rows.drop(row.key, row.etag)


def index_entry(row: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Give the key and values of the index row for a record or a job; None for a job that has ended."""
    partition, key = row["PartitionKey"], row["RowKey"]
    if key == DISK_ROW:
        return partition, unsettled(row.get("disk", ""))
    return None if row.get("state") in ENDS else (job_key(partition, key), open_job(partition, key))


def _entity(key: str, values: dict[str, Any]) -> dict[str, Any]:
    return {"PartitionKey": INDEX_PARTITION, "RowKey": key, **to_properties(values)}


def _row(entity: TableEntity) -> IndexRow:
    # There is always a timestamp (REST: Understanding the Table service data model).
    written = entity.metadata["timestamp"] or datetime.max.replace(tzinfo=UTC)
    return IndexRow(str(entity["RowKey"]), from_properties(entity), str(entity.metadata["etag"]), written)

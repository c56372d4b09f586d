"""The index in the table `backups`: how its rows are kept right is told in `shared.model.index`."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import batched
from typing import Any, NamedTuple

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.data.tables import TableEntity, UpdateMode
from azure.data.tables.aio import TableClient
from pydantic import ValidationError

from shared.azure.tables.rows import from_properties, to_properties
from shared.model.disk import Disk
from shared.model.index import (
    COMPLETE_ROW,
    DISKS_FROM,
    FORGOTTEN_AFTER,
    INDEX_PARTITION,
    JOB_PREFIX,
    Summary,
    is_at_rest,
    is_complete,
    is_settled,
    job_key,
    open_job,
    said,
    settled,
    unsettled,
)
from shared.model.job import ENDS, Job, JobKind, job_row
from shared.model.record import DISK_ROW, DiskRecord
from shared.model.schema import SCHEMA_PROPERTY, UnknownSchemaError, with_schema

AT_ONCE = 16
"""Rows that are read or written at once: an index of hundreds of them is not to take as many round trips."""

_COLUMNS = [SCHEMA_PROPERTY, *(field.name for field in fields(Summary))]
_CHANGED = frozenset({HTTPStatus.PRECONDITION_FAILED, HTTPStatus.NOT_FOUND})


class IndexRow(NamedTuple):
    """A row of the index.

    Attributes:
        key: its row key.
        values: what it says.
        etag: its ETag.
        written: when it was last written, UTC.
    """

    key: str
    values: dict[str, Any]
    etag: str
    written: datetime


class IndexRows:
    """Access to the rows of the index, and to what it is made of: each method is one request, or a list of rows."""

    def __init__(self, table: TableClient) -> None:
        self._table = table

    async def put(self, key: str, values: dict[str, Any]) -> str:
        """Write a row, whatever is there; give its ETag."""
        return str((await self._table.upsert_entity(_entity(key, values), UpdateMode.REPLACE))["etag"])

    async def replace(self, key: str, values: dict[str, Any], etag: str) -> bool:
        """Write a row as long as it has this ETag; tell whether it had."""
        try:
            await self._table.update_entity(
                _entity(key, values), UpdateMode.REPLACE, etag=etag, match_condition=MatchConditions.IfNotModified
            )
        except HttpResponseError as error:
            if error.status_code in _CHANGED:
                return False
            raise
        return True

    async def drop(self, key: str, etag: str) -> None:
        """Delete a row as long as it has this ETag."""
        try:
            await self._table.delete_entity(
                INDEX_PARTITION, key, etag=etag, match_condition=MatchConditions.IfNotModified
            )
        except HttpResponseError as error:
            if error.status_code not in _CHANGED:
                raise

    async def forget(self, key: str) -> None:
        """Delete a row; one that is gone is fine."""
        await self._table.delete_entity(INDEX_PARTITION, key)

    async def is_complete(self) -> bool:
        """Tell whether all that there is is in the index."""
        try:
            return is_complete(from_properties(await self._table.get_entity(INDEX_PARTITION, COMPLETE_ROW)))
        except ResourceNotFoundError:
            return False

    async def of_disks(self) -> list[IndexRow]:
        """List the rows of disks."""
        return await self._between(DISKS_FROM, "~")

    async def of_jobs(self) -> list[IndexRow]:
        """List the rows of open jobs."""
        return await self._between(JOB_PREFIX, f"{JOB_PREFIX}~")

    async def record(self, key: str) -> dict[str, Any] | None:
        """Read of a disk's record what the index says; None where there is none."""
        try:
            return from_properties(await self._table.get_entity(key, DISK_ROW, select=_COLUMNS))
        except ResourceNotFoundError:
            return None

    async def missing(self) -> list[tuple[str, dict[str, Any]]]:
        """Give the rows of an index that is made anew: this alone reads the whole table, with all recovery points."""
        jobs = " or ".join(
            f"(RowKey ge '{prefix}' and RowKey lt '{prefix}~')" for prefix in (job_row(kind, "") for kind in JobKind)
        )
        rows = self._table.query_entities(
            f"RowKey eq '{DISK_ROW}' or {jobs}", select=["PartitionKey", "RowKey", "disk", "state"]
        )
        return [found async for row in rows if (found := unlisted(from_properties(row)))]

    async def _between(self, first: str, end: str) -> list[IndexRow]:
        rows = self._table.query_entities(
            "PartitionKey eq @partition and RowKey ge @first and RowKey lt @end",
            parameters={"partition": INDEX_PARTITION, "first": first, "end": end},
        )
        return [_row(entity) async for entity in rows]


class Index:
    """The index, kept right whatever crashes, and whoever writes at the same time."""

    def __init__(self, rows: IndexRows, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._rows, self._now = rows, now

    async def write(self, disk: Disk, after: DiskRecord | None, write: Callable[[], Awaitable[None]]) -> None:
        """Write a disk's record, or delete it, where the index may say anything else of the disk then.

        Args:
            disk: the disk.
            after: the record that is written; None where it is deleted.
            write: does so, as long as the record is as it was read.
        """
        etag = await self.unsettle(disk)
        await write()
        if after and is_at_rest(after):
            with contextlib.suppress(AzureError):  # an unsettled row is right as well
                await self._rows.replace(disk.key, settled(after), etag)

    async def unsettle(self, disk: Disk) -> str:
        """Have the record of a disk be read by whoever asks for it; give the ETag of its row."""
        return await self._rows.put(disk.key, unsettled(disk.name))

    async def disks(self) -> list[Summary]:
        """Sum up the records of all disks: those of disks at rest are not read."""
        await self._complete()
        return await self._each(await self._rows.of_disks(), self._summary)

    async def open_jobs[Found: Job](
        self, prefixes: Sequence[str], read: Callable[[str, str], Awaitable[Found | None]]
    ) -> list[Found]:
        """Give the open jobs of which the row keys begin so.

        Args:
            prefixes: what they begin with.
            read: gives the job of a partition and a row key, None where there is none.
        """

        async def look(row: IndexRow) -> Found | None:
            try:
                found = await read(row.values["partition"], row.values["row"])
            except (ValidationError, UnknownSchemaError):  # a row that can't be read stops no other
                return None
            if found is None:
                await self._drop_if_old(row)
            elif found.has_ended:
                await self._rows.drop(row.key, row.etag)
                return None
            return found

        await self._complete()
        rows, names = await self._rows.of_jobs(), tuple(prefixes)
        return await self._each([row for row in rows if row.values["row"].startswith(names)], look)

    async def job_opens(self, partition: str, row: str) -> None:
        """Put a job in the index that is about to be put on record."""
        await self._rows.put(job_key(partition, row), open_job(partition, row))

    async def job_ended(self, partition: str, row: str) -> None:
        """Take a job out of the index that has ended on record; where that fails, whoever looks for it does."""
        with contextlib.suppress(AzureError):
            await self._rows.forget(job_key(partition, row))

    async def _complete(self) -> None:
        """Make the index anew where it is not complete: after an upgrade, or since somebody has deleted it."""
        if await self._rows.is_complete():
            return

        async def put(row: tuple[str, dict[str, Any]]) -> None:
            await self._rows.put(*row)

        await self._each(await self._rows.missing(), put)
        await self._rows.put(COMPLETE_ROW, with_schema({}))

    async def _summary(self, row: IndexRow) -> Summary | None:
        if is_settled(row.values):
            return said(row.values)
        record = await self._rows.record(row.key)
        if record is None:
            await self._drop_if_old(row)
            return None
        return said(record)

    async def _drop_if_old(self, row: IndexRow) -> None:
        if self._now() - row.written >= FORGOTTEN_AFTER:
            await self._rows.drop(row.key, row.etag)

    async def _each[Row, Found](
        self, rows: Iterable[Row], step: Callable[[Row], Awaitable[Found | None]]
    ) -> list[Found]:
        """Do a step for each row, a few at once; give what they found."""
        found: list[Found] = []
        for batch in batched(rows, AT_ONCE, strict=False):
            for result in await asyncio.gather(*map(step, batch), return_exceptions=True):
                if isinstance(result, BaseException):
                    raise result
                if result is not None:
                    found.append(result)
        return found


def unlisted(row: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Give the key and the row of the index for a record or a job; None for a job that has ended."""
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

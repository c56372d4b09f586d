"""The table `backups`: the record of each disk and its recovery points."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableTransactionError, UpdateMode
from azure.data.tables.aio import TableClient
from pydantic import ValidationError

from shared.azure.answers import explain
from shared.azure.tables.index import Index
from shared.azure.tables.rows import from_properties, from_row, to_properties, to_row
from shared.azure.tables.status import Listed, Status
from shared.azure.tables.unless_changed import delete_unless_changed, has_changed, put_unless_changed
from shared.errors import OtherDiskError, Remedy, TidemarkError
from shared.limits import TRANSACTION
from shared.model.addresses import AddressError
from shared.model.disk import Disk
from shared.model.history import mark_of
from shared.model.index import Summary, must_unsettle
from shared.model.point import POINT_ROW_PREFIX, PointState, RecoveryPoint
from shared.model.record import DISK_ROW, DiskRecord
from shared.model.schema import with_schema
from shared.model.tick import DueDisk

POISON_PARTITION = "poison"
"""The partition of poison messages that belong to no disk; every disk's partition key has a `|`."""

TRIES = 20
"""How often an update that conflicts with another writer is tried."""


class RecordConflictError(TidemarkError):
    """Another invocation changed a row in the meantime."""

    remedy = Remedy.REREAD

    def __init__(self, row: str) -> None:
        super().__init__(f"another invocation changed the record of {row} in the meantime")


class Records:
    """Access to the records of disks and their recovery points."""

    def __init__(self, table: TableClient, index: Index, status: Status) -> None:
        self._table, self._index, self._status = table, index, status

    async def get(self, disk: Disk) -> tuple[DiskRecord, str] | None:
        """Read a disk's record and its ETag; None if there is none yet.

        Raises:
            OtherDiskError: it belongs to another disk.
        """
        try:
            entity = await self._table.get_entity(disk.key, DISK_ROW)
        except ResourceNotFoundError:
            return None
        return own_record(disk, from_row(DiskRecord, from_properties(entity))), str(entity.metadata["etag"])

    async def read(self, disk: Disk) -> DiskRecord | str | None:
        """Read a disk's record, or say why it can't be read; None if there is none."""
        try:
            found = await self.get(disk)
        except (TidemarkError, ValidationError) as error:
            return explain(error)
        return found[0] if found else None

    async def disks(self) -> dict[Disk, Summary]:
        """List all disks and patterns on record, each with the summary of its record."""
        return _disks_of(await self._index.disks())

    async def listed(self) -> Listed:
        """List all disks and patterns on record, and the rows of those whose record names no disk, or another."""
        named = _named(await self._index.disks())
        disks = {disk for disk, _, _ in named if disk}
        return Listed(disks, {key: _stray(key, found.disk) for disk, found, key in named if not disk})

    async def due(self) -> tuple[list[DueDisk], dict[Disk, Summary]]:
        """List the disks that ticks have asked for, with the progress of each; and, as `disks`, all on record."""
        summaries = await self._index.disks()
        return [summary.due for summary in summaries.values() if summary.due], _disks_of(summaries)

    async def invalidate(self, disk: Disk) -> None:
        """Make the next list of disks read this disk's record, whatever the index says."""
        await self._index.unsettle(disk)

    async def point_times(self, disk: Disk) -> list[str]:
        """List the times of a disk's recovery points, oldest first."""
        rows = self._table.query_entities(
            "PartitionKey eq @disk and RowKey ge @first and RowKey lt @last",
            parameters={"disk": disk.key, "first": POINT_ROW_PREFIX, "last": f"{POINT_ROW_PREFIX}~"},
            select=["RowKey"],
        )
        return [row["RowKey"].removeprefix(POINT_ROW_PREFIX) async for row in rows]

    async def points_between(self, disk: Disk, first: str, last: str) -> list[RecoveryPoint]:
        """Read the recovery points of a disk from one time to another, both included, oldest first."""
        rows = self._table.query_entities(
            "PartitionKey eq @disk and RowKey ge @first and RowKey le @last",
            parameters={
                "disk": disk.key,
                "first": f"{POINT_ROW_PREFIX}{first}",
                "last": f"{POINT_ROW_PREFIX}{last}",
            },
        )
        return [point async for row in rows if (point := _readable(row))]

    async def point(self, disk: Disk, time: str) -> RecoveryPoint | None:
        """Read a recovery point; None if there is none of this time."""
        found = await self.find_point(disk, time)
        return found[0] if found else None

    async def find_point(self, disk: Disk, time: str) -> tuple[RecoveryPoint, str] | None:
        """Read a recovery point and its ETag; None if there is none of this time."""
        try:
            entity = await self._table.get_entity(disk.key, f"{POINT_ROW_PREFIX}{time}")
        except ResourceNotFoundError:
            return None
        return from_row(RecoveryPoint, from_properties(entity)), str(entity.metadata["etag"])

    async def put(self, disk: Disk, record: DiskRecord, etag: str | None) -> None:
        """Write a disk's record, provided that it has this ETag; without an ETag, provided that there is none.

        Raises:
            RecordConflictError: another invocation was faster.
        """
        await self._index.write(disk, record, partial(self._put, disk, record, etag))
        self._status.changed(disk, None, record)

    async def _put(self, disk: Disk, record: DiskRecord, etag: str | None) -> str:
        entity = _keyed(disk, DISK_ROW, to_row(record))
        try:
            return await put_unless_changed(self._table, entity, etag)
        except HttpResponseError as error:
            if has_changed(error):
                raise RecordConflictError(disk.name) from error
            raise

    async def update(self, disk: Disk, change: Callable[[DiskRecord], DiskRecord]) -> DiskRecord | None:
        """Change a disk's record, retrying on conflicts; None if there is none.

        `change` may be called more than once; if it returns the record unchanged, nothing is written.

        Raises:
            RecordConflictError: it conflicted on every try.
        """
        written = await self.update_found(disk, None, change)
        return written[0] if written else None

    async def update_found(
        self, disk: Disk, found: tuple[DiskRecord, str] | None, change: Callable[[DiskRecord], DiskRecord]
    ) -> tuple[DiskRecord, str] | None:
        """Do the same with a record that was read just now, which is read again only if it has changed since.

        Args:
            disk: the disk.
            found: its record and its ETag; None to read it.
            change: what to change.

        Returns:
            The record and its ETag; None if there is none.

        Raises:
            RecordConflictError: it conflicted on every try.
        """
        for _ in range(TRIES):
            found = found or await self.get(disk)
            if found is None:
                return None
            record, etag = found
            changed = change(record)
            if changed == record:
                return found
            write, found = partial(self._put, disk, changed, etag), None
            try:
                written = await (self._index.write(disk, changed, write) if must_unsettle(record, changed) else write())
            except RecordConflictError:
                continue
            self._status.changed(disk, record, changed)
            return changed, written
        raise RecordConflictError(disk.name)

    async def delete(self, disk: Disk, etag: str) -> None:
        """Delete a disk's record, provided that it has this ETag; its recovery points stay.

        Raises:
            RecordConflictError: another invocation was faster.
        """
        await self._index.write(disk, None, partial(self._delete, disk, etag))
        self._status.changed(disk, None, None)

    async def _delete(self, disk: Disk, etag: str) -> None:
        try:
            await delete_unless_changed(self._table, disk.key, DISK_ROW, etag)
        except HttpResponseError as error:
            if has_changed(error):
                raise RecordConflictError(disk.name) from error
            raise

    async def add_points(self, disk: Disk, points: Sequence[RecoveryPoint]) -> None:
        """Write recovery points that are not on record, many at a time (REST: entity group transactions).

        One that is on record by now is left unchanged.
        """
        for first in range(0, len(points), TRANSACTION):
            entities = [_keyed(disk, point.row_key, to_row(point)) for point in points[first : first + TRANSACTION]]
            try:
                await self._table.submit_transaction([("create", entity) for entity in entities])
            except TableTransactionError as error:
                if not has_changed(error):
                    raise
                for entity in entities:
                    with contextlib.suppress(ResourceExistsError):
                        await self._table.create_entity(entity)
        self._status.points_changed(disk)

    async def update_point(
        self, disk: Disk, time: str, change: Callable[[RecoveryPoint], RecoveryPoint]
    ) -> RecoveryPoint | None:
        """Change what is known of a recovery point, retrying on conflicts; None if there is none of this time.

        `change` may be called more than once; if it returns the recovery point unchanged, nothing is written.

        Raises:
            RecordConflictError: it conflicted on every try.
        """
        for _ in range(TRIES):
            found = await self.find_point(disk, time)
            if found is None:
                return None
            point, etag = found
            changed = change(point)
            if changed == point:
                return point
            with contextlib.suppress(RecordConflictError):
                await self.put_point(disk, changed, etag)
                if mark_of(changed) != mark_of(point):
                    self._status.points_changed(disk)
                return changed
        raise RecordConflictError(f"the recovery point {time} of {disk.name}")

    async def put_point(self, disk: Disk, changed: RecoveryPoint, etag: str) -> None:
        """Write a recovery point, provided that it has this ETag.

        Raises:
            RecordConflictError: another invocation was faster.
        """
        try:
            await put_unless_changed(self._table, _keyed(disk, changed.row_key, to_row(changed)), etag)
        except HttpResponseError as error:
            if has_changed(error):
                raise RecordConflictError(disk.name) from error
            raise

    async def damaged(self, disk: Disk) -> list[str]:
        """List the times of a disk's damaged recovery points, oldest first."""
        rows = self._table.query_entities(
            "PartitionKey eq @disk and RowKey ge @first and RowKey lt @last and state eq @damaged",
            parameters={
                "disk": disk.key,
                "first": POINT_ROW_PREFIX,
                "last": f"{POINT_ROW_PREFIX}~",
                "damaged": PointState.DAMAGED.value,
            },
            select=["RowKey"],
        )
        return [row["RowKey"].removeprefix(POINT_ROW_PREFIX) async for row in rows]

    async def points(self, disk: Disk) -> list[RecoveryPoint]:
        """Read all recovery points of a disk, oldest first."""
        rows = self._table.query_entities(
            "PartitionKey eq @disk and RowKey ge @first and RowKey lt @last",
            parameters={"disk": disk.key, "first": POINT_ROW_PREFIX, "last": f"{POINT_ROW_PREFIX}~"},
        )
        return [point async for row in rows if (point := _readable(row))]

    async def keep_poison(self, message_id: str, values: dict[str, str]) -> None:
        """Keep a poison message that belongs to no disk."""
        row = {"PartitionKey": POISON_PARTITION, "RowKey": message_id, **with_schema(values)}
        await self._table.upsert_entity(to_properties(row), UpdateMode.REPLACE)

    async def seal(self, disk: Disk, record: DiskRecord, etag: str, point: RecoveryPoint) -> None:
        """Advance the record and write its recovery point, atomically (REST: entity group transactions).

        Raises:
            RecordConflictError: another invocation was faster.
        """
        await self._index.write(disk, record, partial(self._seal, disk, record, etag, point))
        self._status.changed(disk, None, record)
        self._status.points_changed(disk)

    async def _seal(self, disk: Disk, record: DiskRecord, etag: str, point: RecoveryPoint) -> None:
        match = {"etag": etag, "match_condition": MatchConditions.IfNotModified, "mode": UpdateMode.REPLACE}
        try:
            await self._table.submit_transaction(
                [
                    ("update", _keyed(disk, DISK_ROW, to_row(record)), match),
                    (
                        "upsert",
                        _keyed(disk, point.row_key, to_row(point)),
                        {"mode": UpdateMode.REPLACE},
                    ),
                ]
            )
        except TableTransactionError as error:
            if has_changed(error):
                raise RecordConflictError(disk.name) from error
            raise


def _readable(row: dict[str, Any]) -> RecoveryPoint | None:
    """Read the row of a recovery point; an invalid one must not hide the others."""
    with contextlib.suppress(ValidationError):
        return from_row(RecoveryPoint, from_properties(row))
    return None


def own_record(disk: Disk, record: DiskRecord) -> DiskRecord:
    """Give a record found under a disk's key, if it is the disk's own.

    Raises:
        OtherDiskError: it belongs to a disk of the same account, container and name on another service.
    """
    if record.disk == disk:
        return record
    raise OtherDiskError(
        f"{disk.name} would share the record and the backup blob of another disk, {record.disk}. What to do: back one"
        " of them up with another app; or, if they are one disk whose URL has changed, delete its row `disk` and set"
        " BACKUP_CONTAINER to another container"
    )


def _disks_of(summaries: Mapping[str, Summary]) -> dict[Disk, Summary]:
    return {disk: summary for disk, summary, _ in _named(summaries) if disk}


def _named(summaries: Mapping[str, Summary]) -> list[tuple[Disk | None, Summary, str]]:
    """List what is on record by its key; an invalid row has no disk, and does not stop the others."""
    return [(_named_by(key, found.disk), found, key) for key, found in summaries.items()]


def _named_by(key: str, name: str) -> Disk | None:
    """Return the disk that a record under a key names, if it is the key's own."""
    with contextlib.suppress(AddressError):
        disk = Disk.parse(name)
        return disk if disk.key == key else None
    return None


def _stray(key: str, name: str) -> str:
    return f"the row `disk` in the partition {key} of the table backups is not of the disk that it names, {name!r}"


def _keyed(disk: Disk, row: str, values: dict[str, Any]) -> dict[str, Any]:
    return {"PartitionKey": disk.key, "RowKey": row, **to_properties(values)}

"""The rows of inspections in the table `backups`, and in the table `batches` a row for each part that is compared."""

import contextlib
from collections.abc import Mapping
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient
from pydantic import ValidationError

from shared.addresses import BlobAddress
from shared.inspections import ENDS, Compared, Inspection, row_key
from shared.messages import PartMessage
from shared.names import RUN_SEPARATOR, disk_key
from shared.record import Task
from shared.restores import UNREADABLE_PARTITION
from shared.storage.records import RecordConflictError, from_properties, is_conflict, to_properties


class Inspections:
    """Access to the rows of inspections."""

    def __init__(self, table: TableClient, parts: TableClient) -> None:
        self._table = table
        self._parts = parts

    async def add(self, inspection: Inspection) -> bool:
        """Write the row of a new inspection; tell whether there was none yet."""
        try:
            await self._table.create_entity(_entity(inspection))
        except ResourceExistsError:
            return False
        return True

    async def get(self, disk: BlobAddress, task: Task, inspection: str) -> tuple[Inspection, str] | None:
        """Read an inspection and its ETag; None where there is none."""
        try:
            entity = await self._table.get_entity(disk_key(disk), row_key(task, inspection))
        except ResourceNotFoundError:
            return None
        return Inspection.model_validate(from_properties(entity)), str(entity.metadata["etag"])

    async def open(self, disk: BlobAddress | None = None) -> list[Inspection]:
        """List the inspections that have not ended, of one disk or of all."""
        rows = " or ".join(f"(RowKey ge '{task}-' and RowKey lt '{task}.')" for task in Task)
        ends = " and ".join(f"state ne '{end}'" for end in sorted(ENDS))
        of_disk = "PartitionKey eq @disk and " if disk else ""
        found = self._table.query_entities(
            f"{of_disk}({rows}) and {ends}", parameters={"disk": disk_key(disk)} if disk else {}
        )
        inspections: list[Inspection] = []
        async for row in found:
            with contextlib.suppress(ValidationError):  # a row that somebody has spoilt stops no other
                inspections.append(Inspection.model_validate(from_properties(row)))
        return inspections

    async def put(self, inspection: Inspection, etag: str) -> None:
        """Write an inspection's row as long as it has this ETag.

        Raises:
            RecordConflictError: another invocation was faster.
        """
        try:
            await self._table.update_entity(
                _entity(inspection), UpdateMode.REPLACE, etag=etag, match_condition=MatchConditions.IfNotModified
            )
        except HttpResponseError as error:
            if is_conflict(error):
                raise RecordConflictError(inspection.inspection) from error
            raise

    async def part_compared(self, inspection: Inspection, part: PartMessage, bytes_compared: int, differs: str) -> None:
        """Note that a part is compared: how many bytes of it were read of each side, and where they differ."""
        values = to_properties({"bytes": bytes_compared, "differs": differs})
        entity = {"PartitionKey": _partition(inspection), "RowKey": _row_of(part.part), **values}
        await self._parts.upsert_entity(entity, UpdateMode.REPLACE)

    async def compared(self, inspection: Inspection) -> Compared:
        """Add up what is compared."""
        rows = [from_properties(row) async for row in self._rows(inspection)]
        return Compared(
            parts=frozenset(int(row["RowKey"]) for row in rows),
            bytes_compared=sum(row["bytes"] for row in rows),
            differs=next((row["differs"] for row in rows if row["differs"]), ""),
        )

    async def drop_parts(self, inspection: Inspection) -> None:
        """Delete the rows of an inspection's parts, of all its attempts."""
        for attempt in range(1, inspection.attempt + 1):
            async for row in self._rows(inspection.model_copy(update={"attempt": attempt})):
                await self._parts.delete_entity(row["PartitionKey"], row["RowKey"])

    def _rows(self, inspection: Inspection) -> Any:
        filter_by: Mapping[str, Any] = {"partition": _partition(inspection)}
        return self._parts.query_entities("PartitionKey eq @partition", parameters=dict(filter_by))


def _entity(inspection: Inspection) -> dict[str, object]:
    partition = disk_key(inspection.address) if inspection.disk else UNREADABLE_PARTITION
    values = inspection.model_dump(exclude_none=True)
    return {"PartitionKey": partition, "RowKey": inspection.row_key, **to_properties(values)}


def _partition(inspection: Inspection) -> str:
    """Name the partition of the parts of an attempt; a run's begin with a digit after the separator."""
    return f"{disk_key(inspection.address)}{RUN_SEPARATOR}{inspection.row_key}{RUN_SEPARATOR}{inspection.attempt}"


def _row_of(part: int) -> str:
    return f"{part:08d}"

"""The table `parts`: a row for each compared part of a verify or a drill."""

from dataclasses import replace

from azure.core.async_paging import AsyncItemPaged
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableEntity, UpdateMode
from azure.data.tables.aio import TableClient

from shared.azure.tables.rows import from_properties, require_readable, to_properties
from shared.model.inspection import Compared, Inspection
from shared.model.messages import PartMessage
from shared.model.names import RUN_SEPARATOR
from shared.model.schema import with_schema
from shared.model.texts import truncated


class Parts:
    """Access to the rows of inspections' parts."""

    def __init__(self, table: TableClient) -> None:
        self._parts = table

    async def add(self, inspection: Inspection, part: PartMessage, bytes_compared: int, differs: str) -> None:
        """Record that a part is compared: how many bytes were read on each side, and where they differ."""
        values = to_properties(with_schema({"bytes": bytes_compared, "differs": truncated(differs)}))
        entity = {"PartitionKey": _partition(inspection), "RowKey": _row_of(part.part), **values}
        await self._parts.upsert_entity(entity, UpdateMode.REPLACE)

    async def is_compared(self, inspection: Inspection, part: int) -> bool:
        """Tell whether a part is compared."""
        try:
            row = await self._parts.get_entity(_partition(inspection), _row_of(part))
        except ResourceNotFoundError:
            return False
        require_readable(from_properties(row))
        return True

    async def compared(self, inspection: Inspection) -> Compared:
        """Sum up the parts compared so far, without those that are counted: few are under way at a time."""
        rows = [from_properties(row) async for row in self._rows(inspection, first=inspection.parts_counted)]
        for row in rows:
            require_readable(row)
        return Compared(
            parts={int(row["RowKey"]): row["bytes"] for row in rows},
            differs=next((row["differs"] for row in rows if row["differs"]), ""),
        )

    async def drop(self, inspection: Inspection) -> None:
        """Delete the rows of an inspection's parts, for all its attempts."""
        for attempt in range(1, inspection.attempt + 1):
            async for row in self._rows(replace(inspection, attempt=attempt)):
                await self._parts.delete_entity(row["PartitionKey"], row["RowKey"])

    def _rows(self, inspection: Inspection, *, first: int = 0) -> AsyncItemPaged[TableEntity]:
        return self._parts.query_entities(
            "PartitionKey eq @partition and RowKey ge @first",
            parameters={"partition": _partition(inspection), "first": _row_of(first)},
        )


def _partition(inspection: Inspection) -> str:
    """Name the partition of an attempt's parts."""
    return f"{inspection.known_disk.key}{RUN_SEPARATOR}{inspection.row_key}{RUN_SEPARATOR}{inspection.attempt}"


def _row_of(part: int) -> str:
    return f"{part:08d}"

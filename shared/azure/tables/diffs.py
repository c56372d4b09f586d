"""The rows of counted page diffs in the table `backups`."""

import contextlib

from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient
from pydantic import ValidationError

from shared.azure.tables.rows import from_properties, from_row, to_properties, to_row
from shared.model.disk import Disk
from shared.model.sizes import DIFF_ROW_PREFIX, PageDiff


class DiffRows:
    """Access to the counted diffs of disks; losing them costs only their being counted again."""

    def __init__(self, table: TableClient) -> None:
        self._table = table

    async def of(self, disk: Disk) -> list[PageDiff]:
        """Read all counted diffs of a disk.

        Raises:
            UnknownSchemaError: a newer release wrote one.
        """
        rows = self._table.query_entities(
            "PartitionKey eq @disk and RowKey ge @first and RowKey lt @last",
            parameters={"disk": disk.key, "first": DIFF_ROW_PREFIX, "last": f"{DIFF_ROW_PREFIX}~"},
        )
        found: list[PageDiff] = []
        async for row in rows:
            with contextlib.suppress(ValidationError):  # an invalid row is counted again
                found.append(from_row(PageDiff, from_properties(row)))
        return found

    async def put(self, disk: Disk, diff: PageDiff) -> None:
        """Write a counted diff."""
        keys = {"PartitionKey": disk.key, "RowKey": diff.row_key}
        await self._table.upsert_entity(keys | to_properties(to_row(diff)), UpdateMode.REPLACE)

    async def drop(self, disk: Disk, diff: PageDiff) -> None:
        """Delete a counted diff, if it exists."""
        await self._table.delete_entity(disk.key, diff.row_key)

"""The table `backups`: the rows of restores, each in the partition of the disk whose recovery point is restored."""

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from shared.addresses import BlobAddress
from shared.names import disk_key
from shared.restores import ENDS, RESTORE_ROW_PREFIX, UNREADABLE_PARTITION, Restore
from shared.storage.records import RecordConflictError, from_properties, is_conflict, to_properties


class Restores:
    """Access to the rows of restores."""

    def __init__(self, table: TableClient) -> None:
        self._table = table

    async def add(self, restore: Restore) -> bool:
        """Write the row of a new restore; tell whether there was none yet."""
        try:
            await self._table.create_entity(_entity(restore))
        except ResourceExistsError:
            return False
        return True

    async def get(self, disk: BlobAddress, restore: str) -> tuple[Restore, str] | None:
        """Read a restore and its ETag; None where there is none."""
        try:
            entity = await self._table.get_entity(disk_key(disk), f"{RESTORE_ROW_PREFIX}{restore}")
        except ResourceNotFoundError:
            return None
        return Restore.model_validate(from_properties(entity)), str(entity.metadata["etag"])

    async def open(self) -> list[Restore]:
        """List the restores that have not ended."""
        ends = " and ".join(f"state ne '{end}'" for end in sorted(ENDS))
        rows = self._table.query_entities(
            f"RowKey ge @first and RowKey lt @last and {ends}",
            parameters={"first": RESTORE_ROW_PREFIX, "last": f"{RESTORE_ROW_PREFIX}~"},
        )
        return [Restore.model_validate(from_properties(row)) async for row in rows]

    async def put(self, restore: Restore, etag: str) -> None:
        """Write a restore's row as long as it has this ETag.

        Raises:
            RecordConflictError: another invocation was faster.
        """
        try:
            await self._table.update_entity(
                _entity(restore), UpdateMode.REPLACE, etag=etag, match_condition=MatchConditions.IfNotModified
            )
        except HttpResponseError as error:
            if is_conflict(error):
                raise RecordConflictError(restore.restore) from error
            raise


def _entity(restore: Restore) -> dict[str, object]:
    partition = disk_key(restore.address) if restore.disk else UNREADABLE_PARTITION
    values = restore.model_dump(exclude_none=True)
    return {"PartitionKey": partition, "RowKey": restore.row_key, **to_properties(values)}

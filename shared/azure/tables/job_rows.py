"""The rows of jobs in the table `backups`."""

import contextlib
from collections.abc import Callable, Sequence

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient
from pydantic import ValidationError

from shared.azure.tables.records import TRIES, RecordConflictError, is_conflict
from shared.azure.tables.rows import from_properties, from_row, to_properties, to_row
from shared.model.addresses import BlobAddress
from shared.model.inspection import Inspection
from shared.model.job import ENDS, JobKind, job_row
from shared.model.names import disk_key
from shared.model.restore import Restore
from shared.model.schema import UnknownSchemaError

UNREADABLE_PARTITION = "restore-requests"
"""Where the rows of requests are that name no disk: no disk's partition is named so, they all have a `|`."""


class JobRows[Kept: (Restore, Inspection)]:
    """Access to the rows of jobs, each in the partition of the disk whose recovery point it is about."""

    def __init__(self, table: TableClient, kept: type[Kept], kinds: Sequence[JobKind]) -> None:
        """Say which rows they are: what they hold, of which kinds of jobs."""
        self._table = table
        self._kept: type[Kept] = kept
        self._prefixes = [job_row(kind, "") for kind in kinds]

    async def add(self, kept: Kept) -> bool:
        """Write a new row; tell whether there was none yet."""
        try:
            await self._table.create_entity(_entity(kept))
        except ResourceExistsError:
            return False
        return True

    async def find(self, disk: BlobAddress, row_key: str) -> tuple[Kept, str] | None:
        """Read a row and its ETag; None where there is none."""
        try:
            entity = await self._table.get_entity(disk_key(disk), row_key)
        except ResourceNotFoundError:
            return None
        return from_row(self._kept, from_properties(entity)), str(entity.metadata["etag"])

    async def open(self, disk: BlobAddress | None = None) -> list[Kept]:
        """List what has not ended, of one disk or of all."""
        ends = " and ".join(f"state ne '{end}'" for end in sorted(ENDS))
        return await self._query(ends, disk)

    async def of(self, disk: BlobAddress) -> list[Kept]:
        """List all rows of a disk, those that have ended as well."""
        return await self._query("", disk)

    async def _query(self, condition: str, disk: BlobAddress | None) -> list[Kept]:
        rows = " or ".join(f"(RowKey ge '{prefix}' and RowKey lt '{prefix}~')" for prefix in self._prefixes)
        conditions = ["PartitionKey eq @disk"] if disk else []
        conditions += [f"({rows})", *([condition] if condition else [])]
        parameters = {"disk": disk_key(disk)} if disk else {}
        # A row that somebody has spoilt stops no other; one of a newer release stops its own disk.
        spoilt = (ValidationError,) if disk else (ValidationError, UnknownSchemaError)
        found: list[Kept] = []
        async for row in self._table.query_entities(" and ".join(conditions), parameters=parameters):
            with contextlib.suppress(*spoilt):
                found.append(from_row(self._kept, from_properties(row)))
        return found

    async def put(self, kept: Kept, etag: str) -> None:
        """Write a row as long as it has this ETag.

        Raises:
            RecordConflictError: another invocation was faster.
        """
        try:
            await self._table.update_entity(
                _entity(kept), UpdateMode.REPLACE, etag=etag, match_condition=MatchConditions.IfNotModified
            )
        except HttpResponseError as error:
            if is_conflict(error):
                raise RecordConflictError(kept.row_key) from error
            raise

    async def update(self, disk: BlobAddress, row_key: str, change: Callable[[Kept], Kept]) -> Kept | None:
        """Change a row that has not ended, whatever happens to it in the meantime; None where it has, or is gone.

        Raises:
            RecordConflictError: it never stood still.
        """
        for _ in range(TRIES):
            found = await self.find(disk, row_key)
            if found is None or found[0].has_ended:
                return None
            changed = change(found[0])
            with contextlib.suppress(RecordConflictError):
                await self.put(changed, found[1])
                return changed
        raise RecordConflictError(row_key)


def _entity(kept: Restore | Inspection) -> dict[str, object]:
    partition = disk_key(kept.address) if kept.disk else UNREADABLE_PARTITION
    return {"PartitionKey": partition, "RowKey": kept.row_key, **to_properties(to_row(kept))}

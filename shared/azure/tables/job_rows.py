"""The rows of jobs in the table `backups`."""

import contextlib
from collections.abc import Callable, Sequence

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.data.tables.aio import TableClient
from pydantic import ValidationError

from shared.azure.tables.at_once import each
from shared.azure.tables.index import Index
from shared.azure.tables.records import TRIES, RecordConflictError
from shared.azure.tables.rows import from_properties, from_row, to_properties, to_row
from shared.azure.tables.status import Status
from shared.azure.tables.unless_changed import has_changed, put_unless_changed
from shared.model.disk import Disk
from shared.model.inspection import Inspection
from shared.model.intent_row import IntentRow
from shared.model.job import ENDS
from shared.model.restore import Restore

UNREADABLE_PARTITION = "restore-requests"
"""The partition of requests for jobs that name no disk; every disk's partition key has a `|`."""

INTENTS_PARTITION = "manage"
"""The partition of intents that name no disk."""


type KeptJob = Restore | Inspection | IntentRow


class JobRows[Kept: (Restore, Inspection, IntentRow)]:
    """Access to the rows of jobs and intents, each in the partition of the disk that it is about."""

    def __init__(
        self, table: TableClient, index: Index, status: Status, kept: type[Kept], kinds: Sequence[str]
    ) -> None:
        """Say what the rows hold, the beginnings of their keys, which index has the open ones, and who tells ends."""
        self._table, self._index, self._status = table, index, status
        self._kept: type[Kept] = kept
        self._prefixes = [f"{kind}-" for kind in kinds]

    async def add(self, kept: Kept) -> bool:
        """Write a new row; tell whether there was none yet."""
        if not kept.has_ended:
            await self._index.job_opens(*keys_of(kept))
        is_new = await self._add(kept)
        if is_new and kept.has_ended:
            self.tell_end(kept)
        return is_new

    def tell_end(self, kept: Kept) -> None:
        """Note that a job has ended, again where a worker may have died before it was told."""
        if isinstance(kept, Restore | Inspection):
            self._status.job_ended(kept)

    async def _add(self, kept: Kept) -> bool:
        try:
            await self._table.create_entity(_entity(kept))
        except ResourceExistsError:
            return False
        return True

    async def find(self, disk: Disk | None, row_key: str) -> tuple[Kept, str] | None:
        """Read the row of a disk, or of a request that names none, and its ETag; None if there is none."""
        return await self._find(_partition(self._kept, disk), row_key)

    async def _find(self, partition: str, row_key: str) -> tuple[Kept, str] | None:
        try:
            entity = await self._table.get_entity(partition, row_key)
        except ResourceNotFoundError:
            return None
        return from_row(self._kept, from_properties(entity)), str(entity.metadata["etag"])

    async def open(self, disk: Disk | None = None) -> list[Kept]:
        """List the jobs that have not ended, of one disk or of all."""
        if disk is None:
            return await self._index.open_jobs(self._prefixes, self._read)
        return await self._open(disk)

    async def under_way(self, most: int) -> tuple[list[Kept], int]:
        """Read jobs that have not ended, of all disks, and write nothing.

        Args:
            most: how many are read.

        Returns:
            The jobs, and how many more there are at most.
        """
        rows = await self._index.listed_jobs(self._prefixes)
        found = await each(rows[:most], lambda row: self._read(*row))
        return [job for job in found if not job.has_ended], len(rows[most:])

    async def _read(self, partition: str, row_key: str) -> Kept | None:
        found = await self._find(partition, row_key)
        return found[0] if found else None

    async def _open(self, disk: Disk) -> list[Kept]:
        return await self._query(" and ".join(f"state ne '{end}'" for end in sorted(ENDS)), disk)

    async def of(self, disk: Disk | None) -> list[Kept]:
        """List all jobs of a disk, or of requests that name none, including those that have ended."""
        return await self._query("", disk)

    async def _query(self, condition: str, disk: Disk | None) -> list[Kept]:
        rows = " or ".join(f"(RowKey ge '{prefix}' and RowKey lt '{prefix}~')" for prefix in self._prefixes)
        conditions = ["PartitionKey eq @disk", f"({rows})", *([condition] if condition else [])]
        found, partition = list[Kept](), _partition(self._kept, disk)
        async for row in self._table.query_entities(" and ".join(conditions), parameters={"disk": partition}):
            with contextlib.suppress(ValidationError):  # an invalid row must not hide the others
                found.append(from_row(self._kept, from_properties(row)))
        return found

    async def put(self, kept: Kept, etag: str) -> None:
        """Write a row, provided that it has this ETag.

        Raises:
            RecordConflictError: another invocation was faster.
        """
        await self._put(kept, etag)
        if kept.has_ended:
            await self._index.job_ended(*keys_of(kept))
            self.tell_end(kept)

    async def _put(self, kept: Kept, etag: str) -> None:
        try:
            await put_unless_changed(self._table, _entity(kept), etag)
        except HttpResponseError as error:
            if has_changed(error):
                raise RecordConflictError(kept.row_key) from error
            raise

    async def update(self, disk: Disk | None, row_key: str, change: Callable[[Kept], Kept]) -> Kept | None:
        """Change the row of an open job, retrying on conflicts; None if the job has ended or has no row.

        Raises:
            RecordConflictError: it conflicted on every try.
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


def keys_of(kept: KeptJob) -> tuple[str, str]:
    """Give the partition and the row key of a job or an intent."""
    return _partition(type(kept), kept.disk), kept.row_key


def _partition(kept: type[KeptJob], disk: Disk | None) -> str:
    elsewhere = INTENTS_PARTITION if kept is IntentRow else UNREADABLE_PARTITION
    return disk.key if disk else elsewhere


def _entity(kept: KeptJob) -> dict[str, object]:
    partition, row = keys_of(kept)
    return {"PartitionKey": partition, "RowKey": row, **to_properties(to_row(kept))}

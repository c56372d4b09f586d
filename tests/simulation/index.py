"""The index, as the record and the jobs see it, on top of the world; and what must be true of it at every moment."""

from collections.abc import Callable, Iterator
from typing import Any

from shared.azure.tables.index import IndexList, IndexRow, IndexRows, index_entry
from shared.azure.tables.rows import from_row
from shared.model.index import (
    COMPLETE_ROW,
    DISKS_FROM,
    INDEX_PARTITION,
    JOB_PREFIX,
    is_complete,
    is_idle,
    is_settled,
    settled,
)
from shared.model.record import DISK_ROW, DiskRecord
from shared.model.schema import is_known
from tests.simulation import limits
from tests.simulation.calls import Calls
from tests.simulation.world import World


class SimulatedIndexRows(IndexRows):
    """The rows of the index."""

    def __init__(self, world: World, calls: Calls) -> None:
        self._world, self._calls = world, calls

    async def put(self, key: str, values: dict[str, Any]) -> str:
        return await self._calls.change(lambda: self._put(key, values))

    async def replace(self, key: str, values: dict[str, Any], etag: str) -> bool:
        def effect() -> bool:
            if key not in self._world.index or self._world.index[key].etag != etag:
                return False
            self._put(key, values)
            return True

        return await self._calls.change(effect)

    async def drop(self, key: str, etag: str) -> None:
        def effect() -> None:
            if key in self._world.index and self._world.index[key].etag == etag:
                self._delete(key)

        await self._calls.change(effect)

    async def forget(self, key: str) -> None:
        await self._calls.change(lambda: self._delete(key))

    async def of_disks(self) -> IndexList:
        return await self._calls.read(lambda: self._listed(lambda key: key >= DISKS_FROM))

    async def of_jobs(self) -> IndexList:
        return await self._calls.read(lambda: self._listed(lambda key: key.startswith(JOB_PREFIX)))

    def _listed(self, is_asked: Callable[[str], bool]) -> IndexList:
        rows = [row for key, row in self._world.index.items() if is_asked(key)]
        return IndexList(_is_complete(self._world), rows)

    async def record(self, key: str) -> dict[str, Any] | None:
        found = await self._calls.read(lambda: self._world.records.get(key))
        return found[0] if found else None

    async def missing(self) -> list[tuple[str, dict[str, Any]]]:
        def effect() -> list[tuple[str, dict[str, Any]]]:
            return [found for row in _rows(self._world) if (found := index_entry(row))]

        return await self._calls.read(effect)

    def _put(self, key: str, values: dict[str, Any]) -> str:
        limits.require_row(INDEX_PARTITION, key, values)
        self._world.index[key] = IndexRow(key, values, f"{self._world.number()}", self._world.now)
        self._world.violations += wrong_row(self._world, key)
        if key == COMPLETE_ROW:
            self._world.violations += wrong_index(self._world)
        return self._world.index[key].etag

    def _delete(self, key: str) -> None:
        self._world.index.pop(key, None)
        self._world.violations += wrong_row(self._world, key)


def wrong_index(world: World) -> Iterator[str]:
    """Say what is wrong with the index: what is not in it, and what it says that is not so."""
    for key in {*world.index, *(found[0] for row in _rows(world) if (found := index_entry(row)))}:
        yield from wrong_row(world, key)


def wrong_row(world: World, key: str) -> Iterator[str]:
    """Say what is wrong with what the index says of a disk or a job; an index that is made anew may miss some."""
    row, is_whole = world.index.get(key), _is_complete(world)
    if key in world.records:
        record = world.records[key][0]
        if row is None and is_whole:
            yield f"{record.get('disk')} is not in the index"
        elif row and is_settled(row.values) and row.values != _settled(record):
            yield f"the index says {row.values} of {record}"
    elif row is None and is_whole and any(found[0] == key for job in _rows(world) if (found := index_entry(job))):
        yield f"the open job {key} is not in the index"


def _settled(entity: dict[str, Any]) -> dict[str, Any] | None:
    """Make the settled row of a record, if it may have one."""
    record = from_row(DiskRecord, entity) if is_known(entity) else None
    return settled(record) if record and is_idle(record) else None


def _is_complete(world: World) -> bool:
    found = world.index.get(COMPLETE_ROW)
    return found is not None and is_complete(found.values)


def _rows(world: World) -> Iterator[dict[str, Any]]:
    """Give what an index is made of: of all records and jobs their keys, and how the jobs are."""
    for key, (entity, _) in world.records.items():
        yield {"PartitionKey": key, "RowKey": DISK_ROW, "disk": entity.get("disk", "")}
    for (partition, row), (entity, _) in world.restores.items():
        yield {"PartitionKey": partition, "RowKey": row, "state": entity["state"]}
    for (partition, row), (entity, _) in world.intents.items():
        yield {"PartitionKey": partition, "RowKey": row, "state": entity["state"]}
    for (partition, row), (found, _) in world.inspections.items():
        yield {"PartitionKey": partition, "RowKey": row, "state": found.state}

"""The report on record, on top of the world."""

from typing import Any

from shared.azure.tables.status import STATUS_PARTITION, StatusRow, StatusRows
from tests.simulation import limits
from tests.simulation.calls import Calls
from tests.simulation.world import World


class SimulatedStatusRows(StatusRows):
    """The rows of the report."""

    def __init__(self, world: World, calls: Calls) -> None:
        self._world, self._calls = world, calls

    async def find(self, key: str) -> StatusRow | None:
        return await self._calls.read(lambda: self._row(key) if key in self._world.status else None)

    async def put(self, key: str, values: dict[str, Any], etag: str | None) -> bool:
        def effect() -> bool:
            merged = {**(self._world.status.get(key, {}) if etag else {}), **values}
            limits.require_row(STATUS_PARTITION, key, merged)
            if not self._is_still(key, etag):
                return False
            self._world.status[key] = merged
            return True

        return await self._calls.change(effect)

    async def drop(self, key: str, etag: str) -> bool:
        def effect() -> bool:
            if key in self._world.status and not self._is_still(key, etag):
                return False
            self._world.status.pop(key, None)
            return True

        return await self._calls.change(effect)

    async def all(self) -> list[StatusRow]:
        return await self._calls.read(lambda: [self._row(key) for key in self._world.status])

    def _row(self, key: str) -> StatusRow:
        return StatusRow(key, self._world.status[key], self._world.status.etags[key])

    def _is_still(self, key: str, etag: str | None) -> bool:
        return (self._world.status.etags[key] if key in self._world.status else None) == etag

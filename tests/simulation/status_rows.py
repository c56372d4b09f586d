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

    async def find(self, key: str) -> dict[str, Any] | None:
        return await self._calls.read(lambda: self._world.status.get(key))

    async def put(self, key: str, values: dict[str, Any]) -> None:
        def effect() -> None:
            limits.require_row(STATUS_PARTITION, key, values)
            self._world.status[key] = values

        await self._calls.change(effect)

    async def drop(self, key: str) -> None:
        def effect() -> None:
            self._world.status.pop(key, None)

        await self._calls.change(effect)

    async def all(self) -> list[StatusRow]:
        return await self._calls.read(lambda: [StatusRow(key, values) for key, values in self._world.status.items()])

"""The counted page diffs on record, as the workflows see them, on top of the world."""

from shared.azure.tables.diffs import DiffRows
from shared.azure.tables.rows import to_row
from shared.model.disk import Disk
from shared.model.sizes import PageDiff
from tests.simulation import limits
from tests.simulation.calls import Calls
from tests.simulation.world import World


class SimulatedDiffs(DiffRows):
    """The rows of counted diffs."""

    def __init__(self, world: World, calls: Calls) -> None:
        self._world, self._calls = world, calls

    async def of(self, disk: Disk) -> list[PageDiff]:
        return await self._calls.read(lambda: list(self._world.diffs.get(disk.key, {}).values()))

    async def put(self, disk: Disk, diff: PageDiff) -> None:
        def effect() -> None:
            limits.require_row(disk.key, diff.row_key, to_row(diff))
            self._world.diffs.setdefault(disk.key, {})[diff.row_key] = diff

        await self._calls.change(effect)

    async def drop(self, disk: Disk, diff: PageDiff) -> None:
        await self._calls.change(lambda: self._world.diffs.get(disk.key, {}).pop(diff.row_key, None))

"""The rows of operators' intents, as the workflows see them, on top of the world; and what must be true of them."""

from shared.azure.tables.job_rows import JobRows, keys_of
from shared.azure.tables.records import RecordConflictError
from shared.azure.tables.rows import from_row, to_row
from shared.azure.tables.status import Status
from shared.model.disk import Disk
from shared.model.index import job_key
from shared.model.intent_row import INTENT, IntentRow
from tests.simulation import limits
from tests.simulation.calls import Calls
from tests.simulation.index import wrong_row
from tests.simulation.tables import simulated_index
from tests.simulation.world import World


class SimulatedIntents(JobRows[IntentRow]):
    """The rows of intents."""

    def __init__(self, world: World, calls: Calls, status: Status) -> None:
        self._world, self._calls, self._index = world, calls, simulated_index(world, calls)
        self._status = status
        self._kept, self._prefixes = IntentRow, [f"{INTENT}-"]

    async def _add(self, intent: IntentRow) -> bool:
        row, entity = keys_of(intent), to_row(intent)

        def effect() -> bool:
            limits.require_new_row(*row, entity)
            if row in self._world.intents:
                return False
            self._world.intents[row] = (entity, f"{self._world.number()}")
            self._world.violations += wrong_row(self._world, job_key(*row))
            return True

        return await self._calls.change(effect)

    async def _find(self, partition: str, row_key: str) -> tuple[IntentRow, str] | None:
        found = await self._calls.read(lambda: self._world.intents.get((partition, row_key)))
        return (from_row(IntentRow, found[0]), found[1]) if found else None

    async def of(self, disk: Disk | None) -> list[IntentRow]:
        rows = await self._calls.read(lambda: [from_row(IntentRow, row) for row, _ in self._world.intents.values()])
        return [found for found in rows if found.disk == disk]

    async def _put(self, intent: IntentRow, etag: str) -> None:
        row, entity = keys_of(intent), to_row(intent)

        def effect() -> None:
            limits.require_row(*row, entity)
            before, current = self._world.intents.get(row, ({}, ""))
            if etag != current:
                raise RecordConflictError(intent.intent)
            _require_one_outcome(self._world, from_row(IntentRow, before), intent)
            self._world.intents[row] = (entity, f"{self._world.number()}")

        await self._calls.change(effect)


def _require_one_outcome(world: World, before: IntentRow, then: IntentRow) -> None:
    """Look at an intent's row as it is written: it has one outcome, and says which recovery point it was about."""
    if before.has_ended:
        world.violations.append(f"{then.row_key} is {then.state} after it was {before.state}")
    if before.point not in ("", then.point):
        world.violations.append(f"{then.row_key} is about {then.point} after it was about {before.point}")

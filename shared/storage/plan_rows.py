"""The table `batches`: for each plan of a run a partition, with a row per window planned and per batch done.

Counting rows is a fan-in without a counter that all batches would fight over; writing a row twice is harmless.
"""

import contextlib
from typing import Any

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from shared.batches import Effort
from shared.messages import RunMessage
from shared.record import Progress
from shared.storage.records import from_properties, to_properties

_WINDOW_PREFIX = "window-"
_BATCH_PREFIX = "batch-"
_TRANSACTION = 100
"""The most operations in one entity group transaction (REST: Performing entity group transactions)."""


class PlanRows:
    """Access to the rows of plans."""

    def __init__(self, table: TableClient) -> None:
        self._table = table

    async def ensure(self) -> None:
        """Create the table if it is missing."""
        with contextlib.suppress(ResourceExistsError):
            await self._table.create_table()

    async def window_planned(self, plan: RunMessage, window: int, batches: int, effort: Effort) -> None:
        """Note that a window is planned: how many batches it has, and the effort of them all."""
        await self._put(plan, f"{_WINDOW_PREFIX}{window:04d}", {"batches": batches, **effort._asdict()})

    async def batch_done(self, plan: RunMessage, window: int, number: int, effort: Effort) -> None:
        """Note that a batch is done, with the effort it took."""
        await self._put(plan, f"{_batches_of(window)}{number:08d}", effort._asdict())

    async def is_batch_done(self, plan: RunMessage, window: int, number: int) -> bool:
        """Tell whether a batch is done."""
        try:
            await self._table.get_entity(_partition(plan), f"{_batches_of(window)}{number:08d}", select=["RowKey"])
        except ResourceNotFoundError:
            return False
        return True

    async def batches_done(self, plan: RunMessage, window: int) -> set[int]:
        """Give the numbers of a window's batches that are done."""
        prefix = _batches_of(window)
        rows = self._table.query_entities(
            "PartitionKey eq @plan and RowKey ge @first and RowKey lt @last",
            parameters={"plan": _partition(plan), "first": prefix, "last": f"{prefix}~"},
            select=["RowKey"],
        )
        return {int(row["RowKey"].removeprefix(prefix)) async for row in rows}

    async def progress(self, plan: RunMessage) -> Progress:
        """Add up what is planned and what is done."""
        windows = batches_total = batches_done = 0
        planned = done = Effort()
        rows = self._table.query_entities("PartitionKey eq @plan", parameters={"plan": _partition(plan)})
        async for row in rows:
            values = from_properties(row)
            effort = Effort(*(values[name] for name in Effort._fields))
            if row["RowKey"].startswith(_WINDOW_PREFIX):
                windows += 1
                batches_total += values["batches"]
                planned = planned.plus(effort)
            else:
                batches_done += 1
                done = done.plus(effort)
        return Progress(
            windows=windows, batches_total=batches_total, planned=planned, batches_done=batches_done, done=done
        )

    async def drop(self, run: RunMessage) -> None:
        """Delete the rows of all plans of a run, and what late messages have left of the disk's earlier ones."""
        rows = self._table.query_entities(
            "PartitionKey ge @first and PartitionKey lt @last",
            parameters={"first": f"{run.disk_key}|", "last": f"{run.run_id}~"},
            select=["PartitionKey", "RowKey"],
        )
        held: list[dict[str, Any]] = []
        async for row in rows:
            if held and (len(held) == _TRANSACTION or held[0]["PartitionKey"] != row["PartitionKey"]):
                await self._delete(held)
                held = []
            held.append({"PartitionKey": row["PartitionKey"], "RowKey": row["RowKey"]})
        if held:
            await self._delete(held)

    async def _put(self, plan: RunMessage, row: str, values: dict[str, Any]) -> None:
        entity = {"PartitionKey": _partition(plan), "RowKey": row, **to_properties(values)}
        await self._table.upsert_entity(entity, UpdateMode.REPLACE)

    async def _delete(self, rows: list[dict[str, Any]]) -> None:
        await self._table.submit_transaction([("delete", row) for row in rows])


def _partition(plan: RunMessage) -> str:
    return f"{plan.run_id}|{plan.plan:04d}"


def _batches_of(window: int) -> str:
    return f"{_BATCH_PREFIX}{window:04d}-"

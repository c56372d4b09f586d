"""The table `batches`: for each plan of a run a partition, with a row per window planned and per batch done.

Counting rows is a fan-in without a counter that all batches would fight over; writing a row twice is harmless.
"""

import contextlib
import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableTransactionError, UpdateMode
from azure.data.tables.aio import TableClient

from shared.batches import Effort, decode, encode, fingerprint
from shared.messages import BatchMessage, RunMessage
from shared.names import RUN_SEPARATOR
from shared.ranges import Change
from shared.record import Progress
from shared.storage.records import TRANSACTION, from_properties, to_properties

_WINDOW_PREFIX = "window-"
_BATCH_PREFIX = "batch-"


class PlanRows:
    """Access to the rows of plans."""

    def __init__(self, table: TableClient) -> None:
        self._table = table

    async def ensure(self) -> None:
        """Create the table if it is missing."""
        with contextlib.suppress(ResourceExistsError):
            await self._table.create_table()

    async def window_planned(
        self, plan: RunMessage, window: int, fingerprints: Sequence[int], effort: Effort, samples: Sequence[Change]
    ) -> None:
        """Note that a window is planned.

        Args:
            plan: the plan of a run.
            window: the window's number.
            fingerprints: those of its batches.
            effort: that of them all.
            samples: parts of what is written, which are to be compared before the seal.
        """
        counts = {"batches": len(fingerprints), "fingerprint": sum(fingerprints)}
        values = {**counts, **effort._asdict(), "samples": json.dumps(encode(samples))}
        await self._put(plan, f"{_WINDOW_PREFIX}{window:04d}", values)

    async def samples(self, plan: RunMessage, window: int) -> list[Change]:
        """Give the parts of a window that were chosen as it was planned."""
        row = f"{_WINDOW_PREFIX}{window:04d}"
        try:
            found = await self._table.get_entity(_partition(plan), row, select=["samples"])
        except ResourceNotFoundError:
            return []
        return decode(json.loads(found.get("samples") or "[]"))

    async def batch_done(self, batch: BatchMessage, effort: Effort) -> None:
        """Note that a batch is done, with the effort it took."""
        await self._put(batch, _row_of(batch), {"fingerprint": fingerprint(batch.ranges), **effort._asdict()})

    async def is_batch_done(self, batch: BatchMessage) -> bool:
        """Tell whether a batch is done, with the same ranges."""
        try:
            row = await self._table.get_entity(_partition(batch), _row_of(batch), select=["fingerprint"])
        except ResourceNotFoundError:
            return False
        return bool(from_properties(row)["fingerprint"] == fingerprint(batch.ranges))

    async def batches_done(self, plan: RunMessage, window: int) -> dict[int, int]:
        """Give the numbers of a window's batches that are done, and their fingerprints."""
        prefix = _batches_of(window)
        rows = self._table.query_entities(
            "PartitionKey eq @plan and RowKey ge @first and RowKey lt @last",
            parameters={"plan": _partition(plan), "first": prefix, "last": f"{prefix}~"},
            select=["RowKey", "fingerprint"],
        )
        return {int(row["RowKey"].removeprefix(prefix)): from_properties(row)["fingerprint"] async for row in rows}

    async def progress(self, plan: RunMessage) -> Progress:
        """Add up what is planned and what is done."""
        windows = batches_total = batches_done = planned_fingerprint = done_fingerprint = 0
        planned = done = Effort()
        rows = self._table.query_entities("PartitionKey eq @plan", parameters={"plan": _partition(plan)})
        async for row in rows:
            values = from_properties(row)
            effort = Effort(*(values[name] for name in Effort._fields))
            if row["RowKey"].startswith(_WINDOW_PREFIX):
                windows += 1
                batches_total += values["batches"]
                planned = planned.plus(effort)
                planned_fingerprint += values["fingerprint"]
            else:
                batches_done += 1
                done = done.plus(effort)
                done_fingerprint += values["fingerprint"]
        return Progress(
            windows=windows,
            batches_total=batches_total,
            planned=planned,
            planned_fingerprint=planned_fingerprint,
            batches_done=batches_done,
            done=done,
            done_fingerprint=done_fingerprint,
        )

    async def drop(self, run: RunMessage) -> None:
        """Delete the rows of all plans of a run, and what late messages have left of the disk's earlier ones."""
        rows = self._table.query_entities(
            "PartitionKey ge @first and PartitionKey lt @last",
            parameters={"first": f"{run.disk_key}{RUN_SEPARATOR}", "last": f"{run.run_id}~"},
            select=["PartitionKey", "RowKey"],
        )
        held: list[dict[str, Any]] = []
        async for row in rows:
            if held and (len(held) == TRANSACTION or held[0]["PartitionKey"] != row["PartitionKey"]):
                await self._delete(held)
                held = []
            held.append({"PartitionKey": row["PartitionKey"], "RowKey": row["RowKey"]})
        if held:
            await self._delete(held)

    async def _put(self, plan: RunMessage, row: str, values: dict[str, Any]) -> None:
        entity = {"PartitionKey": _partition(plan), "RowKey": row, **to_properties(values)}
        await self._table.upsert_entity(entity, UpdateMode.REPLACE)

    async def _delete(self, rows: list[dict[str, Any]]) -> None:
        """Delete rows of one partition; those that somebody else has deleted meanwhile are fine."""
        try:
            await self._table.submit_transaction([("delete", row) for row in rows])
        except TableTransactionError as error:
            if error.status_code != HTTPStatus.NOT_FOUND:
                raise
            for row in rows:
                await self._table.delete_entity(row)


def _partition(plan: RunMessage) -> str:
    return f"{plan.run_id}{RUN_SEPARATOR}{plan.plan:04d}"


def _batches_of(window: int) -> str:
    return f"{_BATCH_PREFIX}{window:04d}-"


def _row_of(batch: BatchMessage) -> str:
    return f"{_batches_of(batch.window)}{batch.number:08d}"

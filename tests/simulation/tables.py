"""The record, the rows of plans and the queues, as the workflows see them, on top of the world."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from shared.addresses import BlobAddress
from shared.batches import Effort, fingerprint
from shared.messages import BatchMessage, RunMessage
from shared.names import RUN_SEPARATOR, disk_key
from shared.record import DiskRecord, Progress, RecoveryPoint
from shared.storage.plan_rows import PlanRows
from shared.storage.queues import QUEUE_OF, Queues
from shared.storage.records import RecordConflictError, Records
from tests.simulation.blobs import refusal
from tests.simulation.calls import Calls
from tests.simulation.world import QueueMessage, World


class SimulatedRecords(Records):
    """The record; `update` is the real one."""

    def __init__(self, world: World, calls: Calls) -> None:
        self._world, self._calls = world, calls

    async def ensure(self) -> None:
        await self._calls.change(lambda: None)

    async def get(self, disk: BlobAddress) -> tuple[DiskRecord, str] | None:
        found = await self._calls.read(lambda: self._world.records.get(disk_key(disk)))
        return (DiskRecord.from_entity(found[0]), found[1]) if found else None

    async def disks(self) -> list[BlobAddress]:
        return await self._calls.read(
            lambda: [BlobAddress.parse(entity["disk"]) for entity, _ in self._world.records.values()]
        )

    async def put(self, disk: BlobAddress, record: DiskRecord, etag: str | None) -> None:
        await self._calls.change(lambda: self._replace(disk, record, etag))

    async def seal(self, disk: BlobAddress, record: DiskRecord, etag: str, point: RecoveryPoint) -> None:
        def effect() -> None:
            self._replace(disk, record, etag)
            self._world.seal(disk, point)

        await self._calls.change(effect)

    def _replace(self, disk: BlobAddress, record: DiskRecord, etag: str | None) -> None:
        found = self._world.records.get(disk_key(disk))
        if etag != (found[1] if found else None):
            raise RecordConflictError(disk.url)
        self._world.records[disk_key(disk)] = (record.to_entity(), f"{self._world.number()}")


class SimulatedPlans(PlanRows):
    """The rows of plans: an effort each, and for a window its batches."""

    def __init__(self, world: World, calls: Calls) -> None:
        self._world, self._calls = world, calls

    async def ensure(self) -> None:
        await self._calls.change(lambda: None)

    async def window_planned(self, plan: RunMessage, window: int, fingerprints: Sequence[int], effort: Effort) -> None:
        counts = {"batches": len(fingerprints), "fingerprint": sum(fingerprints)}
        await self._put(plan, f"window-{window}", {**counts, **effort._asdict()})

    async def batch_done(self, batch: BatchMessage, effort: Effort) -> None:
        await self._put(batch, _row_of(batch), {"fingerprint": fingerprint(batch.ranges), **effort._asdict()})

    async def is_batch_done(self, batch: BatchMessage) -> bool:
        row = await self._calls.read(lambda: self._world.plans.get(_partition(batch), {}).get(_row_of(batch)))
        return row is not None and row["fingerprint"] == fingerprint(batch.ranges)

    async def batches_done(self, plan: RunMessage, window: int) -> dict[int, int]:
        prefix = f"batch-{window}-"
        rows = await self._calls.read(lambda: dict(self._world.plans.get(_partition(plan), {})))
        return {
            int(row.removeprefix(prefix)): values["fingerprint"]
            for row, values in rows.items()
            if row.startswith(prefix)
        }

    async def progress(self, plan: RunMessage) -> Progress:
        rows = await self._calls.read(lambda: dict(self._world.plans.get(_partition(plan), {})))
        planned = done = Effort()
        windows = [values for row, values in rows.items() if row.startswith("window-")]
        for row, values in rows.items():
            effort = Effort(*(values[name] for name in Effort._fields))
            planned, done = (planned.plus(effort), done) if row.startswith("window-") else (planned, done.plus(effort))
        return Progress(
            windows=len(windows),
            batches_total=sum(values["batches"] for values in windows),
            planned=planned,
            planned_fingerprint=sum(values["fingerprint"] for values in windows),
            batches_done=len(rows) - len(windows),
            done=done,
            done_fingerprint=sum(
                values["fingerprint"] for row, values in rows.items() if not row.startswith("window-")
            ),
        )

    async def drop(self, run: RunMessage) -> None:
        plans = self._world.plans
        found = await self._calls.read(
            lambda: [
                (partition, list(plans[partition]))
                for partition in sorted(plans)
                if f"{run.disk_key}{RUN_SEPARATOR}" <= partition < f"{run.run_id}~" and plans[partition]
            ]
        )
        for partition, rows in found:
            await self._calls.change(partial(self._delete_rows, partition, rows))

    async def _put(self, plan: RunMessage, row: str, values: dict[str, int]) -> None:
        await self._calls.change(lambda: self._world.plans.setdefault(_partition(plan), {}).update({row: values}))

    def _delete_rows(self, partition: str, rows: list[str]) -> None:
        """Delete rows, all or none (REST: entity group transactions)."""
        if not self._world.plans[partition].keys() >= set(rows):
            raise refusal(404, "ResourceNotFound")
        for row in rows:
            del self._world.plans[partition][row]


class SimulatedQueues(Queues):
    """The queues."""

    def __init__(self, world: World, calls: Calls) -> None:
        self._world, self._calls = world, calls

    async def ensure(self) -> None:
        await self._calls.change(lambda: None)

    async def send(self, message: RunMessage, delay: timedelta = timedelta()) -> None:
        queue, body = QUEUE_OF[type(message)], message.model_dump_json().encode()
        seen_after = timedelta(seconds=int(delay.total_seconds()))
        await self._calls.change(
            lambda: self._world.messages.append(QueueMessage(queue, body, self._world.now + seen_after))
        )


def _partition(plan: RunMessage) -> str:
    return f"{plan.run_id}{RUN_SEPARATOR}{plan.plan:04d}"


def _row_of(batch: BatchMessage) -> str:
    return f"batch-{batch.window}-{batch.number}"

"""Plans and tombstones, as the workflows see them, on top of the world; and what must be true of each deletion."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from shared.azure.tables.records import RecordConflictError
from shared.azure.tables.retention_rows import (
    ALL_ROW,
    RETENTION_PARTITION,
    Plans,
    Tombstones,
    brief_plan,
    plan_of,
    row_of,
)
from shared.azure.tables.rows import from_row, to_row
from shared.model import retention
from shared.model.addresses import BlobAddress
from shared.model.disk import Disk
from shared.model.point import POINT_ROW_PREFIX, RecoveryPoint
from shared.model.retention_plan import PlanOnRecord, PlanState
from shared.model.tombstone import Tombstone
from shared.retention.deleting import ASKED_FOR
from tests.simulation import limits
from tests.simulation.calls import CURRENT, Calls
from tests.simulation.world import World


class SimulatedPlans(Plans):
    """The plans."""

    def __init__(self, world: World, calls: Calls) -> None:
        self._world, self._calls = world, calls

    async def find(self, disk: Disk) -> tuple[PlanOnRecord, str] | None:
        found = await self._calls.read(lambda: self._world.plans.get(disk.key))
        return (plan_of(dict(found[0])), found[1]) if found else None

    async def put(self, plan: PlanOnRecord, etag: str | None) -> str:
        key, row = plan.disk.key, row_of(plan)

        def effect() -> str:
            (limits.require_row if etag else limits.require_new_row)(RETENTION_PARTITION, key, row)
            if etag != self._world.plans.get(key, ({}, None))[1]:
                raise RecordConflictError(f"the retention plan of {plan.disk}")
            written = f"{self._world.number()}"
            self._world.plans[key] = (row, written)
            return written

        return await self._calls.change(effect)

    async def to_approve(self, named: str = "") -> list[PlanOnRecord]:
        rows = await self._calls.read(lambda: [plan_of(dict(row)) for row, _ in self._world.plans.values()])
        return [plan for plan in rows if plan.state is PlanState.WAITING or (named and plan.approved_by == named)]

    async def brief(self) -> list[PlanOnRecord]:
        rows = await self._calls.read(lambda: [dict(row) for row, _ in self._world.plans.values()])
        return [plan for row in rows if (plan := brief_plan(row))]

    async def tell_all(self, values: Mapping[str, Any]) -> None:
        def effect() -> None:
            limits.require_row(RETENTION_PARTITION, ALL_ROW, values)
            self._world.plan_of_all = dict(values)

        await self._calls.change(effect)


class SimulatedTombstones(Tombstones):
    """The tombstones."""

    def __init__(self, world: World, calls: Calls) -> None:
        self._world, self._calls = world, calls

    async def bury(self, disk: Disk, tombstone: Tombstone) -> None:
        row = to_row(tombstone)

        def effect() -> None:
            limits.require_transaction([(disk.key, tombstone.row_key, row)])
            if self._world.points.get(disk.key, {}).pop(f"{POINT_ROW_PREFIX}{tombstone.time}", None):
                self._world.tombstones.setdefault(disk.key, {})[tombstone.row_key] = row

        await self._calls.change(effect)

    async def of(self, disk: Disk) -> list[Tombstone]:
        rows = await self._calls.read(lambda: dict(self._world.tombstones.get(disk.key, {})))
        return [from_row(Tombstone, dict(row)) for _, row in sorted(rows.items())]

    async def drop(self, disk: Disk, tombstone: Tombstone) -> None:
        await self._calls.change(lambda: self._world.tombstones.get(disk.key, {}).pop(tombstone.row_key, None))


def wrong_deletion(world: World, disk: Disk, point: RecoveryPoint) -> Iterator[str]:
    """Say what forbids to delete a recovery point, when its row is about to say that it is being deleted.

    What has changed on other rows since the invocation began may not be known to it.
    """
    began, key = CURRENT.get().began, disk.key
    good = [found for found in world.points_of(disk) if found.is_good or (found.damaged_at or began) > began]
    verified = [found for found in good if found.verified and found.verified < began]
    record = world.record(disk)
    jobs = [*world.restore_rows(), *(found for found, _ in world.inspections.values())]
    plan = world.plans.get(key)
    planned = plan_of(dict(plan[0])) if plan else None
    forbids = {
        "it is of the last good points": point.time in {found.time for found in good[-retention.GOOD_POINTS :]},
        "it is the last verified": bool(verified) and point.time == verified[-1].time,
        "somebody keeps it": point.is_kept(world.now),
        "it is young": world.now - datetime.fromisoformat(point.time) < retention.MIN_AGE,
        "it is the base": record is not None and record.base_snapshot == point.time,
        "a job reads it": any(
            job.disk == disk and job.recovery_point == point.time and not job.has_ended for job in jobs
        ),
        "no plan takes it": point.deleting != ASKED_FOR
        and not (planned and planned.is_going_on and point.time in planned.times),
    }
    yield from (f"{point.time} of {disk} is deleted, though {why}" for why, holds in forbids.items() if holds)


def require_on_its_way(world: World, blob: BlobAddress, snapshot: str) -> None:
    """See to it that what holds a recovery point is deleted only once its row says so."""
    world.violations += [
        f"what holds {point.time} is deleted, which its row does not say"
        for rows in world.points.values()
        for point in rows.values()
        if (point.backup_blob, point.backup_snapshot) == (blob, snapshot) and not point.deleting
    ]


def is_on_its_way(world: World, blob: BlobAddress) -> bool:
    """Tell whether a blob is a full copy that the retention deletes, which soft delete is to keep."""
    points = [point for rows in world.points.values() for point in rows.values()]
    return any(point.backup_blob == blob and not point.backup_snapshot and point.deleting for point in points)

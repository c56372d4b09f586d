"""The record, the restores and the inspections, as the workflows see them, on top of the world."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from shared.azure.tables.index import Index
from shared.azure.tables.job_rows import JobRows, keys_of
from shared.azure.tables.missing import Tables
from shared.azure.tables.parts import Parts
from shared.azure.tables.records import POISON_PARTITION, RecordConflictError, Records, own_record
from shared.azure.tables.rows import from_properties, from_row, to_row
from shared.azure.tables.status import Status
from shared.model.disk import Disk
from shared.model.index import job_key
from shared.model.inspection import INSPECTION_KINDS, Compared, Inspection
from shared.model.job import JobKind, job_row
from shared.model.messages import PartMessage
from shared.model.names import RUN_SEPARATOR
from shared.model.point import PointState, RecoveryPoint
from shared.model.record import DISK_ROW, DiskRecord
from shared.model.restore import Restore
from shared.model.run import Mode
from tests.simulation import limits, model
from tests.simulation.calls import CURRENT, Calls
from tests.simulation.index import SimulatedIndexRows, wrong_row
from tests.simulation.refusals import refusal
from tests.simulation.retention_rows import wrong_deletion
from tests.simulation.world import World


def simulated_index(world: World, calls: Calls) -> Index:
    """Give the index as it is kept right, on top of the world."""
    return Index(SimulatedIndexRows(world, calls), lambda: world.now)


class SimulatedRecords(Records):
    """The record; what is written to it and to the index, and in which order, is the real."""

    def __init__(self, world: World, calls: Calls, status: Status) -> None:
        self._world, self._calls, self._index = world, calls, simulated_index(world, calls)
        self._status = status
        self._table: Any = _TableOfPoints(world, calls)

    async def get(self, disk: Disk) -> tuple[DiskRecord, str] | None:
        found = await self._calls.read(lambda: self._world.records.get(disk.key))
        return (own_record(disk, from_row(DiskRecord, found[0])), found[1]) if found else None

    async def point_times(self, disk: Disk) -> list[str]:
        return await self._calls.read(lambda: [point.time for point in self._world.points_of(disk)])

    async def find_point(self, disk: Disk, time: str) -> tuple[RecoveryPoint, str] | None:
        points = await self._calls.read(lambda: self._world.points_of(disk))
        return next(((point, _etag(point)) for point in points if point.time == time), None)

    async def _put(self, disk: Disk, record: DiskRecord, etag: str | None) -> str:
        require = limits.require_row if etag else limits.require_new_row

        def effect() -> str:
            require(disk.key, DISK_ROW, to_row(record))
            return self._replace(disk, record, etag)

        return await self._calls.change(effect)

    async def _delete(self, disk: Disk, etag: str) -> None:
        def effect() -> None:
            if disk.key in self._world.records:
                self._require(disk, etag)
                del self._world.records[disk.key]

        await self._calls.change(effect)

    async def put_point(self, disk: Disk, changed: RecoveryPoint, etag: str) -> None:
        def effect() -> None:
            rows = self._world.points.get(disk.key, {})
            before = rows.get(changed.row_key)
            if before is None or etag != _etag(before):
                raise RecordConflictError(disk.name)
            limits.require_row(disk.key, changed.row_key, to_row(changed))
            if changed.deleting and not before.deleting:
                self._world.violations += wrong_deletion(self._world, disk, changed)
            rows[changed.row_key] = changed
            if _known_of(changed) != _known_of(before):
                model.marked(self._world, disk, before, changed)

        await self._calls.change(effect)

    async def damaged(self, disk: Disk) -> list[str]:
        def look() -> list[str]:
            found = self._world.points_of(disk)
            return [point.time for point in found if point.state is PointState.DAMAGED]

        return await self._calls.read(look)

    async def points(self, disk: Disk) -> list[RecoveryPoint]:
        return await self._calls.read(lambda: self._world.points_of(disk))

    async def points_between(self, disk: Disk, first: str, last: str) -> list[RecoveryPoint]:
        def look() -> list[RecoveryPoint]:
            return [point for point in self._world.points_of(disk) if first <= point.time <= last]

        return await self._calls.read(look)

    async def keep_poison(self, message_id: str, values: dict[str, str]) -> None:
        def effect() -> None:
            limits.require_row(POISON_PARTITION, message_id, values)
            self._world.poison[message_id] = values

        await self._calls.change(effect)

    async def _seal(self, disk: Disk, record: DiskRecord, etag: str, point: RecoveryPoint) -> None:
        def effect() -> None:
            key = disk.key
            rows = [(key, DISK_ROW, to_row(record)), (key, point.row_key, to_row(point))]
            limits.require_transaction(rows)
            self._replace(disk, record, etag)
            model.sealed(self._world, disk, point)

        await self._calls.change(effect)

    def _replace(self, disk: Disk, record: DiskRecord, etag: str | None) -> str:
        before, entity = self._require(disk, etag), to_row(record)
        if "run_snapshot" in entity.keys() - before.keys() and not self._may_open(before, entity):
            self._world.violations.append(f"a run was opened of {disk.backup_name}, which is being restored")
        self._require_progress(disk, before, entity)
        self._world.records[disk.key] = (entity, f"{self._world.number()}")
        self._world.violations += wrong_row(self._world, disk.key)
        return self._world.records[disk.key][1]

    def _may_open(self, before: dict[str, Any], entity: dict[str, Any]) -> bool:
        """Tell whether a run may be opened: of a disk that is being restored only to make the undo point."""
        restore = before.get("restore")
        saving = [row for row in self._world.restore_rows() if row.restore == restore and not row.has_begun]
        return not restore or any(row.undo_run == entity["run_snapshot"] for row in saving)

    def _require_progress(self, disk: Disk, before: dict[str, Any], entity: dict[str, Any]) -> None:
        """See to it that a run never goes back, and that all is applied below its position."""
        is_same_plan = before.get("run_mode") != Mode.FULL and all(
            before.get(name) == entity.get(name) for name in ("run_snapshot", "run_plan")
        )
        if is_same_plan and entity.get("run_position", 0) < before.get("run_position", 0):
            self._world.violations.append(f"the run of {disk.backup_name} went back to {entity['run_position']}")
        if is_same_plan and entity.get("run_position", 0) > before.get("run_position", 0):
            self._world.violations += model.wrong_below(
                self._world, disk, str(entity["run_snapshot"]), entity["run_position"]
            )

    def _require(self, disk: Disk, etag: str | None) -> dict[str, Any]:
        entity, current = self._world.records.get(disk.key, ({}, None))
        if etag != current:
            raise RecordConflictError(disk.name)
        return entity


def _known_of(point: RecoveryPoint) -> tuple[object, ...]:
    return point.state, point.damage, point.lost, point.verified


def _etag(point: RecoveryPoint) -> str:
    return repr(point)


class _TableOfPoints:
    """The table, as far as recovery points are added to it."""

    def __init__(self, world: World, calls: Calls) -> None:
        self._world, self._calls = world, calls

    async def submit_transaction(self, operations: Sequence[tuple[str, dict[str, Any]]]) -> None:
        rows = [_row_of(entity) for _, entity in operations]

        def effect() -> None:
            limits.require_transaction(rows)
            for partition, row, _ in rows:
                if row in self._world.points.get(partition, {}):
                    raise limits.as_transaction(refusal(409, "EntityAlreadyExists"))
            for added in rows:
                self._put(*added)

        await self._calls.change(effect)

    async def create_entity(self, entity: dict[str, Any]) -> None:
        partition, row, values = _row_of(entity)

        def effect() -> None:
            limits.require_new_row(partition, row, values)
            if row in self._world.points.get(partition, {}):
                raise refusal(409, "EntityAlreadyExists")
            self._put(partition, row, values)

        await self._calls.change(effect)

    def _put(self, partition: str, row: str, values: Mapping[str, Any]) -> None:
        self._world.points.setdefault(partition, {})[row] = from_row(RecoveryPoint, dict(values))


class SimulatedRestores(JobRows[Restore]):
    """The rows of restores."""

    def __init__(self, world: World, calls: Calls, status: Status) -> None:
        self._world, self._calls, self._index = world, calls, simulated_index(world, calls)
        self._status = status
        self._kept, self._prefixes = Restore, [job_row(JobKind.RESTORE, "")]

    async def _add(self, restore: Restore) -> bool:
        row, entity = keys_of(restore), to_row(restore)

        def effect() -> bool:
            limits.require_new_row(*row, entity)
            if row in self._world.restores:
                return False
            self._world.restores[row] = (entity, f"{self._world.number()}")
            model.restore_written(self._world, None, restore, self._world.now)
            self._world.violations += wrong_row(self._world, job_key(*row))
            return True

        return await self._calls.change(effect)

    async def _find(self, partition: str, row_key: str) -> tuple[Restore, str] | None:
        found = await self._calls.read(lambda: self._world.restores.get((partition, row_key)))
        return (from_row(Restore, found[0]), found[1]) if found else None

    async def of(self, disk: Disk | None) -> list[Restore]:
        return await self._calls.read(lambda: self._of(disk))

    async def _open(self, disk: Disk) -> list[Restore]:
        return [restore for restore in await self.of(disk) if not restore.has_ended]

    def _of(self, disk: Disk | None) -> list[Restore]:
        rows = [from_row(Restore, entity) for entity, _ in self._world.restores.values()]
        return [found for found in rows if found.disk == disk]

    async def _put(self, restore: Restore, etag: str) -> None:
        row, entity, began = keys_of(restore), to_row(restore), CURRENT.get().began

        def effect() -> None:
            limits.require_row(*row, entity)
            before, current = self._world.restores.get(row, ({}, ""))
            if etag != current:
                raise RecordConflictError(restore.restore)
            self._world.restores[row] = (entity, f"{self._world.number()}")
            model.restore_written(self._world, from_row(Restore, before), restore, began)

        await self._calls.change(effect)


class SimulatedInspections(JobRows[Inspection]):
    """The rows of inspections."""

    def __init__(self, world: World, calls: Calls, status: Status) -> None:
        self._world, self._calls, self._index = world, calls, simulated_index(world, calls)
        self._status = status
        self._kept, self._prefixes = Inspection, [job_row(kind, "") for kind in INSPECTION_KINDS]

    async def _add(self, inspection: Inspection) -> bool:
        row = keys_of(inspection)

        def effect() -> bool:
            limits.require_new_row(*row, to_row(inspection))
            if row in self._world.inspections:
                return False
            self._world.inspections[row] = (inspection, f"{self._world.number()}")
            self._world.violations += wrong_row(self._world, job_key(*row))
            return True

        return await self._calls.change(effect)

    async def _find(self, partition: str, row_key: str) -> tuple[Inspection, str] | None:
        return await self._calls.read(lambda: self._world.inspections.get((partition, row_key)))

    async def of(self, disk: Disk | None) -> list[Inspection]:
        rows = await self._calls.read(lambda: list(self._world.inspections.values()))
        return [found for found, _ in rows if found.disk == disk]

    async def _open(self, disk: Disk) -> list[Inspection]:
        return [found for found in await self.of(disk) if not found.has_ended]

    async def _put(self, inspection: Inspection, etag: str) -> None:
        row = keys_of(inspection)

        def effect() -> None:
            limits.require_row(*row, to_row(inspection))
            before, current = self._world.inspections.get(row, (None, ""))
            if etag != current or before is None:
                raise RecordConflictError(inspection.inspection)
            self._world.inspections[row] = (inspection, f"{self._world.number()}")
            model.inspection_written(self._world, before, inspection)

        await self._calls.change(effect)


class SimulatedTables(Tables):
    """The tables, which nobody deletes."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def ensure(self) -> None:
        await self._calls.read(lambda: None)


class SimulatedParts(Parts):
    """The rows of the parts of inspections."""

    def __init__(self, world: World, calls: Calls) -> None:
        self._world, self._calls = world, calls

    async def add(self, inspection: Inspection, part: PartMessage, bytes_compared: int, differs: str) -> None:
        def effect() -> None:
            limits.require_row(_parts_of(inspection), f"{part.part}", {"bytes": bytes_compared, "differs": differs})
            self._world.parts.setdefault(_parts_of(inspection), {})[part.part] = (bytes_compared, differs)

        await self._calls.change(effect)

    async def is_compared(self, inspection: Inspection, part: int) -> bool:
        return await self._calls.read(lambda: part in self._world.parts.get(_parts_of(inspection), {}))

    async def compared(self, inspection: Inspection) -> Compared:
        rows = await self._calls.read(lambda: dict(self._world.parts.get(_parts_of(inspection), {})))
        rows = {part: row for part, row in rows.items() if part >= inspection.parts_counted}
        differs = next((differs for _, differs in rows.values() if differs), "")
        return Compared({part: count for part, (count, _) in rows.items()}, differs)

    async def drop(self, inspection: Inspection) -> None:
        for attempt in range(1, inspection.attempt + 1):
            parts = _parts_of(replace(inspection, attempt=attempt))
            await self._calls.change(partial(self._world.parts.pop, parts, None))


def _row_of(entity: dict[str, Any]) -> limits.Row:
    values = from_properties(entity)
    return values.pop("PartitionKey"), values.pop("RowKey"), values


def _parts_of(inspection: Inspection) -> str:
    return f"{inspection.known_disk.key}{RUN_SEPARATOR}{inspection.row_key}{RUN_SEPARATOR}{inspection.attempt}"

"""The rows of the retention in the table `backups`: plans, and tombstones of recovery points that were deleted."""

from collections.abc import Mapping
from typing import Any, ClassVar

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.data.tables import TableTransactionError, UpdateMode
from azure.data.tables.aio import TableClient
from pydantic import TypeAdapter, ValidationError

from shared.azure.tables.records import RecordConflictError
from shared.azure.tables.rows import from_properties, from_row, to_properties, to_row
from shared.azure.tables.unless_changed import has_changed, put_unless_changed
from shared.model.disk import Disk
from shared.model.index import DISKS_FROM
from shared.model.names import RUN_SEPARATOR
from shared.model.point import POINT_ROW_PREFIX
from shared.model.retention_plan import PlanOnRecord, PlanState
from shared.model.schema import SCHEMA_PROPERTY, UnknownSchemaError, with_schema
from shared.model.tombstone import TOMBSTONE_ROW_PREFIX, Tombstone

RETENTION_PARTITION = "retention"
"""The partition of plans; every disk's partition key has a `|`."""

ALL_ROW = f"{RUN_SEPARATOR}all"
"""The row that says how all plans that wait are approved at once."""

_GO = TypeAdapter(dict[str, list[str]])
"""The points that go, by why."""

_NONE = "-"
"""No plan's hash: one that nobody has approved has none, or an empty one."""

_SHORT = (
    "RowKey",
    SCHEMA_PROPERTY,
    *("disk", "state", "plan", "reason", "rules", "planned", "points", "going", "bytes_freed", "approved_by"),
)

_BRIEF = ("go", "deleted", "bytes_freed_at_least", "billed_until", "last_error")

_CHUNK = 32_000
"""Characters of one property; it can have 32 Ki (REST: Understanding the Table service data model)."""


class Tombstones:
    """Access to tombstones, each in its disk's partition."""

    def __init__(self, table: TableClient) -> None:
        self._table = table

    async def bury(self, disk: Disk, tombstone: Tombstone) -> None:
        """Delete a recovery point's row and write its tombstone, atomically; fine if that is done already.

        REST: Performing entity group transactions.
        """
        point = {"PartitionKey": disk.key, "RowKey": f"{POINT_ROW_PREFIX}{tombstone.time}"}
        grave = {"PartitionKey": disk.key, "RowKey": tombstone.row_key, **to_properties(to_row(tombstone))}
        try:
            await self._table.submit_transaction([("delete", point), ("upsert", grave, {"mode": UpdateMode.REPLACE})])
        except TableTransactionError as error:
            if not has_changed(error):
                raise

    async def of(self, disk: Disk) -> list[Tombstone]:
        """List the tombstones of a disk, oldest point first."""
        rows = self._table.query_entities(
            "PartitionKey eq @disk and RowKey ge @first and RowKey lt @last",
            parameters={"disk": disk.key, "first": TOMBSTONE_ROW_PREFIX, "last": f"{TOMBSTONE_ROW_PREFIX}~"},
        )
        return [from_row(Tombstone, from_properties(row)) async for row in rows]

    async def drop(self, disk: Disk, tombstone: Tombstone) -> None:
        """Delete a tombstone, if it exists."""
        await self._table.delete_entity(disk.key, tombstone.row_key)


class Plans:
    """Access to retention plans."""

    long: ClassVar[tuple[str, ...]] = ("go", "stay")

    def __init__(self, table: TableClient) -> None:
        self._table = table

    async def find(self, disk: Disk) -> tuple[PlanOnRecord, str] | None:
        """Read a disk's plan and its ETag; None if there is none yet."""
        try:
            entity = await self._table.get_entity(RETENTION_PARTITION, disk.key)
        except ResourceNotFoundError:
            return None
        return plan_of(from_properties(entity)), str(entity.metadata["etag"])

    async def put(self, plan: PlanOnRecord, etag: str | None) -> str:
        """Write a disk's plan, provided that it has this ETag, or without one, that there is none; give its ETag.

        Raises:
            RecordConflictError: another invocation was faster.
        """
        entity = {"PartitionKey": RETENTION_PARTITION, "RowKey": plan.disk.key, **to_properties(row_of(plan))}
        try:
            return await put_unless_changed(self._table, entity, etag)
        except HttpResponseError as error:
            if has_changed(error):
                raise RecordConflictError(f"the retention plan of {plan.disk}") from error
            raise

    async def to_approve(self, named: str = "") -> list[PlanOnRecord]:
        """List the plans that wait for approval, and those approved by this hash; without what goes and stays."""
        rows = self._table.query_entities(
            "PartitionKey eq @partition and ( state eq @waiting or approved_by eq @named )",
            parameters={
                "partition": RETENTION_PARTITION,
                "waiting": PlanState.WAITING.value,
                "named": named or _NONE,
            },
            select=list(_SHORT),
        )
        return [plan_of(from_properties(row)) async for row in rows]

    async def brief(self) -> list[PlanOnRecord]:
        """List all plans, without what stays; one that takes very many points does not say which.

        So however many points there are, a disk has one property of them to be read.
        """
        rows = self._table.query_entities(
            "PartitionKey eq @partition and RowKey ge @first",
            parameters={"partition": RETENTION_PARTITION, "first": DISKS_FROM},
            select=[*_SHORT, *_BRIEF],
        )
        return [plan async for row in rows if (plan := brief_plan(from_properties(row)))]

    async def tell_all(self, values: Mapping[str, Any]) -> None:
        """Write the row about all plans that wait."""
        row = {"PartitionKey": RETENTION_PARTITION, "RowKey": ALL_ROW, **with_schema(values)}
        await self._table.upsert_entity(to_properties(row), UpdateMode.REPLACE)


def row_of(plan: PlanOnRecord) -> dict[str, Any]:
    """Write a plan as properties; long texts are split, as `go`, `go_2`, `go_3`..."""
    row = to_row(plan)
    for name in Plans.long:
        text = row.pop(name)
        for number, start in enumerate(range(0, len(text), _CHUNK), start=1):
            row[name if number == 1 else f"{name}_{number}"] = text[start : start + _CHUNK]
    return row


def brief_plan(row: Mapping[str, Any]) -> PlanOnRecord | None:
    """Read a plan by its first properties alone; None if a newer release wrote it, or somebody has edited it."""
    is_cut = len(row.get("go", "")) >= _CHUNK
    # What is selected and not there is null (REST: Query Entities).
    values = {name: value for name, value in row.items() if name in {*_SHORT, *_BRIEF} and value is not None}
    try:
        plan = from_row(PlanOnRecord, {**values, "go": "{}"} if is_cut else values)
        _GO.validate_json(plan.go, strict=True)
    except (UnknownSchemaError, ValidationError):
        return None
    return plan


def plan_of(row: dict[str, Any]) -> PlanOnRecord:
    """Read what `row_of` wrote."""
    joined = dict(row)
    for name in Plans.long:
        number = 2
        while (more := row.get(f"{name}_{number}")) is not None:
            joined[name] += more
            number += 1
    return from_row(PlanOnRecord, joined)

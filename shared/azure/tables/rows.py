"""Values to table rows and back; each row names the schema it was written with."""

from collections.abc import Mapping
from typing import Any

from azure.data.tables import EdmType, EntityProperty
from pydantic import TypeAdapter

from shared.model.inspection import Inspection
from shared.model.intent_row import IntentRow
from shared.model.job import Stage
from shared.model.point import RecoveryPoint
from shared.model.record import DiskRecord
from shared.model.restore import Restore
from shared.model.retention_plan import PlanOnRecord
from shared.model.schema import require_known, with_schema
from shared.model.sizes import PageDiff
from shared.model.tombstone import Tombstone

type Kept = DiskRecord | RecoveryPoint | Restore | Inspection | IntentRow | PageDiff | Tombstone | PlanOnRecord

_RUN_PREFIX = "run_"


def to_row(value: Kept) -> dict[str, Any]:
    """Write a value as flat properties; those of an open run are prefixed with `run_`."""
    row: dict[str, Any] = _ADAPTERS[type(value)].dump_python(value)
    run = row.pop("run", None) or {}
    flat = row | {f"{_RUN_PREFIX}{name}": value for name, value in run.items()}
    return with_schema({name: value for name, value in flat.items() if value is not None})


def from_row[Read: (DiskRecord, RecoveryPoint, Restore, Inspection, IntentRow, PageDiff, Tombstone, PlanOnRecord)](
    kind: type[Read], row: dict[str, Any]
) -> Read:
    """Read what `to_row` wrote.

    Raises:
        UnknownSchemaError: a newer release wrote it.
        ValidationError: it is not a row of this kind: somebody has edited it.
    """
    require_readable(row)
    run = {name.removeprefix(_RUN_PREFIX): value for name, value in row.items() if name.startswith(_RUN_PREFIX)}
    upgraded = _upgraded_point(row) if kind is RecoveryPoint else _upgraded(row)
    value: Read = _ADAPTERS[kind].validate_python(upgraded | ({"run": _upgraded_run(run)} if run else {}))
    return value


def _upgraded(row: dict[str, Any]) -> dict[str, Any]:
    """Give a job's row both its times; the release before kept one of them, depending on the kind of job.

    A restore that was to overwrite its target could do so whatever the target was.
    """
    row = {"replace_other": True, **row} if row.get("overwrite") else row
    if "phase_began" in row:
        return {"progressed": row["phase_began"], **row}
    return {"phase_began": row["progressed"], **row} if "progressed" in row else row


def _upgraded_point(row: dict[str, Any]) -> dict[str, Any]:
    """Tell whether a damaged recovery point was deleted, which an older release said only in its text."""
    return {"lost": row.get("damage", "").endswith(" is gone"), **row} if "damage" in row else row


def _upgraded_run(run: dict[str, Any]) -> dict[str, Any]:
    """Give an open run its stage; the release before kept only whether it was opened."""
    if "state" in run or not run.get("opened"):
        return run
    is_applied = run.get("position", 0) == run.get("size")
    return {**run, "state": Stage.SEALING if is_applied else Stage.COPYING}


def require_readable(row: Mapping[str, Any]) -> None:
    """Refuse a row that a newer release wrote: nothing can be assumed about it.

    Raises:
        UnknownSchemaError: it did.
    """
    where = " of ".join(str(row[name]) for name in ("RowKey", "PartitionKey") if name in row)
    require_known(row, f"the row {where or row.get('disk', '')}")


def to_properties(values: dict[str, Any]) -> dict[str, Any]:
    """Write integers as Int64: the table's default has only 32 bits."""
    return {
        name: EntityProperty(value, EdmType.INT64) if isinstance(value, int) and not isinstance(value, bool) else value
        for name, value in values.items()
    }


def from_properties(entity: dict[str, Any]) -> dict[str, Any]:
    """Read what `to_properties` wrote."""
    return {name: value.value if isinstance(value, EntityProperty) else value for name, value in entity.items()}


_ADAPTERS: Mapping[type[Kept], TypeAdapter[Any]] = {
    kind: TypeAdapter(kind)
    for kind in (DiskRecord, RecoveryPoint, Restore, Inspection, IntentRow, PageDiff, Tombstone, PlanOnRecord)
}

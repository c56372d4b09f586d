"""What `--json` prints, by command: the names and kinds of all fields. A field that is missing or new fails."""

from typing import Any, Literal

from tests.cli.exact import Exact, Stamp, Told, Url
from tests.cli.reading_schema import BrowseJson, ChangesJson, ExportJson
from tests.cli.schema_told import AtLeastJson, CostsJson, EventsJson, MonthJson


class ProgressJson(Exact):
    stage: str
    unit: Literal["bytes", "parts"]
    done: int
    total: int
    per_second: float | None
    seconds_left: int | None


class AppJson(Exact):
    last_tick: Stamp | None
    tick_result: str
    tick_reason: str
    disks: int
    absent: int
    next_tick: Stamp | None
    late_after_seconds: float
    last_success: Stamp | None
    heartbeat: Stamp | None
    heartbeat_problem: str
    page_problem: str
    problems: list[str]


class OpenJobJson(Exact):
    kind: Literal["backup", "restore"]
    job: str
    stage: str
    began: Stamp | None


class DiskJson(Exact):
    disk: Told
    state: str
    since: Stamp
    reason: str
    trouble: str
    trouble_since: Stamp | None
    flags: dict[str, str]
    good_point: Stamp
    last_point: Stamp
    last_success: Stamp | None
    size: int
    damaged_points: int
    job: OpenJobJson | None
    last_verify: Stamp | None
    last_verify_result: str
    last_drill: Stamp | None
    last_drill_result: str
    late_after_seconds: float
    first_tick: Stamp | None
    retired: Stamp | None
    attention: bool
    age_seconds: float | None
    progress: ProgressJson | None


class StatusJson(Exact):
    at: Stamp
    state: str
    attention: bool
    app: AppJson
    disks: list[DiskJson]


class CheckJson(Exact):
    attention: bool
    state: str
    line: str
    disks: list[Told]
    problems: list[str]


class MetricsJson(Exact):
    text: str


class UseJson(Exact):
    storage: str
    file: str


class PointJson(Exact):
    time: Stamp
    kind: Literal["full", "incremental", "resync", "restore"]
    reason: str
    size: int
    bytes_written: int
    bytes_added: int | None
    state: Literal["sealed", "verified", "damaged", "deleting"]
    damage: str
    verified: Stamp
    drilled: Stamp
    drill_result: str
    drill_seconds: float
    kept: bool
    kept_until: Stamp
    kept_note: str
    retention: Literal["stays", "goes", ""]
    retention_why: str


class PointsJson(Exact):
    disk: Url
    rules: str
    plan: str
    points: list[PointJson]


class JobJson(Exact):
    id: str
    kind: str
    row: str
    disk: str
    state: str
    shown: str
    reason: str
    result: str
    point: str
    target: str
    undo_point: str
    expires_at: Stamp
    last_error: str
    approve: str
    requested: Stamp
    ended: Stamp
    progress: ProgressJson | None


class JobsJson(Exact):
    jobs: list[JobJson]


class SentJson(Exact):
    id: str
    row: str
    disk: str
    queue: str
    message: str


class AskedJson(Exact):
    asked: list[SentJson]
    jobs: list[JobJson]


class RestorePlanJson(Exact):
    disk: Url
    point: Stamp
    point_state: str
    damage: str
    size: int
    verified: Stamp
    drilled: Stamp
    drill_result: str
    target: str
    target_is_new: bool
    undo_point: bool
    replaces: str
    adopts: bool
    usual_seconds: float
    earlier_restores: int
    since: Stamp
    since_written: int | None
    since_cleared: int | None
    unread: str
    writes: AtLeastJson | None
    month: MonthJson | None
    currency: str


class RestoreJson(AskedJson):
    plan: RestorePlanJson


class PlanJson(Exact):
    disk: Url
    plan: str
    state: str
    reason: str
    rules: str
    planned: Stamp
    points: int
    going: int
    bytes_freed: int
    bytes_freed_at_least: int
    billed_until: Stamp
    go: dict[str, list[str]]


class PlansJson(Exact):
    plans: list[PlanJson]
    approve_all: str


COMMANDS: dict[str, type[Exact]] = {
    "use": UseJson,
    "status": StatusJson,
    "check": CheckJson,
    "metrics": MetricsJson,
    "points": PointsJson,
    "jobs": JobsJson,
    "job": JobsJson,
    "prune": PlansJson,
    "restore": RestoreJson,
    "costs": CostsJson,
    "events": EventsJson,
    "export": ExportJson,
    "changes": ChangesJson,
    "browse": BrowseJson,
    **dict.fromkeys(
        ("backup", "verify", "drill", "keep", "unkeep", "forget", "retire", "orphans", "rebuild", "cancel"), AskedJson
    ),
}


class Whole(Exact):
    version: Literal[1]
    command: str
    exit: Literal[0, 1, 2, 3]
    data: dict[str, Any] | None = None
    error: str | None = None


def read(found: dict[str, Any], code: int) -> Any:
    """Hold what a command prints against its schema; give its data."""
    whole = Whole.model_validate(found)
    assert whole.exit == code
    assert (whole.data is None) != (whole.error is None)
    return COMMANDS[whole.command].model_validate(whole.data) if whole.data is not None else whole.error

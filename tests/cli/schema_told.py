"""What `costs` and `events` print as JSON, and what a restore costs."""

from typing import Literal

from tests.cli.exact import Exact, Stamp, Told, Url


class MonthJson(Exact):
    at_least: float
    at_most: float


class AtLeastJson(Exact):
    at_least: int
    at_most: int


class BytesJson(AtLeastJson):
    month: MonthJson | None


class PointCostJson(Exact):
    time: Stamp
    kind: Literal["full", "incremental", "resync", "restore"]
    alone: BytesJson


class ChoiceJson(Exact):
    rules: str
    zone: str
    of_the_app: bool
    going: int
    freed: BytesJson


class DiskCostJson(Exact):
    disk: Url
    held: BytesJson
    newest: BytesJson
    older: BytesJson
    older_points: int
    copies: BytesJson
    full_copies: int
    source: BytesJson
    source_snapshots: int
    source_problem: str
    soft_deleted: BytesJson
    soft_deleted_versions: int
    points: list[PointCostJson]
    choices: list[ChoiceJson]
    plan: str
    plan_reason: str


class CostsJson(Exact):
    disks: list[DiskCostJson]
    month: MonthJson | None
    currency: str


class AttentionJson(Exact):
    disk: Told | Literal[""]
    state: str
    since: Stamp
    reason: str


class EventJson(Exact):
    at: Stamp
    kind: str
    disk: Url | Literal[""]
    id: str
    outcome: str
    text: str
    bytes: int | None


class EventsJson(Exact):
    since: Stamp
    attention: list[AttentionJson]
    events: list[EventJson]

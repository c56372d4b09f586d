"""`events`: what has happened of late, by the app's own rows. It is less than the log, which has every step."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from shared.azure.tables.retention_rows import RETENTION_PARTITION, plan_of
from shared.azure.tables.rows import from_row
from shared.model.disk import Disk
from shared.model.intent_row import INTENT, IntentRow
from shared.model.job import JobKind
from shared.model.point import POINT_ROW_PREFIX, RecoveryPoint
from shared.model.record import DISK_ROW, DiskRecord
from shared.model.report import AppReport, Report
from shared.model.restore import Restore
from shared.model.retention_plan import PlanOnRecord, PlanState
from shared.model.schema import UnknownSchemaError
from shared.model.tombstone import TOMBSTONE_ROW_PREFIX, Tombstone
from tidemark import disks, screen, words
from tidemark.ask import time_said
from tidemark.jobs import Row
from tidemark.outcome import Answer
from tidemark.store import Store, job_of, known_disks


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """Something that has happened.

    Attributes:
        at: when, UTC.
        kind: `tick`, `point`, `damaged`, `deleted`, `error`, `retired`, `plan`, or the kind of a job or an intent.
        disk: the disk's name; empty if it is about the app, or of a disk that has no report.
        id: the id of the job, the time of the recovery point, or the hash of the plan.
        outcome: how a tick or a job has ended, or the kind of a recovery point; else empty.
        text: more about it, for people.
        bytes: bytes that a recovery point has added; None where there are none, or that is not known.
    """

    at: datetime
    kind: str
    disk: str = ""
    id: str = ""
    outcome: str = ""
    text: str = ""
    bytes: int | None = None


async def events(store: Store, text: str, said: str) -> Answer:
    """List what has happened since a time, the newest first, and what needs attention now.

    Raises:
        Problem: the text names no disk, or several; or the time is none.
    """
    since, report = time_said(said).first, await store.report()
    one = disks.named(text, known_disks(report)) if text else None
    names = {Disk.parse(name).key: name for name in known_disks(report)} | ({one.key: one.name} if one else {})
    found = [event for event in events_of(await store.written_since(since, one), names) if event.at >= since]
    if one is None:
        found += [event for event in of_ticks(report.app) if event.at >= since]
    found.sort(key=lambda event: event.at, reverse=True)
    data = {
        "since": since.isoformat(),
        "attention": attention_of(report, one),
        "events": [{**asdict(event), "at": event.at.isoformat()} for event in found],
    }
    return Answer(data=data, shown=shown_of(data, report.at))


def events_of(rows: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> Iterator[Happened]:
    """Say what rows tell of; a row that this release can't read tells nothing.

    Args:
        rows: rows of the table, with their keys.
        names: the names of disks by their partitions.
    """
    for row in rows:
        with contextlib.suppress(ValidationError, UnknownSchemaError):
            yield from _of_row(dict(row), names.get(str(row["PartitionKey"]), ""))


def _of_row(row: dict[str, Any], disk: str) -> Iterator[Happened]:
    key = str(row["RowKey"])
    if row["PartitionKey"] == RETENTION_PARTITION:
        yield from _of_plan(plan_of(row))
    elif key == DISK_ROW:
        yield from _of_record(from_row(DiskRecord, row))
    elif key.startswith(POINT_ROW_PREFIX):
        yield from _of_point(from_row(RecoveryPoint, row), disk)
    elif key.startswith(TOMBSTONE_ROW_PREFIX):
        yield _of_tombstone(from_row(Tombstone, row), disk)
    elif key.startswith(_JOBS) and (job := job_of(row)) is not None:
        yield from _of_job(job)


_JOBS = tuple(f"{kind}-" for kind in (*JobKind, INTENT))


def _of_point(point: RecoveryPoint, disk: str) -> Iterator[Happened]:
    # A restore, or a rebuild, does not know what was written, and says 0.
    added = (point.bytes_written or None) if point.added_bytes is None else point.added_bytes
    new = "" if added is None else f", {words.amount(added)} new"
    yield Happened(
        at=point.sealed,
        kind="point",
        disk=disk,
        id=point.time,
        outcome=str(point.kind),
        text=f"recovery point: {point.kind}{new}",
        bytes=added,
    )
    if point.damaged_at:
        yield Happened(at=point.damaged_at, kind="damaged", disk=disk, id=point.time, text=f"damaged: {point.damage}")


def _of_tombstone(tombstone: Tombstone, disk: str) -> Happened:
    return Happened(
        at=tombstone.deleted,
        kind="deleted",
        disk=disk,
        id=tombstone.time,
        text=f"recovery point {tombstone.time} deleted: {tombstone.why}",
    )


def _of_job(job: Row) -> Iterator[Happened]:
    if job.ended is None:
        return
    kind = job.do or INTENT if isinstance(job, IntentRow) else str(job.kind)
    target = f"to {job.target}" if isinstance(job, Restore) and job.target else ""
    why = job.reason or (job.outcome if isinstance(job, IntentRow) else target)
    yield Happened(
        at=job.ended,
        kind=kind,
        disk=job.disk.name if job.disk else "",
        id=job.intent if isinstance(job, IntentRow) else job.job,
        outcome=str(job.state),
        text=f"{kind} {job.state}{f': {why}' if why else ''}",
    )


def _of_record(record: DiskRecord) -> Iterator[Happened]:
    disk = record.disk.name
    if record.last_error_at:
        yield Happened(at=record.last_error_at, kind="error", disk=disk, text=f"error: {record.last_error}")
    if record.retired:
        yield Happened(at=record.retired, kind="retired", disk=disk, text="its backups were ended")


def _of_plan(plan: PlanOnRecord) -> Iterator[Happened]:
    count = f"{plan.going} of {words.many(plan.points, 'recovery point')}"
    steps = [
        (plan.planned, "waiting", f"a plan to delete {count} waits: {plan.reason}", plan.state is PlanState.WAITING),
        (plan.approved, "approved", f"the plan to delete {count} was approved", bool(plan.approved_by)),
        (plan.ended, "done", f"{count} were deleted, as planned", plan.going > 0),
    ]
    for at, outcome, text, holds in steps:
        if at and holds:
            yield Happened(at=at, kind="plan", disk=plan.disk.name, id=plan.plan, outcome=outcome, text=text)


def of_ticks(app: AppReport) -> Iterator[Happened]:
    """Say how the last tick stands, and which succeeded last: of others no row tells."""
    if app.last_tick:
        why = f": {app.tick_reason}" if app.tick_reason else ""
        text = f"tick {app.tick_result} ({words.many(app.disks, 'disk')}){why}"
        yield Happened(at=app.last_tick, kind="tick", outcome=app.tick_result, text=text)
    if app.last_success and app.last_success != app.last_tick:
        yield Happened(at=app.last_success, kind="tick", outcome="succeeded", text="tick succeeded: the last that did")


def attention_of(report: Report, one: Disk | None) -> list[dict[str, Any]]:
    """Say what needs attention now: of the app, and of all disks or of one."""
    found = [] if one else [{"disk": "", "state": "", "since": "", "reason": problem} for problem in report.problems]
    return found + [
        {
            "disk": disk.disk,
            "state": str(disk.state),
            "since": disk.since.astimezone(UTC).isoformat(),
            "reason": "; ".join(
                [*([disk.reason] if disk.reason else []), *(f"{flag}: {why}" for flag, why in disk.flags.items())]
            ),
        }
        for disk in report.disks
        if disk.needs_attention and (one is None or disk.disk == one.name)
    ]


def shown_of(data: Mapping[str, Any], now: datetime) -> Sequence[Any]:
    """Show what needs attention, and below it what has happened."""
    named = [found["disk"] for found in (*data["attention"], *data["events"]) if found["disk"]]
    names = {**words.short_names(list(dict.fromkeys(named))), "": words.NONE}
    shown: list[Any] = []
    for found in data["attention"]:
        about = (
            f"{names[found['disk']]}: {found['state']} since {words.local(found['since'], now)}"
            if found["disk"]
            else "The app"
        )
        shown += [screen.heading(about), screen.below(found["reason"]), ""]
    rows = [
        (words.local(event["at"], now, seconds=True), names[event["disk"]], event["text"]) for event in data["events"]
    ]
    table = screen.table(("WHEN", "DISK", "WHAT"), rows, wide=[1, 2])
    return [*shown, table if rows else f"nothing since {words.local(data['since'], now)}"]

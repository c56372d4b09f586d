"""What the page of one disk shows: what the report says, and its recovery points. Pure functions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.model.disk import Disk
from shared.model.point import PointState, RecoveryPoint
from shared.model.report import DiskReport, State
from shared.model.retention_plan import PlanOnRecord
from shared.model.words import NONE, amount, length, many
from shared.page.advice import Advice
from shared.page.overview import DiskShown, Overview
from shared.page.reading import PointsSeen, Seen
from shared.page.restore_ways import Way, ways
from shared.page.shown import Badge, Moment, moment

_POINT_SHAPES = {
    PointState.SEALED: ("plain", "good"),
    PointState.VERIFIED: ("check", "good"),
    PointState.DAMAGED: ("alarm", "bad"),
    PointState.DELETING: ("ended", "quiet"),
}
_SAID = {State.RUNNING: "being backed up", State.RESTORING: "being restored"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PointShown:
    """A recovery point.

    Attributes:
        time: its time, as Azure prints it.
        at: the same for people.
        badge: what is known of it.
        kind, reason: as on its row.
        size, changed, added: bytes of the disk, those that its run wrote and cleared, those that only it added.
        notes: what else is known of it, each as what and how.
        fate: whether the retention has it stay or go, and why.
        restores: what restoring it gives.
        ways: how it can be restored.
    """

    time: str
    at: Moment | None
    badge: Badge
    kind: str
    reason: str
    size: str
    changed: str
    added: str
    notes: Sequence[tuple[str, str]]
    fate: str
    restores: str
    ways: Sequence[Way]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskPage:
    """All that the page shows.

    Attributes:
        now: when it was made.
        disk: the disk's row on the page of all disks.
        state: what it is, as the end of a sentence.
        reason: why it is in its state.
        advice: what to do about it.
        facts: what else is said of it, each as what and how.
        points: its recovery points, the newest first.
        said: which of how many these are.
        before: the time before which the next page begins; empty on the last one.
        is_first: whether it is the page of the newest.
        midnights: where days begin on the pictures.
    """

    now: Moment | None
    disk: DiskShown
    state: str
    reason: str
    advice: Sequence[Advice]
    facts: Sequence[tuple[str, str]]
    points: Sequence[PointShown]
    said: str
    before: str
    is_first: bool
    midnights: Sequence[tuple[float, str]]


def disk_page(seen: Seen, whole: Overview, told: DiskReport, found: PointsSeen | None, account: str) -> DiskPage:
    """Say what the page of a disk shows.

    Args:
        seen: what was read of all disks.
        whole: what the page of all disks shows.
        told: what the report says of the disk.
        found: its recovery points; None if its record names no disk.
        account: the app's own storage account; empty if it is not known.
    """
    now = seen.told.report.at
    points = found.points if found else []
    disk = Disk.parse(told.disk) if found else None
    fates = fates_of(found.plan) if found else {}
    return DiskPage(
        now=moment(now, now),
        disk=next(row for row in whole.disks if row.name == told.disk),
        state=_SAID.get(told.state, str(told.state)),
        reason=told.reason,
        advice=[one for one in (*whole.advice, *whole.notes) if one.disk == told.disk],
        facts=_facts(told, now),
        points=[_point(disk, point, fates.get(point.time, ("", "")), now, account) for point in points if disk],
        said=_said(found),
        before=found.before if found else "",
        is_first=not (found and found.later),
        midnights=whole.midnights,
    )


def fates_of(plan: PlanOnRecord | None) -> Mapping[str, tuple[str, str]]:
    """Return, for each point of a plan, whether it stays, goes, or would go if it were carried out, and why."""
    goes = "goes" if plan and plan.is_going_on else "would go"
    groups = [("stays", plan.stay), (goes, plan.go)] if plan else []
    return {time: (fate, why) for fate, text in groups for why, times in _read(text).items() for time in times}


def _read(text: str) -> Mapping[str, Sequence[str]]:
    found: Mapping[str, Sequence[str]] = json.loads(text)
    return found


def _said(found: PointsSeen | None) -> str:
    if found is None:
        return "Its row names no disk, so its recovery points can't be found."
    if not found.total:
        return "It has no recovery point yet."
    if found.later == found.total:
        return f"No recovery point is before this time; {many(found.total, 'recovery point')} in all."
    if not found.points:
        return "Their rows can't be read: a newer release wrote them, or somebody has edited them."
    if len(found.points) == found.total:
        return f"{many(found.total, 'recovery point')}, the newest first."
    first = found.later + 1
    return f"{first} to {found.later + len(found.points)} of {many(found.total, 'recovery point')}, the newest first."


def _facts(told: DiskReport, now: datetime) -> list[tuple[str, str]]:
    inspected = [
        (name, f"{at.text}: {result}" if at else "never")
        for name, at, result in (
            ("Last verify", moment(told.last_verify, now), told.last_verify_result),
            ("Last drill", moment(told.last_drill, now), told.last_drill_result),
        )
    ]
    good, sealed, late = (moment(at, now) for at in (told.good_point, told.last_success, told.late_at))
    return [
        ("Size", amount(told.size) if told.size else NONE),
        ("Newest good point", f"{good.text}, {length(told.age(now))} old" if good else "none"),
        ("Sealed", sealed.text if sealed else NONE),
        ("Late", f"{late.ago}, {late.text}" if late else "backups are not due"),
        ("Damaged points", str(told.damaged_points)),
        *inspected,
        *([("Trouble", told.trouble)] if told.trouble else []),
    ]


def _point(disk: Disk, point: RecoveryPoint, fate: tuple[str, str], now: datetime, account: str) -> PointShown:
    shape, tone = _POINT_SHAPES[point.state]
    what = "what is left of the disk" if point.state is PointState.DAMAGED else "the disk"
    return PointShown(
        time=point.time,
        at=moment(point.time, now, seconds=True),
        badge=Badge(shape, str(point.state), tone),
        kind=str(point.kind),
        reason=point.reason,
        size=amount(point.size),
        changed=amount(point.bytes_written + point.bytes_cleared),
        added=amount(point.added_bytes),
        notes=_notes(point, now),
        fate=", ".join(text for text in fate if text),
        restores=f"Restore {what} as it was at",
        ways=ways(disk, point, account),
    )


def _notes(point: RecoveryPoint, now: datetime) -> list[tuple[str, str]]:
    verified, drilled = moment(point.verified, now), moment(point.drilled, now)
    until = moment(point.kept_until, now)
    kept = f"by an operator{f' until {until.text}' if until else ''}{f': {point.kept_note}' if point.kept_note else ''}"
    return [
        *([("Damage", point.damage)] if point.damage else []),
        *([("Verified", verified.text)] if verified else []),
        *([("Drilled", f"{drilled.text}: {point.drill_result}")] if drilled else []),
        *([("Kept", kept)] if point.is_kept(now) else []),
        *([("Being deleted", point.deleting)] if point.deleting else []),
    ]

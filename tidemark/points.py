"""`points`: the recovery points of a disk, and why each stays or goes."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from shared.model.point import PointState, RecoveryPoint
from shared.model.retention_plan import PlanOnRecord
from tidemark import disks, screen, words
from tidemark.outcome import Answer, Exit
from tidemark.store import Store, known_disks


async def points(store: Store, text: str) -> Answer:
    """List the recovery points of a disk, the newest first; the exit code tells whether one is damaged.

    Raises:
        Problem: the text names no disk, or several.
    """
    report = await store.report()
    disk = disks.named(text, known_disks(report))
    found, plan = await store.points(disk), await store.plan(disk)
    why = _whys(plan)
    listed = [_data(point, why.get(point.time, ("", ""))) for point in reversed(found)]
    is_damaged = any(point.state is PointState.DAMAGED for point in found)
    data = {
        "disk": disk.name,
        "points": listed,
        "rules": plan.rules if plan else "",
        "plan": str(plan.state) if plan else "",
    }
    return Answer(data=data, shown=shown_of(data, report.at), code=Exit.ATTENTION if is_damaged else Exit.FINE)


def _whys(plan: PlanOnRecord | None) -> Mapping[str, tuple[str, str]]:
    """Return, for each point of a plan, whether it stays or goes, and why."""
    groups = [("stays", plan.stay), ("goes", plan.go)] if plan else []
    return {time: (fate, why) for fate, text in groups for why, times in _read(text).items() for time in times}


def _read(text: str) -> Mapping[str, Sequence[str]]:
    found: Mapping[str, Sequence[str]] = json.loads(text)
    return found


def _data(point: RecoveryPoint, fate: tuple[str, str]) -> dict[str, Any]:
    return {
        "time": point.time,
        "kind": str(point.kind),
        "reason": point.reason,
        "size": point.size,
        "bytes_written": point.bytes_written,
        "bytes_added": point.added_bytes,
        "state": str(point.state),
        "damage": point.damage,
        "verified": point.verified.isoformat() if point.verified else "",
        "drilled": point.drilled.isoformat() if point.drilled else "",
        "drill_result": point.drill_result,
        "drill_seconds": point.drill_seconds,
        "kept": point.kept,
        "kept_until": point.kept_until.isoformat() if point.kept_until else "",
        "kept_note": point.kept_note,
        "retention": fate[0],
        "retention_why": fate[1],
    }


def shown_of(data: Mapping[str, Any], now: datetime) -> Sequence[Any]:
    """Show the points as a table; why they stay or go is said below it, as each reason holds for many."""
    if not data["points"]:
        return [f"{data['disk']} has no recovery point yet"]
    whys: dict[str, str] = {}
    rows = []
    for point in data["points"]:
        fate, why = _fate(point, now)
        mark = whys.setdefault(why, str(len(whys) + 1)) if why else ""
        rows.append(
            (
                words.local(point["time"], now, seconds=True),
                point["kind"],
                words.amount(
                    (point["bytes_written"] or None) if point["bytes_added"] is None else point["bytes_added"]
                ),
                point["state"],
                _day(point["verified"]),
                _day(point["drilled"]),
                f"{fate} {mark}".strip(),
            )
        )
    headings = ("WHEN", "KIND", "NEW", "STATE", "VERIFIED", "DRILLED", "STAYS")
    damage = [f"{words.local(point['time'], now)} {point['damage']}" for point in data["points"] if point["damage"]]
    notes = [screen.below(note) for note in [*damage, *(f"{mark}: {why}" for why, mark in whys.items())]]
    rules = f"rules: {data['rules']}" if data["rules"] else "no rules: all are kept"
    table = screen.table(headings, rows, numbers=[2], wide=[6])
    return [data["disk"], table, *notes, f"{rules}; times in {words.zone_of(now)}"]


def _fate(point: Mapping[str, Any], now: datetime) -> tuple[str, str]:
    """Say whether a point stays, and why."""
    if point["kept"]:
        until = f" until {words.local(point['kept_until'], now)}" if point["kept_until"] else ""
        note = f": {point['kept_note']}" if point["kept_note"] else ""
        return "kept", f"an operator keeps it{until}{note}"
    return str(point["retention"]) or words.NONE, str(point["retention_why"])


def _day(moment: str) -> str:
    if not moment:
        return words.NONE
    at = datetime.fromisoformat(moment).astimezone()
    return f"{at.day} {at:%b}"

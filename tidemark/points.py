"""`points`: the recovery points of a disk, and why each stays or goes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from shared.model.point import PointState
from shared.page.data import data_of_point
from shared.page.disk_page import fates_of
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
    why = fates_of(plan)
    listed = [data_of_point(point, why.get(point.time, ("", ""))) for point in reversed(found)]
    is_damaged = any(point.state is PointState.DAMAGED for point in found)
    data = {
        "disk": disk.name,
        "points": listed,
        "rules": plan.rules if plan else "",
        "plan": str(plan.state) if plan else "",
    }
    return Answer(data=data, shown=shown_of(data, report.at), code=Exit.ATTENTION if is_damaged else Exit.FINE)


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

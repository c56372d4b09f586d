"""`restore`: the plan first, then the request, and at the end the proof."""

import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from shared.model.disk import Disk, ManagedDisk, PageBlobDisk, page_blob
from shared.model.job import JobKind, Stage
from shared.model.point import RecoveryPoint
from shared.model.prices import Prices
from shared.model.report import DiskReport, Report
from shared.model.restore import Restore
from shared.model.restore_target import requested_point
from tidemark import at_stake, configuration, disks, screen, words
from tidemark.ask import message_of, outcome_of, point_said, send
from tidemark.at_stake import AtStake
from tidemark.outcome import Answer, Problem
from tidemark.restore_target import made_as, target_of
from tidemark.store import Store, known_disks
from tidemark.times import TimeError, read_expiry
from tidemark.waiting import seconds_of

_EARLIER = 10
"""Of how many earlier restores the usual time is the median."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was typed.

    Attributes:
        disk, at: the disk, and which recovery point.
        to: the target: a name beside the disk, a URL, or the ID of a managed disk; empty for a new disk beside it.
        made_as: what a managed disk is made as, `NAME=VALUE`.
        in_place: whether the target is the disk itself.
        overwrite: whether the target may exist.
        replace_other: whether it may be another disk.
        adopt, expires: whether the restored disk is backed up, and until when a trial lasts.
        undo: whether what is written over is saved first.
        allow_damaged: whether a damaged recovery point is restored too.
        name: the name that was typed with `--yes`.
        patience: how long to wait; empty not to.
        quiet: whether nothing but JSON is printed.
    """

    disk: str
    at: str
    to: str = ""
    made_as: Sequence[str] = ()
    in_place: bool = False
    overwrite: bool = False
    replace_other: bool = False
    adopt: bool = True
    expires: str = ""
    undo: bool = True
    allow_damaged: bool = False
    name: str = ""
    patience: str = ""
    quiet: bool = False

    @property
    def writes_over(self) -> bool:
        """Whether something that exists may be written over."""
        return self.in_place or self.overwrite


async def restore(store: Store, wish: Wish) -> Answer:
    """Print the plan, have the name typed if something is written over, send the request, and wait for its end.

    Raises:
        Problem: what was typed makes no sense, or the wrong name was typed: nothing is sent then.
    """
    _require_sense(wish)
    report = await store.report()
    disk = disks.named(wish.disk, known_disks(report))
    asked = point_said(wish.at)
    points = await store.points(disk)
    point = next((found for found in points if found.time == requested_point([p.time for p in points], asked)), None)
    if point is None and points:
        raise Problem(
            f"{disk.name} has no recovery point at or before {wish.at!r}; the oldest is {points[0].time}. What to do:"
            " see them with `tidemark points`"
        )
    target = target_of(disk, wish.to, in_place=wish.in_place, point=point.time if point else "")
    if wish.overwrite and not isinstance(target, PageBlobDisk):
        raise Problem("a managed disk is never written over. What to do: name a new one by --to, without --overwrite")
    values = _values(disk, target, wish, point.time if point else asked)
    message_of(JobKind.RESTORE, values)
    plan = _plan(report, wish, disk, target, point, usual=await _usual_seconds(store, disk))
    plan |= await _at_stake(store, wish, target, point)
    if not wish.quiet:
        screen.show(screen.out(), [f"Restore of {disk.name}", screen.pairs(_shown(plan, report.at)), ""])
    if wish.writes_over:
        _require_name(target, wish)
    sent = await send(store, JobKind.RESTORE, values)
    answer = await outcome_of(store, "restore", [sent], wish.patience, quiet=wish.quiet)
    return Answer(data={"plan": plan, **answer.data}, shown=answer.shown, code=answer.code)


def _require_sense(wish: Wish) -> None:
    if wish.to and wish.in_place:
        raise Problem("--to and --in-place are two targets. What to do: give one of them")
    if wish.overwrite and not wish.to:
        raise Problem(
            "--overwrite is about the target of --to. What to do: name it; for the disk itself, use --in-place"
        )
    if wish.name and not wish.writes_over:
        raise Problem("--yes is about what is written over, and nothing is. What to do: leave it out")
    if wish.patience:
        seconds_of(wish.patience)


def _values(disk: Disk, target: Disk | None, wish: Wish, asked: str) -> Mapping[str, object]:
    """Return the fields of the request; those that are left out have what the app takes by itself."""
    try:
        expires = read_expiry(wish.expires, datetime.now(UTC)) if wish.expires else None
    except TimeError as error:
        raise Problem(str(error)) from None
    is_named = bool(wish.to or wish.in_place)
    return {
        "disk": disk.name,
        "point": asked,
        "target": target.name if target and is_named else None,
        "managedDisk": made_as(target, wish.made_as),
        "overwrite": _last_segment(target) if target and wish.writes_over else None,
        "replaceOther": True if wish.replace_other else None,
        "undo": None if wish.undo else False,
        "adopt": None if wish.adopt else False,
        "expires": expires,
        "allowDamaged": True if wish.allow_damaged else None,
    }


async def _usual_seconds(store: Store, disk: Disk) -> tuple[float, int]:
    """Return the median time of the last restores of a disk, and of how many; 0 if there are none."""
    ended = [
        row
        for row in await store.jobs_of(disk)
        if isinstance(row, Restore) and row.ended and row.duration_seconds and row.state in {Stage.DONE, Stage.EXPIRING}
    ]
    last = sorted(ended, key=lambda row: row.requested)[-_EARLIER:]
    return (statistics.median(row.duration_seconds for row in last), len(last)) if last else (0.0, 0)


async def _at_stake(store: Store, wish: Wish, target: Disk | None, point: RecoveryPoint | None) -> dict[str, Any]:
    over = await store.record(target) if target and wish.writes_over else None
    found, prices = AtStake(), Prices()
    if point:
        with screen.err().status("reading what is at stake"):
            found = await at_stake.look(point, over, backed_up=wish.adopt)
    try:
        prices = configuration.prices()
    except Problem as problem:  # a restore does not wait for somebody to correct a file
        found = replace(found, problem=found.problem or str(problem))
    if isinstance(target, ManagedDisk):
        prices = Prices()  # of managed disks none is known
    return found.data(prices, is_new=not wish.writes_over)


def _plan(
    report: Report,
    wish: Wish,
    disk: Disk,
    target: Disk | None,
    point: RecoveryPoint | None,
    *,
    usual: tuple[float, int],
) -> dict[str, Any]:
    known = next((found for found in report.disks if target and found.disk == target.name), None)
    return {
        "disk": disk.name,
        "point": point.time if point else "",
        "point_state": str(point.state) if point else "",
        "damage": point.damage if point else "",
        "size": point.size if point else 0,
        "verified": point.verified.isoformat() if point and point.verified else "",
        "drilled": point.drilled.isoformat() if point and point.drilled else "",
        "drill_result": point.drill_result if point else "",
        "target": target.name if target else "",
        "target_is_new": not wish.writes_over,
        "undo_point": wish.writes_over and wish.undo,
        "replaces": _replaced(known, wish),
        "adopts": wish.adopt,
        "usual_seconds": usual[0],
        "earlier_restores": usual[1],
    }


def _replaced(known: DiskReport | None, wish: Wish) -> str:
    if not wish.writes_over:
        return ""
    if known is None:
        return "all that is in that blob, which is not a disk on record"
    point = f"; its newest good recovery point is {known.good_point}" if known.good_point else ""
    return f"all of that disk ({words.amount(known.size)}), which is {known.state}{point}"


def _shown(plan: Mapping[str, Any], now: datetime) -> Sequence[tuple[str, str]]:
    if plan["point"]:
        age = words.length(now - datetime.fromisoformat(plan["point"]))
        when = f"{words.local(plan['point'], now)} {words.zone_of(now)}, {age} old"
        point = f"{when}, {words.amount(plan['size'])} ({plan['point']})"
    else:
        point = "none is on record; the app says what it finds"
    drilled = f"{words.local(plan['drilled'], now)}: {plan['drill_result']}" if plan["drilled"] else "never"
    undo = "is taken first: the way back" if plan["undo_point"] else "none: there is no way back"
    usual = (
        f"{words.length(plan['usual_seconds'])}, by {words.many(plan['earlier_restores'], 'earlier restore')}"
        if plan["earlier_restores"]
        else "not known: no earlier restore of this disk is on record"
    )
    return [
        ("point", point),
        *([("DAMAGED", plan["damage"] or "damaged")] if plan["point_state"] == "damaged" else []),
        ("verified", words.local(plan["verified"], now) if plan["verified"] else "never"),
        ("drilled", drilled),
        ("target", plan["target"] or "a new disk beside it"),
        ("replaced", plan["replaces"] or "nothing: the target must be new"),
        ("undo point", "not needed" if plan["target_is_new"] else undo),
        *at_stake.shown_of(plan, now),
        ("afterwards", "it is backed up" if plan["adopts"] else "it is not backed up: a trial"),
        ("usual time", usual),
    ]


def _require_name(target: Disk | None, wish: Wish) -> None:
    """Require the name of what is written over, typed now or before.

    Raises:
        Problem: it is not the name, or there is nobody to type it.
    """
    name = _last_segment(target) if target else ""
    typed = wish.name
    if not typed:
        if wish.quiet or not sys.stdin.isatty():
            raise Problem(f"{target} would be written over. What to do: in a script, give --yes {name}")
        sys.stderr.write(f"Type {name} to have it written over: ")
        sys.stderr.flush()
        typed = sys.stdin.readline().strip()
    if typed not in {name, str(target)}:
        raise Problem(f"{typed!r} is not {name!r}, the name of what would be written over. Nothing was sent")


def _last_segment(target: Disk) -> str:
    return page_blob(target).blob.rpartition("/")[2]

"""What `costs` has counted: as values, as data, and as tables. Pure functions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.model import prices as money
from shared.model.point import RecoveryPoint
from shared.model.prices import Money, Prices
from shared.model.sizes import NO_BYTES, Bytes, SoftDeleted, days_kept
from tidemark import screen, words

type Line = tuple[Sequence[str], Bytes, float | None]
"""Texts, bytes, and what a GiB of them costs for a month."""

_NOT_EXACT = "a range is as much as is known: a listing was refused, or there was no time for it (--within)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the rules of a retention would delete.

    Attributes:
        rules: the rules.
        zone: the time zone of their periods.
        is_the_apps: whether these are the rules of the app's own plan.
        going: how many recovery points go.
        freed: what that frees.
    """

    rules: str
    zone: str
    is_the_apps: bool
    going: int
    freed: Bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskCost:
    """What the backups of a disk hold.

    Attributes:
        disk: its name.
        points: its recovery points, newest first.
        unique: what deleting each of them alone frees, by its time.
        held: what all of them hold together.
        newest: what deleting only the newest frees.
        older, older_points: what deleting all others but full copies frees, and how many these are.
        copies, full_copies: what deleting all full copies but the newest point frees, and how many these are.
        source, source_snapshots: what Tidemark's snapshots of the disk hold, and how many these are.
        source_problem: why that could not be counted.
        soft_deleted: the deleted backups that soft delete keeps.
        choices: what retention rules would delete.
        plan_state, plan_reason: the state of the app's own plan, and why it waits; empty if there is none.
    """

    disk: str
    points: Sequence[RecoveryPoint] = ()
    unique: Mapping[str, Bytes]
    held: Bytes = NO_BYTES
    newest: Bytes = NO_BYTES
    older: Bytes = NO_BYTES
    older_points: int = 0
    copies: Bytes = NO_BYTES
    full_copies: int = 0
    source: Bytes = NO_BYTES
    source_snapshots: int = 0
    source_problem: str = ""
    soft_deleted: Sequence[SoftDeleted] = ()
    choices: Sequence[Choice] = ()
    plan_state: str = ""
    plan_reason: str = ""


def data_of(found: Sequence[DiskCost], prices: Prices) -> dict[str, Any]:
    """Give it as data."""
    return {
        "disks": [_disk(cost, prices) for cost in found],
        "month": _month(money.total(*(_total(cost, prices) for cost in found))),
        "currency": prices.currency,
    }


def shown_of(found: Sequence[DiskCost], prices: Prices, now: datetime, *, one: bool) -> Sequence[Any]:
    """Show it: one disk in full, or all in a table."""
    if one:
        return [part for cost in found for part in _in_full(cost, prices, now)]
    names = words.short_names([cost.disk for cost in found])
    headings = ["DISK", "POINTS", "BACKUPS", "OF OLDER POINTS", "SNAPSHOTS", "DELETED"]
    rows = [
        [
            names[cost.disk],
            str(len(cost.points)),
            words.some(cost.held),
            words.some(cost.older.plus(cost.copies)),
            words.some(cost.source),
            words.some(_deleted(cost)),
            *([money.shown(_total(cost, prices), prices.currency)] if prices.are_known else []),
        ]
        for cost in found
    ]
    amounts = [2, 3, 4, 5, 6] if prices.are_known else [2, 3, 4, 5]
    table = screen.table(
        [*headings, *(["A MONTH"] if prices.are_known else [])], rows, numbers=[1, *amounts], wide=[0, *amounts]
    )
    problems = [
        screen.below(f"{names[cost.disk]}: its snapshots can't be read: {cost.source_problem}")
        for cost in found
        if cost.source_problem
    ]
    if not rows:
        return ["no disk is on record yet"]
    return [table, *problems, "", *_choices(found, prices), *_notes(found)]


def _in_full(cost: DiskCost, prices: Prices, now: datetime) -> Sequence[Any]:
    if not (cost.points or cost.soft_deleted or cost.source_snapshots):
        return [f"{cost.disk} has no recovery point yet"]
    of_backups = prices.backup_gib_month
    points = [
        ((words.local(point.time, now, seconds=True), str(point.kind)), cost.unique[point.time], of_backups)
        for point in cost.points
        if point.time in cost.unique
    ]
    days = days_kept(cost.soft_deleted, now)
    kept = [f"soft delete keeps what is deleted for up to {words.many(days, 'more day')}"] if days else []
    month = money.shown(_total(cost, prices), prices.currency) or "not all prices are known"
    return [
        cost.disk,
        _table(("WHAT",), _parts(cost, prices), prices),
        *([screen.below(f"the disk can't be read: {cost.source_problem}")] if cost.source_problem else []),
        "",
        *_choices([cost], prices),
        *([screen.below(f"the app's plan: {cost.plan_reason}")] if cost.plan_reason else []),
        *map(screen.below, kept),
        "",
        _table(("POINT", "KIND"), points, prices, what="ALONE"),
        *_notes([cost]),
        *([f"in all a month: {month}"] if prices.are_known else []),
    ]


def _parts(cost: DiskCost, prices: Prices) -> list[Line]:
    of_backups = prices.backup_gib_month
    parts: list[Line] = [
        (("all backups",), cost.held, of_backups),
        (("  only the newest point",), cost.newest, of_backups),
        ((f"  only older points ({cost.older_points})",), cost.older, of_backups),
        ((f"  only older full copies ({cost.full_copies})",), cost.copies, of_backups),
        ((f"source snapshots ({cost.source_snapshots})",), cost.source, prices.disk_gib_month),
        ((f"deleted, kept by soft delete ({len(cost.soft_deleted)})",), _deleted(cost), of_backups),
    ]
    return parts if cost.full_copies else [*parts[:3], *parts[4:]]


def _choices(found: Sequence[DiskCost], prices: Prices) -> Sequence[Any]:
    """Show what each choice frees, of all disks together."""
    going: dict[str, int] = {}
    freed: dict[str, Bytes] = {}
    for cost in found:
        for choice in cost.choices:
            name = choice.rules
            if choice.is_the_apps:
                name = f"{choice.rules} (the app's, {cost.plan_state})" if len(found) == 1 else "the app's own rules"
            going[name] = going.get(name, 0) + choice.going
            freed[name] = freed.get(name, NO_BYTES).plus(choice.freed)
    lines: list[Line] = [((name, str(going[name])), freed[name], prices.backup_gib_month) for name in freed]
    return [_table(("TO KEEP", "DELETES"), lines, prices, what="FREES")]


def _table(
    headings: Sequence[str],
    rows: Iterable[Line],
    prices: Prices,
    *,
    what: str = "BYTES",
) -> Any:
    made = [
        [
            *texts,
            words.some(size),
            *([money.shown(money.cost(size, price), prices.currency)] if prices.are_known else []),
        ]
        for texts, size, price in rows
    ]
    month = ["A MONTH"] if prices.are_known else []
    width = len(headings)
    return screen.table([*headings, what, *month], made, numbers=[width, width + 1], wide=[0, width])


def _notes(found: Iterable[DiskCost]) -> list[Any]:
    sizes = [
        size for cost in found for size in (cost.held, cost.older, cost.source, *(one.freed for one in cost.choices))
    ]
    return [] if all(size.is_exact for size in sizes) else [screen.below(_NOT_EXACT)]


def _deleted(cost: DiskCost) -> Bytes:
    """Bound what soft delete keeps: of each deleted version, what no other holds."""
    return Bytes(0, sum(found.size for found in cost.soft_deleted))


def _total(cost: DiskCost, prices: Prices) -> Money | None:
    return money.total(
        money.cost(cost.held.plus(_deleted(cost)), prices.backup_gib_month),
        money.cost(cost.source, prices.disk_gib_month),
    )


def _disk(cost: DiskCost, prices: Prices) -> dict[str, Any]:
    of_backups = prices.backup_gib_month
    return {
        "disk": cost.disk,
        "held": _bytes(cost.held, of_backups),
        "newest": _bytes(cost.newest, of_backups),
        "older": _bytes(cost.older, of_backups),
        "older_points": cost.older_points,
        "copies": _bytes(cost.copies, of_backups),
        "full_copies": cost.full_copies,
        "source": _bytes(cost.source, prices.disk_gib_month),
        "source_snapshots": cost.source_snapshots,
        "source_problem": cost.source_problem,
        "soft_deleted": _bytes(_deleted(cost), of_backups),
        "soft_deleted_versions": len(cost.soft_deleted),
        "points": [
            {"time": point.time, "kind": str(point.kind), "alone": _bytes(cost.unique[point.time], of_backups)}
            for point in cost.points
            if point.time in cost.unique
        ],
        "choices": [
            {
                "rules": choice.rules,
                "zone": choice.zone,
                "of_the_app": choice.is_the_apps,
                "going": choice.going,
                "freed": _bytes(choice.freed, of_backups),
            }
            for choice in cost.choices
        ],
        "plan": cost.plan_state,
        "plan_reason": cost.plan_reason,
    }


def _bytes(size: Bytes, price: float | None) -> dict[str, Any]:
    return {"at_least": size.at_least, "at_most": size.at_most, "month": _month(money.cost(size, price))}


def _month(amount: Money | None) -> dict[str, float] | None:
    return None if amount is None else {"at_least": round(amount.at_least, 4), "at_most": round(amount.at_most, 4)}

"""A retention plan on record: what it takes, whether it waits for approval, and how far it is carried out.

All plans are in the partition `retention`: a row per disk, named like the disk's partition. Pure functions.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from shared.model.disk import Disk
from shared.model.fields import DiskName
from shared.model.retention import Plan, hash_of_plans, is_hash
from shared.model.texts import Text

MAX_GOING = 8000
"""How many points one plan takes; the oldest first, and the rest with the next. Their times fit in one row."""

MAX_STAYING = 130_000
"""Characters of the points that stay and why; what is beyond is left out."""


class PlanState(StrEnum):
    """What becomes of a plan: it is shown, waits for approval, is approved, is being carried out, or is done."""

    REPORT = "report"
    WAITING = "waiting"
    APPROVED = "approved"
    DELETING = "deleting"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOnRecord:
    """A disk's plan, and its row.

    Attributes:
        disk: the disk.
        state: what becomes of it.
        plan: its hash, by which it is approved.
        reason: why it waits, or why nothing of the disk may be deleted now.
        rules: its rules, and their time zone.
        planned: when it was made, UTC.
        points, going: how many recovery points the disk has, and how many of them go.
        bytes_freed, bytes_freed_at_least: bytes that frees, at most and at least.
        billed_until: until when soft delete bills them if they are deleted now, UTC, by what it keeps of the disk's
            backups; None if it keeps nothing, or that is not known.
        deleted: how many of them are deleted so far.
        go: the times of the points that go, by why, as JSON.
        stay: the times of those that stay, by why, as JSON.
        approved_rules, approved: the rules that were last approved for the disk, and when, UTC.
        approved_by: the hash that approved this plan: its own, or that of all.
        ended: when all of them were deleted, UTC.
        last_error, last_error_at: the last error, and when, UTC.
    """

    disk: DiskName
    state: PlanState
    plan: str = ""
    reason: Text = ""
    rules: str = ""
    planned: datetime
    points: int = 0
    going: int = 0
    bytes_freed: int = 0
    bytes_freed_at_least: int = 0
    billed_until: datetime | None = None
    deleted: int = 0
    go: str = "{}"
    stay: str = "{}"
    approved_rules: str = ""
    approved: datetime | None = None
    approved_by: str = ""
    ended: datetime | None = None
    last_error: Text = ""
    last_error_at: datetime | None = None

    @classmethod
    def new(cls, disk: Disk, now: datetime) -> Self:
        """Make the plan of a disk that has had none: nothing is approved for it."""
        return cls(disk=disk, state=PlanState.DONE, planned=now)

    @property
    def times(self) -> frozenset[str]:
        """The times of the points that go."""
        groups: Mapping[str, Collection[str]] = json.loads(self.go)
        return frozenset(time for times in groups.values() for time in times)

    @property
    def is_named(self) -> bool:
        """Whether its hash has the form of one: an edited row may have anything there, and people paste commands."""
        return is_hash(self.plan)

    @property
    def is_going_on(self) -> bool:
        """Whether it may be carried out."""
        return self.state in {PlanState.APPROVED, PlanState.DELETING}

    def is_under_way(self, plan: Plan) -> bool:
        """Return whether it may be carried out under the rules of a newer plan."""
        return self.is_going_on and self.rules == plan.rules

    def replaced_by(self, plan: Plan, state: PlanState, reason: str, now: datetime) -> Self:
        """Put a newer plan in its place; what was approved for the disk stays approved."""
        going = dict(list(plan.go.items())[:MAX_GOING])
        return replace(
            self,
            state=state,
            plan=plan.hash,
            reason=reason,
            rules=plan.rules,
            planned=now,
            points=len(plan.go) + len(plan.stay),
            going=len(going),
            bytes_freed=0,
            bytes_freed_at_least=0,
            billed_until=None,
            deleted=0,
            approved_by="",
            go=_grouped(going.items()),
            stay=_cut({time: ", ".join(reasons) for time, reasons in plan.stay.items()}),
            ended=now if state is PlanState.DONE else None,
        )

    def approve(self, named: str, now: datetime) -> Self:
        """Record that somebody has approved it, by this hash."""
        return replace(
            self,
            state=PlanState.APPROVED,
            reason="",
            approved_rules=self.rules,
            approved=now,
            approved_by=named,
        )

    def withdraw(self) -> Self:
        """Take back what was approved for the disk: its next plan is looked at like the first."""
        state = PlanState.DONE if self.is_going_on else self.state
        return replace(self, state=state, approved_rules="", approved=None, approved_by="")

    def with_deleted(self, count: int) -> Self:
        """Record how many of its points are deleted by now."""
        return replace(self, state=PlanState.DELETING, deleted=count)

    def done(self, now: datetime) -> Self:
        """Record that it is carried out."""
        return replace(self, state=PlanState.DONE, reason="", ended=now)

    def with_error(self, why: str, now: datetime) -> Self:
        """Record an error."""
        return replace(self, last_error=why, last_error_at=now)


def hash_of_all(waiting: Iterable[PlanOnRecord]) -> str:
    """Return the hash with which all plans that wait are approved at once; empty if none waits."""
    hashes = {plan.disk.name: plan.plan for plan in waiting}
    return hash_of_plans(hashes) if hashes else ""


def chosen(found: Collection[PlanOnRecord], named: str) -> list[PlanOnRecord]:
    """Return the plans that an approval names: one by its own hash, or all by the hash of all.

    Args:
        found: the plans that wait, and those that this approval has approved already, if it was interrupted.
        named: the hash.
    """
    own = [plan for plan in found if plan.plan == named]
    return own or (list(found) if named and named == hash_of_all(found) else [])


def _grouped(whys: Iterable[tuple[str, str]]) -> str:
    groups: dict[str, list[str]] = defaultdict(list)
    for time, why in whys:
        groups[why].append(time)
    return json.dumps(groups, ensure_ascii=False, separators=(",", ":"))


def _cut(whys: Mapping[str, str]) -> str:
    """Group what stays by why; of too many, the oldest are left out."""
    items = list(whys.items())
    while len(text := _grouped(items)) > MAX_STAYING:
        items = items[len(items) // 10 + 1 :]
    return text

"""Which recovery points of a disk go and which stay: the rules, and what is never deleted whatever they say.

The plan that is shown, and the deletion, are this one pure function of what is on record.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from shared.model.inspection import DOUBTFUL
from shared.model.job import Stage
from shared.model.point import PointState, RecoveryPoint
from shared.model.retention_rules import Rules, kept_by

GOOD_POINTS = 2
"""How many of a disk's last good points stay, whatever the rules say."""

MIN_AGE = timedelta(hours=48)
"""How old a point must be before it may be deleted."""

APPROVED_SHARE = 4
"""A plan that takes more than one of so many points waits for approval."""

APPROVED_POINTS = 20
"""A plan that takes more points than this waits for approval."""

NO_RULE = "no rule keeps it"

_HASH_DIGITS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the decision needs to know of a disk besides its recovery points.

    Attributes:
        disk: its name.
        frozen: why nothing of it may be deleted now: it is late, failing, missing, unlisted, or being restored; empty
            if nothing is wrong.
        disagrees: how its rows and the backup container disagree; empty if they do not.
        base: the time of the point that its open run, or else its next one, is based on.
        in_use: the points that open jobs read, each with the job.
    """

    disk: str
    frozen: str = ""
    disagrees: str = ""
    base: str = ""
    in_use: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to become of a disk's recovery points.

    Attributes:
        disk: the disk's name.
        rules: the rules, and the time zone: what an approval is for.
        stay: the points that stay, oldest first, and why.
        go: the points that go, oldest first, and why.
    """

    disk: str
    rules: str
    stay: Mapping[str, Sequence[str]]
    go: Mapping[str, str]

    @property
    def hash(self) -> str:
        """What an approval names: it covers the disk, the rules and the points that go."""
        return _hash_of([self.disk, self.rules, sorted(self.go)])


def is_hash(text: str) -> bool:
    """Return whether a text has the form of a plan's hash."""
    return len(text) == _HASH_DIGITS and set(text) <= set("0123456789abcdef")


def hash_of_plans(hashes: Mapping[str, str]) -> str:
    """Return the hash of the plans of several disks: with it, one approval is enough for all.

    Args:
        hashes: the disks, each with the hash of its plan.
    """
    return _hash_of(sorted(hashes.items()))


def _hash_of(values: Iterable[object]) -> str:
    canonical = json.dumps(list(values), ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:_HASH_DIGITS]


def rules_in_zone(rules: Rules, zone: ZoneInfo) -> str:
    """Write rules and their time zone: a change of either is looked at before anything is deleted."""
    return f"{rules} ({zone.key})"


def read_rules(text: str) -> tuple[Rules, ZoneInfo]:
    """Read what `rules_in_zone` wrote; without a zone it is UTC.

    Raises:
        ValueError: it is not that.
    """
    rules, _, name = text.removesuffix(")").partition(" (")
    try:
        zone = ZoneInfo(name or "UTC")
    except (KeyError, OSError, ValueError):
        raise ValueError(f"{name!r} is no time zone") from None
    return Rules.parse(rules), zone


def decide(points: Collection[RecoveryPoint], facts: Facts, rules: Rules, zone: ZoneInfo, now: datetime) -> Plan:
    """Decide which recovery points of a disk go.

    Args:
        points: all its recovery points.
        facts: what else is known of it.
        rules: the rules.
        zone: the time zone of their periods.
        now: the time, UTC.
    """
    held = protected(points, facts, now)
    ruled = kept_by(rules, [point.time for point in points if point.is_good], zone, now)
    stay: dict[str, Sequence[str]] = {}
    go: dict[str, str] = {}
    for point in sorted(points, key=lambda found: found.time):
        if point.state is PointState.DELETING:
            go[point.time] = point.deleting
            continue
        reasons = [*held.get(point.time, []), *ruled.get(point.time, []), *_not_gone_yet(point, rules, now)]
        if reasons:
            stay[point.time] = reasons
        else:
            go[point.time] = NO_RULE if point.is_good else f"found damaged more than {rules.damaged} ago"
    return Plan(disk=facts.disk, rules=rules_in_zone(rules, zone), stay=stay, go=go)


def _not_gone_yet(point: RecoveryPoint, rules: Rules, now: datetime) -> list[str]:
    """Say that a damaged point stays until its time is over; from when it counts may not be known yet."""
    if point.state is not PointState.DAMAGED:
        return []
    is_over = point.damaged_at is not None and point.damaged_at <= rules.damaged.before(now)
    return [] if is_over else ["damaged"]


def protected(points: Collection[RecoveryPoint], facts: Facts, now: datetime) -> dict[str, list[str]]:
    """Return the recovery points that may not be deleted, whatever the rules say, and why.

    Args:
        points: all recovery points of a disk.
        facts: what else is known of it.
        now: the time, UTC.
    """
    held: dict[str, list[str]] = defaultdict(list)
    good = sorted((point for point in points if point.is_good), key=lambda found: found.time)
    for point in good[-GOOD_POINTS:]:
        held[point.time].append(f"of the last {GOOD_POINTS} good points")
    for time in _last_verified(good):
        held[time].append("the last verified")
    for time in _last_drilled(good):
        held[time].append("the last drilled well")
    for point in points:
        held[point.time] += why_it_stays(point, facts, now)
        if not good and point.state is PointState.DAMAGED:
            held[point.time].append("no good point is left")
    return {time: reasons for time, reasons in held.items() if reasons}


def why_it_stays(point: RecoveryPoint, facts: Facts, now: datetime) -> list[str]:
    """Say why a point may not be deleted, whatever other points there are."""
    reasons = {
        facts.frozen: bool(facts.frozen),
        facts.disagrees: bool(facts.disagrees),
        "kept": point.is_kept(now),
        "the base of the next backup": bool(facts.base) and point.time == facts.base,
        f"read by {facts.in_use.get(point.time)}": point.time in facts.in_use,
        "younger than 48 hours": now - max(datetime.fromisoformat(point.time), point.sealed) < MIN_AGE,
    }
    return [reason for reason, holds in reasons.items() if holds]


def is_outdated(decided_by: Collection[RecoveryPoint], point: RecoveryPoint, damaged: Collection[str]) -> bool:
    """Return whether a point may by now be of the last good, verified or drilled ones, though it was not before.

    Args:
        decided_by: the disk's recovery points as they were then.
        point: the point as it is now.
        damaged: the times of those that are damaged now.
    """
    before = {found.time: found for found in decided_by}
    good = {found.time for found in decided_by if found.is_good}
    inspected = (point.verified, point.drilled, point.drill_result)
    then = before.get(point.time, point)
    return not good.isdisjoint(damaged) or inspected != (then.verified, then.drilled, then.drill_result)


def _last_verified(good: Sequence[RecoveryPoint]) -> set[str]:
    """Return the newest of the verified points, and the one that was verified last."""
    verified = [(point.verified, point.time) for point in good if point.verified]
    return {max(verified)[1], max(time for _, time in verified)} if verified else set()


def _last_drilled(good: Sequence[RecoveryPoint]) -> set[str]:
    """Return the newest of the points whose drill went well, and the one that was drilled last."""
    drilled = [(point.drilled, point.time) for point in good if point.drilled and is_drilled_well(point)]
    return {max(drilled)[1], max(time for _, time in drilled)} if drilled else set()


def is_drilled_well(point: RecoveryPoint) -> bool:
    """Return whether the last drill of a point was done, and left no doubt that its disk can be used."""
    return point.drill_result.partition(":")[0] == Stage.DONE and DOUBTFUL not in point.drill_result


def why_it_waits(plan: Plan, approved: str) -> str:
    """Say why a plan must be approved before anything is deleted; empty if it need not be.

    Args:
        plan: the plan.
        approved: the rules that were last approved for the disk; empty if none were.
    """
    points, going = len(plan.go) + len(plan.stay), len(plan.go)
    if not going:
        return ""
    if not approved:
        return "it is the first plan of this disk, or the first since its rows were rebuilt"
    if approved != plan.rules:
        return f"the rules were changed from {approved} to {plan.rules}"
    if going * APPROVED_SHARE > points or going > APPROVED_POINTS:
        return f"it takes {going} of {points} recovery points"
    return ""

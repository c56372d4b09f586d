"""`prune`: the retention plans that wait for approval, and what each would delete."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from shared.model.retention_plan import PlanOnRecord
from tidemark import screen, words
from tidemark.outcome import Answer
from tidemark.store import Store, known_disks

_SHOWN = 10
"""How many points of one reason are listed; JSON has all of them."""


async def waiting(store: Store) -> Answer:
    """List the plans that wait."""
    report = await store.report()
    short = await store.waiting_plans()
    plans = [plan for one in short if (plan := await store.plan(one.disk)) and plan.plan == one.plan]
    all_of_them = await store.hash_of_all() if len(plans) > 1 else ""
    names = words.short_names([*{*known_disks(report), *(plan.disk.name for plan in plans)}])
    shown: list[Any] = []
    for plan in plans:
        shown += [screen.heading(names[plan.disk.name]), *_shown(plan), ""]
    if all_of_them:
        shown += [f"To approve all of them: tidemark prune --approve {all_of_them}"]
    data = {"plans": [_data(plan) for plan in plans], "approve_all": all_of_them}
    return Answer(data=data, shown=shown or ["no plan waits for approval"])


def _shown(plan: PlanOnRecord) -> Sequence[Any]:
    freed = words.amount(plan.bytes_freed)
    if plan.bytes_freed_at_least != plan.bytes_freed:
        freed = f"{words.amount(plan.bytes_freed_at_least)} to {freed}"
    rows = [
        ("deletes", f"{plan.going} of {words.many(plan.points, 'recovery point')}, which frees {freed}"),
        ("waits as", plan.reason),
        ("rules", plan.rules),
        *((why, _some(times)) for why, times in _groups(plan.go).items()),
        ("to approve", f"tidemark prune --approve {plan.plan}"),
    ]
    return [screen.pairs(rows)]


def _some(times: Sequence[str]) -> str:
    more = f" and {len(times) - _SHOWN} more" if len(times) > _SHOWN else ""
    return ", ".join(times[:_SHOWN]) + more


def _groups(text: str) -> Mapping[str, Sequence[str]]:
    found: Mapping[str, Sequence[str]] = json.loads(text)
    return found


def _data(plan: PlanOnRecord) -> dict[str, Any]:
    return {
        "disk": plan.disk.name,
        "plan": plan.plan,
        "state": str(plan.state),
        "reason": plan.reason,
        "rules": plan.rules,
        "planned": plan.planned.isoformat(),
        "points": plan.points,
        "going": plan.going,
        "bytes_freed": plan.bytes_freed,
        "bytes_freed_at_least": plan.bytes_freed_at_least,
        "billed_until": plan.billed_until.isoformat() if plan.billed_until else "",
        "go": _groups(plan.go),
    }

"""Approving retention plans: one by its own hash, or all that wait by the hash of all."""

from shared.azure.services import Services
from shared.azure.tables.records import RecordConflictError
from shared.events import Event, log_event
from shared.model.disk import Disk
from shared.model.intents import ApproveIntent, IntentRefusedError
from shared.model.messages import RetentionMessage
from shared.model.retention_plan import PlanOnRecord, PlanState, chosen, hash_of_all
from shared.retention_settings import RetentionMode


async def approve(services: Services, intent: ApproveIntent) -> str:
    """Have plans carried out that wait for approval. Idempotent.

    Raises:
        IntentRefusedError: no plan that waits has this hash, or nothing is deleted with these settings.
        RecordConflictError: a plan was replaced in the meantime.
    """
    mode = services.settings.retention_mode
    if mode is not RetentionMode.ON:
        raise IntentRefusedError(
            f"RETENTION_MODE is {mode}, so nothing is deleted. What to do: set it to on; the plan made then waits for"
            " approval"
        )
    found = await services.plans.to_approve(intent.plan)
    plans = chosen(found, intent.plan)
    if not plans:
        raise IntentRefusedError(_none_has(found, intent.plan))
    for plan in plans:
        await _approve(services, plan.disk, plan.plan, intent.plan)
        await services.queues.send(RetentionMessage(disk=plan.disk))
    await tell_all(services)
    points, disks = sum(plan.going for plan in plans), len(plans)
    return f"approved: {points} recovery points of {disks} disk{'' if disks == 1 else 's'} are being deleted"


async def _approve(services: Services, disk: Disk, plan: str, named: str) -> None:
    """Mark a plan as approved, unless it is already."""
    found = await services.plans.find(disk)
    if found is None or found[0].plan != plan:
        raise RecordConflictError(f"the retention plan of {disk}")
    on_record, etag = found
    if on_record.state is PlanState.WAITING:
        approved = on_record.approve(named, services.now())
        await services.plans.put(approved, etag)
        log_event(
            Event.RETENTION_APPROVED, disk=disk.name, plan=plan, rules=approved.approved_rules, going=approved.going
        )


def _none_has(found: list[PlanOnRecord], named: str) -> str:
    """Say that no plan has the hash, and which ones there are."""
    waiting = [plan for plan in found if plan.state is PlanState.WAITING]
    if not waiting:
        return f"no plan waits for approval, and none has the hash {named}. What to do: nothing; each tick plans anew"
    shown = "; ".join(f"{plan.disk.shown}: {plan.plan}" for plan in waiting[:_MOST_SHOWN])
    return (
        f"no plan that waits has the hash {named}: it was replaced by a newer one. All that wait:"
        f" {hash_of_all(waiting)}; {shown}. What to do: look at the plans, and send the hash of one of them, or of all"
    )


_MOST_SHOWN = 20
"""Disks named in a refusal."""


async def tell_all(services: Services) -> str:
    """Write the row about all plans that wait; return the hash that approves all of them, empty if none waits.

    They are listed again after each write, so the last of several concurrent writers leaves the row correct.
    """
    written: list[PlanOnRecord] | None = None
    while (waiting := await services.plans.to_approve()) != written:
        await services.plans.tell_all(
            {
                "plan": hash_of_all(waiting),
                "disks": len(waiting),
                "points": sum(plan.points for plan in waiting),
                "going": sum(plan.going for plan in waiting),
                "bytes_freed": sum(plan.bytes_freed for plan in waiting),
            }
        )
        written = waiting
    return hash_of_all(waiting)


def how_to_approve(plan: PlanOnRecord) -> str:
    """Say how a plan is approved."""
    return (
        "What to do: look at its row in the partition retention of the table backups, and put"
        f' {{"do": "approve", "plan": "{plan.plan}"}} on the queue manage'
    )

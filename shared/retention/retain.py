"""The retention of one disk: make its plan, put it on record, and delete what goes. Idempotent.

The plan is made anew each time, by the same function as the one that was shown; of a plan that was approved, only what
still goes by then is deleted.
"""

from datetime import timedelta

from azure.core.exceptions import AzureError
from pydantic import ValidationError

from shared.azure.answers import explain
from shared.azure.services import Services
from shared.azure.tables.records import RecordConflictError
from shared.errors import StepFailedError, TidemarkError
from shared.events import Event, log_event
from shared.model.disk import Disk
from shared.model.messages import RetentionMessage
from shared.model.point import PointState, RecoveryPoint
from shared.model.retention import Plan, decide, why_it_waits
from shared.model.retention_plan import PlanOnRecord, PlanState
from shared.points.versions import update_damaged_points
from shared.retention.approve import tell_all
from shared.retention.deleting import PointStaysError, carry_out
from shared.retention.facts import Seen, look_at
from shared.retention_settings import RetentionMode

TURN = timedelta(seconds=60)
"""How long one message deletes; then another goes on."""


async def retain_points(services: Services, message: RetentionMessage) -> None:
    """Make a disk's plan, and carry it out if it need not wait for approval.

    Raises:
        StepFailedError: the table, the container or the queue can't be reached, or another invocation is at work.
    """
    if services.settings.retention_mode is RetentionMode.OFF:
        log_event(Event.MESSAGE_DROPPED, **message.about, step="retain-points")
        return
    try:
        if not await _retain(services, message.disk):
            await services.queues.send(message)
    except (AzureError, TidemarkError, ValidationError) as error:
        reason = explain(error)
        log_event(Event.RETENTION_FAILED, **message.about, reason=reason)
        raise StepFailedError(reason) from None


async def _retain(services: Services, disk: Disk) -> bool:
    """Finish what was begun, then plan and delete; return whether nothing is left to do."""
    until = services.now() + TURN
    await _tidy(services, disk)
    begun = [point for point in await services.records.points(disk) if point.state is PointState.DELETING]
    if not await _delete(services, disk, {point.time: point.deleting for point in begun}, until):
        return False
    rules = services.settings.retention_of(disk)
    if rules is None:  # not with valid settings
        return True
    seen = await look_at(services, disk)
    plan = decide(seen.points, seen.facts, rules, services.settings.retention_zone, services.now())
    on_record, etag = await services.plans.find(disk) or (None, None)
    before = on_record or PlanOnRecord(disk=disk, state=PlanState.DONE, planned=services.now())
    now, is_on = before, services.settings.retention_mode is RetentionMode.ON
    if not (is_on and before.is_under_way(plan)):
        now = _planned(services, before, plan, seen)
        etag = await services.plans.put(now, etag)
    going = {time: why for time, why in plan.go.items() if time in now.times}
    if now.state in {PlanState.APPROVED, PlanState.DELETING}:
        return await _carry_out(services, now, etag, going, until)
    return True


def _planned(services: Services, before: PlanOnRecord, plan: Plan, seen: Seen) -> PlanOnRecord:
    """Put a plan in the place of the one before, in the state that follows from the settings and from approvals."""

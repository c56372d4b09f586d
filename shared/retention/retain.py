"""The retention of one disk: make its plan, put it on record, and delete what goes. Idempotent.

The plan is made anew each time, by the same function as the one that was shown; of a plan that was approved, only what
still goes by then is deleted.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from azure.core.exceptions import AzureError
from pydantic import ValidationError

from shared.azure.answers import explain, remedy_for
from shared.azure.services import Services
from shared.errors import BlobChangedError, Remedy, StepFailedError, TargetLeasedError, TidemarkError
from shared.events import Event, log_event
from shared.model.disk import Disk
from shared.model.messages import RetentionMessage
from shared.model.point import PointState, RecoveryPoint
from shared.model.retention import Facts, Plan, decide, why_it_waits
from shared.model.retention_facts import LAST_ERROR, Place
from shared.model.retention_plan import PlanOnRecord, PlanState
from shared.model.sizes import days_kept
from shared.owner.mark import require_owner
from shared.points.versions import update_damaged_points
from shared.retention.approve import how_to_approve, tell_all
from shared.retention.deleting import PointStaysError, carry_out
from shared.retention.facts import HOW_TO_AGREE, look_at
from shared.retention_settings import RetentionMode
from shared.sizes.costs import freed_bytes

_LEFT_TO_THE_NEXT_TICK = frozenset({Remedy.FAIL, Remedy.WAIT_FOR_OWNER})
"""Errors that no redelivery mends."""

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
        await require_owner(services)
        if not await _retain(services, message.disk):
            await services.queues.send(message)
    except (AzureError, TidemarkError, ValidationError) as error:
        reason, remedy = explain(error), remedy_for(error)
        if remedy is not Remedy.REREAD:  # another message is at work
            log_event(Event.RETENTION_FAILED, **message.about, reason=reason)
        if remedy not in _LEFT_TO_THE_NEXT_TICK:
            raise StepFailedError(reason) from None


async def _retain(services: Services, disk: Disk) -> bool:
    """Finish what was begun, then plan and delete; return whether nothing is left to do."""
    until = services.now() + TURN
    begun = [point for point in await services.records.points(disk) if point.state is PointState.DELETING]
    deleting = await _delete(services, disk, {point.time: point.deleting for point in begun}, begun, until)
    if not deleting.is_through:
        return False
    seen, rules = await look_at(services, disk), services.settings.retention_of(disk)
    _tell_held(disk, seen.facts)
    if rules is None:  # not with settings that are valid
        return True
    plan = decide(seen.points, seen.facts, rules, services.settings.retention_zone, services.now())
    before, etag = await services.plans.find(disk) or (PlanOnRecord.new(disk, services.now()), None)
    current = before
    if not (services.settings.retention_mode is RetentionMode.ON and before.is_under_way(plan)):
        current = await _with_costs(services, _planned(services, before, plan, seen.facts))
        etag = await services.plans.put(current, etag)
        await _tell(services, before, current)
    await _drop_old_tombstones(services, disk, seen.places)
    if not current.is_going_on:
        return True
    if why := seen.facts.frozen or seen.facts.disagrees:  # what was approved waits until the disk is safe again
        await services.plans.put(replace(current, reason=why), etag)
        return True
    times = current.times
    going = {time: why for time, why in plan.go.items() if time in times}
    deleting = await _delete(services, disk, going, seen.points, until)
    return await _tell_progress(services, current, etag, deleting)


def _tell_held(disk: Disk, facts: Facts) -> None:
    """Log what keeps the retention from a disk, if nothing else tells it."""
    if facts.frozen == LAST_ERROR:
        reason = f"{LAST_ERROR}. What to do: see last_error on its record"
        log_event(Event.RETENTION_HELD, disk=disk.name, reason=reason)
    elif facts.disagrees and not facts.frozen:
        log_event(Event.RETENTION_HELD, disk=disk.name, reason=f"{facts.disagrees}. {HOW_TO_AGREE}")


def _planned(services: Services, before: PlanOnRecord, plan: Plan, facts: Facts) -> PlanOnRecord:
    """Put a plan in the place of the one before, in the state that follows from the settings and from approvals."""
    waits, state = why_it_waits(plan, before.approved_rules), PlanState.DELETING
    if services.settings.retention_mode is RetentionMode.REPORT:
        state = PlanState.REPORT
    elif not plan.go:
        state = PlanState.DONE
    elif waits:
        state = PlanState.WAITING
    return before.replaced_by(plan, state, waits or facts.frozen or facts.disagrees, services.now())


async def _with_costs(services: Services, plan: PlanOnRecord) -> PlanOnRecord:
    """Say what a plan frees, and until when soft delete bills that."""
    if not plan.going:
        return plan
    freed = await freed_bytes(services, plan.disk, plan.times, within=TURN / 3)
    days = days_kept(await services.backups.soft_deleted(plan.disk), services.now())
    return replace(
        plan,
        bytes_freed=freed.at_most,
        bytes_freed_at_least=freed.at_least,
        billed_until=None if days is None else services.now() + timedelta(days=days),
    )


async def _tell(services: Services, before: PlanOnRecord, current: PlanOnRecord) -> None:
    """Log a plan that was put on record, and what waits for approval."""
    about = {
        "disk": current.disk.name,
        "plan": current.plan,
        "rules": current.rules,
        "points": current.points,
        "going": current.going,
        "bytes_freed": current.bytes_freed,
    }
    log_event(Event.RETENTION_PLANNED, **about, state=current.state, reason=current.reason)
    if PlanState.WAITING in {before.state, current.state}:
        of_all = await tell_all(services)
        if current.state is PlanState.WAITING:
            log_event(Event.RETENTION_WAITS, **about, all=of_all, reason=f"{current.reason}. {how_to_approve(current)}")


async def _tell_progress(services: Services, plan: PlanOnRecord, etag: str | None, deleting: "_Deleting") -> bool:
    """Record how far the deletion of what goes of a plan came; return whether nothing is left to do."""
    deleted = len(plan.times - set(await services.records.point_times(plan.disk)))
    now = services.now()
    written = plan.with_deleted(deleted)
    if deleting.is_through:
        written = written.done(now)
    if deleting.stays:
        written = written.with_error(deleting.stays, now)
    await services.plans.put(written, etag)
    return deleting.is_through


class _Deleting(NamedTuple):
    """How far a deletion came.

    Attributes:
        is_through: whether each point was tried.
        stays: why some points stay; empty if none does.
    """

    is_through: bool
    stays: str


async def _delete(
    services: Services, disk: Disk, going: Mapping[str, str], decided_by: Collection[RecoveryPoint], until: datetime
) -> _Deleting:
    """Delete recovery points, oldest first, until the time is up; one that can't be deleted does not stop the rest."""
    stays, is_through = "", True
    for time, why in sorted(going.items()):
        if services.now() >= until:
            is_through = False
            break
        try:
            await carry_out(services, disk, time, why, decided_by)
        except (PointStaysError, BlobChangedError, TargetLeasedError) as error:
            stays = str(error)
            log_event(Event.RETENTION_FAILED, disk=disk.name, point=time, reason=stays)
    if going:
        await update_damaged_points(services, disk)
    return _Deleting(is_through, stays)


async def _drop_old_tombstones(services: Services, disk: Disk, places: Collection[Place]) -> None:
    """Delete the tombstones that have been kept long enough, unless what they are of was undeleted."""
    own = services.backups.address(disk)
    for tombstone in await services.tombstones.of(disk):
        place = Place.of(tombstone.backup_blob or own, tombstone.backup_snapshot)
        if tombstone.is_old(services.now()) and place not in places:
            await services.tombstones.drop(disk, tombstone)

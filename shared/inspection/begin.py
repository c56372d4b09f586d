"""The first step of an inspection: find the recovery point and what to compare it with."""

from dataclasses import replace

from shared.azure.services import Services
from shared.changes.ranges import windows
from shared.errors import OtherDiskError, SourceGoneError
from shared.inspection.conclude import conclude_damaged
from shared.inspection.versions import versions
from shared.model.inspection import Inspection
from shared.model.job import JobKind, Next, Stage
from shared.model.point import PointState, RecoveryPoint
from shared.model.restore import RefusedError
from shared.owner.mark import require_owner
from shared.points.versions import properties_of, requested_time, require_not_lost, take_into_use

INSPECTED_PART = 1024**3
"""Bytes of a disk that one message compares."""


async def begin_inspection(services: Services, inspection: Inspection) -> Next[Inspection]:
    """Find the recovery point and check that it can be inspected; one that no longer exists is damaged.

    Raises:
        NotOwnerError: the backup container belongs to another app.
        NoPointError, RefusedError: there is no such recovery point.
        PointDeletingError: it is being deleted.
    """
    disk = inspection.known_disk
    point = await take_into_use(services, inspection, await _requested_time(services, inspection))
    accepted = replace(
        inspection, recovery_point=point.time, size=point.size, parts_total=len(windows(point.size, INSPECTED_PART))
    )
    try:
        point = await require_not_lost(services, disk, point)
        properties = await properties_of(services, disk, point)
    except SourceGoneError as error:
        return await conclude_damaged(services, accepted, str(error), lost=True)
    if properties.size != point.size:
        return await conclude_damaged(services, accepted, _resized(properties.size, point))
    await require_owner(services)
    if accepted.task is JobKind.DRILL:
        return _begin_drill(services, accepted, point)
    return await _begin_verify(services, accepted, point)


async def _requested_time(services: Services, inspection: Inspection) -> str:
    """Return the time of the requested recovery point.

    Raises:
        NoPointError, RefusedError: there is none.
    """
    try:
        return await requested_time(services, inspection.known_disk, inspection.point)
    except OtherDiskError as error:
        raise RefusedError(str(error)) from None


def _resized(size: int, point: RecoveryPoint) -> str:
    return f"it is {size} bytes long, but was {point.size} when it was sealed: it was changed outside Tidemark"


def _begin_drill(services: Services, inspection: Inspection, point: RecoveryPoint) -> Next[Inspection]:
    if point.state is PointState.DAMAGED:
        why = f"it is damaged: {point.damage}. What to do: drill another recovery point"
        return Next(inspection.fail(why, services.now()))
    return Next(inspection.at_stage(Stage.PROMOTING, services.now()))


async def _begin_verify(services: Services, inspection: Inspection, point: RecoveryPoint) -> Next[Inspection]:
    source = versions(services, inspection, point).original
    try:
        await services.pages.properties(source)
    except SourceGoneError:
        why = (
            f"the source snapshot of recovery point {point.time} no longer exists, so there is nothing to compare it"
            " with. What to do: verify the newest recovery point, or drill this one"
        )
        return _refused(services, inspection, why)
    return Next(inspection.at_stage(Stage.COMPARING, services.now()))


def _refused(services: Services, inspection: Inspection, why: str) -> Next[Inspection]:
    return Next(inspection.refuse(why, services.now()))

"""What an inspection does when one of the versions it compares no longer exists."""

from shared.azure.services import Services
from shared.errors import SourceGoneError
from shared.inspection.conclude import conclude_damaged
from shared.model.inspection import Inspection
from shared.model.job import JobKind, Next
from shared.points.versions import properties_of


async def handle_missing(services: Services, inspection: Inspection, error: SourceGoneError) -> Next[Inspection]:
    """Find out what is missing, the recovery point, its source snapshot or the scratch blob, and act on it."""
    now, disk = services.now(), inspection.known_disk
    point = await services.records.point(disk, inspection.recovery_point)
    if point is None:
        return Next(inspection.fail(str(error), now))
    try:
        await properties_of(services, disk, point)
    except SourceGoneError as lost:
        return await conclude_damaged(services, inspection, str(lost), lost=True)
    if inspection.task is JobKind.DRILL:
        return inspection.retry(str(error), now)
    why = f"the source snapshot was deleted during the verify: {error}. What to do: verify the newest recovery point"
    return Next(inspection.refuse(why, now))

"""What an inspection compares is gone: which of the two, and what follows."""

from shared.azure.services import Services
from shared.errors import SourceGoneError
from shared.inspection.conclude import conclude_lost
from shared.model.inspection import Inspection
from shared.model.job import JobKind, Next
from shared.points.versions import version_of


async def conclude_gone(services: Services, inspection: Inspection, error: SourceGoneError) -> Next[Inspection]:
    """Go on from a step that has found something gone: the recovery point, its source snapshot or the scratch blob."""
    now, disk = services.now(), inspection.known_disk
    point = await services.records.point(disk, inspection.recovery_point)
    if point is None:
        return Next(inspection.fail(str(error), now))
    sealed = version_of(services, disk, point)
    try:
        await services.pages.properties(sealed)
    except SourceGoneError as lost:
        return await conclude_lost(services, inspection, str(lost))
    if inspection.task is JobKind.DRILL:
        return inspection.retry(str(error), now)
    return Next(inspection.refuse(f"the source snapshot was deleted meanwhile: {error}", now))

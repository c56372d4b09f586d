"""The two versions that an inspection compares."""

from typing import NamedTuple

from shared.azure.services import Services
from shared.model.addresses import BlobAddress
from shared.model.inspection import Inspection
from shared.model.job import JobKind
from shared.model.point import RecoveryPoint
from shared.model.version import BlobVersion, Version
from shared.points.versions import point_of, version_of


class Versions(NamedTuple):
    """The two versions that are compared.

    Attributes:
        original: the reference: for a verify the source snapshot, for a drill the recovery point.
        copy: what must be identical to it: for a verify the recovery point, for a drill the scratch blob.
    """

    original: Version
    copy: Version


def scratch_of(services: Services, inspection: Inspection) -> BlobAddress:
    """Return the address of a drill's scratch blob."""
    return services.settings.container.blob(inspection.known_disk.scratch_name(inspection.inspection))


def versions(services: Services, inspection: Inspection, point: RecoveryPoint) -> Versions:
    """Return the two versions to compare."""
    sealed = version_of(services, inspection.known_disk, point)
    if inspection.task is JobKind.VERIFY:
        return Versions(services.disks.version(inspection.known_disk, point.source_snapshot), sealed)
    return Versions(sealed, BlobVersion(scratch_of(services, inspection)))


async def versions_on_record(services: Services, inspection: Inspection) -> Versions:
    """Return the two versions to compare, by the recovery point's row.

    Raises:
        SourceGoneError: the recovery point is no longer on record.
    """
    point = await point_of(services, inspection.known_disk, inspection.recovery_point)
    return versions(services, inspection, point)

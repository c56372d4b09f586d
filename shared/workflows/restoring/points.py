"""Where a recovery point is."""

from shared.addresses import BlobAddress
from shared.errors import SourceGoneError
from shared.record import RecoveryPoint
from shared.restores import Restore
from shared.storage.page_blobs import Version
from shared.storage.services import Services


def version_of(services: Services, disk: BlobAddress, point: RecoveryPoint) -> Version:
    """Give the snapshot of the backup blob, or the full copy, that a recovery point is."""
    blob = BlobAddress.parse(point.backup_blob) if point.backup_blob else services.backups.address(disk)
    return Version(blob, point.backup_snapshot)


async def point_of(services: Services, restore: Restore) -> RecoveryPoint:
    """Give the recovery point that a restore is of.

    Raises:
        SourceGoneError: it is not on record any more.
    """
    point = await services.records.point(restore.address, restore.recovery_point)
    if point is None:
        raise SourceGoneError(
            f"the recovery point {restore.recovery_point} of {restore.disk} is not on record any more"
        )
    return point

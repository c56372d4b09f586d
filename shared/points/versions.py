"""Where a recovery point is, and what is to be known of it."""

from shared.azure.services import Services
from shared.errors import OtherDiskError, SourceGoneError
from shared.events import Event, log_event
from shared.model.blob import BlobState
from shared.model.disk import Disk
from shared.model.names import DISK_METADATA
from shared.model.point import PointState, RecoveryPoint
from shared.model.record import DiskRecord
from shared.model.version import BlobVersion


def version_of(services: Services, disk: Disk, point: RecoveryPoint) -> BlobVersion:
    """Give the snapshot of the backup blob, or the full copy, that a recovery point is."""
    return BlobVersion(point.backup_blob or services.backups.address(disk), point.backup_snapshot)


async def require_own_name(services: Services, disk: Disk) -> DiskRecord | None:
    """See to it that what is on record under a disk's key is the disk's own; give its record.

    Raises:
        OtherDiskError: it is that of another disk, of the same account, container and name on another service.
    """
    if service := services.settings.other_service(disk):
        raise OtherDiskError(
            f"{disk.name} is none of the account that the settings name, {service}. What to do: check the URL"
        )
    found = await services.records.get(disk)
    return found[0] if found else None


async def own_backup_blob(services: Services, disk: Disk) -> BlobState | None:
    """Look at a disk's backup blob; None where there is none.

    Raises:
        OtherDiskError: it is that of a disk of the same account, container and name on another service.
    """
    found = await services.pages.find(services.backups.address(disk))
    of_disk = found.metadata.get(DISK_METADATA, disk.name) if found else disk.name
    if disk.is_another_than(of_disk):
        raise OtherDiskError(
            f"the backup blob of {disk.name} is that of another disk, {of_disk}. What to do: set BACKUP_CONTAINER to"
            " another container"
        )
    return found


async def point_of(services: Services, disk: Disk, time: str) -> RecoveryPoint:
    """Give a recovery point of a disk.

    Raises:
        SourceGoneError: it is not on record any more.
    """
    point = await services.records.point(disk, time)
    if point is None:
        raise SourceGoneError(f"the recovery point {time} of {disk.name} is not on record any more")
    return point


async def mark_damaged(services: Services, disk: Disk, point: RecoveryPoint, damage: str) -> None:
    """Put on record, and log, that a recovery point is damaged, and how."""
    if (point.state, point.damage) != (PointState.DAMAGED, damage):
        await services.records.mark(disk, point.as_damaged(damage))
        log_event(Event.POINT_DAMAGED, disk=disk.name, point=point.time, reason=damage)

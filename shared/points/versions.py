"""Where a recovery point is, and what is to be known of it."""

import shlex
from functools import partial

from shared.azure.services import Services
from shared.errors import OtherDiskError, SourceGoneError, not_found
from shared.events import Event, log_event
from shared.model.blob import BlobState
from shared.model.disk import Disk
from shared.model.names import DISK_METADATA
from shared.model.point import RecoveryPoint
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
            f"{disk.name} is not in the account that the settings name, {service}. What to do: check the URL"
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
            f"the backup blob of {disk.name} belongs to another disk, {of_disk}. What to do: set BACKUP_CONTAINER to"
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
        raise SourceGoneError(f"recovery point {time} of {disk.name} is no longer on record")
    return point


async def properties_of(services: Services, disk: Disk, point: RecoveryPoint) -> BlobState:
    """Look at the snapshot, or the full copy, that a recovery point is.

    Raises:
        SourceGoneError: it was deleted; the message says how to get it back.
    """
    version = version_of(services, disk, point)
    try:
        return await services.pages.properties(version)
    except SourceGoneError:
        raise SourceGoneError(deleted(disk, point, version)) from None


def deleted(disk: Disk, point: RecoveryPoint, version: BlobVersion) -> str:
    """Say that a recovery point was deleted, and how to get it back."""
    blob = version.blob
    undelete = (
        f"az storage blob undelete --account-name {blob.account} --auth-mode login --container-name {blob.container}"
        f" --name {shlex.quote(blob.blob)}"
    )
    return (
        f"recovery point {point.time} of {disk.shown} was deleted outside Tidemark:"
        f" {not_found(blob.url, version.snapshot)}. What to do: undelete it while soft delete on account"
        f" {blob.account} still retains it ({undelete}; or Undelete in the portal), then send the request again; or"
        " use another recovery point"
    )


async def found_again(services: Services, disk: Disk, point: RecoveryPoint) -> RecoveryPoint:
    """Clear the mark `damaged` of a lost recovery point that has been undeleted.

    Raises:
        SourceGoneError: it has not.
    """
    if not point.lost:
        return point
    await properties_of(services, disk, point)
    found = await services.records.update_point(disk, point.time, RecoveryPoint.as_found)
    await note_damaged(services, disk)
    return found or point


async def mark_damaged(services: Services, disk: Disk, time: str, damage: str, *, lost: bool = False) -> None:
    """Put on record, and log, that a recovery point is damaged, and how."""
    is_news = False

    def damaged(point: RecoveryPoint) -> RecoveryPoint:
        nonlocal is_news
        marked = point.as_damaged(damage, lost=lost)
        is_news = marked != point
        return marked

    if await services.records.update_point(disk, time, damaged) and is_news:
        log_event(Event.POINT_DAMAGED, disk=disk.name, point=time, reason=damage)


async def note_damaged(services: Services, disk: Disk) -> None:
    """Put on the disk's record which recovery points are damaged, until it says what their rows say.

    Whoever writes it last looks at the rows once more: so it is right, whoever else marks one at the same time.
    """
    told: list[str] | None = None
    while (times := await services.records.damaged(disk)) != told:
        await services.records.update(disk, partial(DiskRecord.with_damaged, times=times))
        told = times

"""Where a recovery point is, the URL that it is copied from, and what is to be known of it."""

import logging

from shared.addresses import BlobAddress
from shared.errors import OtherDiskError, SourceGoneError
from shared.events import Event, log_event
from shared.record import DiskRecord, PointState, RecoveryPoint
from shared.storage.page_blobs import COPY_FOR, Version
from shared.storage.services import Services


def version_of(services: Services, disk: BlobAddress, point: RecoveryPoint) -> Version:
    """Give the snapshot of the backup blob, or the full copy, that a recovery point is."""
    blob = BlobAddress.parse(point.backup_blob) if point.backup_blob else services.backups.address(disk)
    return Version(blob, point.backup_snapshot)


async def require_own_name(services: Services, disk: BlobAddress) -> DiskRecord | None:
    """See to it that what is on record under a disk's key is the disk's own; give its record.

    Raises:
        OtherDiskError: it is that of another disk, of the same account, container and name on another service.
    """
    service = services.settings.service_of(disk.account)
    if service not in {None, disk.service_url}:
        raise OtherDiskError(
            f"{disk.url} is none of the account {disk.account} that the settings name, {service}."
            " What to do: check the URL"
        )
    found = await services.records.get(disk)
    return found[0] if found else None


async def point_of(services: Services, disk: BlobAddress, time: str) -> RecoveryPoint:
    """Give a recovery point of a disk.

    Raises:
        SourceGoneError: it is not on record any more.
    """
    point = await services.records.point(disk, time)
    if point is None:
        raise SourceGoneError(f"the recovery point {time} of {disk.url} is not on record any more")
    return point


async def mark_damaged(services: Services, disk: BlobAddress, point: RecoveryPoint, damage: str) -> None:
    """Put on record, and log, that a recovery point is damaged, and how."""
    if (point.state, point.damage) != (PointState.DAMAGED, damage):
        await services.records.mark(disk, point.as_damaged(damage))
        log_event(Event.POINT_DAMAGED, level=logging.ERROR, disk=disk.url, point=point.time, reason=damage)


async def source_url(services: Services, source: Version, target: BlobAddress) -> str:
    """Give the URL to copy from: within an account the service needs no signature. It may be a secret."""
    if source.blob.service_url == target.service_url:
        return source.url
    return await services.pages.signed_url(source.blob, source.snapshot, COPY_FOR)

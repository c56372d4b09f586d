"""Where a recovery point is, and the URL that it is copied from."""

from shared.addresses import BlobAddress
from shared.errors import SourceGoneError
from shared.record import RecoveryPoint
from shared.storage.page_blobs import COPY_FOR, Version
from shared.storage.services import Services


def version_of(services: Services, disk: BlobAddress, point: RecoveryPoint) -> Version:
    """Give the snapshot of the backup blob, or the full copy, that a recovery point is."""
    blob = BlobAddress.parse(point.backup_blob) if point.backup_blob else services.backups.address(disk)
    return Version(blob, point.backup_snapshot)


async def point_of(services: Services, disk: BlobAddress, time: str) -> RecoveryPoint:
    """Give a recovery point of a disk.

    Raises:
        SourceGoneError: it is not on record any more.
    """
    point = await services.records.point(disk, time)
    if point is None:
        raise SourceGoneError(f"the recovery point {time} of {disk.url} is not on record any more")
    return point


async def source_url(services: Services, source: Version, target: BlobAddress) -> str:
    """Give the URL to copy from: within an account the service needs no signature. It may be a secret."""
    if source.blob.service_url == target.service_url:
        return source.url
    return await services.pages.signed_url(source.blob, source.snapshot, COPY_FOR)

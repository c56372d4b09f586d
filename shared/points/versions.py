"""Where a recovery point is, how it is copied from there, and what is to be known of it."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial
from http import HTTPStatus

from azure.core.exceptions import HttpResponseError

from shared.azure.answers import is_passing, refuses_source
from shared.azure.blobs.reading import COPY_FOR, Version
from shared.azure.services import Services
from shared.errors import CopyRefusedError, OtherDiskError, SourceGoneError
from shared.events import Event, log_event
from shared.model.addresses import BlobAddress, is_url_of_another
from shared.model.blob import BlobState
from shared.model.disk import DiskRecord
from shared.model.names import DISK_METADATA
from shared.model.point import PointState, RecoveryPoint
from shared.pages.paced import Paced

REFUSED_FOR = timedelta(minutes=1)
"""How long Copy Blob is refused for its source before that is taken to last, where the answer says that it may pass."""


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


async def own_backup_blob(services: Services, disk: BlobAddress) -> BlobState | None:
    """Look at a disk's backup blob; None where there is none.

    Raises:
        OtherDiskError: it is that of a disk of the same account, container and name on another service.
    """
    found = await services.pages.look(services.backups.address(disk))
    of_disk = found.metadata.get(DISK_METADATA, disk.url) if found else disk.url
    if is_url_of_another(disk, of_disk):
        raise OtherDiskError(
            f"the backup blob of {disk.url} is that of another disk, {of_disk}. What to do: set BACKUP_CONTAINER to"
            " another container"
        )
    return found


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
        log_event(Event.POINT_DAMAGED, disk=disk.url, point=point.time, reason=damage)


async def start_copy(
    services: Services,
    source: Version,
    target: BlobAddress,
    metadata: Mapping[str, str],
    *,
    etag: str | None,
    lease_id: str | None = None,
) -> None:
    """Have the service copy a version over a blob (REST: Copy Blob), as long as that has this ETag; None for no blob.

    Within an account the service needs no signature; where it refuses the source all the same, it is given one.

    Raises:
        CopyRefusedError: the service does not read the source.
        AzureError: among others, the source is busy, or it was refused for a minute though that may pass.
        NotAsLeftError: the blob is not under this lease.
    """
    start = partial(services.copies.start, target, metadata=metadata, etag=etag, lease_id=lease_id)
    if source.blob.service_url == target.service_url:
        try:
            await _start(services, target, partial(start, source.url), refused_for=timedelta())
        except (CopyRefusedError, HttpResponseError) as error:
            if isinstance(error, HttpResponseError) and not _may_want_signature(error):
                raise
        else:
            return
    signed = await services.pages.signed_url(source.blob, source.snapshot, COPY_FOR)
    await _start(services, target, partial(start, signed), refused_for=REFUSED_FOR)


async def _start(
    services: Services, target: BlobAddress, start: Callable[[], Awaitable[None]], *, refused_for: timedelta
) -> None:
    """Start a copy at the pace that the service takes it; the backup container is created if it is missing."""
    if target.parent == services.settings.container:
        start = partial(services.backups.ensured, start)
    await Paced(services, 1, refused_for=refused_for).call(start)


def _may_want_signature(error: HttpResponseError) -> bool:
    """Tell whether a copy within an account may have been refused for want of a signature."""
    is_refused = error.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}
    return refuses_source(error) or (is_refused and not is_passing(error))

"""The end of a trial: its disk is deleted when it expires, unless somebody has made it theirs."""

from dataclasses import replace

from shared.azure.services import Services
from shared.errors import BlobChangedError, LeaseLostError, TargetLeasedError
from shared.events import Event, log_event
from shared.model.blob import BlobState
from shared.model.expiry import expiry_delay
from shared.model.job import Next
from shared.model.names import RESTORE_METADATA
from shared.model.restore import Restore
from shared.points.dropping import drop

_GONE = "the disk was deleted before it expired"
_DELETED = "the disk expired and was deleted"


async def expire_disk(services: Services, restore: Restore) -> Next[Restore]:
    """Delete the disk of a trial once its time has come; look again tomorrow, at the latest, until then.

    It is leased first, and that is put on record: from then on whatever is found under that lease is this restore's.
    """
    now = services.now()
    if restore.expires_at and now < restore.expires_at:
        return Next(replace(restore, checked=now), expiry_delay(restore.expires_at, now))
    try:
        found = await services.pages.find(restore.page_blob_target.address)
        if found is None:
            return _end(services, restore, _DELETED if restore.deletes else _GONE)
        return await (_delete if restore.deletes else _claim)(services, restore, found)
    except (TargetLeasedError, LeaseLostError):
        return _end(services, restore, not_deleted(restore, "it is attached to a VM, or under another lease"))


async def _claim(services: Services, restore: Restore, found: BlobState) -> Next[Restore]:
    """Lease a disk that is as the restore has left it; keep any other."""
    target = restore.page_blob_target
    if found.metadata.get(RESTORE_METADATA) != restore.restore or found.etag != restore.target_etag:
        return _end(services, restore, not_deleted(restore, "it was changed since it was restored"))
    if await services.snapshots.sizes(target.address):
        return _end(services, restore, not_deleted(restore, "it has snapshots"))
    try:
        await services.leases.acquire(target.address, restore.lease, found.etag)
    except BlobChangedError:
        return Next(replace(restore, checked=services.now()))
    return Next(replace(restore, deletes=True, checked=services.now()))


async def _delete(services: Services, restore: Restore, found: BlobState) -> Next[Restore]:
    """Delete a disk that has been under the restore's lease all the time since it was as the restore had left it."""
    target = restore.page_blob_target.address
    await services.leases.require(target, restore.lease)
    try:
        await drop(services, target, found, restore.lease)
    except BlobChangedError:
        why = "it has snapshots" if await services.snapshots.sizes(target) else ""
        if not why:
            return Next(replace(restore, checked=services.now()))
        return _end(services, restore, not_deleted(restore, why))
    log_event(Event.RESTORE_DROPPED, **restore.about, blob=target.url)
    return _end(services, restore, _DELETED)


def not_deleted(restore: Restore, why: str) -> str:
    """Say why the disk of a trial is kept, and what to do."""
    return f"the disk is kept: {why.rstrip('.')}. What to do: delete {restore.target} if you no longer need it"


def _end(services: Services, restore: Restore, reason: str) -> Next[Restore]:
    return Next(restore.expired(reason, services.now()))

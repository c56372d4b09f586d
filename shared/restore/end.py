"""The end of a restore: release its leases, delete incomplete blobs, and remove it from its target's record."""

import contextlib
from dataclasses import replace

from azure.core.exceptions import AzureError

from shared.azure.answers import explain
from shared.azure.services import Services
from shared.errors import BlobChangedError, TargetLeasedError, TidemarkError
from shared.events import Event, log_event
from shared.model.addresses import BlobAddress
from shared.model.blob import BlobState
from shared.model.disk import Disk
from shared.model.job import CLEANED_UP, Stage
from shared.model.messages import FinishMessage, RunMessage
from shared.model.names import RESTORE_METADATA
from shared.model.record import DiskRecord
from shared.model.restore import Restore
from shared.model.restore_target import released
from shared.model.retry_policy import MAX_CHECK_DELAY
from shared.model.times import canonical_time
from shared.points.dropping import drop
from shared.restore.managed_target import discard_unfinished
from shared.runs.blank_records import delete_if_blank
from shared.runs.catch_up import catch_up
from shared.runs.clean_up import drop_duplicates, drop_old_snapshots
from shared.runs.failures import record_failure


async def clean_up_restore(services: Services, restore: Restore) -> None:
    """Clean up after a restore that has ended. It can be repeated; the record is released last.

    A restore that is done is cleaned up before its row says so: whoever reads `done` may use the disk at once.
    """
    if not restore.recovery_point:
        return
    record = await _record_failure(services, restore)
    has_adopted = await is_adopted(services, restore)
    if not has_adopted:
        await _drop_unfinished(services, restore)
    await _release_leases(services, restore)
    if not has_adopted and (restore.undo_point or restore.target == restore.disk):
        await drop_old_snapshots(services, restore.known_target)  # while it was open, it has kept one to copy from
    if restore.makes_managed_disk and not restore.adopt and restore.target_snapshot:
        await _drop_newer_snapshots(services, restore)  # the one that it was verified by
    if has_adopted and restore.adopt and record and record.restore == restore.restore:
        await _drop_superseded(services, restore, record)
    await _release_target(services, restore)


async def clean_up_or_abandon(services: Services, restore: Restore) -> None:
    """Clean up after a restore that has ended; if that has failed for too long, release its target anyway.

    Raises:
        Exception: the cleanup failed; the message or the next tick retries it.
    """
    try:
        await clean_up_restore(services, restore)
    except Exception as error:
        if not restore.should_stop_cleanup(services.now()):
            raise
        await abandon_cleanup(services, restore, explain(error))


async def abandon_cleanup(services: Services, restore: Restore, why: str) -> None:
    """Release the target of a restore whose cleanup keeps failing, and record what may be left over."""
    target = restore.known_target
    with contextlib.suppress(AzureError):
        await _release_leases(services, restore)
    reason = (
        f"cleaning up after restore {restore.restore} of {target.name} failed: {why}."
        f" What to do: release its lease {restore.lease}, and delete the disk if it is incomplete"
    )
    log_event(Event.RESTORE_LEFT_OVER, **restore.about, reason=reason)
    now = services.now()

    def change(record: DiskRecord) -> DiskRecord:
        is_own = record.restore == restore.restore
        return replace(record, last_error=reason, last_error_at=now) if is_own else record

    await services.records.update(target, change)
    await _release_target(services, restore)


async def _record_failure(services: Services, restore: Restore) -> DiskRecord | None:
    """Record on the target why the restore failed.

    This also changes the record's ETag, so that a late invocation can no longer adopt the target.
    """

    def change(record: DiskRecord) -> DiskRecord:
        if restore.state is not Stage.FAILED or record.restore != restore.restore:
            return record
        return replace(record, last_error=restore.reason, last_error_at=restore.ended)

    return await services.records.update(restore.known_target, change)


async def is_adopted(services: Services, restore: Restore) -> bool:
    """Return whether a restore has adopted its target: the recovery point of the restored state is on record.

    The disk of a trial counts as adopted once it is usable: nothing takes it away then but its expiry.
    """
    if restore.state in CLEANED_UP | {Stage.DONE}:
        return True
    if not restore.target_snapshot:
        return False
    return await services.records.point(restore.known_target, restore.target_snapshot) is not None


async def _release_leases(services: Services, restore: Restore) -> None:
    await services.leases.release(services.backups.address(restore.known_target), restore.lease)
    if not restore.makes_managed_disk:
        await services.leases.release(restore.page_blob_target.address, restore.lease)


async def _drop_superseded(services: Services, restore: Restore, record: DiskRecord) -> None:
    """Delete the target's other source snapshots, and duplicates of the backup blob's snapshot."""
    target = restore.known_target
    run = RunMessage(disk=target, run=restore.target_snapshot)
    await drop_duplicates(services, run, record.backup_snapshot)
    await drop_old_snapshots(services, target)
    await _drop_newer_snapshots(services, restore)


async def _drop_unfinished(services: Services, restore: Restore) -> None:
    """Delete incomplete blobs that the restore has created; blobs that existed before are left alone.

    A completely copied target is kept too: if the recovery point has been deleted since, it is the only copy.
    """
    if restore.target_etag or restore.saving or restore.attempt > 1:
        await _drop_newer_snapshots(services, restore)
    if restore.target_etag and (restore.backup_etag or not restore.makes_managed_disk):
        return
    if restore.makes_managed_disk and not restore.target_etag:
        await discard_unfinished(services, restore)
    elif not restore.makes_managed_disk:
        await _drop_new_blob(services, restore, restore.page_blob_target.address)
    backup = services.backups.address(restore.known_target)
    if restore.backup_is_new and (blob := await _own_blob(services, restore, backup)):
        await _drop(services, restore, backup, blob)


async def _drop_new_blob(services: Services, restore: Restore, target: BlobAddress) -> None:
    if restore.target_is_new and (disk := await _own_blob(services, restore, target)):
        await _drop(services, restore, target, disk)


async def _drop_newer_snapshots(services: Services, restore: Restore) -> None:
    """Delete the target's source snapshots that are newer than its base: the restore took them, and adopted none.

    A managed disk that it has made may have one of a worker that was late, when nothing else knows the disk any more.
    """
    target = restore.known_target
    snapshots = await services.disks.own_snapshots(target)
    found = await services.records.get(target)
    if found is None and restore.makes_managed_disk and restore.ended:
        base, last = "", canonical_time(restore.ended.isoformat())
    elif found is None or found[0].restore != restore.restore or found[0].run:
        return  # some may belong to a run by now
    else:
        base, last = found[0].base_snapshot, max(snapshots, default="")
    for snapshot in snapshots:
        if base < snapshot <= last:
            await services.disks.delete_snapshot(target, snapshot)


async def _own_blob(services: Services, restore: Restore, blob: BlobAddress) -> BlobState | None:
    """Return a blob's current state if this restore has created the blob; else None."""
    try:
        found = await services.pages.find(blob)
    except TargetLeasedError:
        return None
    return found if found and found.metadata.get(RESTORE_METADATA) == restore.restore else None


async def _drop(services: Services, restore: Restore, blob: BlobAddress, found: BlobState) -> None:
    lease = restore.lease if found.leased else None
    try:
        await drop(services, blob, found, lease)
    except BlobChangedError as error:
        log_event(Event.RESTORE_LEFT_OVER, **restore.about, reason=explain(error))
    else:
        log_event(Event.RESTORE_DROPPED, **restore.about, blob=blob.url)


async def _release_target(services: Services, restore: Restore) -> None:
    """Remove the restore from its target's record; delete the record if nothing else is on it."""
    for target in reversed(restore.claims):
        await _release(services, restore, target)


async def _release(services: Services, restore: Restore, target: Disk) -> None:

    def change(record: DiskRecord) -> DiskRecord:
        return released(record, restore, wrote=restore.state is Stage.FAILED and restore.has_begun)

    await services.records.update(target, change)
    if restore.target_is_new and await delete_if_blank(services, target):
        return
    try:
        await catch_up(services, target)
    except (AzureError, TidemarkError) as error:
        # The restore has ended anyway; the message of an ended run retries this.
        await record_failure(services, target, Event.SNAPSHOT_FAILED, error)
        await services.queues.send(FinishMessage(disk=target, run=restore.recovery_point), MAX_CHECK_DELAY)

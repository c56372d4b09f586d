"""Runs in full-copy mode: one Copy Blob replaces the batches.

`plan_changes` starts the copy, and `finish_backup` polls it until it succeeds.
"""

from dataclasses import replace
from datetime import datetime

from azure.core.exceptions import AzureError

from shared.azure.answers import is_transient
from shared.azure.services import Services
from shared.errors import DiskError, PrivateSourceError
from shared.events import Event, log_event
from shared.model.blob import CopyProgress, CopyStage
from shared.model.catalogue import point_metadata
from shared.model.container_moves import move_reason
from shared.model.messages import FinishMessage, PlanMessage, RunMessage
from shared.model.record import DiskRecord, run_of
from shared.model.run import COPY_BLOB, Kind, OpenRun
from shared.model.run_steps import copy_progressed
from shared.pages.copying import BlobCopy, check_copy, start_copy
from shared.points.dropping import drop
from shared.runs.failures import record_failure


def full_copy_of(services: Services, message: RunMessage, run: OpenRun) -> BlobCopy:
    """Return the copy that the service makes for a run."""
    return BlobCopy(services.backups.full_copy_address(message.disk, message.run), message.run_id, run.size)


async def start_full_copy(services: Services, message: PlanMessage, run: OpenRun) -> None:
    """Start copying a run's source snapshot to a blob of its own, unless the copy is under way or done.

    After a transient error `finish_backup` has the copy started again.

    Raises:
        DiskError: the service can't copy from the source snapshot.
        SourceGoneError: the source snapshot no longer exists.
    """
    disk, copy = message.disk, full_copy_of(services, message, run)
    progress = await check_copy(services, copy)
    if not progress.is_healthy:
        await services.pages.properties(services.disks.version(disk, message.run))
        etag = progress.found.etag if progress.found else None
        try:
            source, profile = services.disks.version(disk, message.run), await services.disks.profile(disk, message.run)
            metadata = point_metadata(message, Kind.FULL, profile=profile)
            await start_copy(services, copy, source, metadata, etag=etag)
        except PrivateSourceError:
            raise DiskError(
                f"{disk.name} can't be backed up in mode full: the network access of its snapshot is private"
                " (AllowPrivate), and Azure copies no such snapshot as a whole. What to do: set mode incremental for"
                " the disk, or exempt the resource group from the Azure Policy that makes snapshots private"
            ) from None
        except AzureError as error:
            if not is_transient(error):
                raise
            await record_failure(services, disk, Event.FULL_COPY_FAILED, error, message.run)
        else:
            log_event(Event.FULL_COPY_STARTED, **message.about, copy=copy.target.url)

    def opened(record: DiskRecord) -> DiskRecord:
        if record.run_of(message.run) is None:
            return record
        moved = move_reason(record, services.settings.container)
        return record.with_run(replace(run_of(record).opened_now(), kind=Kind.FULL, reason=moved, copying=COPY_BLOB))

    await services.records.update(disk, opened)


async def check_full_copy(services: Services, message: FinishMessage, run: OpenRun) -> CopyProgress:
    """Return the progress of a run's copy; record it on the disk's record if it has failed or no longer exists."""
    disk = message.disk
    progress = await check_copy(services, full_copy_of(services, message, run))
    if not progress.is_healthy and run.opened and (progress.found or not run.error_at):
        why = f"the full copy of {disk.name} failed and is being restarted: {progress.failure}"
        await record_failure(services, disk, Event.FULL_COPY_FAILED, DiskError(why), message.run)
    return progress


def copy_checked(record: DiskRecord, progress: CopyProgress, now: datetime) -> DiskRecord:
    """Record the progress of the open run's copy; an unhealthy one leaves the run's errors in place."""
    if not progress.is_healthy:
        return record.with_run(replace(run_of(record), checked=now))
    return copy_progressed(record, progress.bytes_done, now)


async def is_copying(services: Services, message: RunMessage, run: OpenRun) -> bool:
    """Return whether a run's copy is healthy: done or under way, which includes hours of pending."""
    return (await check_copy(services, full_copy_of(services, message, run))).is_healthy


async def drop_full_copy(services: Services, message: RunMessage, run: OpenRun) -> None:
    """Delete the blob left by the failed or aborted copy of an abandoned run."""
    copy = full_copy_of(services, message, run)
    progress = await check_copy(services, copy)
    if progress.found and progress.stage in {CopyStage.FAILED, CopyStage.ABORTED}:
        await drop(services, copy.target, progress.found)
        log_event(Event.FULL_COPY_DROPPED, **message.about, copy=copy.target.url)

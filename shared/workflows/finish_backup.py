"""The last step: count what is done; when all is, seal: take the recovery point, advance the record, clean up."""

import contextlib
import logging
from collections.abc import Callable
from datetime import datetime

from azure.core.exceptions import AzureError

from shared.catalogue import point_metadata
from shared.decisions import (
    LONGEST_CHECK_DELAY,
    TakenSnapshot,
    full_copy,
    is_complete,
    is_stalled,
    next_check,
    progressed,
    recovery_point,
    replanned,
    sealed,
    sealed_copy,
)
from shared.errors import LeaseLostError, NotAsLeftError
from shared.events import log_event
from shared.messages import FinishMessage, PlanMessage
from shared.record import DiskRecord, OpenRun, Progress, RecoveryPoint
from shared.settings import Mode
from shared.storage.copies import CopyTarget
from shared.storage.records import RecordConflictError
from shared.storage.services import Services
from shared.workflows.failures import on_record, record_failure
from shared.workflows.full_copies import look_at_copy


async def finish_backup(services: Services, message: FinishMessage) -> None:
    """Look at a run's progress: seal it when it is complete, else look again later."""
    async with on_record(services, message, "finish-backup"):
        found = await services.records.get(message.address)
        run = found[0].run_of(message.run) if found else None
        try:
            if found and found[0].base_snapshot == message.run:
                await _clean_up(services, message, found[0])
            elif run and run.mode is Mode.FULL:
                await _advance_copy(services, message, run)
            elif run:
                await _advance(services, message, run)
            else:
                log_event("message-dropped", disk=message.disk, run=message.run, step="finish-backup")
                if point := await services.records.point(message.address, message.run):
                    # Sealed, and the next run as well: this message may be the one that was to clean up.
                    await _drop_duplicates(services, message, point.backup_snapshot)
        except (AzureError, RecordConflictError) as error:
            # This message is the run's heartbeat: it outlasts any outage, while the queue tries five times only.
            await record_failure(services, message.address, "finish-backup", error, message.run)
            await services.queues.send(message, LONGEST_CHECK_DELAY)


async def _advance(services: Services, message: FinishMessage, run: OpenRun) -> None:
    """Seal a run on the backup blob if all its batches are done."""
    progress = await services.plans.progress(message.of_plan(run.plan))
    current = await _look_at(services, message, run, lambda record, now: progressed(record, progress, now))
    plan_again = current is not None and current.replans > run.replans
    if current and is_complete(current, progress):
        try:
            await _seal(services, message, current, progress)
        except (LeaseLostError, NotAsLeftError) as error:
            await record_failure(services, message.address, "seal", error, message.run)
            plan_again = True
        else:
            return
    await _come_back(services, message, run, plan_again=plan_again)


async def _advance_copy(services: Services, message: FinishMessage, run: OpenRun) -> None:
    """Seal a run in full-copy mode if its copy has succeeded."""
    copy = await look_at_copy(services, message, run)
    if copy.finished:
        with contextlib.suppress(NotAsLeftError):  # another invocation has just done the same
            await _seal_copy(services, message, run, copy.finished)
            return
    current = await _look_at(services, message, run, copy.on_record)
    stalled = current is not None and current.replans > run.replans
    await _come_back(services, message, run, plan_again=copy.is_lost or stalled)


async def _look_at(
    services: Services, message: FinishMessage, run: OpenRun, progress: Callable[[DiskRecord, datetime], DiskRecord]
) -> OpenRun | None:
    """Put a run's progress on record, and whether it is stalled; give the run, if it is still open."""
    now = services.now()

    def change(record: DiskRecord) -> DiskRecord:
        if not _is_current(record, run):
            return record
        looked_at = progress(record, now)
        stalled = looked_at.run and is_stalled(looked_at.run, now, services.settings.stalled_after)
        return replanned(looked_at, now) if stalled else looked_at

    record = await services.records.update(message.address, change)
    return record.run if record and _is_current(record, run) else None


async def _come_back(services: Services, message: FinishMessage, run: OpenRun, *, plan_again: bool) -> None:
    """Look again later; have the run planned again first, where its messages must be taken for lost."""
    if plan_again:
        log_event("run-planned-again", level=logging.WARNING, disk=message.disk, run=message.run)
        await services.queues.send(PlanMessage(disk=message.disk, run=message.run))
    await services.queues.send(message, next_check(run, services.now()))


async def _seal(services: Services, message: FinishMessage, run: OpenRun, progress: Progress) -> None:
    """Take the recovery point and advance the record to it, in one transaction. Repeating any part is harmless."""
    disk = message.address
    found = await services.records.get(disk)
    if found is None or not _is_current(found[0], run):
        await services.queues.send(message)
        return
    # BACKUP_CONTAINER may have changed since the run was opened.
    record, etag = found[0].model_copy(update={"backup_blob": services.backups.address(disk).url}), found[1]
    taken = await _recovery_point(services, message, run)
    point = recovery_point(record, progress, taken.time, services.now())
    await _put_on_record(services, message, sealed(record, point, taken), etag, point)


async def _seal_copy(services: Services, message: FinishMessage, run: OpenRun, copy: CopyTarget) -> None:
    """Advance the record to a full copy that has succeeded."""
    found = await services.records.get(message.address)
    if found is None or not _is_current(found[0], run):
        await services.queues.send(message)
        return
    record, etag = found
    address = services.backups.full_copy_address(message.address, message.run)
    await services.copies.forget_source(address, copy.etag)
    point = full_copy(record, address.url, run.size, services.now())
    await _put_on_record(services, message, sealed_copy(record, point), etag, point)


async def _put_on_record(
    services: Services, message: FinishMessage, record: DiskRecord, etag: str, point: RecoveryPoint
) -> None:
    try:
        await services.records.seal(message.address, record, etag, point)
    except RecordConflictError:
        await services.queues.send(message)
        return
    log_event("run-sealed", disk=message.disk, **point.model_dump(mode="json"))
    await _clean_up(services, message, record)


async def _recovery_point(services: Services, message: FinishMessage, run: OpenRun) -> TakenSnapshot:
    """Find the snapshot that an earlier try has taken under this plan, or take it."""
    disk = message.address
    for taken in await services.backups.snapshots(disk, message.run_id):
        if taken.plan == run.plan:
            return taken
    blob = await services.backups.look(disk)
    if blob is None or blob.size != run.size:
        found_as = f"{blob.size} bytes long" if blob else "gone"
        raise NotAsLeftError(f"the backup blob of {disk.url} is {found_as}, not {run.size} bytes long: not sealed yet")
    metadata = point_metadata(message.of_plan(run.plan), run.kind, blob.etag)
    time = await services.backups.snapshot(disk, blob.etag, metadata, message.of_plan(run.plan).lease_id)
    return TakenSnapshot(time=time, plan=run.plan, etag=blob.etag)


async def _clean_up(services: Services, message: FinishMessage, record: DiskRecord) -> None:
    """End the run's lease; delete what the seal has left over: older source snapshots, orphans, the plan's rows.

    A second snapshot of the backup blob by the same run can't come any more once the lease has ended.
    """
    disk = message.address
    await services.backups.release_lease(disk, message.of_plan(record.sealed_plan).lease_id)
    await _drop_duplicates(services, message, record.backup_snapshot)
    await services.plans.drop(message)
    try:
        for snapshot in await services.disks.own_snapshots(disk):
            if snapshot < record.base_snapshot:
                await services.disks.delete_snapshot(disk, snapshot)
                log_event("source-snapshot-deleted", disk=disk.url, run=message.run, snapshot=snapshot)
    except AzureError as error:
        await record_failure(services, disk, "delete-source-snapshot", error, message.run)


async def _drop_duplicates(services: Services, message: FinishMessage, kept: str) -> None:
    """Delete the snapshots of the backup blob that a run has taken beside its recovery point."""
    for taken in await services.backups.snapshots(message.address, message.run_id):
        if taken.time != kept:
            await services.backups.delete_snapshot(message.address, taken.time)


def _is_current(record: DiskRecord, run: OpenRun) -> bool:
    """Tell whether a run is still open, under the same plan."""
    current = record.run_of(run.snapshot)
    return current is not None and current.plan == run.plan

"""The last step: count what is done; when all is, seal: take the recovery point, advance the record, clean up."""

import logging

from azure.core.exceptions import AzureError

from shared.decisions import (
    is_complete,
    is_stalled,
    next_check,
    progressed,
    recovery_point,
    sealed,
)
from shared.errors import DiskError
from shared.events import log_event
from shared.messages import FinishMessage, PlanMessage
from shared.names import DISK_METADATA, KIND_METADATA, RUN_METADATA, SOURCE_SNAPSHOT_METADATA, lease_id
from shared.record import DiskRecord, OpenRun, Progress
from shared.storage.records import RecordConflictError
from shared.storage.services import Services
from shared.workflows.failures import on_record, record_failure


async def finish_backup(services: Services, message: FinishMessage) -> None:
    """Look at a run's progress: seal it when it is complete, else look again later."""
    async with on_record(services, message, "finish-backup"):
        found = await services.records.get(message.address)
        if found and found[0].base_snapshot == message.run:
            await _clean_up(services, message, found[0])
        elif found and (run := found[0].run_of(message.run)):
            await _advance(services, message, run)
        else:
            log_event("message-dropped", disk=message.disk, run=message.run, step="finish-backup")


async def _advance(services: Services, message: FinishMessage, run: OpenRun) -> None:
    plan = message.model_copy(update={"plan": run.plan})
    progress = await services.plans.progress(plan)
    now = services.now()
    stalled = is_stalled(run, now, services.settings.stalled_after)

    def change(record: DiskRecord) -> DiskRecord:
        if not is_current(record):
            return record
        looked_at = progressed(record, progress, now)
        return looked_at.with_run(progressed=now) if stalled else looked_at

    def is_current(record: DiskRecord) -> bool:
        current = record.run_of(run.snapshot)
        return current is not None and current.plan == run.plan

    record = await services.records.update(message.address, change)
    if record and is_current(record) and is_complete(run, progress):
        await _seal(services, message, progress)
        return
    if stalled:
        log_event("run-stalled", level=logging.WARNING, disk=message.disk, run=message.run)
        await services.queues.send(PlanMessage(disk=message.disk, run=message.run))
    await services.queues.send(message, next_check(run, now))


async def _seal(services: Services, message: FinishMessage, progress: Progress) -> None:
    """Take the recovery point and advance the record to it, in one transaction. Repeating any part is harmless."""
    disk = message.address
    found = await services.records.get(disk)
    run = found[0].run_of(message.run) if found else None
    if found is None or run is None:
        return
    record, etag = found
    blob = await services.backups.look(disk)
    if blob is None or blob.size != run.size:
        held = f"{blob.size} bytes long" if blob else "gone"
        raise DiskError(f"the backup blob of {disk.url} is {held}, and should be {run.size} bytes long; not sealed")
    taken = await services.backups.snapshots(disk, message.run_id)
    backup_snapshot = taken[0] if taken else await _take_recovery_point(services, message, run, blob.etag)
    point = recovery_point(run, progress, backup_snapshot, services.now())
    advanced = sealed(record, point, blob.etag)
    try:
        await services.records.seal(disk, advanced, etag, point)
    except RecordConflictError:
        await services.queues.send(message)
        return
    log_event("run-sealed", disk=disk.url, **point.model_dump(mode="json"))
    await _clean_up(services, message, advanced)


async def _take_recovery_point(services: Services, message: FinishMessage, run: OpenRun, etag: str) -> str:
    metadata = {
        DISK_METADATA: message.disk,
        RUN_METADATA: message.run_id,
        SOURCE_SNAPSHOT_METADATA: run.snapshot,
        KIND_METADATA: run.kind,
    }
    return await services.backups.snapshot(message.address, etag, metadata, lease_id(message.run_id))


async def _clean_up(services: Services, message: FinishMessage, record: DiskRecord) -> None:
    """End the run's lease; delete what the seal has left over: older source snapshots, orphans, the plan's rows.

    A second snapshot of the backup blob by the same run can't come any more once the lease has ended.
    """
    disk = message.address
    await services.backups.release_lease(disk, lease_id(message.run_id))
    for snapshot in await services.backups.snapshots(disk, message.run_id):
        if snapshot != record.backup_snapshot:
            await services.backups.delete_snapshot(disk, snapshot)
    await services.plans.drop(message)
    try:
        for snapshot in await services.disks.own_snapshots(disk):
            if snapshot < record.base_snapshot:
                await services.disks.delete_snapshot(disk, snapshot)
                log_event("source-snapshot-deleted", disk=disk.url, run=message.run, snapshot=snapshot)
    except AzureError as error:
        await record_failure(services, disk, "delete-source-snapshot", error, message.run)

"""The second step: get the backup blob ready; then apply the change list, if it is short, or hand on the rest of it."""

from datetime import timedelta
from functools import partial

from shared.azure.services import Services
from shared.backup.copy_batch import Lasts, copy_batch
from shared.errors import SourceGoneError
from shared.events import Event, log_event
from shared.model.blob import BlobState
from shared.model.messages import PlanMessage
from shared.model.names import DISK_METADATA
from shared.model.record import DiskRecord
from shared.model.run import Mode, OpenRun
from shared.model.run_steps import opened
from shared.points.versions import find_backup_blob
from shared.runs.abandon import abandon_run
from shared.runs.failures import recording_failures
from shared.runs.full_copies import start_full_copy

FIRST_BATCH = 3.0
"""Seconds of its backup blob that a run's first batch uses up: what is less waits behind no other disk's batches."""

FIRST_TURN = timedelta(seconds=30)
"""How long it begins requests at most, where others on the same instance make it slower."""


async def plan_changes(services: Services, message: PlanMessage) -> None:
    """Open a run by its mode: as a full copy, or on the backup blob, with its first batch. Repeating it is harmless."""
    async with recording_failures(services, message, Event.PLAN_CHANGES_FAILED):
        try:
            await _open(services, message)
        except SourceGoneError as error:
            await abandon_run(services, message, error)


async def _open(services: Services, message: PlanMessage) -> None:
    found = await services.records.get(message.disk)
    run = found[0].run_of(message.run) if found else None
    if run is None:
        log_event(Event.MESSAGE_DROPPED, **message.about, step="plan-changes")
    elif run.mode is Mode.FULL:
        await start_full_copy(services, message, run)
    elif plan := await _open_run(services, message, run):
        await copy_batch(
            services, plan, number=None, lasts=Lasts(FIRST_TURN, turns=1, blob_seconds=FIRST_BATCH, busy_for=FIRST_TURN)
        )


async def _open_run(services: Services, message: PlanMessage, run: OpenRun) -> PlanMessage | None:
    """Get the backup blob ready, under the run's lease and of the disk's size; give the message of its plan."""
    disk, backup = message.disk, services.backups.address(message.disk)
    blob = await find_backup_blob(services, disk)
    lease = message.of_plan(run.plan).lease_id
    leased = blob is not None and blob.leased and await services.leases.renew(backup, lease)

    def change(record: DiskRecord) -> DiskRecord:
        return opened(record, blob, leased=leased, backup=backup) if record.run_of(message.run) else record

    record = await services.records.update(disk, change)
    current = record.run_of(message.run) if record else None
    if current is None:
        return None
    plan = message.of_plan(current.plan)
    log_event(Event.RUN_KIND, **message.about, kind=current.kind, size=run.size, reason=current.reason)
    if not leased:
        await _take_blob(services, plan, blob, run.size)
    if blob is not None and blob.size != run.size:
        await services.blobs.resize(backup, run.size, plan.lease_id)
    return plan


async def _take_blob(services: Services, message: PlanMessage, blob: BlobState | None, size: int) -> None:
    """Put the backup blob under the run's lease, as it was found, or created if it was not there.

    One that somebody wrote to meanwhile is not taken: the message comes again, and finds a run without its lease.
    """
    backup = services.backups.address(message.disk)
    if blob is None:
        made = partial(services.blobs.create, backup, size, {DISK_METADATA: message.disk.name})
        etag = await services.backups.ensured(made)
    else:
        etag = blob.etag
    if await services.leases.take(backup, message.lease_id, etag):
        log_event(Event.LEASE_BROKEN, **message.about)

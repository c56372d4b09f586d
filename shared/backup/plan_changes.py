"""Step 2 of a backup: prepare the backup blob, then apply the run's first batch."""

import contextlib
from dataclasses import replace
from datetime import timedelta
from functools import partial

from azure.core.exceptions import AzureError

from shared.azure.services import Services
from shared.backup.copy_batch import BatchLimits, copy_batch
from shared.errors import DiskError, NotOwnerError, SourceGoneError
from shared.events import Event, log_event
from shared.model.blob import BlobState
from shared.model.container_moves import old_container
from shared.model.messages import PlanMessage
from shared.model.names import DISK_METADATA
from shared.model.record import DiskRecord
from shared.model.retry_policy import MAX_CHECK_DELAY, MIN_CHECK_DELAY
from shared.model.run import Mode, OpenRun
from shared.model.run_steps import opened
from shared.owner.mark import require_owner
from shared.owner.moves import require_intended_move
from shared.points.versions import find_backup_blob
from shared.runs.abandon import abandon_run
from shared.runs.failures import recording_failures
from shared.runs.full_copies import start_full_copy

FIRST_BATCH = 3.0
"""Seconds at the backup blob's limits that a first batch may use: smaller runs never wait for other disks' batches."""

FIRST_TURN = timedelta(seconds=30)
"""How long the first batch keeps starting requests, at most, if others on the same instance slow it down."""


WAITS_AT_MOST = timedelta(days=3)
"""How long a run waits for a source snapshot that can't be read yet; Azure gives no limit."""


async def plan_changes(services: Services, message: PlanMessage) -> None:
    """Open a run: start its full copy, or prepare the backup blob and apply the first batch. Idempotent.

    Raises:
        DiskError: the backup container was changed, and no setting says that this was meant.
    """
    async with recording_failures(services, message, Event.PLAN_CHANGES_FAILED):
        try:
            await _open(services, message)
        except (SourceGoneError, NotOwnerError) as error:
            await abandon_run(services, message, error)


async def _open(services: Services, message: PlanMessage) -> None:
    found = await services.records.get(message.disk)
    run = found[0].run_of(message.run) if found else None
    if found is None or run is None:
        log_event(Event.MESSAGE_DROPPED, **message.about, step="plan-changes")
        return
    require_intended_move(services, found[0])
    await require_owner(services)
    try:
        waits_for = await _waits_for(services, message, run)
    except DiskError as error:  # no later try could read it either
        await abandon_run(services, message, error)
        return
    if waits_for:
        await _wait(services, message, waits_for)
    elif run.mode is Mode.FULL:
        await _start_full_copy(services, message, run)
    elif plan := await _open_run(services, message, run):
        await copy_batch(
            services,
            plan,
            number=None,
            limits=BatchLimits(FIRST_TURN, turns=1, blob_seconds=FIRST_BATCH, busy_for=FIRST_TURN),
        )


async def _start_full_copy(services: Services, message: PlanMessage, run: OpenRun) -> None:
    try:
        await start_full_copy(services, message, run)
    except DiskError as error:  # no later try could copy it either
        await abandon_run(services, message, error)


async def _waits_for(services: Services, message: PlanMessage, run: OpenRun) -> str:
    """Say why a run's source snapshot can't be read yet; empty once it can be.

    Raises:
        DiskError: it can never be, or has not been for too long.
    """
    waits_for = await services.disks.pending(message.disk, run.snapshot)
    if waits_for and services.now() - run.started >= WAITS_AT_MOST:
        raise DiskError(f"its source snapshot still can't be read after {WAITS_AT_MOST.days} days: {waits_for}")
    return waits_for


async def _wait(services: Services, message: PlanMessage, reason: str) -> None:
    """Record that a run waits until its source snapshot can be read, and look again later."""
    now = services.now()

    def waits(record: DiskRecord) -> DiskRecord:
        run = record.run_of(message.run)
        if run is None:
            return record
        # What failed before has passed, and to wait is no error.
        return record.with_run(replace(run.recovered(), reason=reason, checked=now, progressed=now, replans=0))

    record = await services.records.update(message.disk, waits)
    run = record.run_of(message.run) if record else None
    if run:
        await services.queues.send(message, min(max(MIN_CHECK_DELAY, (now - run.started) / 10), MAX_CHECK_DELAY))


async def _open_run(services: Services, message: PlanMessage, run: OpenRun) -> PlanMessage | None:
    """Lease the backup blob and resize it to the disk; return the message of the run's plan, None if the run ended."""
    container, backup = services.settings.container, services.backups.address(message.disk)
    blob = await find_backup_blob(services, message.disk)
    lease = message.of_plan(run.plan).lease_id
    leased = blob is not None and blob.leased and await services.leases.renew(backup, lease)

    def change(record: DiskRecord) -> DiskRecord:
        return opened(record, blob, leased=leased, container=container) if record.run_of(message.run) else record

    record = await services.records.update(message.disk, change)
    current = record.run_of(message.run) if record else None
    if current is None:
        return None
    plan = message.of_plan(current.plan)
    if record and record.backup_blob and current.plan != run.plan and old_container(record, container):
        with contextlib.suppress(AzureError):  # the old container may be gone; the lease harms nobody there
            await services.leases.release(record.backup_blob, lease)
    log_event(Event.RUN_KIND, **message.about, kind=current.kind, size=run.size, reason=current.reason)
    if not leased:
        await _lease_blob(services, plan, blob, run.size)
    if blob is not None and blob.size != run.size:
        await services.blobs.resize(backup, run.size, plan.lease_id)
    return plan


async def _lease_blob(services: Services, message: PlanMessage, blob: BlobState | None, size: int) -> None:
    """Lease the backup blob for a run, creating it if missing.

    If it has changed since it was read, this fails, and the redelivered message starts over without a lease.
    """
    backup = services.backups.address(message.disk)
    if blob is None:
        create = partial(services.blobs.create, backup, size, {DISK_METADATA: message.disk.name})
        etag = await services.backups.ensured(create)
    else:
        etag = blob.etag
    if await services.leases.take(backup, message.lease_id, etag):
        log_event(Event.LEASE_BROKEN, **message.about)

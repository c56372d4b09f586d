"""Catching up: a disk that the last tick could not snapshot is snapshotted once it is free and may be tried again."""

import contextlib
from datetime import datetime
from typing import NamedTuple

from azure.core.exceptions import AzureError

from shared.azure.answers import asked_delay, explain, may_pass
from shared.azure.services import Services
from shared.errors import TidemarkError
from shared.events import Event, log_event
from shared.model.disk import Disk
from shared.model.late_snapshots import begun, being_tried, should_catch_up, waits_since, with_refusal, without_retry
from shared.model.record import DiskRecord
from shared.model.tick import with_tick
from shared.runs.failures import record_failure, update_or_create
from shared.runs.open_run import enqueue_again, open_run, snapshot_now


class Refusal(NamedTuple):
    """What kept a disk from its run.

    Attributes:
        error: the error.
        failed: the event, if no other try helps.
    """

    error: Exception
    failed: Event


async def catch_up(services: Services, disk: Disk, *, after_a_run: bool = False) -> None:
    """Snapshot a disk that the last tick could not, and open its run; what is refused is on record, and tried again.

    Idempotent: a disk that has an open run, or whose tick is covered, is left alone.

    Args:
        services: the services.
        disk: the disk.
        after_a_run: whether a run has just ended. If the next one is open and was never checked, an earlier call may
            have died before it enqueued that run's messages, so they are enqueued again; as they are where a refused
            snapshot was tried again.

    Raises:
        AzureError: the record or a queue can't be reached.
    """
    found = await services.records.get(disk)
    record = found[0] if found else None
    run = record.run if record else None
    if record and run and (after_a_run or record.snapshot_after):
        await _ensure_begun(services, disk, record)
    if record is None or record.last_tick is None or not should_catch_up(record, services.now()):
        return
    if not services.settings.backs_up(disk, adopted=record.adopted, retired=record.retired is not None):
        return
    if waits_since(record) and not await _is_first(services, disk):
        return
    tick = record.last_tick
    try:
        snapshot = await snapshot_now(services, disk, record)
        log_event(Event.BACKUP_CAUGHT_UP, disk=disk.name, tick=tick.isoformat(), run=snapshot)
        await open_run(services, disk, snapshot, tick)
    except (AzureError, TidemarkError) as error:
        await record_refusal(services, disk, tick, Refusal(error, Event.SNAPSHOT_FAILED))
        return
    if record.snapshot_after:
        with contextlib.suppress(AzureError, TidemarkError):  # else the next looks find the run begun
            await services.records.update(disk, begun)


async def record_refusal(services: Services, disk: Disk, tick: datetime, refusal: Refusal) -> None:
    """Record what kept a disk from a tick's run; it is tried again within minutes, unless no other try can help.

    If the run is on record all the same, its messages are enqueued again.

    Raises:
        AzureError: the record or a queue can't be reached.
        RecordConflictError: other invocations keep changing it.
    """
    why, now, asked = explain(refusal.error), services.now(), asked_delay(refusal.error)

    def refused(record: DiskRecord) -> DiskRecord:
        if may_pass(refusal.error):
            return with_refusal(record, tick, why.rstrip("."), now, asked)
        return without_retry(with_tick(record, tick), tick)

    record = await update_or_create(services, disk, refused)
    if record and record.late_tick == tick:
        reason = record.last_error if waits_since(record) else why
        log_event(Event.BACKUP_LATE, disk=disk.name, tick=tick.isoformat(), reason=reason)
    else:
        await record_failure(services, disk, refusal.failed, refusal.error)
        if record:
            await _ensure_begun(services, disk, record)


async def _ensure_begun(services: Services, disk: Disk, record: DiskRecord) -> None:
    """Enqueue the messages of an open run that was never checked again: they may never have been."""
    if record.run and record.run.checked == record.run.started:
        await enqueue_again(services, disk, record.run)


async def _is_first(services: Services, disk: Disk) -> bool:
    """Have other invocations leave the disk alone for a while; return whether this one was the first to do so."""
    now, is_first = services.now(), False

    def tried(record: DiskRecord) -> DiskRecord:
        nonlocal is_first
        is_first = should_catch_up(record, now)
        return being_tried(record, now)

    await services.records.update(disk, tried)
    return is_first

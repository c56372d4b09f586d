"""Opening a run: for a snapshot that a tick took, for a disk that the last tick could not snapshot, or at any time."""

import contextlib
from dataclasses import replace
from datetime import datetime

from azure.core.exceptions import AzureError

from shared.azure.services import Services
from shared.errors import DiskError
from shared.events import Event, log_event
from shared.model.disk import Disk
from shared.model.fitness import backup_problem, not_a_page_blob
from shared.model.messages import FinishMessage, PlanMessage
from shared.model.record import DiskRecord, run_of
from shared.model.retirement import in_use_again
from shared.model.run import OpenRun
from shared.model.run_steps import next_check
from shared.model.tick import with_tick
from shared.owner.mark import require_owner
from shared.owner.moves import require_intended_move
from shared.runs.failures import new_record, update_or_create


async def snapshot_now(services: Services, disk: Disk, record: DiskRecord | None) -> str:
    """Snapshot a disk between ticks, if it can be backed up; return the snapshot's time.

    Raises:
        AzureError: the snapshot can't be taken.
        DiskError: the disk can't be backed up.
        NotOwnerError: the backup container belongs to another app.
    """
    require_fit(services, disk)
    if record:
        require_intended_move(services, record)
    await require_owner(services)
    return await services.disks.take_snapshot(disk)


async def open_run(
    services: Services, disk: Disk, snapshot: str, tick: datetime | None = None, *, restore: str = ""
) -> bool:
    """Open a run for a source snapshot and enqueue its plan; delete the snapshot if another run or a restore was first.

    Args:
        services: the services.
        disk: the disk.
        snapshot: the time of the source snapshot just taken.
        tick: the tick it was taken for, UTC; None if no tick asked for it: the record's ticks stay as they are.
        restore: the restore to this disk that asks for the run, before it writes over the disk.

    Returns:
        Whether the run is on record: open, or already sealed.

    Raises:
        AzureError: the snapshot can't be read, and is deleted unless a restore asks; or the record can't be written.
        DiskError: the disk is not a page blob.
    """
    try:
        source = await services.pages.properties(services.disks.version(disk, snapshot))
    except AzureError:
        if not restore:  # that would ask for the same snapshot again; others take a new one each time
            with contextlib.suppress(AzureError):
                await services.disks.delete_snapshot(disk, snapshot)
        raise
    if not source.is_page_blob:
        await services.disks.delete_snapshot(disk, snapshot)
        raise DiskError(not_a_page_blob(disk, services.settings.how_to_exclude(disk)))
    now = services.now()
    mode = services.settings.mode_of(disk)
    run = OpenRun(snapshot=snapshot, size=source.size, started=now, tick=tick, mode=mode, progressed=now, checked=now)
    about = {"disk": disk.name, "run": snapshot}
    if not await _put_on_record(services, disk, run, restore):
        log_event(
            Event.SNAPSHOT_DROPPED, **about, reason="another run or a restore started first, or the disk was retired"
        )
        await services.disks.delete_snapshot(disk, snapshot)
        return False
    log_event(Event.RUN_OPENED, **about, size=source.size)
    if notice := services.disks.notice(disk):
        log_event(Event.VERSIONS_KEPT, **about, reason=notice)
    await _enqueue(services, disk, run)
    return True


def require_fit(services: Services, disk: Disk) -> None:
    """Require that a disk can be backed up by its name and mode, before a snapshot of it is taken.

    Raises:
        DiskError: it can't be.
    """
    if problem := backup_problem(disk, services.settings.container, services.settings.mode_of(disk)):
        what_to_do = f"What to do: copy it to another name, or {services.settings.how_to_exclude(disk)}."
        raise DiskError(f"{disk.shown} can't be backed up: {problem}. {what_to_do}")


async def _enqueue(services: Services, disk: Disk, run: OpenRun) -> None:
    """Enqueue a run's first messages: one to plan it, and one to check on it until it is sealed."""
    await services.queues.send(PlanMessage(disk=disk, run=run.snapshot))
    await services.queues.send(FinishMessage(disk=disk, run=run.snapshot), next_check(run, services.now()))


async def enqueue_again(services: Services, disk: Disk, run: OpenRun) -> None:
    """Enqueue a run's first messages again, and record a check, so that this happens only once."""
    await _enqueue(services, disk, run)
    now = services.now()

    def checked(record: DiskRecord) -> DiskRecord:
        if record.run_of(run.snapshot) is None:
            return record
        return replace(record.with_run(replace(run_of(record), checked=now)), snapshot_after=None)

    await services.records.update(disk, checked)


async def _put_on_record(services: Services, disk: Disk, run: OpenRun, restore: str) -> bool:
    """Record an open run, unless the disk has another open run, a newer recovery point, or another restore under way.

    Returns:
        Whether the run is on record: open, or already sealed.
    """
    new = new_record(services, disk)

    is_named = services.settings.names(disk)

    def opened(record: DiskRecord) -> DiskRecord:
        if record.retired and run.tick and not is_named:
            return record
        record = with_tick(record, run.tick) if run.tick else record
        if record.run or record.restore != restore or record.base_snapshot >= run.snapshot:
            return record
        record = in_use_again(record, is_named=is_named)
        adopted = record.adopted and not services.settings.covers(disk)
        current_notice = services.disks.notice(disk)
        notice = record.notice if current_notice is None else current_notice
        # Until the next seal the record keeps the address of the existing backups, which may be in another container.
        backup_blob = (record.base_snapshot and record.backup_blob) or new.backup_blob
        late_tick = None if run.tick else record.late_tick
        record = replace(record, late_tick=late_tick, snapshot_after=record.snapshot_after if run.tick else None)
        return replace(record, run=run, backup_blob=backup_blob, adopted=adopted, notice=notice)

    record = await update_or_create(services, disk, opened)
    return record is not None and (record.run_of(run.snapshot) is not None or record.base_snapshot == run.snapshot)

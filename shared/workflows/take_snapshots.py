"""The first step: snapshot all disks, as close together as the service lets; then open their runs."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from azure.core.exceptions import AzureError

from shared.addresses import BlobAddress
from shared.decisions import is_unwatched, next_check
from shared.errors import DiskError, explain
from shared.events import Event, log_event
from shared.failed_runs import is_failing, is_hopeless, tried_again
from shared.messages import FinishMessage, InspectionMessage, PlanMessage, RestoreMessage
from shared.record import DiskRecord, OpenRun
from shared.restore_targets import without_restore
from shared.settings import SourceDisk
from shared.storage.records import RecordConflictError
from shared.storage.services import Services
from shared.workflows.failures import new_record, record_failure
from shared.workflows.give_up import give_up
from shared.workflows.inspecting.scratch import drop_orphans


async def take_snapshots(services: Services) -> None:
    """Snapshot every disk that has no open run, and start its run; see to it that open runs go on.

    All snapshots are taken at once, before anything else is done with any disk: the disks of one VM belong together.
    A disk that fails, fails alone. One that is being restored waits for the restore's end.
    """
    await services.ensure()
    listed = await _listed(services)
    named = {disk for disks in listed.values() for disk in disks}
    known = await _known(services)
    disks = sorted(named | {disk for disk, has_restore in known.items() if has_restore})
    records = await _each(services, disks, services.records.get, Event.SNAPSHOT_FAILED)
    found = {disk: record[0] if record else None for disk, record in records.items()}
    found |= await _without_hopeless_runs(services, found)
    restoring = [disk for disk, record in found.items() if record and record.restore]
    running = [disk for disk, record in found.items() if record and record.run]
    backed_up = [disk for disk, record in found.items() if disk in named or (record and record.adopted)]
    resting = [disk for disk in backed_up if disk not in {*restoring, *running}]
    snapshots = await _each(services, resting, services.disks.take_snapshot, Event.SNAPSHOT_FAILED)
    log_event(
        Event.SNAPSHOTS_TAKEN,
        disks=len(disks),
        snapshots=len(snapshots),
        open_runs=len(running),
        restores=len(restoring),
    )

    async def open_run(disk: BlobAddress) -> None:
        await _open_run(services, disk, snapshots[disk])

    async def watch_run(disk: BlobAddress) -> None:
        record = found[disk]
        if record and record.run:
            await _watch_run(services, disk, record, record.run)

    async def watch_restore(disk: BlobAddress) -> None:
        record = found[disk]
        if record and record.restore:
            await _watch_restore(services, record)

    await _each(services, list(snapshots), open_run, Event.OPEN_RUN_FAILED)
    await _each(services, running, watch_run, Event.WATCH_RUN_FAILED)
    await _each(services, restoring, watch_restore, Event.WATCH_RESTORE_FAILED)
    await _watch_restores(services)
    await _watch_inspections(services)
    await _report_missing(services, listed, [disk for disk, has_restore in known.items() if not has_restore])


async def _without_hopeless_runs(
    services: Services, found: Mapping[BlobAddress, DiskRecord | None]
) -> dict[BlobAddress, DiskRecord | None]:
    """Give up the runs that were tried often enough, so that their disks are snapshotted now; give their records."""

    async def end(disk: BlobAddress) -> DiskRecord | None:
        record = found[disk]
        if record and record.run:
            said = record.run.failed or record.last_error
            why = DiskError(f"it was tried {record.run.tries + 1} times: {said}")
            await give_up(services, FinishMessage(disk=disk.url, run=record.run.snapshot), why)
        now = await services.records.get(disk)
        return now[0] if now else None

    hopeless = [disk for disk, record in found.items() if record and record.run and is_hopeless(record)]
    return await _each(services, hopeless, end, Event.GIVE_UP_FAILED)


async def _known(services: Services) -> dict[BlobAddress, bool]:
    """List what is on record, and whether it was or is being restored; without the list, the others go on."""
    try:
        return await services.records.disks()
    except AzureError as error:
        log_event(Event.LIST_RECORDS_FAILED, level=logging.ERROR, reason=explain(error))
        return {}


async def _listed(services: Services) -> dict[SourceDisk, list[BlobAddress]]:
    """Find the disks that each setting names; a pattern that can't be listed or matches none fails on its own."""

    async def matching(setting: SourceDisk) -> list[BlobAddress] | None:
        if not setting.is_pattern:
            return [setting.address]
        try:
            found = await services.disks.matching(setting)
        except AzureError as error:
            await record_failure(services, setting.address, Event.LIST_DISKS_FAILED, error)
            return None
        found = [disk for disk in found if disk.parent != services.settings.container]
        if not found:
            nothing = DiskError(f"no blob matches {setting.url}. What to do: check the pattern in SOURCE_DISKS.")
            await record_failure(services, setting.address, Event.LIST_DISKS_FAILED, nothing)
        return found

    settings = services.settings.source_disks
    listed = await asyncio.gather(*map(matching, settings))
    return {setting: disks for setting, disks in zip(settings, listed, strict=True) if disks is not None}


async def _report_missing(
    services: Services, listed: Mapping[SourceDisk, Sequence[BlobAddress]], known: Iterable[BlobAddress]
) -> None:
    """Put on record the disks that a pattern has found before, and does not find any more."""
    patterns = [setting for setting in listed if setting.is_pattern]
    found = {disk for disks in listed.values() for disk in disks} | {pattern.address for pattern in patterns}
    for disk in known:
        pattern = next((pattern for pattern in patterns if pattern.covers(disk)), None)
        if pattern and disk not in found:
            what_to_do = "What to do: bring it back; or, if it is gone for good, delete its row `disk`."
            gone = DiskError(f"{disk.url} is gone, which {pattern.url} matched before. {what_to_do}")
            await record_failure(services, disk, Event.LIST_DISKS_FAILED, gone)


async def _each[Result](
    services: Services,
    disks: Sequence[BlobAddress],
    step: Callable[[BlobAddress], Awaitable[Result]],
    failed: Event,
) -> dict[BlobAddress, Result]:
    """Do a step for all disks at once; give the results of those that did not fail, and put the failures on record."""
    results = await asyncio.gather(*map(step, disks), return_exceptions=True)
    done: dict[BlobAddress, Result] = {}
    for disk, result in zip(disks, results, strict=True):
        if isinstance(result, Exception):
            await record_failure(services, disk, failed, result)
        elif isinstance(result, BaseException):
            raise result
        else:
            done[disk] = result
    return done


async def _open_run(services: Services, disk: BlobAddress, snapshot: str) -> None:
    source = await services.pages.properties(disk, snapshot)
    if not source.is_page_blob:
        await services.disks.delete_snapshot(disk, snapshot)
        raise DiskError(f"{disk.url} is no page blob, so it is no disk. What to do: take it out of SOURCE_DISKS.")
    now = services.now()
    mode = services.settings.mode_of(disk)
    run = OpenRun(snapshot=snapshot, size=source.size, started=now, mode=mode, progressed=now, checked=now)
    if not await _put_on_record(services, disk, run):
        log_event(
            Event.SNAPSHOT_DROPPED,
            level=logging.WARNING,
            disk=disk.url,
            run=snapshot,
            reason="another run or a restore was faster",
        )
        await services.disks.delete_snapshot(disk, snapshot)
        return
    log_event(Event.RUN_OPENED, disk=disk.url, run=snapshot, size=source.size)
    await services.queues.send(PlanMessage(disk=disk.url, run=snapshot))
    await services.queues.send(FinishMessage(disk=disk.url, run=snapshot), next_check(run, now))


async def _put_on_record(services: Services, disk: BlobAddress, run: OpenRun) -> bool:
    """Open a run on the disk's record, unless another run is open there or was sealed meanwhile, or a restore is on.

    Returns:
        Whether the record knows the run: open, or sealed by now.
    """
    new = new_record(services, disk)

    def opened(record: DiskRecord) -> DiskRecord:
        if record.run or record.restore or record.base_snapshot >= run.snapshot:
            return record
        adopted = record.adopted and not services.settings.covers(disk)
        return record.model_copy(update={"run": run, "backup_blob": new.backup_blob, "adopted": adopted})

    record = await services.records.update(disk, opened)
    if record is None:
        with contextlib.suppress(RecordConflictError):
            await services.records.put(disk, opened(new), None)
        record = await services.records.update(disk, opened)
    return record is not None and (record.run_of(run.snapshot) is not None or record.base_snapshot == run.snapshot)


async def _watch_run(services: Services, disk: BlobAddress, record: DiskRecord, run: OpenRun) -> None:
    """Try an open run again that has failed, and enqueue messages again that must be taken for lost."""
    now, after = services.now(), services.settings.stalled_after

    def again(current: DiskRecord) -> DiskRecord:
        return tried_again(current, now) if current.run_of(run.snapshot) and is_failing(current) else current

    if is_failing(record):
        await services.records.update(disk, again)
    if is_failing(record) or now - run.progressed >= after:
        log_event(Event.RUN_PLANNED_AGAIN, level=logging.WARNING, disk=disk.url, run=run.snapshot)
        await services.queues.send(PlanMessage(disk=disk.url, run=run.snapshot))
    if is_unwatched(run, now, after):
        log_event(Event.RUN_RESUMED, level=logging.WARNING, disk=disk.url, run=run.snapshot)
        await services.queues.send(FinishMessage(disk=disk.url, run=run.snapshot))
    log_event(Event.RUN_STILL_OPEN, disk=disk.url, run=run.snapshot)


async def _watch_restore(services: Services, record: DiskRecord) -> None:
    """Have a disk's record let go of a restore that has ended, or whose row is gone."""
    log_event(Event.DISK_BEING_RESTORED, disk=record.disk, restore=record.restore)
    found = await services.restores.get(BlobAddress.parse(record.restore_of), record.restore)
    if found is None:
        await services.records.update(BlobAddress.parse(record.disk), lambda now: without_restore(now, record.restore))
    elif found[0].has_ended:
        await services.queues.send(RestoreMessage(disk=record.restore_of, restore=record.restore))


async def _watch_restores(services: Services) -> None:
    """Enqueue the messages of open restores again where they must be taken for lost."""
    now, after = services.now(), services.settings.stalled_after
    try:
        for restore in await services.restores.open():
            if is_unwatched(restore, now, after):
                log_event(Event.RESTORE_RESUMED, level=logging.WARNING, disk=restore.disk, restore=restore.restore)
                await services.queues.send(RestoreMessage(disk=restore.disk, restore=restore.restore))
    except AzureError as error:
        log_event(Event.WATCH_RESTORES_FAILED, level=logging.ERROR, reason=explain(error))


async def _watch_inspections(services: Services) -> None:
    """Enqueue the messages of open inspections again that must be taken for lost; delete what drills have left."""
    now, after = services.now(), services.settings.stalled_after
    try:
        for found in await services.inspections.open():
            if is_unwatched(found, now, after):
                log_event(Event.INSPECTION_RESUMED, level=logging.WARNING, disk=found.disk, inspection=found.inspection)
                again = InspectionMessage(disk=found.disk, task=found.task, inspection=found.inspection)
                await services.queues.send(again)
        await drop_orphans(services)
    except AzureError as error:
        log_event(Event.WATCH_INSPECTIONS_FAILED, level=logging.ERROR, reason=explain(error))

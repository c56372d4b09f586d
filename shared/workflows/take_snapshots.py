"""The first step: snapshot all disks, as close together as the service lets; then open their runs."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from azure.core.exceptions import AzureError

from shared.addresses import BlobAddress
from shared.decisions import is_unwatched, next_check
from shared.errors import DiskError
from shared.events import log_event
from shared.messages import FinishMessage, PlanMessage
from shared.record import DiskRecord, OpenRun
from shared.settings import SourceDisk
from shared.storage.records import RecordConflictError
from shared.storage.services import Services
from shared.workflows.failures import new_record, record_failure


async def take_snapshots(services: Services) -> None:
    """Snapshot every disk that has no open run, and start its run; see to it that open runs go on.

    All snapshots are taken at once, before anything else is done with any disk: the disks of one VM belong together.
    A disk that fails, fails alone.
    """
    await services.ensure()
    listed = await _listed(services)
    disks = sorted({disk for disks in listed.values() for disk in disks})
    found = await _each(services, disks, services.records.get, "snapshot")
    resting = [disk for disk, record in found.items() if record is None or record[0].run is None]
    snapshots = await _each(services, resting, services.disks.take_snapshot, "snapshot")
    log_event("snapshots-taken", disks=len(disks), snapshots=len(snapshots), open_runs=len(found) - len(resting))

    async def open_run(disk: BlobAddress) -> None:
        await _open_run(services, disk, snapshots[disk])

    async def watch_run(disk: BlobAddress) -> None:
        record = found[disk]
        if record and record[0].run:
            await _watch_run(services, disk, record[0].run)

    await _each(services, list(snapshots), open_run, "open-run")
    await _each(services, [disk for disk in found if disk not in resting], watch_run, "watch-run")
    await _report_missing(services, listed)


async def _listed(services: Services) -> dict[SourceDisk, list[BlobAddress]]:
    """Find the disks that each setting names; a pattern that can't be listed or matches none fails on its own."""

    async def matching(setting: SourceDisk) -> list[BlobAddress] | None:
        if not setting.is_pattern:
            return [setting.address]
        try:
            found = await services.disks.matching(setting)
        except AzureError as error:
            await record_failure(services, setting.address, "list-disks", error)
            return None
        found = [disk for disk in found if disk.parent != services.settings.container]
        if not found:
            nothing = DiskError(f"no blob matches {setting.url}. What to do: check the pattern in SOURCE_DISKS.")
            await record_failure(services, setting.address, "list-disks", nothing)
        return found

    settings = services.settings.source_disks
    listed = await asyncio.gather(*map(matching, settings))
    return {setting: disks for setting, disks in zip(settings, listed, strict=True) if disks is not None}


async def _report_missing(services: Services, listed: Mapping[SourceDisk, Sequence[BlobAddress]]) -> None:
    """Put on record the disks that a pattern has found before, and does not find any more."""
    patterns = [setting for setting in listed if setting.is_pattern]
    found = {disk for disks in listed.values() for disk in disks} | {pattern.address for pattern in patterns}
    for disk in await services.records.disks() if patterns else ():
        pattern = next((pattern for pattern in patterns if pattern.covers(disk)), None)
        if pattern and disk not in found:
            what_to_do = "What to do: bring it back; or, if it is gone for good, delete its row `disk`."
            gone = DiskError(f"{disk.url} is gone, which {pattern.url} matched before. {what_to_do}")
            await record_failure(services, disk, "list-disks", gone)


async def _each[Result](
    services: Services,
    disks: Sequence[BlobAddress],
    step: Callable[[BlobAddress], Awaitable[Result]],
    name: str,
) -> dict[BlobAddress, Result]:
    """Do a step for all disks at once; give the results of those that did not fail, and put the failures on record."""
    results = await asyncio.gather(*map(step, disks), return_exceptions=True)
    done: dict[BlobAddress, Result] = {}
    for disk, result in zip(disks, results, strict=True):
        if isinstance(result, Exception):
            await record_failure(services, disk, name, result)
        elif isinstance(result, BaseException):
            raise result
        else:
            done[disk] = result
    return done


async def _open_run(services: Services, disk: BlobAddress, snapshot: str) -> None:
    source = await services.disks.snapshot_properties(disk, snapshot)
    if not source.is_page_blob:
        await services.disks.delete_snapshot(disk, snapshot)
        raise DiskError(f"{disk.url} is no page blob, so it is no disk. What to do: take it out of SOURCE_DISKS.")
    now = services.now()
    run = OpenRun(snapshot=snapshot, size=source.size, started=now, progressed=now, checked=now)
    if not await _put_on_record(services, disk, run):
        log_event(
            "snapshot-dropped", level=logging.WARNING, disk=disk.url, run=snapshot, reason="another run was faster"
        )
        await services.disks.delete_snapshot(disk, snapshot)
        return
    log_event("run-opened", disk=disk.url, run=snapshot, size=source.size)
    await services.queues.send(PlanMessage(disk=disk.url, run=snapshot))
    await services.queues.send(FinishMessage(disk=disk.url, run=snapshot), next_check(run, now))


async def _put_on_record(services: Services, disk: BlobAddress, run: OpenRun) -> bool:
    """Open a run on the disk's record, unless another run is open there or was sealed meanwhile.

    Returns:
        Whether the record knows the run: open, or sealed by now.
    """
    new = new_record(services, disk)

    def opened(record: DiskRecord) -> DiskRecord:
        if record.run or record.base_snapshot >= run.snapshot:
            return record
        return record.model_copy(update={"run": run, "backup_blob": new.backup_blob})

    record = await services.records.update(disk, opened)
    if record is None:
        with contextlib.suppress(RecordConflictError):
            await services.records.put(disk, opened(new), None)
        record = await services.records.update(disk, opened)
    return record is not None and (record.run_of(run.snapshot) is not None or record.base_snapshot == run.snapshot)


async def _watch_run(services: Services, disk: BlobAddress, run: OpenRun) -> None:
    """Enqueue an open run's messages again where they must be taken for lost."""
    now, after = services.now(), services.settings.stalled_after
    if now - run.progressed >= after:
        log_event("run-planned-again", level=logging.WARNING, disk=disk.url, run=run.snapshot)
        await services.queues.send(PlanMessage(disk=disk.url, run=run.snapshot))
    if is_unwatched(run, now, after):
        log_event("run-resumed", level=logging.WARNING, disk=disk.url, run=run.snapshot)
        await services.queues.send(FinishMessage(disk=disk.url, run=run.snapshot))
    log_event("run-still-open", disk=disk.url, run=run.snapshot)

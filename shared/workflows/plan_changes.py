"""The second step: get the backup blob ready; list what changed, a window at a time, and enqueue it in batches."""

import logging
from collections.abc import AsyncIterator

from shared.addresses import BlobAddress
from shared.batches import Effort, Packer, effort, encode, fingerprint
from shared.decisions import BackupBlob, opened
from shared.errors import DiffRefusedError, SourceGoneError
from shared.events import Event, Stopwatch, log_event
from shared.messages import BatchMessage, PlanMessage
from shared.names import DISK_METADATA
from shared.ranges import Change, Window, coalesced, gaps_cleared, windows
from shared.record import DiskRecord, Kind, OpenRun
from shared.sampling import Sampler
from shared.settings import Mode
from shared.storage.services import Services
from shared.workflows.at_once import AtOnce
from shared.workflows.begin_anew import begin_anew
from shared.workflows.failures import on_record
from shared.workflows.full_copies import start_copy
from shared.workflows.give_up import give_up
from shared.workflows.listing import WINDOW, listed

_ENQUEUED_AT_ONCE = 8


async def plan_changes(services: Services, message: PlanMessage) -> None:
    """Open a run and plan it, or enqueue a plan message for each of its windows; or plan one window."""
    async with on_record(services, message, Event.PLAN_CHANGES_FAILED):
        try:
            if message.window is None:
                await _open(services, message)
            else:
                await _plan_window(services, message, message.window)
        except SourceGoneError as error:
            await give_up(services, message, error)


async def _open(services: Services, message: PlanMessage) -> None:
    """Open a run by its mode: as a full copy, or on the backup blob."""
    found = await services.records.get(message.address)
    run = found[0].run_of(message.run) if found else None
    if run is None:
        log_event(Event.MESSAGE_DROPPED, disk=message.disk, run=message.run, step="plan-changes")
    elif run.mode is Mode.FULL:
        await start_copy(services, message, run)
    else:
        await _open_run(services, message, run)


async def _open_run(services: Services, message: PlanMessage, run: OpenRun) -> None:
    """Get the backup blob ready, under the run's lease and of the disk's size; then plan."""
    disk = message.address
    blob = await services.backups.look(disk)
    lease = message.of_plan(run.plan).lease_id
    leased = blob is not None and blob.leased and await services.backups.renew_lease(disk, lease)
    cut = windows(run.size, WINDOW)

    def change(record: DiskRecord) -> DiskRecord:
        if record.run_of(message.run) is None:
            return record
        return opened(record, blob, len(cut), leased=leased)

    record = await services.records.update(disk, change)
    current = record.run_of(message.run) if record else None
    if current is None:
        return
    run = current
    plan = message.of_plan(run.plan)
    log_event(Event.RUN_KIND, disk=disk.url, run=message.run, kind=run.kind, size=run.size, reason=run.reason)
    if not leased:
        await _take_blob(services, plan, blob, run.size)
    if blob is not None and blob.size != run.size:
        await services.backups.resize(disk, run.size, plan.lease_id)
    for number in range(1, len(cut)):
        await services.queues.send(plan.model_copy(update={"window": number}))
    if cut:
        await _plan_window(services, plan.model_copy(update={"window": 0}), 0)


async def _take_blob(services: Services, message: PlanMessage, blob: BackupBlob | None, size: int) -> None:
    """Put the backup blob under the run's lease, as it was found, or created if it was not there.

    One that somebody wrote to meanwhile is not taken: the message comes again, and finds a run without its lease.
    """
    if blob is None:
        etag = await services.backups.create(message.address, size, {DISK_METADATA: message.disk})
    else:
        etag = blob.etag
    if await services.backups.acquire_lease(message.address, message.lease_id, etag):
        log_event(Event.LEASE_BROKEN, level=logging.WARNING, disk=message.disk, run=message.run)


async def _plan_window(services: Services, message: PlanMessage, number: int) -> None:
    """Enqueue the batches of one window that are not done; note how many there are."""
    watch, disk = Stopwatch(), message.address
    found = await services.records.get(disk)
    run = found[0].run_of(message.run) if found else None
    if found is None or run is None or run.plan != message.plan:
        log_event(Event.MESSAGE_DROPPED, disk=disk.url, run=message.run, step="plan-changes")
        return
    window = windows(run.size, WINDOW)[number]
    done = await services.plans.batches_done(message, number)
    fingerprints: list[int] = []
    total = Effort()
    sampler = Sampler(f"{message.run_id}/{message.plan}/{number}")
    try:
        async with AtOnce(_ENQUEUED_AT_ONCE) as sending:
            async for changes in _batches(_change_list(services, found[0], run, window)):
                batch = BatchMessage(
                    **message.model_dump(exclude={"window"}),
                    window=number,
                    number=len(fingerprints),
                    ranges=encode(changes),
                )
                fingerprints.append(fingerprint(batch.ranges))
                total = total.plus(effort(changes))
                for change in changes:
                    if not change.clear:
                        sampler.see(change)
                if batch.number not in done:
                    await sending.start(services.queues.send(batch))
    except DiffRefusedError as error:
        await begin_anew(services, message, Kind.RESYNC, f"the diff from the base snapshot was refused: {error}")
        return
    if not done.items() <= dict(enumerate(fingerprints)).items():
        await begin_anew(services, message, run.kind, "the change list is cut otherwise than when the run began")
        return
    await services.plans.window_planned(message, number, fingerprints, total, sampler.samples())
    log_event(
        Event.WINDOW_PLANNED,
        disk=disk.url,
        run=message.run,
        window=number,
        batches=len(fingerprints),
        **total._asdict(),
        duration_seconds=watch.seconds,
    )


async def _batches(changes: AsyncIterator[Change]) -> AsyncIterator[tuple[Change, ...]]:
    packer = Packer()
    async for change in changes:
        for batch in packer.add(change):
            yield batch
    for batch in packer.rest():
        yield batch


def _change_list(services: Services, record: DiskRecord, run: OpenRun, window: Window) -> AsyncIterator[Change]:
    """List the changes of a window, by the run's kind."""
    disk = BlobAddress.parse(record.disk)
    if run.kind is Kind.INCREMENTAL:
        return coalesced(_diff(services, disk, record, run, window))
    valid = coalesced(listed(services, disk, run.snapshot, None, window))
    return valid if run.kind is Kind.FULL else gaps_cleared(valid, window)


async def _diff(
    services: Services, disk: BlobAddress, record: DiskRecord, run: OpenRun, window: Window
) -> AsyncIterator[Change]:
    """List the diff of a window; where the disk has grown, what is valid in the part that is new."""
    old = Window(window.start, min(window.end, record.base_size))
    new = Window(max(window.start, record.base_size), window.end)
    if old.start < old.end:
        async for change in listed(services, disk, run.snapshot, record.base_snapshot, old):
            yield change
    if new.start < new.end:
        async for change in listed(services, disk, run.snapshot, None, new):
            yield change

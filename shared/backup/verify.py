"""Before a recovery point is taken: the backup blob is held against the source snapshot, window by window."""

import contextlib
from dataclasses import replace
from datetime import timedelta

from shared.azure.services import Services
from shared.changes.ranges import Change, Window, windows
from shared.changes.sampling import Sampler, samples_of_window
from shared.errors import BlobChangedError, DiffRefusedError, SourceGoneError
from shared.model.messages import FinishMessage
from shared.model.record import DiskRecord, run_of
from shared.model.run import Kind, OpenRun
from shared.model.version import BlobVersion
from shared.pages.change_list import change_list
from shared.pages.comparing import Comparison
from shared.points.versions import find_backup_blob

SEAL_WINDOW = 8 * 1024**3
"""Bytes of a disk that are compared at once: should all of them have to be read, it is done in minutes."""

VERIFY_FOR = timedelta(seconds=20)
"""How long one invocation compares windows before it leaves the rest to the next, and others have their turn."""


async def verified(services: Services, message: FinishMessage, record: DiskRecord) -> str | None:
    """Hold the backup blob of a run whose change list is applied against its source snapshot.

    The sizes are equal; the page maps are equal, where a page valid on one side only must read as zeros; samples of
    what was written and of all that is valid, and the last page, hold the same. What a diff has left out is on pages
    that may be valid on both sides: of an incremental run more samples are taken of what is valid, others each time.

    Returns:
        The backup blob's ETag, which it had all the time; None where some windows are left for the next invocation.

    Raises:
        MismatchError: the backup blob is not what the source snapshot is.
        BlobChangedError: it is gone, or has another size.
        SourceGoneError: the source snapshot is gone.
    """
    disk, run = message.disk, run_of(record)
    blob = await find_backup_blob(services, disk)
    if blob is None or blob.size != run.size:
        found = f"has {blob.size} bytes instead of {run.size}" if blob else "no longer exists"
        raise BlobChangedError(f"the backup blob of {disk.name} {found}, so the run can't be sealed yet")
    began, count = services.now(), len(windows(run.size, SEAL_WINDOW))
    comparison = await Comparison.begin(
        services, services.disks.version(disk, run.snapshot), BlobVersion(services.backups.address(disk))
    )
    first = run.windows_compared if run.compared_etag == blob.etag else 0
    for number in range(first, count):
        if number > first and services.now() - began >= VERIFY_FOR:
            await _note(services, message, run, number, blob.etag)
            return None
        await _compare(services, message, record, number, comparison)
    return blob.etag


async def _compare(
    services: Services, message: FinishMessage, record: DiskRecord, number: int, comparison: Comparison
) -> None:
    """Compare one window."""
    disk, run = message.disk, run_of(record)
    plan, cut = message.of_plan(run.plan), windows(run.size, SEAL_WINDOW)
    most = samples_of_window(len(cut)) if run.kind is Kind.INCREMENTAL else None
    sampler = Sampler(f"{plan.run_id}/{plan.plan}/{number}/seal", most)
    try:
        await comparison.page_maps(cut[number], sampler.see)
        written = await _written(services, plan, record, cut[number])
        await comparison.contents(sorted({*sampler.samples(), *written}))
        if number == len(cut) - 1:
            await comparison.last_page(run.size)
    except SourceGoneError as error:
        await services.pages.properties(services.disks.version(disk, run.snapshot))
        raise BlobChangedError(f"the backup blob of {disk.name} no longer exists: {error}") from error


async def _written(services: Services, plan: FinishMessage, record: DiskRecord, window: Window) -> list[Change]:
    """Choose samples of what an incremental run has written in a window; what another has is all that is valid."""
    sampler = Sampler(f"{plan.run_id}/{plan.plan}/{window.start}/written")
    run = run_of(record)
    if run.kind is Kind.INCREMENTAL:
        # Where the diff is not to be had any more, samples of what is valid must do.
        with contextlib.suppress(DiffRefusedError):
            async for change in change_list(services, record, run, window):
                if not change.clear:
                    sampler.see(change)
    return sampler.samples()


async def _note(services: Services, message: FinishMessage, run: OpenRun, number: int, etag: str) -> None:
    """Put on record how many windows are compared."""
    now = services.now()

    def change(record: DiskRecord) -> DiskRecord:
        current = record.run_of(message.run)
        if current is None or current.plan != run.plan:
            return record
        return record.with_run(
            replace(run_of(record), windows_compared=number, compared_etag=etag, checked=now, progressed=now)
        )

    await services.records.update(message.disk, change)

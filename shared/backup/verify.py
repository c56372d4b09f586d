"""Verification before the seal: compare the backup blob with the source snapshot, window by window."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

from shared.azure.services import Services
from shared.changes.ranges import Change, Window, windows
from shared.changes.sampling import Sampler, samples_of_window
from shared.errors import BlobChangedError, DiffRefusedError, SourceGoneError
from shared.model.messages import FinishMessage
from shared.model.record import DiskRecord, run_of
from shared.model.run import SEAL_WINDOW, Kind, OpenRun
from shared.model.version import BlobVersion
from shared.pages.ahead import Ahead
from shared.pages.change_list import change_list
from shared.pages.comparing import Comparison
from shared.pages.listing import TimedOut
from shared.points.versions import find_backup_blob

VERIFY_FOR = timedelta(seconds=20)
"""How long one invocation compares windows before it leaves the rest to the next, to give other disks a turn."""


async def verify_backup_blob(services: Services, message: FinishMessage, record: DiskRecord) -> str | None:
    """Compare a run's backup blob with its source snapshot, once its change list is applied.

    Compared are the sizes; the page maps, where a page valid on one side only must read as zeros; and the content of
    the last page and of samples, both of what was written and of all valid pages. Pages that a wrong diff omitted
    may be valid on both sides, so an incremental run takes more samples of valid pages, different ones each time.

    Returns:
        The backup blob's ETag, unchanged throughout; None if windows are left for the next invocation.

    Raises:
        MismatchError: the backup blob differs from the source snapshot.
        BlobChangedError: the backup blob no longer exists, or has another size.
        SourceGoneError: the source snapshot no longer exists.
    """
    disk, run = message.disk, run_of(record)
    blob = await find_backup_blob(services, disk)
    if blob is None or blob.size != run.size:
        problem = f"has {blob.size} bytes instead of {run.size}" if blob else "no longer exists"
        raise BlobChangedError(f"the backup blob of {disk.name} {problem}, so the run can't be sealed yet")
    started, count = services.now(), len(windows(run.size, SEAL_WINDOW))
    comparison = await Comparison.begin(
        services, services.disks.version(disk, run.snapshot), BlobVersion(services.backups.address(disk))
    )
    first = run.windows_compared if run.compared_etag == blob.etag else 0
    # No older than this invocation: the seal takes nothing but what has the ETag that was looked at above.
    whole = Window(first * SEAL_WINDOW, run.size)
    comparison.list_ahead(whole)
    written = _written(services, record, whole)
    for number in range(first, count):
        if number > first and services.now() - started >= VERIFY_FOR:
            await _record_progress(services, message, run, number, blob.etag)
            return None
        await _compare(services, message, run, number, comparison, written=written)
    return blob.etag


async def _compare(
    services: Services,
    message: FinishMessage,
    run: OpenRun,
    number: int,
    comparison: Comparison,
    *,
    written: Ahead | None,
) -> None:
    """Compare one window, and the last page with the last window."""
    disk = message.disk
    plan, all_windows = message.of_plan(run.plan), windows(run.size, SEAL_WINDOW)
    most = samples_of_window(len(all_windows)) if run.kind is Kind.INCREMENTAL else None
    sampler = Sampler(f"{plan.run_id}/{plan.plan}/{number}/seal", most)
    try:
        await comparison.page_maps(all_windows[number], sampler.see)
        of_written = await _samples(plan, written, all_windows[number]) if written else []
        await comparison.contents(sorted({*sampler.samples(), *of_written}))
        if number == len(all_windows) - 1:
            await comparison.last_page(run.size)
    except SourceGoneError as error:
        await services.pages.properties(services.disks.version(disk, run.snapshot))
        raise BlobChangedError(f"the backup blob of {disk.name} no longer exists: {error}") from error


def _written(services: Services, record: DiskRecord, whole: Window) -> Ahead | None:
    """Return what an incremental run wrote; None for other kinds: they wrote all valid pages."""
    run = run_of(record)

    def changes(window: Window, timed_out: TimedOut) -> AsyncIterator[Change]:
        return change_list(services, record, run, window, timed_out=timed_out)

    return Ahead(whole, changes) if run.kind is Kind.INCREMENTAL else None


async def _samples(plan: FinishMessage, written: Ahead, window: Window) -> list[Change]:
    """Return samples of what a run wrote in a window."""
    sampler = Sampler(f"{plan.run_id}/{plan.plan}/{window.start}/written")
    # If the diff is no longer available, the samples of valid pages must do.
    with contextlib.suppress(DiffRefusedError):
        async for change in written.of(window):
            if not change.clear:
                sampler.see(change)
    return sampler.samples()


async def _record_progress(services: Services, message: FinishMessage, run: OpenRun, number: int, etag: str) -> None:
    """Record how many windows were compared."""
    now = services.now()

    def change(record: DiskRecord) -> DiskRecord:
        current = record.run_of(message.run)
        if current is None or current.plan != run.plan:
            return record
        return record.with_run(
            replace(run_of(record), windows_compared=number, compared_etag=etag, checked=now, progressed=now)
        )

    await services.records.update(message.disk, change)

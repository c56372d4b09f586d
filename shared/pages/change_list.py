"""The change list of a run, listed lazily: from any position on it is always the same list."""

from collections.abc import AsyncIterator

from shared.azure.services import Services
from shared.changes.coalescing import gaps_written
from shared.changes.ranges import Change, Window, coalesced, gaps_cleared
from shared.model.record import DiskRecord
from shared.model.run import Kind, OpenRun
from shared.model.version import Version
from shared.pages.listing import TimedOut, listed


def change_list(
    services: Services,
    record: DiskRecord,
    run: OpenRun,
    window: Window,
    *,
    timed_out: TimedOut | None = None,
    gap: int = 0,
) -> AsyncIterator[Change]:
    """List the changes of a window, by the run's kind.

    Args:
        services: the services.
        record: the disk's record.
        run: its open run.
        window: the window.
        timed_out: called after each listing that timed out.
        gap: the longest gap of a diff that is written as well, in bytes, where that is faster.

    Raises:
        DiffRefusedError: the service refuses the diff from the base snapshot.
        DisorderedRangesError: the service returned an invalid list.
        ListingTimedOutError: listing even the smallest window timed out.
        SourceGoneError: the source snapshot no longer exists.
    """
    snapshot = services.disks.version(record.disk, run.snapshot)
    if run.kind is Kind.INCREMENTAL:
        diff = coalesced(_diff(services, record, snapshot, window, timed_out=timed_out))

        def valid_from(start: int) -> AsyncIterator[Change]:
            return listed(services, snapshot, None, Window(start, window.end), timed_out=timed_out)

        return gaps_written(diff, valid_from, gap) if gap else diff
    valid = coalesced(listed(services, snapshot, None, window, timed_out=timed_out))
    return valid if run.kind is Kind.FULL else gaps_cleared(valid, window)


async def _diff(
    services: Services,
    record: DiskRecord,
    snapshot: Version,
    window: Window,
    *,
    timed_out: TimedOut | None,
) -> AsyncIterator[Change]:
    """List the diff of a window; for the part by which the disk has grown, its valid ranges."""
    old = Window(window.start, min(window.end, record.base_size))
    new = Window(max(window.start, record.base_size), window.end)
    if old.start < old.end:
        base = services.disks.version(record.disk, record.base_snapshot)
        async for change in listed(services, snapshot, base, old, timed_out=timed_out):
            yield change
    if new.start < new.end:
        async for change in listed(services, snapshot, None, new, timed_out=timed_out):
            yield change

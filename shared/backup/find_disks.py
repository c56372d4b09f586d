"""The disks of a tick: those the settings name and those that were restored, with their records."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from azure.core.exceptions import AzureError

from shared.azure.answers import explain
from shared.azure.services import Services
from shared.backup.absent_disks import Absent, find_absent
from shared.backup.tries import WAIT_FOR_SLOW, Tries, tried_for_each
from shared.errors import DiskError
from shared.events import Event, log_event
from shared.model.disk import Disk
from shared.model.failed_runs import should_abandon
from shared.model.index import Summary
from shared.model.messages import FinishMessage
from shared.model.record import DiskRecord
from shared.model.restore_target import is_blank
from shared.model.retirement import unretired
from shared.owner.moves import require_intended_move
from shared.runs.abandon import abandon_run
from shared.runs.failures import record_failure
from shared.runs.open_run import require_fit
from shared.source_disks import SourceDisk


@dataclass(frozen=True, slots=True)
class FoundDisks:
    """The disks that a tick found.

    Attributes:
        due: the disks to back up.
        found: the records that could be read: of due disks, of restored ones, and of those with an open run; None for
            a disk without a record.
        known: the summaries of all disks on record; empty if they can't be listed.
        absent: disks with backups that are not found any more; unless there are none, the tick does not succeed.
        unfit: due disks that can't be backed up.
        unknown: how many due disks, patterns and lists could not be found or read; unless 0, the tick does not succeed.
    """

    due: Sequence[Disk]
    found: Mapping[Disk, DiskRecord | None]
    known: Mapping[Disk, Summary]
    absent: Mapping[Disk, Absent]
    unfit: Collection[Disk]
    unknown: int

    @property
    def restoring(self) -> list[Disk]:
        """The disks that are being restored."""
        return [disk for disk, record in self.found.items() if record and record.restore]

    @property
    def running(self) -> list[Disk]:
        """The disks that have an open run."""
        return [disk for disk, record in self.found.items() if record and record.run]

    @property
    def ready(self) -> list[Disk]:
        """The disks to snapshot now."""
        busy_or_unfit = {*self.restoring, *self.running, *self.unfit}
        return [disk for disk in self.due if disk in self.found and disk not in busy_or_unfit]


async def find_disks(services: Services) -> FoundDisks:
    """Find the disks to back up and their records, and abandon runs that keep failing."""
    settings = services.settings
    listed = await _listed(services)
    on_record = await _on_record(services)
    known = on_record or {}
    retired = {disk for disk, summary in known.items() if summary.retired}
    returning = sorted(disk for disk in retired if settings.names(disk))
    # Before the snapshot: if nothing comes of that, the disk is retired anew with all that it leaves.
    await for_each(services, returning, lambda disk: services.records.update(disk, unretired), Event.WATCH_DISK_FAILED)
    retired.difference_update(returning)
    named = {disk for disks in listed.values() for disk in disks} - retired
    restored = {disk for disk, summary in known.items() if summary.was_restored}
    running = {disk for disk, summary in known.items() if summary.run_snapshot}  # their runs go on, whatever is listed
    # Known disks of a pattern that can't be listed now are snapshotted all the same.
    unlisted = [setting for setting in settings.source_disks if setting not in listed]
    unseen = {disk for disk in known.keys() - named - retired if any(setting.covers(disk) for setting in unlisted)}
    candidates = sorted(named | restored | running | unseen)
    records = await for_each(services, candidates, services.records.get, Event.SNAPSHOT_FAILED)
    never_backed_up = {disk for disk, record in records.items() if record is None or is_blank(record[0])}
    named |= unseen - never_backed_up
    relevant = named | restored | running
    found = {disk: record[0] if record else None for disk, record in records.items() if disk in relevant}
    if on_record is not None:
        mismatched = [disk for disk, record in records.items() if (record is not None) != (disk in on_record)]
        await _invalidate(services, mismatched)
    found |= await _abandon_failing_runs(services, found)
    adopted = {disk for disk, record in found.items() if record and record.adopted}
    # A deleted disk that is being restored in its place, or was until just now, is not listed but still due.
    named |= {disk for disk in restored & found.keys() - never_backed_up if settings.covers(disk) and disk.is_certain}
    ended = retired - found.keys() | {disk for disk, record in found.items() if record and record.retired}
    due = named | {disk for disk in adopted if not settings.excludes(disk)}
    due -= {disk for disk in ended if not settings.names(disk)}
    absent = find_absent(settings, listed, known)
    not_listed = sum(not listed.get(setting) for setting in settings.source_disks)
    not_read = sum(not settings.excludes(disk) for disk in restored - named - retired - found.keys())
    return FoundDisks(
        due=sorted(due),
        found=found,
        known=known,
        absent=absent,
        unfit=await _unfit(services, [disk for disk in sorted(due) if disk in found], found),
        unknown=not_listed + not_read + (on_record is None),
    )


async def _unfit(services: Services, disks: Sequence[Disk], found: Mapping[Disk, DiskRecord | None]) -> set[Disk]:
    """Find the disks that can't be backed up, before any snapshot is taken, and record why."""

    async def check(disk: Disk) -> None:
        require_fit(services, disk)
        record = found[disk]
        if record:
            require_intended_move(services, record)
        if record is None or not (record.base_snapshot or record.run or record.restore):
            await _require_disk(services, disk)

    async with Tries(disks, check) as tries:  # what a new disk is can be told later, too
        unfit = (await tries.ended(quiet_for=WAIT_FOR_SLOW)).errors
    for disk, error in unfit.items():
        await record_failure(services, disk, Event.SNAPSHOT_FAILED, error)
    return set(unfit)


async def _require_disk(services: Services, disk: Disk) -> None:
    """Require what can be backed up, before the first snapshot; if that can't be told yet, the snapshot tells."""
    with contextlib.suppress(AzureError):
        if problem := await services.disks.problem(disk):
            raise DiskError(problem)


async def _abandon_failing_runs(
    services: Services, found: Mapping[Disk, DiskRecord | None]
) -> dict[Disk, DiskRecord | None]:
    """Abandon the runs that keep failing, so that their disks are snapshotted now; return their new records."""

    async def abandon(disk: Disk) -> DiskRecord | None:
        record = found[disk]
        if record and record.run:
            causes = ". Last error: ".join(
                filter(None, (record.run.failed, record.last_error if record.run.error_at else ""))
            )
            reason = DiskError(f"it failed {record.run.tries + 1} times: {causes}")
            await abandon_run(services, FinishMessage(disk=disk, run=record.run.snapshot), reason)
        current = await services.records.get(disk)
        return current[0] if current else None

    now = services.now()
    failing = [disk for disk, record in found.items() if record and record.run and should_abandon(record, now)]
    return await for_each(services, failing, abandon, Event.GIVE_UP_FAILED)


async def _on_record(services: Services) -> dict[Disk, Summary] | None:
    """List the disks on record, each with the summary of its record; None if they can't be listed."""
    try:
        return await services.records.disks()
    except AzureError as error:
        log_event(Event.LIST_RECORDS_FAILED, reason=explain(error))
        return None


async def _invalidate(services: Services, disks: Iterable[Disk]) -> None:
    """Have the index reread the records of these disks, which were created or deleted by hand; best effort."""
    with contextlib.suppress(AzureError):
        for disk in disks:
            await services.records.invalidate(disk)


async def _listed(services: Services) -> dict[SourceDisk, list[Disk]]:
    """Find the disks of each entry; a pattern that can't be listed or matches nothing is recorded as failed."""

    async def matching(setting: SourceDisk) -> list[Disk] | None:
        if not setting.is_pattern:
            return [setting.disk]
        try:
            found = await services.disks.find(setting)
        except AzureError as error:
            await record_failure(services, setting.disk, Event.LIST_DISKS_FAILED, error)
            return None
        if not found:
            what_to_do = "What to do: check the pattern in SOURCE_DISKS."
            condition = " that is not excluded" if setting.exclusions else ""
            nothing = DiskError(f"no disk{condition} matches {setting.described}. {what_to_do}")
            await record_failure(services, setting.disk, Event.LIST_DISKS_FAILED, nothing)
        return found

    settings = services.settings.source_disks
    listed = await asyncio.gather(*map(matching, settings))
    return {setting: disks for setting, disks in zip(settings, listed, strict=True) if disks is not None}


async def for_each[Result](
    services: Services,
    disks: Sequence[Disk],
    step: Callable[[Disk], Awaitable[Result]],
    failed: Event,
) -> dict[Disk, Result]:
    """Run a step for all disks concurrently; return the results of those that succeed, and record the failures."""
    done, errors = await tried_for_each(disks, step)
    for disk, error in errors.items():
        await record_failure(services, disk, failed, error)
    return done

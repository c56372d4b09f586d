"""The disks of a tick: those that the settings name, those that were restored, and what is on record of them."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from azure.core.exceptions import AzureError

from shared.azure.answers import explain
from shared.azure.services import Services
from shared.errors import DiskError
from shared.events import Event, log_event
from shared.model.disk import Disk
from shared.model.failed_runs import should_abandon
from shared.model.fitness import backup_problem
from shared.model.messages import FinishMessage
from shared.model.record import DiskRecord
from shared.model.restore_target import is_blank
from shared.runs.abandon import abandon_run
from shared.runs.failures import record_failure
from shared.runs.open_run import not_a_page_blob
from shared.source_disks import SourceDisk


@dataclass(frozen=True, slots=True)
class FoundDisks:
    """What a tick finds.

    Attributes:
        due: the disks that it is to back up.
        found: their records as far as they can be read, None of a disk that has none; and those of restored disks.
        missing: the disks that a pattern does not find any more, with what to say of them.
        unfit: the disks that are due and can't be backed up as they are.
        unknown: how much of what is to be backed up was not even found: such a tick does not succeed.
    """

    due: Sequence[Disk]
    found: Mapping[Disk, DiskRecord | None]
    missing: Mapping[Disk, DiskError]
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
    def resting(self) -> list[Disk]:
        """The disks that are to be snapshotted now."""
        not_now = {*self.restoring, *self.running, *self.unfit}
        return [disk for disk in self.due if disk in self.found and disk not in not_now]


async def find_disks(services: Services) -> FoundDisks:
    """Find the disks that are to be backed up, and what is on record of them; give up the runs that are hopeless."""
    listed = await _listed(services)
    on_record = await _on_record(services)
    known = on_record or {}
    index_entry = [setting for setting in services.settings.source_disks if setting not in listed]
    named = {disk for disks in listed.values() for disk in disks}
    restored = {disk for disk, has_restore in known.items() if has_restore}
    # What can't be listed just now may still be snapshotted.
    unseen = {disk for disk in known.keys() - named if any(setting.covers(disk) for setting in index_entry)}
    gone = _gone(listed, known.keys() - restored)
    looked_at = sorted(named | restored | unseen | gone.keys())
    records = await for_each(services, looked_at, services.records.get, Event.SNAPSHOT_FAILED)
    never = {disk for disk, record in records.items() if record is None or is_blank(record[0])}
    named |= unseen - never
    missing = {disk: why for disk, why in gone.items() if disk not in never}
    found = {disk: record[0] if record else None for disk, record in records.items() if disk in named | restored}
    if on_record is not None:
        unlike = [disk for disk, record in records.items() if (record is not None) != (disk in on_record)]
        await _look_again(services, unlike)
    found |= await _without_hopeless_runs(services, found)
    adopted = {disk for disk, record in found.items() if record and record.adopted}
    due = sorted(named | {disk for disk in adopted if not services.settings.excludes(disk)})
    not_listed = sum(not listed.get(setting) for setting in services.settings.source_disks)
    not_read = sum(not services.settings.excludes(disk) for disk in restored - named - found.keys())
    return FoundDisks(
        due=due,
        found=found,
        missing=missing,
        unfit=await _unfit(services, [disk for disk in due if disk in found], found),
        unknown=len(missing) + not_listed + not_read + (on_record is None),
    )


async def _unfit(services: Services, disks: Sequence[Disk], found: Mapping[Disk, DiskRecord | None]) -> set[Disk]:
    """Find the disks that can't be backed up as they are, and put on record why: before any snapshot is taken."""

    async def look(disk: Disk) -> None:
        if why := backup_problem(disk, services.settings.container, services.settings.mode_of(disk)):
            what_to_do = f"What to do: copy it to another name, or {services.settings.how_to_exclude(disk)}."
            raise DiskError(f"{disk.shown} can't be backed up: {why}. {what_to_do}")
        record = found[disk]
        if record is None or not (record.base_snapshot or record.run or record.restore):
            await _require_page_blob(services, disk)

    return set(disks) - (await for_each(services, disks, look, Event.SNAPSHOT_FAILED)).keys()


async def _require_page_blob(services: Services, disk: Disk) -> None:
    """See to it that what was never backed up is a page blob, as far as it can be told; a snapshot tells the rest."""
    with contextlib.suppress(AzureError):
        if not await services.disks.is_disk(disk):
            raise DiskError(not_a_page_blob(services, disk))


async def _without_hopeless_runs(
    services: Services, found: Mapping[Disk, DiskRecord | None]
) -> dict[Disk, DiskRecord | None]:
    """Give up the runs that were tried often enough, so that their disks are snapshotted now; give their records."""

    async def end(disk: Disk) -> DiskRecord | None:
        record = found[disk]
        if record and record.run:
            said = ". Last error: ".join(
                filter(None, (record.run.failed, record.last_error if record.run.error_at else ""))
            )
            why = DiskError(f"it failed {record.run.tries + 1} times: {said}")
            await abandon_run(services, FinishMessage(disk=disk, run=record.run.snapshot), why)
        now = await services.records.get(disk)
        return now[0] if now else None

    now = services.now()
    hopeless = [disk for disk, record in found.items() if record and record.run and should_abandon(record, now)]
    return await for_each(services, hopeless, end, Event.GIVE_UP_FAILED)


async def _on_record(services: Services) -> dict[Disk, bool] | None:
    """List what is on record, and whether it was or is being restored; None, and the others go on without the list."""
    try:
        return await services.records.disks()
    except AzureError as error:
        log_event(Event.LIST_RECORDS_FAILED, reason=explain(error))
        return None


async def _look_again(services: Services, disks: Iterable[Disk]) -> None:
    """Mend the list of what is on record, where a record was made or deleted by hand; a later tick may do so too."""
    with contextlib.suppress(AzureError):
        for disk in disks:
            await services.records.invalidate(disk)


async def _listed(services: Services) -> dict[SourceDisk, list[Disk]]:
    """Find the disks that each setting names; a pattern that can't be listed or matches none fails on its own."""

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
            but = " that is not excluded" if setting.exclusions else ""
            nothing = DiskError(f"no page blob{but} matches {setting.url}. {what_to_do}")
            await record_failure(services, setting.disk, Event.LIST_DISKS_FAILED, nothing)
        return found

    settings = services.settings.source_disks
    listed = await asyncio.gather(*map(matching, settings))
    return {setting: disks for setting, disks in zip(settings, listed, strict=True) if disks is not None}


def _gone(listed: Mapping[SourceDisk, Sequence[Disk]], known: Iterable[Disk]) -> dict[Disk, DiskError]:
    """Give what is on record, and a pattern that stands for it does not find, with what to say of it.

    Where the record says nothing of any backup it may be that of a blob that is no disk, or of a pattern itself.
    """
    gone: dict[Disk, DiskError] = {}
    patterns = [setting for setting in listed if setting.is_pattern]
    found = {disk for disks in listed.values() for disk in disks}
    for disk in known:
        pattern = next((pattern for pattern in patterns if pattern.covers(disk)), None)
        if pattern and disk not in found:
            what_to_do = (
                "What to do: recover it; or, if it was deleted for good, add its URL with ! before it to SOURCE_DISKS,"
                " or delete its row `disk`."
            )
            gone[disk] = DiskError(f"{disk.name} no longer exists; {pattern.url} matched it before. {what_to_do}")
    return gone


async def for_each[Result](
    services: Services,
    disks: Sequence[Disk],
    step: Callable[[Disk], Awaitable[Result]],
    failed: Event,
) -> dict[Disk, Result]:
    """Do a step for all disks at once; give the results of those that did not fail, and put the failures on record."""
    results = await asyncio.gather(*map(step, disks), return_exceptions=True)
    done: dict[Disk, Result] = {}
    for disk, result in zip(disks, results, strict=True):
        if isinstance(result, Exception):
            await record_failure(services, disk, failed, result)
        elif isinstance(result, BaseException):
            raise result
        else:
            done[disk] = result
    return done

"""Disks with backups that a tick does not find any more: found, told at each tick, and on their records until then."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from shared.azure.services import Services
from shared.events import Event, log_event
from shared.model.absence import Absence, Coverage, absence_of, absence_reason
from shared.model.disk import Disk
from shared.model.index import Summary
from shared.model.retirement import with_absence
from shared.settings import Settings
from shared.source_disks import SourceDisk

_EVENTS = {Absence.UNLISTED: Event.DISK_UNLISTED, Absence.MISSING: Event.DISK_MISSING}


class Absent(NamedTuple):
    """How a disk is absent.

    Attributes:
        absence: how it is.
        reason: why, and what to do.
    """

    absence: Absence
    reason: str


def find_absent(
    settings: Settings, listed: Mapping[SourceDisk, Sequence[Disk]], known: Mapping[Disk, Summary]
) -> dict[Disk, Absent]:
    """Find the disks with backups that are neither found, nor excluded by their own URL, nor restored, nor retired.

    Args:
        settings: the settings.
        listed: what each entry of SOURCE_DISKS finds; without those that can't be listed.
        known: all disks on record.
    """
    found = {disk for disks in listed.values() for disk in disks}
    absent: dict[Disk, Absent] = {}
    for disk, summary in known.items():
        coverage = _coverage(settings, listed, disk, is_found=disk in found)
        absence = absence_of(
            coverage,
            has_backups=summary.has_backups,
            is_adopted=summary.adopted,
            is_restoring=bool(summary.restore),
            is_retired=summary.retired is not None,
        )
        if absence:
            covering = [setting for setting in settings.source_disks if setting.covers(disk)]
            reason = absence_reason(
                absence,
                disk.name,
                pattern=covering[0].described if covering else "",
                has_tags=any(setting.tags for setting in covering),
                is_excluded=coverage is Coverage.EXCLUDED,
            )
            absent[disk] = Absent(absence, reason)
    return absent


def _coverage(
    settings: Settings, listed: Mapping[SourceDisk, Sequence[Disk]], disk: Disk, *, is_found: bool
) -> Coverage:
    """Say how SOURCE_DISKS covers a disk on record."""
    if settings.names(disk):
        return Coverage.NAMED
    if is_found:
        return Coverage.FOUND
    covering = [setting for setting in settings.source_disks if setting.covers(disk)]
    if covering:
        return Coverage.NOT_FOUND if all(setting in listed for setting in covering) else Coverage.UNKNOWN
    if settings.excludes_by_url(disk):
        return Coverage.EXCLUDED_BY_URL
    return Coverage.EXCLUDED if settings.excludes(disk) else Coverage.NONE


async def tell_absent(services: Services, disk: Disk, absent: Absent, before: Summary) -> None:
    """Log that a disk is absent, and put it on its record unless that says so.

    Args:
        services: the services.
        disk: the disk.
        absent: how it is absent.
        before: what is known of it.
    """
    log_event(_EVENTS[absent.absence], disk=disk.name, last_point=before.last_point, reason=absent.reason)
    if before.absence == absent.absence:
        return
    found = await services.records.update(disk, lambda record: with_absence(record, *absent))
    if found is None:
        await services.records.invalidate(disk)


async def tell_back(services: Services, disk: Disk) -> None:
    """Put on a disk's record that it is absent no more."""
    await services.records.update(disk, lambda record: with_absence(record, Absence.NONE, ""))

"""What a tick does for all disks on record, due or not: absent ones, retired ones, and their recovery points."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import batched

from shared.azure.services import Services
from shared.backup.absent_disks import tell_absent, tell_back
from shared.backup.find_disks import FoundDisks, for_each
from shared.events import Event, Stopwatch, log_event
from shared.model.disk import Disk
from shared.model.index import Summary
from shared.model.record import DiskRecord
from shared.model.unusual import inspection_overdue, is_check_due
from shared.points.check_points import check_newest_point, check_points
from shared.runs.clean_retired import clean_retired

AT_ONCE = 16
"""Disks looked after concurrently."""

CHECKS_TAKE_AT_MOST = timedelta(minutes=2)
"""How long a tick looks for all recovery points of disks; those that are left are first at the next tick."""


async def watch_known(services: Services, disks: FoundDisks) -> None:
    """Look after all disks on record; one that fails does not stop the others."""
    known = disks.known

    async def tell(disk: Disk) -> None:
        await tell_absent(services, disk, disks.absent[disk], known[disk])

    async def back(disk: Disk) -> None:
        await tell_back(services, disk)

    async def clean(disk: Disk) -> None:
        await clean_retired(services, disk)

    await _for_some(services, disks.absent, tell, Event.WATCH_DISK_FAILED)
    are_back = [disk for disk, summary in known.items() if summary.absence and disk not in disks.absent]
    await _for_some(services, are_back, back, Event.WATCH_DISK_FAILED)
    left = [disk for disk, summary in known.items() if summary.retired and not summary.retired_clean]
    await _for_some(services, left, clean, Event.WATCH_DISK_FAILED)
    await _look_for_points(services, known)
    await _tell_overdue(services, disks)


async def _look_for_points(services: Services, known: Mapping[Disk, Summary]) -> None:
    """Look for the newest recovery point of each disk, and for all of those that were not looked for in a day."""
    watch, now = Stopwatch(), services.now()

    async def newest(disk: Disk) -> None:
        await check_newest_point(services, disk, known[disk].last_point)

    async def every(disk: Disk) -> None:
        if watch.seconds < CHECKS_TAKE_AT_MOST.total_seconds():
            await check_points(services, disk)

    with_points = [disk for disk, summary in known.items() if summary.last_point]
    await _for_some(services, with_points, newest, Event.CHECK_POINTS_FAILED)
    due = [disk for disk in with_points if is_check_due(known[disk].points_checked, now)]
    due.sort(key=lambda disk: known[disk].points_checked or datetime.min.replace(tzinfo=now.tzinfo))
    await _for_some(services, due, every, Event.CHECK_POINTS_FAILED)


async def _tell_overdue(services: Services, disks: FoundDisks) -> None:
    """Tell which due disks no verify or drill has looked at for long, if there is a schedule for either; once a day."""
    if not services.settings.inspects:
        return
    now = services.now()
    overdue = {disk: inspection_overdue(record, now) for disk in disks.due if (record := disks.found.get(disk))}

    async def tell(disk: Disk) -> None:
        is_news = False

        def told(record: DiskRecord) -> DiskRecord:
            nonlocal is_news
            is_news = bool(inspection_overdue(record, now))
            return replace(record, overdue_told=now) if is_news else record

        await services.records.update(disk, told)
        if is_news:
            log_event(Event.INSPECTION_OVERDUE, disk=disk.name, reason=overdue[disk])

    await _for_some(services, [disk for disk, reason in overdue.items() if reason], tell, Event.WATCH_DISK_FAILED)


async def _for_some(
    services: Services, disks: Iterable[Disk], step: Callable[[Disk], Awaitable[None]], failed: Event
) -> None:
    """Run a step for each disk, some at a time; record the failures."""
    for some in batched(disks, AT_ONCE, strict=False):
        await for_each(services, some, step, failed)

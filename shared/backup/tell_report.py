"""The report as a tick leaves it: what is said of the app, and of each disk on record."""

from collections import Counter
from collections.abc import Callable
from functools import partial

from pydantic import ValidationError

from shared.azure.answers import explain
from shared.azure.services import Services
from shared.azure.tables.at_once import each
from shared.errors import TidemarkError
from shared.events import Event, log_event
from shared.model.disk import Disk
from shared.model.job import Stage
from shared.model.record import DiskRecord
from shared.model.report import AppReport, is_to_be_told


async def tell_report(services: Services, change: Callable[[AppReport], AppReport], *, repeat: bool = False) -> None:
    """Put the report of the app and of all disks on record; an error is logged, and the next tick tries again.

    Args:
        services: the services.
        change: what to say of the app now.
        repeat: whether to log the state even of disks of which nothing has changed.
    """
    try:
        app = await services.status.change_app(change)
        on_record = await each(sorted(await services.records.disks()), partial(_record, services))
        found = [(disk, record) for disk, record in on_record if _is_to_be_told(record, app)]
        trials = Counter(job.known_disk for job in await services.restores.open() if job.state is Stage.EXPIRING)
        await services.status.tell(dict(found), late_after=app.late_after, trials=trials, repeat=repeat)
    except Exception as error:  # noqa: BLE001 - no backup and no heartbeat may fail because of the report
        log_event(Event.REPORT_FAILED, reason=explain(error))


async def tell_app(services: Services, change: Callable[[AppReport], AppReport]) -> None:
    """Put the report of the app on record; an error is logged."""
    try:
        await services.status.change_app(change)
    except Exception as error:  # noqa: BLE001 - no backup and no heartbeat may fail because of the report
        log_event(Event.REPORT_FAILED, reason=explain(error))


async def tell_outdated(services: Services) -> None:
    """Put the reports of those disks on record whose records have changed since; an error is logged.

    A worker may have died between the two writes, and the next tick is hours away.
    """
    try:
        app = await services.status.app()
        for disk in await services.status.outdated(await services.records.disks()):
            found = await _record(services, disk)
            # Of one that can't be read ticks say so.
            if found and isinstance(found[1], DiskRecord) and _is_to_be_told(found[1], app):
                await services.status.changed(disk, None, found[1])
    except Exception as error:  # noqa: BLE001 - no backup and no heartbeat may fail because of the report
        log_event(Event.REPORT_FAILED, reason=explain(error))


def _is_to_be_told(record: DiskRecord | str, app: AppReport) -> bool:
    return isinstance(record, str) or is_to_be_told(record, app.last_tick)


async def _record(services: Services, disk: Disk) -> tuple[Disk, DiskRecord | str] | None:
    """Read the record of a disk, or say why it can't be read; None if there is none."""
    try:
        found = await services.records.get(disk)
    except (TidemarkError, ValidationError) as error:
        return disk, explain(error)
    return (disk, found[0]) if found else None

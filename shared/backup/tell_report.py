"""The report as a tick leaves it: what is said of the app, and of each disk on record."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta

from shared.azure.answers import explain
from shared.azure.services import Services
from shared.azure.tables.status import ReadRecord
from shared.events import Event, log_event
from shared.model.disk import Disk
from shared.model.index import Summary
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
        trials = Counter(job.known_disk for job in await services.restores.open() if job.state is Stage.EXPIRING)
        await services.status.tell(
            services.records.listed,
            _reader(services, app),
            points=services.records.points,
            late_after=timedelta(seconds=app.late_after_seconds),
            trials=trials,
            repeat=repeat,
        )
    except Exception as error:  # noqa: BLE001 - no backup and no heartbeat may fail because of the report
        log_event(Event.REPORT_FAILED, reason=explain(error))


async def tell_app(services: Services, change: Callable[[AppReport], AppReport]) -> None:
    """Put the report of the app on record; an error is logged."""
    try:
        await services.status.change_app(change)
    except Exception as error:  # noqa: BLE001 - no backup and no heartbeat may fail because of the report
        log_event(Event.REPORT_FAILED, reason=explain(error))


async def tell_outdated(
    services: Services, known: Mapping[Disk, Summary], change: Callable[[AppReport], AppReport]
) -> None:
    """Put the reports of the app and of those disks on record whose records have changed since; an error is logged.

    A worker may have died between the two writes, and the next tick is hours away.

    Args:
        services: the services.
        known: the summaries of all disks on record.
        change: what to say of the app now.
    """
    try:
        app = await services.status.change_app(change)
        outdated = await services.status.outdated(known)
        await services.status.tell_some(outdated, _reader(services, app))
    except Exception as error:  # noqa: BLE001 - no backup and no heartbeat may fail because of the report
        log_event(Event.REPORT_FAILED, reason=explain(error))


def _reader(services: Services, app: AppReport) -> ReadRecord:
    """Give what reads the record of a disk, if there is anything to say of it."""

    async def read(disk: Disk) -> DiskRecord | str | None:
        record = await services.records.read(disk)
        is_told = not isinstance(record, DiskRecord) or is_to_be_told(record, app.last_tick)
        return record if is_told else None

    return read

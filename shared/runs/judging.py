"""Telling what looks wrong about the run that was just sealed; once per run."""

from collections.abc import Sequence
from dataclasses import replace

from shared.azure.services import Services
from shared.events import Event, log_event
from shared.model.disk import Disk
from shared.model.point import RecoveryPoint
from shared.model.record import DiskRecord
from shared.model.unusual import resync_again, unusual_run


async def judge_run(services: Services, disk: Disk, points: Sequence[RecoveryPoint]) -> None:
    """Compare a disk's last run with those before it, unless that was done.

    Args:
        services: the services.
        disk: the disk.
        points: its recovery points, oldest first.
    """
    if not points:
        return
    again, unusual = resync_again(points), unusual_run(points)
    last, is_news = points[-1].time, False

    def judged(record: DiskRecord) -> DiskRecord:
        nonlocal is_news
        is_news = record.judged_point < last
        if not is_news or not (again or unusual or record.resync_again or record.unusual):
            return record
        return replace(record, judged_point=last, resync_again=again, unusual=unusual)

    await services.records.update(disk, judged)
    for event, reason in {Event.RESYNC_AGAIN: again, Event.RUN_UNUSUAL: unusual}.items():
        if is_news and reason:
            log_event(event, disk=disk.name, run=last, reason=reason)

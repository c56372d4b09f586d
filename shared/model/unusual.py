"""What looks wrong about a disk's backups though nothing has failed. Pure functions; none of it stops anything."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median

from shared.model.catalogue import REBUILT
from shared.model.job import advised
from shared.model.point import RecoveryPoint
from shared.model.record import DiskRecord
from shared.model.run import Kind
from shared.model.texts import human_size

USUAL_RUNS, FEWEST_RUNS = 10, 5
"""How many earlier incremental runs say what is usual for a disk, at most and at least."""

TIMES_USUAL = 10
"""A run that writes so many times what is usual is unusual."""

LARGE, LARGE_PART = 1024**3, 0.05
"""But not one that writes less than this: bytes, or a part of the disk if that is less."""

OVERDUE_AFTER = timedelta(days=35)
"""How long no verify or drill may have looked at a disk: a month, and a few days for one that fails or is late."""

A_DAY = timedelta(hours=20)
"""What is done or told once a day is due again after this: ticks are not exactly a day apart."""


def resync_again(points: Sequence[RecoveryPoint]) -> str:
    """Say that the last two runs of a disk were resyncs; empty if they were not.

    Args:
        points: its recovery points, oldest first.
    """
    last = [point for point in points if point.kind is not Kind.RESTORE][-2:]
    if [point.kind for point in last] != [Kind.RESYNC, Kind.RESYNC]:
        return ""
    reasons = "; then: ".join(dict.fromkeys(point.reason for point in last))
    return advised(
        f"the last two runs rewrote the whole disk, because no diff could be trusted: {reasons}",
        "if the reason is not known, find out what changes the disk or its backup blob between backups, such as another"
        " app that uses the same backup container",
    )


def usual_written(points: Sequence[RecoveryPoint]) -> float | None:
    """Return how many bytes a run of a disk usually writes; None if too few incremental runs are on record.

    Usual is the median of the last 10 incremental runs, of at least 5.

    Args:
        points: the recovery points before the run, oldest first.
    """
    written = [point.bytes_written for point in points if _is_incremental(point)][-USUAL_RUNS:]
    return median(written) if len(written) >= FEWEST_RUNS else None


def is_unusual(written: int, usual: float, size: int) -> bool:
    """Return whether so many bytes written to a disk of a size are many times what is usual, and not just few."""
    return written >= TIMES_USUAL * usual and written >= max(1, min(LARGE, LARGE_PART * size))


def unusual_run(points: Sequence[RecoveryPoint]) -> str:
    """Say that the last run of a disk has written many times what is usual; empty if it has not.

    Usual is the median of the last 10 incremental runs before it, of at least 5. The run must have written 10 times
    that, and at least 1 GiB or 5 % of the disk.

    Args:
        points: its recovery points, oldest first.
    """
    usual = usual_written(points[:-1])
    if usual is None or not _is_incremental(points[-1]):
        return ""
    written, size = points[-1].bytes_written, points[-1].size
    if not is_unusual(written, usual, size):
        return ""
    return (
        f"{human_size(written)} of {human_size(size)} changed since the last recovery point; usual are"
        f" {human_size(round(usual))}. What to do: make sure that the change was meant; encryption by malware looks"
        " like this. Earlier recovery points hold the disk as it was before"
    )


def _is_incremental(point: RecoveryPoint) -> bool:
    return point.kind is Kind.INCREMENTAL and point.reason != REBUILT


def nobody_looked(record: DiskRecord, now: datetime) -> str:
    """Say that no verify or drill has looked at a disk for long; empty if one has.

    Args:
        record: the disk's record.
        now: the time, UTC.
    """
    looked = max((at for at in (record.last_verify, record.last_drill, record.first_tick) if at), default=now)
    if now - looked < OVERDUE_AFTER or not record.last_point:
        return ""
    last = max((at for at in (record.last_verify, record.last_drill) if at), default=None)
    since = f"since {last:%Y-%m-%d}" if last else "so far"
    return (
        f"no verify and no drill has looked at a recovery point of this disk {since}. What to do: look at the last ones"
        " of this disk, and at VERIFY_SCHEDULE and DRILL_SCHEDULE"
    )


def inspection_overdue(record: DiskRecord, now: datetime) -> str:
    """Say that no verify or drill has looked at a disk for long, once a day; empty if one has, or it has been told.

    Args:
        record: the disk's record.
        now: the time, UTC.
    """
    was_told = record.overdue_told is not None and now - record.overdue_told < A_DAY
    return "" if was_told else nobody_looked(record, now)


def is_check_due(checked: datetime | None, now: datetime) -> bool:
    """Return whether all recovery points of a disk are to be looked for: once a day.

    Args:
        checked: when they were last looked for, UTC.
        now: the time, UTC.
    """
    return checked is None or now - checked >= A_DAY

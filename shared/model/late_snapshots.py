"""Disks that a tick could not snapshot, because they were busy or the service refused it for now. Pure functions.

They are snapshotted as soon as they are free, or it is worth another try; not at the next tick, hours later.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from shared.model.job import advised
from shared.model.record import DiskRecord
from shared.model.retry_policy import is_too_long
from shared.model.tick import MAX_TICK_CHECK_DELAY, is_behind, with_tick

MIN_TRY_DELAY = timedelta(minutes=1)
"""How long a disk is left alone after a refused snapshot, at least: other tools share its limits."""

MAX_TRY_DELAY = MAX_TICK_CHECK_DELAY
"""How long, at most, unless the service asks for more."""

MAX_ASKED_DELAY = timedelta(hours=1)
"""How much of what the service asks for is heeded."""

TRIED_FOR = timedelta(minutes=5)
"""How long a try is left alone; after that its worker counts as dead."""


def should_catch_up(record: DiskRecord, now: datetime) -> bool:
    """Return whether to snapshot a disk before the next tick, because the last one could not and it is free now.

    Only once per tick: after an abandoned run, the disk waits for the next tick. And not forever.
    """
    is_early = record.snapshot_after is not None and now < record.snapshot_after
    return _is_owed(record) and not (is_early or _is_over(record, now))


def waits_since(record: DiskRecord) -> datetime | None:
    """Return since when a disk waits for a refused snapshot to be tried again, UTC; None if it does not.

    Once a tick was missed, it has waited since the last backup, or the first tick: another tick mends nothing.
    """
    if record.snapshot_after is None or not _is_owed(record):
        return None
    missed, done = record.missed_tick, record.last_success
    return done or record.first_tick if missed and (done is None or missed > done) else _free_since(record)


def tried_soon(record: DiskRecord, tick: datetime, now: datetime) -> DiskRecord:
    """Record that a tick could not even ask for the snapshot of a disk, and that it soon will be asked for."""
    late = with_tick(record, tick, is_late=True)
    return replace(late, snapshot_after=now + MIN_TRY_DELAY) if late.late_tick == tick and _is_owed(late) else late


def with_refusal(record: DiskRecord, tick: datetime, why: str, now: datetime, asked: timedelta) -> DiskRecord:
    """Record that a tick's snapshot was refused, and when it is tried again, unless that was done for too long.

    Of a disk that is busy by now only that it is late.

    Args:
        record: the disk's record.
        tick: the tick, UTC.
        why: why it was refused.
        now: the time, UTC.
        asked: how long the service asks to be left alone.
    """
    late = with_tick(record, tick, is_late=True)
    if late.late_tick != tick or not _is_owed(late):
        return late
    delay = _delay(_free_since(late) or tick, now, asked)
    if _is_over(late, now + delay):
        return without_retry(late, tick)
    minutes = round(delay / timedelta(minutes=1))
    said = f"{advised(why, 'nothing, if it passes').rstrip('.')}. The snapshot is tried again in about {minutes} min"
    return replace(late, last_error=said, last_error_at=now, snapshot_after=now + delay)


def without_retry(record: DiskRecord, tick: datetime) -> DiskRecord:
    """Record that a disk waits for the next tick, since nothing else helps."""
    return replace(record, late_tick=None, snapshot_after=None) if record.late_tick == tick else record


def being_tried(record: DiskRecord, now: datetime) -> DiskRecord:
    """Record that a refused snapshot is tried again now: of several looks at once one takes it."""
    return replace(record, snapshot_after=now + TRIED_FOR) if should_catch_up(record, now) else record


def begun(record: DiskRecord) -> DiskRecord:
    """Record that the messages of a late run are enqueued: until then it is looked at as a try is."""
    return replace(record, snapshot_after=None) if record.run else record


def _is_owed(record: DiskRecord) -> bool:
    is_late = record.late_tick is not None and record.late_tick == record.last_tick
    return is_late and is_behind(record) and not (record.run or record.restore)


def _is_over(record: DiskRecord, at: datetime) -> bool:
    return record.late_tick is not None and is_too_long(record.late_tick, at)


def _free_since(record: DiskRecord) -> datetime | None:
    """Return when its late tick was, or, if a run was open then, when that was sealed."""
    return max((at for at in (record.late_tick, record.last_success) if at), default=None)


def _delay(since: datetime, now: datetime, asked: timedelta) -> timedelta:
    """Say when to try again: the longer it was refused, the later; not before the service wants it."""
    return max(min(max(now - since, MIN_TRY_DELAY), MAX_TRY_DELAY), min(asked, MAX_ASKED_DELAY))

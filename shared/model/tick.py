"""A tick of the timer, and whether all its disks were backed up. Pure functions.

A disk is backed up for a tick once it has a recovery point whose time is at or after the tick, however long its run
took.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from shared.model.record import DiskRecord

MIN_TICK_CHECK_DELAY = timedelta(seconds=5)

MAX_TICK_CHECK_DELAY = timedelta(minutes=10)

MAX_TICK_AGE = timedelta(days=7)
"""How long a tick is watched, if no other follows."""

HEARTBEAT_FOR = timedelta(hours=1)
"""How long the heartbeat of a tick is tried after all its disks were backed up."""


class Due(NamedTuple):
    """The ticks around a moment.

    Attributes:
        next: when the next is due, UTC.
        longest_gap: the longest time between two of: the last two that were due, and the next.
    """

    next: datetime
    longest_gap: timedelta


class DueDisk(NamedTuple):
    """A disk that ticks have asked a backup of, by its record.

    Attributes:
        first_tick, last_tick: the first and the last of these ticks, UTC.
        missed_tick: the last one that another overtook before a snapshot was taken for it, UTC.
        point_tick: the last one that a recovery point covers, UTC.
        run_tick: the one that the open run's source snapshot was taken for, UTC.
    """

    first_tick: datetime
    last_tick: datetime
    missed_tick: datetime | None = None
    point_tick: datetime | None = None
    run_tick: datetime | None = None

    def has_point_for(self, tick: datetime) -> bool:
        """Return whether the tick asked for the disk, and a recovery point covers it."""
        return self.is_due_at(tick) and self.point_tick is not None and self.point_tick >= tick

    def is_due_at(self, tick: datetime) -> bool:
        """Return whether the tick may have asked for it: it is between the first that did and the last."""
        return self.first_tick <= tick <= self.last_tick


class Outcome(StrEnum):
    """The outcome of a tick."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    INCOMPLETE = "incomplete"


def with_tick(record: DiskRecord, tick: datetime, *, is_late: bool = False) -> DiskRecord:
    """Record that a tick has asked for a backup of a disk; of two at once the later one counts.

    Args:
        record: the disk's record.
        tick: the tick, UTC.
        is_late: whether the tick could not snapshot it for now: a run or a restore, which may have ended since, kept it
            busy, or the service refused.
    """
    last, first = record.last_tick, min(record.first_tick or tick, tick)
    if last and last >= tick:
        return replace(record, first_tick=first)  # it asked all the same, though a later one was faster
    is_missed = is_behind(record) and not (record.run and record.run.tick == last)
    return replace(
        record,
        first_tick=first,
        last_tick=tick,
        missed_tick=last if is_missed else record.missed_tick,
        late_tick=tick if is_late or record.run or record.restore else record.late_tick,
        snapshot_after=None,
    )


def is_behind(record: DiskRecord) -> bool:
    """Return whether no recovery point covers the last tick that asked for a disk."""
    return record.last_tick is not None and (record.point_tick is None or record.point_tick < record.last_tick)


def tick_of_point(record: DiskRecord, time: str) -> datetime | None:
    """Return the last tick that a disk's recovery points cover once the one of this time is sealed.

    A run's snapshot covers the tick it was taken for, whatever the clocks say, and any tick that is not later.

    Args:
        record: the disk's record, with the open run that is being sealed.
        time: the recovery point's time.
    """
    held = [record.point_tick, record.run.tick if record.run else None]
    if record.last_tick and datetime.fromisoformat(time) >= record.last_tick:
        held.append(record.last_tick)
    return max((tick for tick in held if tick), default=None)


def backed_up(tick: datetime, due: Iterable[DueDisk]) -> int:
    """Count the disks of a tick that are backed up."""
    return sum(disk.has_point_for(tick) for disk in due)


def outcome(tick: datetime, disks: int, due: Iterable[DueDisk], now: datetime, *, absent: int = 0) -> Outcome:
    """Return the outcome of a tick so far. A tick may still wait for its own runs after the next tick.

    Args:
        tick: the tick, UTC.
        disks: how many disks it was to back up.
        due: all disks on record.
        now: the time, UTC.
        absent: how many of its disks or patterns could not be found or read; with one, it never succeeds.
    """
    due = list(due)
    if any(disk.missed_tick == tick for disk in due):
        return Outcome.INCOMPLETE
    done = backed_up(tick, due)
    if absent and done >= disks - absent:
        return Outcome.INCOMPLETE
    # A disk the tick did not count, because it was missing or is new, must not stand in for one it did.
    if done >= disks and done == sum(disk.is_due_at(tick) for disk in due):
        return Outcome.SUCCEEDED
    is_overtaken = any(disk.last_tick > tick for disk in due)
    has_run = any(disk.run_tick == tick for disk in due)
    is_given_up = (is_overtaken and not has_run) or now - tick >= MAX_TICK_AGE
    return Outcome.INCOMPLETE if is_given_up else Outcome.PENDING


def next_check(tick: datetime, now: datetime) -> timedelta:
    """Say when to check a tick again: soon at first, less often the longer its backups take."""
    return min(max((now - tick) / 10, MIN_TICK_CHECK_DELAY), MAX_TICK_CHECK_DELAY)

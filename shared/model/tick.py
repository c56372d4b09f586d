"""A tick of the timer: whether every disk of it was backed up. Pure functions.

A disk has what a tick asked for when a recovery point's time is at or after the tick, however long its run took.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from shared.model.patience import is_over
from shared.model.record import DiskRecord

SHORTEST_LOOK_DELAY = timedelta(seconds=5)

LONGEST_LOOK_DELAY = timedelta(minutes=10)

LONGEST_TICK = timedelta(days=7)
"""How long a tick is looked at that no other follows."""

HEARTBEAT_FOR = timedelta(hours=1)
"""How long the heartbeat of a tick is tried, from the moment at which all its disks were backed up."""


class DueDisk(NamedTuple):
    """What the record says of a disk that ticks have asked for.

    Attributes:
        first_tick, last_tick: the first tick that did, and the last, UTC.
        missed_tick: the last one that another overtook before a snapshot was taken for it, UTC.
        point_tick: the last one whose state a recovery point holds, UTC.
        run_tick: the one that the open run's source snapshot was taken for, UTC.
    """

    first_tick: datetime
    last_tick: datetime
    missed_tick: datetime | None = None
    point_tick: datetime | None = None
    run_tick: datetime | None = None

    def has_point_for(self, tick: datetime) -> bool:
        """Tell whether a recovery point holds the disk's state at or after the tick, which asked for it in time."""
        return self.is_due_at(tick) and self.point_tick is not None and self.point_tick >= tick

    def is_due_at(self, tick: datetime) -> bool:
        """Tell whether the tick may have asked for it: it lies between the first that did and the last."""
        return self.first_tick <= tick <= self.last_tick


class Outcome(StrEnum):
    """What has come of a tick."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    INCOMPLETE = "incomplete"


def asked_for(record: DiskRecord, tick: datetime, *, found_busy: bool = False) -> DiskRecord:
    """Note on a disk's record that a tick has asked for a backup of it; of two at once the later one counts.

    Args:
        record: the disk's record.
        tick: the tick, UTC.
        found_busy: whether the tick has found a run of it open, or a restore to it, which may have ended by now.
    """
    last = record.last_tick
    if last and last >= tick:
        return record
    is_missed = is_behind(record) and not (record.run and record.run.tick == last)
    return replace(
        record,
        first_tick=record.first_tick or tick,
        last_tick=tick,
        missed_tick=last if is_missed else record.missed_tick,
        late_tick=tick if found_busy or record.run or record.restore else record.late_tick,
    )


def is_behind(record: DiskRecord) -> bool:
    """Tell whether no recovery point holds a disk's state at or after the last tick that asked for it."""
    return record.last_tick is not None and (record.point_tick is None or record.point_tick < record.last_tick)


def is_to_catch_up(record: DiskRecord, now: datetime) -> bool:
    """Tell whether a disk is to be snapshotted before the next tick: the last one has found it busy, and it is free.

    It is only so once: a run that is opened for a tick and given up waits for the next tick. Nor is it so for ever.
    """
    tick = record.late_tick
    if tick is None or tick != record.last_tick or is_over(tick, now):
        return False
    return is_behind(record) and not (record.run or record.restore)


def tick_of_point(record: DiskRecord, time: str) -> datetime | None:
    """Give the last tick whose state a disk's recovery points hold once the one of this time is sealed.

    A run's snapshot holds the state that its tick has asked for, whatever two clocks say; and whoever took it, it
    holds that of any tick that is not later.

    Args:
        record: the disk's record, with the open run that is sealed.
        time: the recovery point's time.
    """
    held = [record.point_tick, record.run.tick if record.run else None]
    if record.last_tick and datetime.fromisoformat(time) >= record.last_tick:
        held.append(record.last_tick)
    return max((tick for tick in held if tick), default=None)


def backed_up(tick: datetime, due: Iterable[DueDisk]) -> int:
    """Count the disks of a tick of which a recovery point holds the state at or after it."""
    return sum(disk.has_point_for(tick) for disk in due)


def outcome(tick: datetime, disks: int, due: Iterable[DueDisk], now: datetime) -> Outcome:
    """Tell what has come of a tick by now. One that another overtakes may still wait for the runs of its own.

    Args:
        tick: the tick, UTC.
        disks: how many disks it was to back up.
        due: what the record says of all disks.
        now: the time, UTC.
    """
    due = list(due)
    if any(disk.missed_tick == tick for disk in due):
        return Outcome.INCOMPLETE
    done = backed_up(tick, due)
    # One that the tick has not counted, since it was away or is new, stands for none that it has.
    if done >= disks and done == sum(disk.is_due_at(tick) for disk in due):
        return Outcome.SUCCEEDED
    is_overtaken = any(disk.last_tick > tick for disk in due)
    has_run = any(disk.run_tick == tick for disk in due)
    is_given_up = (is_overtaken and not has_run) or now - tick >= LONGEST_TICK
    return Outcome.INCOMPLETE if is_given_up else Outcome.PENDING


def next_look(tick: datetime, now: datetime) -> timedelta:
    """Say when to look at a tick again: soon at first, rarely when its backups take long."""
    return min(max((now - tick) / 10, SHORTEST_LOOK_DELAY), LONGEST_LOOK_DELAY)

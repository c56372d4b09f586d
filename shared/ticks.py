"""A tick of the timer: whether every disk of it was backed up. Pure functions."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from shared.record import DiskRecord

SHORTEST_LOOK_DELAY = timedelta(seconds=5)

LONGEST_LOOK_DELAY = timedelta(minutes=10)

LONGEST_TICK = timedelta(days=7)
"""How long a tick is looked at that no other follows."""

HEARTBEAT_FOR = timedelta(hours=1)
"""How long the heartbeat of a tick is tried, from the moment at which all its disks were backed up."""


class DueDisk(NamedTuple):
    """What the record says of a disk that a tick has asked for.

    Attributes:
        last_tick: the last tick that did, UTC.
        last_success: when its last recovery point was sealed, UTC.
    """

    last_tick: datetime
    last_success: datetime | None


class Outcome(StrEnum):
    """What has come of a tick."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    INCOMPLETE = "incomplete"


def asked_for(record: DiskRecord, tick: datetime) -> DiskRecord:
    """Note on a disk's record that a tick has asked for a backup of it; of two at once the later one counts."""
    return record.model_copy(update={"last_tick": max(tick, record.last_tick or tick)})


def backed_up(tick: datetime, due: Iterable[DueDisk]) -> int:
    """Count the disks of a tick that have a recovery point sealed since."""
    return sum(disk.last_tick == tick and disk.last_success is not None and disk.last_success >= tick for disk in due)


def outcome(tick: datetime, disks: int, due: Iterable[DueDisk], now: datetime) -> Outcome:
    """Tell what has come of a tick by now.

    Args:
        tick: the tick, UTC.
        disks: how many disks it was to back up.
        due: what the record says of all disks.
        now: the time, UTC.
    """
    due = list(due)
    if backed_up(tick, due) >= disks:
        return Outcome.SUCCEEDED
    is_overtaken = any(disk.last_tick > tick for disk in due)
    return Outcome.INCOMPLETE if is_overtaken or now - tick >= LONGEST_TICK else Outcome.PENDING


def next_look(tick: datetime, now: datetime) -> timedelta:
    """Say when to look at a tick again: soon at first, rarely when its backups take long."""
    return min(max((now - tick) / 10, SHORTEST_LOOK_DELAY), LONGEST_LOOK_DELAY)

"""How long a job may go wrong, and when it is looked at and tried again: one rule for all. Pure functions of values."""

from datetime import datetime, timedelta

PATIENCE = timedelta(days=1)
"""How long every step of a job may go wrong before it fails, and lets its disk go.

Longer than an outage that its owner mends the next morning, and no longer than a disk may go without a backup unseen.
"""

FEWEST_FAILURES = 5
"""How many steps in a row must have gone wrong as well: they may have been a day apart, where a message was lost."""

LONGEST_CHECK_DELAY = timedelta(seconds=60)
SHORTEST_CHECK_DELAY = timedelta(seconds=1)

_SHORTEST_TRY_DELAY = timedelta(seconds=5)
_MOST_DOUBLINGS = 6


def is_over(since: datetime, now: datetime) -> bool:
    """Tell whether patience is over with what has gone wrong since then."""
    return now - since >= PATIENCE


def is_stalled(last_sign: datetime, now: datetime, after: timedelta, times: int) -> bool:
    """Tell whether there was no sign of life for so long that messages must be taken for lost.

    Args:
        last_sign: the last sign of life, UTC.
        now: the time, UTC.
        after: how long a message is not taken for lost.
        times: how often messages were enqueued again since the last sign: each time it takes twice as long.
    """
    return now - last_sign >= after * (1 << min(times, _MOST_DOUBLINGS))


def check_delay(since: datetime, now: datetime) -> timedelta:
    """Say when to look again at what is under way: soon at what is young, rarely at what takes long."""
    return min(max((now - since) / 10, SHORTEST_CHECK_DELAY), LONGEST_CHECK_DELAY)


def next_try(attempt: int) -> timedelta:
    """Say when to begin an attempt: the second after 5 seconds, the fifth after ten minutes."""
    delay: timedelta = _SHORTEST_TRY_DELAY * 5 ** max(0, attempt - 2)
    return delay

"""How long a job may fail, and when it is checked and retried: one rule for all jobs. Pure functions."""

from datetime import datetime, timedelta

GIVE_UP_AFTER = timedelta(days=1)
"""How long every step of a job may fail before the job fails and releases its disk.

Longer than an outage that is fixed the next morning, and no longer than a disk may go without a backup unnoticed.
"""

MIN_FAILURES = 5
"""How many steps in a row must have failed as well: after a lost message, two failures may be a day apart."""

MAX_CHECK_DELAY = timedelta(seconds=60)
MIN_CHECK_DELAY = timedelta(seconds=1)

_SHORTEST_TRY_DELAY = timedelta(seconds=5)
_MAX_DOUBLINGS = 6


def is_too_long(since: datetime, now: datetime) -> bool:
    """Return whether what has failed since then has failed for too long."""
    return now - since >= GIVE_UP_AFTER


def is_stalled(last_sign: datetime, now: datetime, after: timedelta, times: int) -> bool:
    """Return whether there was no sign of life for so long that messages are considered lost.

    Args:
        last_sign: the last sign of life, UTC.
        now: the time, UTC.
        after: how long a message may take before it is considered lost.
        times: how often messages were enqueued again since the last sign; each time doubles the wait.
    """
    return now - last_sign >= after * (1 << min(times, _MAX_DOUBLINGS))


def check_delay(since: datetime, now: datetime) -> timedelta:
    """Say when to check work under way again: soon at first, less often the longer it takes."""
    return min(max((now - since) / 10, MIN_CHECK_DELAY), MAX_CHECK_DELAY)


def retry_delay(attempt: int) -> timedelta:
    """Return the delay before an attempt: 5 seconds before the second, ten minutes before the fifth."""
    delay: timedelta = _SHORTEST_TRY_DELAY * 5 ** max(0, attempt - 2)
    return delay

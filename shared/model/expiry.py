"""When a trial restore's disk is deleted: at a time, at the end of a day, or so long after it became usable."""

import re
from datetime import UTC, datetime, time, timedelta

from shared.model.retry_policy import MIN_CHECK_DELAY
from shared.model.times import is_date, normalized_time

EXPIRY_CHECK = timedelta(days=1)
"""How often a disk that expires is looked at: a queue hides a message for seven days at most (REST: Put Message)."""

_DURATION = re.compile(r"([1-9]\d{0,3})([hdw])", re.ASCII)
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def normalized_expiry(text: str) -> str:
    """Read when a disk expires: an RFC 3339 time, a date, or a duration such as `12h`, `7d` or `2w`.

    Raises:
        ValueError: it is none of these; the message says what is wrong.
    """
    text = text.strip()
    if _DURATION.fullmatch(text) or is_date(text):
        return text
    try:
        return normalized_time(text)
    except ValueError as error:
        raise ValueError(f"{error}; nor a date such as 2026-12-05, nor a duration such as 12h, 7d or 2w") from None


def expiry_of(asked: str, usable: datetime) -> datetime:
    """Return when a disk expires, UTC: a date lasts until its end.

    Args:
        asked: the expiry, as `normalized_expiry` returns it.
        usable: when the disk became usable, UTC: a duration counts from then.
    """
    if duration := _DURATION.fullmatch(asked):
        return usable + int(duration[1]) * _UNITS[duration[2]]
    if is_date(asked):
        return datetime.combine(datetime.fromisoformat(asked), time.max, UTC)
    return datetime.fromisoformat(asked)


def expiry_delay(expires: datetime, now: datetime) -> timedelta:
    """Return when to look again at a disk that has not expired."""
    return max(MIN_CHECK_DELAY, min(expires - now, EXPIRY_CHECK))

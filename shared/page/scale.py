"""The scale of the pictures of a disk's last two weeks: where a moment is. Pure functions."""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, datetime

from shared.model.history import WINDOW, History, Mark

DAY, DAYS = 36, WINDOW.days
WIDTH = DAY * DAYS
ROOM = 44
"""What is left of the pictures at the right of now, for the open run."""

A_DAY = 86400
UNIT = A_DAY / DAY
"""Seconds in a unit of the pictures."""

MANY = 120
"""From so many marks on they are drawn smaller."""


def window(now: datetime) -> tuple[int, int]:
    """Give the seconds at which the pictures begin and end."""
    return int((now - WINDOW).timestamp()), int(now.timestamp())


def date(second: int) -> str:
    """Write the day of a second: `27 Nov`."""
    at = datetime.fromtimestamp(second, UTC)
    return f"{at.day} {at:%b}"


def place(second: int, start: int) -> float:
    """Say where a second is in a picture that begins at another."""
    return round((second - start) / UNIT, 1)


def since(history: History, start: int) -> Sequence[Mark]:
    """Give the marks from a second on; they are in order."""
    return history.marks[bisect_left(history.marks, (start,)) :]


def midnights(now: datetime) -> Sequence[tuple[float, str]]:
    """Give where each day begins, and the label of each other day, but for the newest."""
    start, end = window(now)
    found = range(start - start % A_DAY + A_DAY, end + 1, A_DAY)
    unlabelled = (len(found) - 1) % 2
    return [(place(at, start), "" if number % 2 == unlabelled else date(at)) for number, at in enumerate(found)]

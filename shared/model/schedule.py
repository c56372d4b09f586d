"""When ticks are due, by `BACKUP_SCHEDULE`. Pure functions.

It is computed here because the platform does not say it: `ScheduleStatus.Next` of a scheduled invocation is when that
one was due (azure-functions-dotnet-worker, issue 954).
"""

import re
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from croniter import croniter

from shared.model.tick import Due

FIELDS = 6
"""Fields of an NCRONTAB expression, seconds first; with five, the first is of minutes."""

_EARLY = timedelta(seconds=10)
"""How early a timer may go off, at most, by the clocks of two machines."""

_NAMES = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC|SUN|MON|TUE|WED|THU|FRI|SAT"
# Stricter than croniter, which also accepts years, `L`, `#`, `?`, hashes and `@daily`, which Azure refuses.
_FIELD = re.compile(rf"(?:\*|\d+|{_NAMES}|[,/-])+", re.IGNORECASE)


class Crontab(NamedTuple):
    """A six-field NCRONTAB expression, seconds first, in UTC; a day must match both day of month and day of week."""

    text: str

    def after(self, moment: datetime) -> datetime:
        """Return the first due time after a moment, UTC."""
        found: datetime = self._from(moment).get_next()
        return found

    def before(self, moment: datetime) -> datetime:
        """Return the last due time before a moment, UTC."""
        found: datetime = self._from(moment).get_prev()
        return found

    def around(self, tick: datetime) -> Due:
        """Return what is due after a tick, UTC, be it one of the schedule's or one that somebody has started."""
        following = self.after(tick + _EARLY)
        last = self.before(following)
        times = (self.before(last), last, following)
        return Due(following, max(later - earlier for earlier, later in pairwise(times)))

    def _from(self, moment: datetime) -> croniter:
        return croniter(self.text, moment, ret_type=datetime, second_at_beginning=True, day_or=False)


def parse_crontab(text: str) -> Crontab:
    """Read a six-field NCRONTAB expression.

    Raises:
        ValueError: it is none; the message says why.
    """
    fields = text.split()
    if len(fields) != FIELDS:
        raise ValueError(f"expected six fields, seconds first, got {len(fields)}")
    if wrong := [field for field in fields if not _FIELD.fullmatch(field)]:
        raise ValueError(f"{wrong[0]!r} is not an NCRONTAB field")
    expression = " ".join(fields)
    if not croniter.is_valid(expression, second_at_beginning=True):
        raise ValueError("it is not an NCRONTAB expression")
    return Crontab(expression)


def due_around(schedule: str, tick: datetime) -> Due | None:
    """Return what a schedule has due after a tick, UTC; None if it is one that only the platform can read."""
    text = schedule if len(schedule.split()) == FIELDS else f"0 {schedule}"
    try:
        return parse_crontab(text).around(tick)
    except ValueError:  # such as of a 30 February
        return None

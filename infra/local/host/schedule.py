"""The schedules of timers: six-field NCRONTAB, or a fixed interval, in UTC."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from croniter import croniter

from infra.local.host.settings import parse_time_span

_FIELDS = 6
_NAMES = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC|SUN|MON|TUE|WED|THU|FRI|SAT"
# Stricter than croniter, which also accepts years, `L`, `#`, `?`, hashes and `@daily`, which Azure refuses.
_FIELD = re.compile(rf"(?:\*|\d+|{_NAMES}|[,/-])+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Crontab:
    """A six-field NCRONTAB expression, seconds first; a day must match both day of month and day of week."""

    text: str

    def after(self, moment: datetime) -> datetime:
        """Return the first due time after `moment` (UTC)."""
        found = croniter(self.text, moment, ret_type=datetime, second_at_beginning=True, day_or=False).get_next()
        assert isinstance(found, datetime)  # noqa: S101 - asked for above
        return found


@dataclass(frozen=True, slots=True)
class Interval:
    """A fixed time between two starts."""

    length: timedelta

    def after(self, moment: datetime) -> datetime:
        """Return the due time one interval after `moment` (UTC)."""
        return moment + self.length


type Schedule = Crontab | Interval


def parse_schedule(text: str) -> Schedule:
    """Read a timer's `schedule`: NCRONTAB, or `hh:mm:ss` between two starts.

    Raises:
        ValueError: it is neither.
    """
    if ":" in text:
        interval = parse_time_span(text.strip())
        if not interval:
            raise ValueError("expected an interval greater than zero")
        return Interval(interval)
    fields = text.split()
    if len(fields) != _FIELDS:
        raise ValueError(f"expected six fields, seconds first, got {len(fields)}")
    if wrong := [field for field in fields if not _FIELD.fullmatch(field)]:
        raise ValueError(f"{wrong[0]!r} is not an NCRONTAB field")
    expression = " ".join(fields)
    if not croniter.is_valid(expression, second_at_beginning=True):
        raise ValueError("it is not an NCRONTAB expression")
    return Crontab(expression)

"""When ticks are due, by `BACKUP_SCHEDULE`. Pure functions.

It is computed here because the platform does not say it: `ScheduleStatus.Next` of a scheduled invocation is when that
one was due (azure-functions-dotnet-worker, issue 954).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from croniter import croniter

from shared.model.tick import Due

_FIELDS = 6
_MONTHS = (
    *("", "january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_NAMES: Sequence[Sequence[str]] = ((), (), (), (), _MONTHS, _DAYS)
"""By field: the names of its values, from 0 on."""

_EARLY = timedelta(seconds=10)
"""How early a timer may go off, at most, by the clocks of two machines."""


def due_around(schedule: str, tick: datetime) -> Due | None:
    """Return what is due around a tick, be it one of the schedule's or one that somebody has started.

    Args:
        schedule: NCRONTAB in UTC: six fields, seconds first, or five, minutes first; a day must match both the day of
            the month and that of the week. The platform has read it: what it refuses starts no app.
        tick: the tick, UTC.

    Returns:
        What is due; None if the schedule is never due, or only the platform can read it.
    """
    fields = schedule.split()
    if len(fields) == _FIELDS - 1:
        fields.insert(0, "0")
    try:
        text = " ".join(_field(field, names) for field, names in zip(fields, _NAMES, strict=True))
        following: datetime = _from(text, tick + _EARLY).get_next()
        last: datetime = _from(text, following).get_prev()
        before: datetime = _from(text, last).get_prev()
    except ValueError:  # such as a 30 February
        return None
    return Due(following, max(later - earlier for earlier, later in pairwise((before, last, following))))


def _field(text: str, names: Sequence[str]) -> str:
    """Write a field with numbers only, and its ranges upwards.

    The platform takes each name by however much of its beginning, and turns a range round whose end is before its
    start (NCrontab: CrontabFieldImpl.InternalParse, CrontabField.Accumulate).
    """

    def number(value: str) -> str:
        found = (str(at) for at, name in enumerate(names) if value and name.startswith(value.lower()))
        return next(found, value)

    def part(one: str) -> str:
        span, *step = one.split("/", 1)
        ends = [number(end) for end in span.split("-")]
        return "/".join(["-".join(sorted(ends, key=int) if all(map(str.isdecimal, ends)) else ends), *step])

    return ",".join(map(part, text.split(",")))


def _from(text: str, moment: datetime) -> croniter:
    return croniter(text, moment, ret_type=datetime, second_at_beginning=True, day_or=False)

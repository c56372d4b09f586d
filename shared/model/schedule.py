"""When ticks are due, by `BACKUP_SCHEDULE`. Pure functions.

It is computed here because the platform does not say it: `ScheduleStatus.Next` of a scheduled invocation is when that
one was due (azure-functions-dotnet-worker, issue 954).
"""

from datetime import datetime, timedelta
from itertools import pairwise

from croniter import croniter

from shared.model.tick import Due

_FIELDS = 6
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
    text = schedule if len(schedule.split()) == _FIELDS else f"0 {schedule}"
    try:
        following: datetime = _from(text, tick + _EARLY).get_next()
        last: datetime = _from(text, following).get_prev()
        before: datetime = _from(text, last).get_prev()
    except ValueError:  # such as a 30 February
        return None
    return Due(following, max(later - earlier for earlier, later in pairwise((before, last, following))))


def _from(text: str, moment: datetime) -> croniter:
    return croniter(text, moment, ret_type=datetime, second_at_beginning=True, day_or=False)

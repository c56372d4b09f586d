"""The schedules of timers: six-field NCRONTAB, or a fixed interval, in UTC."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from infra.local.host.settings import parse_time_span
from shared.model.schedule import Crontab, parse_crontab


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
    return parse_crontab(text)

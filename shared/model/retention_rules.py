"""The rules of the setting RETENTION, with the meaning of `restic forget`, and the recovery points they keep.

Pure functions. A point that is damaged or being deleted holds no place in a period, so callers leave it out.
"""

import re
from calendar import monthrange
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Self

EXAMPLE = "last=6 daily=14 weekly=8 monthly=12 yearly=3 within=7d"

_MONTHS = 12
_MAX_SHOWN = 40
_COUNT = re.compile(r"[1-9]\d{0,3}", re.ASCII)
_SPAN = re.compile(r"(?=\d)(?:(\d{1,4})y)?(?:(\d{1,4})m)?(?:(\d{1,4})d)?(?:(\d{1,4})h)?", re.ASCII)
_BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Span:
    """A duration as restic writes it: `7d`, `1y6m`, `2d12h`; a month or a year is one of the calendar."""

    years: int = 0
    months: int = 0
    days: int = 0
    hours: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a duration.

        Raises:
            ValueError: it is not one, or it is zero.
        """
        found = _SPAN.fullmatch(text)
        span = cls(*(int(number or 0) for number in found.groups())) if found else cls()
        if span == cls():
            raise ValueError("must be a duration of years, months, days and hours, such as 7d, 1y6m or 2d12h")
        return span

    def __str__(self) -> str:
        """Write it as it is read."""
        numbers = ((self.years, "y"), (self.months, "m"), (self.days, "d"), (self.hours, "h"))
        return "".join(f"{number}{unit}" for number, unit in numbers if number)

    def before(self, moment: datetime) -> datetime:
        """Return the moment that is this long before another; where a month has no such day, its last day."""
        year, month = divmod(moment.year * _MONTHS + moment.month - 1 - self.years * _MONTHS - self.months, _MONTHS)
        if year < 1:
            return _BEGINNING
        day = min(moment.day, monthrange(year, month + 1)[1])
        try:
            return moment.replace(year=year, month=month + 1, day=day) - timedelta(days=self.days, hours=self.hours)
        except OverflowError:
            return _BEGINNING


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What to keep; zero means that a rule keeps nothing.

    Attributes:
        last: the newest points.
        hourly, daily, weekly, monthly, yearly: periods that have points; the newest point of each is kept.
        within: how long before the newest point all are kept.
        damaged: how long after it was found damaged a point is kept.
    """

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within: Span | None = None
    damaged: Span = Span(days=30)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the rules: `NAME=VALUE`, separated by spaces or commas.

        Raises:
            ValueError: they are not valid, or keep nothing; the message says what is wrong.
        """
        values: dict[str, str] = {}
        for rule in text.replace(",", " ").split():
            name, _, value = rule.partition("=")
            if name not in _NAMES:
                shown = rule if len(rule) <= _MAX_SHOWN else f"{rule[:_MAX_SHOWN]}..."
                raise ValueError(f"must consist of rules {', '.join(_NAMES)}, such as {EXAMPLE}; {shown} is none")
            if name in values:
                raise ValueError(f"must not have {name} twice")
            values[name] = value
        if not values.keys() - {"damaged"}:
            raise ValueError(f"must keep something: it needs a rule besides damaged, such as {EXAMPLE}")
        read: dict[str, Any] = {
            name: _count(name, value) if name in _COUNTED else _span(name, value) for name, value in values.items()
        }
        return cls(**read)

    def __str__(self) -> str:
        """Write them in one way, however they were written."""
        return " ".join(f"{name}={value}" for name in _NAMES if (value := getattr(self, name)))


def _count(name: str, value: str) -> int:
    if not _COUNT.fullmatch(value):
        raise ValueError(f"must have a number from 1 to 9999 after {name}=, such as {name}=6")
    return int(value)


def _span(name: str, value: str) -> Span:
    try:
        return Span.parse(value)
    except ValueError as error:
        raise ValueError(f"{error} after {name}=".replace("must be", "must have")) from None


def kept_by(rules: Rules, times: Iterable[str], zone: tzinfo, now: datetime) -> dict[str, list[str]]:
    """Return which rules keep each recovery point.

    Args:
        rules: the rules.
        times: the times of a disk's good points, as Azure prints them.
        zone: the time zone whose hours, days, weeks (from Monday), months and years count.
        now: the time, UTC.
    """
    moments = {time: datetime.fromisoformat(time) for time in sorted(times, reverse=True)}
    kept: dict[str, list[str]] = {time: [] for time in moments}
    for name, period in _COUNTED.items():
        periods = {time: period(moment.astimezone(zone)) or time for time, moment in moments.items()}
        for time in _newest_of_each(periods, getattr(rules, name)):
            kept[time].append(name)
    newest = next((moment for moment in moments.values() if moment <= now), None)
    if rules.within:
        # Relative to the newest point, so that a disk without new ones loses nothing.
        since = rules.within.before(newest) if newest else _BEGINNING
        for time, moment in moments.items():
            if moment > since:
                kept[time].append("within")
    return kept


def _newest_of_each(periods: Mapping[str, object], count: int) -> Sequence[str]:
    """Return the newest point of each of the last periods; if there are not as many periods, also the oldest point.

    So does restic: the first point stays until the history is as long as the rule asks for.

    Args:
        periods: the period of each point, newest first.
        count: how many periods to keep.
    """
    newest: dict[object, str] = {}
    for time, period in periods.items():
        newest.setdefault(period, time)
    kept = list(newest.values())[:count]
    *_, oldest = periods or [""]
    return [*kept, oldest] if oldest and len(newest) < count and oldest not in kept else kept


_COUNTED: Mapping[str, Callable[[datetime], tuple[int, ...]]] = {
    "last": lambda _: (),
    "hourly": lambda moment: (moment.year, moment.month, moment.day, moment.hour),
    "daily": lambda moment: (moment.year, moment.month, moment.day),
    "weekly": lambda moment: tuple(moment.isocalendar())[:2],
    "monthly": lambda moment: (moment.year, moment.month),
    "yearly": lambda moment: (moment.year,),
}
"""The rules that count, each with the period of a local time; of `last`, each point is a period of its own."""

_NAMES = (*_COUNTED, "within", "damaged")

"""Times as people say them. Pure functions."""

import calendar
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

from shared.model.requests import LATEST
from shared.model.times import normalized_time

EXAMPLES = 'latest, yesterday, -2d, -3h, "27 Nov 14:00", 2026-11-27T14:00:00Z'

_UNITS: Mapping[str, timedelta] = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_DAYS: Mapping[str, int] = {"yesterday": -1, "today": 0, "tomorrow": 1}
_MONTHS = {calendar.month_abbr[number].lower(): number for number in range(1, 13)}
_MONTH = "|".join(_MONTHS)

_SHIFT = re.compile(r"([+-])(\d{1,6}) ?(min|[smhdw])", re.ASCII | re.IGNORECASE)
_LENGTH = re.compile(r"(\d{1,6}) ?(min|[smhdw])", re.ASCII | re.IGNORECASE)
_CLOCK = r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d))?"
_DAY = (
    rf"(?P<word>{'|'.join(_DAYS)})"
    r"|(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)"
    rf"|(?P<day>\d{{1,2}}) (?P<month>{_MONTH})[a-z]*(?: (?P<year>\d{{4}}))?"
)
_LOCAL = re.compile(rf"(?:{_DAY})(?:[ t]{_CLOCK})?|{_CLOCK.replace('?P<', '?P<only_')}", re.ASCII | re.IGNORECASE)
_WITH_ZONE = re.compile(r".*\d\d:\d\d.*([Zz]|[+-]\d\d:\d\d)", re.ASCII | re.DOTALL)
_FRACTION = re.compile(r"(?P<date>\d{4}-\d\d-\d\d)[Tt ](?P<clock>\d\d:\d\d:\d\d)\.(?P<fraction>\d{1,7})", re.ASCII)


class TimeError(ValueError):
    """A text that is no time; the message says what is."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A time that somebody has said.

    Attributes:
        first: the first moment of what was said, such as the beginning of a minute or a day, UTC.
        asked: its last second or moment, as the app reads it: RFC 3339 in UTC.
    """

    first: datetime
    asked: str

    @property
    def last(self) -> datetime:
        """Its last second, UTC."""
        return datetime.fromisoformat(self.asked)


def read_point(text: str, now: datetime, zone: tzinfo | None = None) -> str:
    """Read which recovery point is meant: `latest`, or a time as the app reads it.

    Raises:
        TimeError: it is neither.
    """
    return LATEST if text.strip().lower() == LATEST else read_time(text, now, zone).asked


def read_time(text: str, now: datetime, zone: tzinfo | None = None, *, ahead: bool = False) -> Moment:
    """Read a time.

    Args:
        text: what was typed.
        now: the time, UTC.
        zone: the zone of times without one; None for the machine's.
        ahead: whether a day without a year is the next one rather than the last.

    Raises:
        TimeError: it is no time; the message says what is.
    """
    words = " ".join(text.split())
    try:
        found = _shifted(words, now) or _with_zone(words) or _with_fraction(words, zone)
        return found or _local(words, now, zone, ahead=ahead)
    except (ValueError, OverflowError):
        raise TimeError(f"{text!r} is not a time. What to do: write one like {EXAMPLES}") from None


def read_length(text: str) -> timedelta:
    """Read a length of time such as `90s`, `10m`, `24h`, `7d`.

    Raises:
        TimeError: it is none.
    """
    found = _LENGTH.fullmatch(text.strip())
    if found is None:
        raise TimeError(f"{text!r} is not a length of time. What to do: write one like 90s, 10m, 24h or 7d")
    return int(found[1]) * _UNITS[found[2].lower()]


def read_expiry(text: str, now: datetime, zone: tzinfo | None = None) -> str:
    """Read when a disk expires, as the app reads it: a length stays one, and counts from when the disk is usable.

    Raises:
        TimeError: it is neither a length nor a time.
    """
    if re.fullmatch(r"\d{1,4}[hdw]", text.strip(), re.ASCII):
        return text.strip()
    return read_time(text, now, zone, ahead=True).asked


def _shifted(words: str, now: datetime) -> Moment | None:
    if words.lower() == "now":
        return _moment(now, now)
    found = _SHIFT.fullmatch(words)
    if found is None:
        return None
    length = int(found[2]) * _UNITS[found[3].lower()]
    then = now + length if found[1] == "+" else now - length
    return _moment(then, then)


def _with_zone(words: str) -> Moment | None:
    if not _WITH_ZONE.fullmatch(words):
        return None
    asked = normalized_time(words)
    return Moment(datetime.fromisoformat(asked), asked)


def _with_fraction(words: str, zone: tzinfo | None) -> Moment | None:
    """Read a time with a fraction of a second, all digits of which count, and no zone."""
    found = _FRACTION.fullmatch(words)
    if found is None:
        return None
    whole = _in_zone(datetime.fromisoformat(f"{found['date']}T{found['clock']}"), zone)
    asked = normalized_time(f"{whole:%Y-%m-%dT%H:%M:%S}.{found['fraction']}Z")
    return Moment(datetime.fromisoformat(asked), asked)


def _local(words: str, now: datetime, zone: tzinfo | None, *, ahead: bool) -> Moment:
    found = _LOCAL.fullmatch(words)
    if found is None:
        raise ValueError(words)
    here = now.astimezone(zone)
    if found["only_hour"]:
        first, length = _clock(found, "only_")
        naive = datetime.combine(here.date(), first)
        if ahead and _in_zone(naive, zone) <= now:
            naive += timedelta(days=1)
        elif not ahead and _in_zone(naive, zone) > now:
            naive -= timedelta(days=1)
        return _span(naive, length, zone)
    first, length = _clock(found, "") if found["hour"] else (time(), timedelta(days=1))
    return _span(_on_day(found, first, here, ahead=ahead), length, zone)


def _on_day(found: re.Match[str], clock: time, here: datetime, *, ahead: bool) -> datetime:
    """Return the local time on the day that was said; without a year it is the last such day, or the next."""
    if found["word"]:
        return datetime.combine(here.date() + timedelta(days=_DAYS[found["word"].lower()]), clock)
    if found["y"]:
        return datetime.combine(datetime(int(found["y"]), int(found["m"]), int(found["d"])), clock)  # noqa: DTZ001
    month, day = _MONTHS[found["month"][:3].lower()], int(found["day"])
    if found["year"]:
        return datetime.combine(datetime(int(found["year"]), month, day), clock)  # noqa: DTZ001 - local
    today = here.replace(tzinfo=None)
    for back in range(9):  # 29 February may be eight years away
        year = today.year + back if ahead else today.year - back
        if day > calendar.monthrange(year, month)[1]:
            continue
        then = datetime.combine(datetime(year, month, day), clock)  # noqa: DTZ001 - local
        if (then > today) if ahead else (then <= today):
            return then
    raise ValueError(found[0])


def _clock(found: re.Match[str], prefix: str) -> tuple[time, timedelta]:
    """Return the time of day that was said, and how long it lasts."""
    second = found[f"{prefix}second"]
    clock = time(int(found[f"{prefix}hour"]), int(found[f"{prefix}minute"]), int(second or 0))
    return clock, timedelta(seconds=1) if second else timedelta(minutes=1)


def _span(naive: datetime, length: timedelta, zone: tzinfo | None) -> Moment:
    return _moment(_in_zone(naive, zone), _in_zone(naive + length - timedelta(seconds=1), zone))


def _in_zone(naive: datetime, zone: tzinfo | None) -> datetime:
    """Return a local time in UTC; without a zone, by the machine's clock."""
    return (naive.replace(tzinfo=zone) if zone else naive).astimezone(UTC)


def _moment(first: datetime, last: datetime) -> Moment:
    return Moment(first.astimezone(UTC), f"{last.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z")

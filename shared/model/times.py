"""Times as Azure prints them: UTC, seven fractional digits, `2026-11-22T12:00:00.1234567Z`. They sort as text."""

import re
from datetime import UTC, date, datetime

_DIGITS = 7
"""Fractional digits of a snapshot's time; `datetime` keeps six."""

_NO_SUCH_TIME = "is not a date and time that exists"

_RFC_3339 = re.compile(
    r"(?P<seconds>\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d+))?(?P<zone>[Zz]|[+-]\d\d:[0-5]\d)", re.ASCII
)

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def is_date(text: str) -> bool:
    """Return whether a text is a date alone, such as `2026-11-28`.

    Raises:
        ValueError: it looks like one that does not exist.
    """
    if _DATE.fullmatch(text.strip()) is None:
        return False
    try:
        date.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(_NO_SUCH_TIME) from None
    return True


def canonical_time(text: str) -> str:
    """Write an RFC 3339 time as Azure prints it, with seven fractional digits; further digits are dropped.

    Raises:
        ValueError: it is not such a time, or has no time zone; the message says which.
    """
    seconds, fraction = _read(text)
    return f"{seconds}.{fraction.ljust(_DIGITS, '0')}Z"


def normalized_time(text: str) -> str:
    """Write an RFC 3339 time in UTC at its own precision: with the fractional digits it has, at most seven.

    Raises:
        ValueError: it is not such a time, or has no time zone; the message says which.
    """
    seconds, fraction = _read(text)
    return f"{seconds}.{fraction}Z" if fraction else f"{seconds}Z"


def last_moment(asked: str) -> str:
    """Return the last moment a time covers, as Azure prints it: without a fraction, the end of its second."""
    seconds, _, fraction = asked.removesuffix("Z").partition(".")
    return f"{seconds}.{fraction.ljust(_DIGITS, '9')}Z"


def _read(text: str) -> tuple[str, str]:
    """Read the seconds in UTC, and the fractional digits as written, at most seven."""
    found = _RFC_3339.fullmatch(text.strip())
    if found is None:
        if _RFC_3339.fullmatch(f"{text.strip()}Z"):
            raise ValueError("has no time zone; add Z for UTC")
        raise ValueError("is not an RFC 3339 time, such as 2026-11-22T12:00:00Z or 2026-11-22T13:00:00.1234567+01:00")
    zone = found["zone"].upper()
    try:
        moment = datetime.fromisoformat(found["seconds"].upper() + zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(_NO_SUCH_TIME) from None
    return moment.replace(tzinfo=None).isoformat(), (found["fraction"] or "")[:_DIGITS]

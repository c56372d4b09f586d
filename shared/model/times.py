"""Times as Azure prints them: UTC, seven fractional digits, `2026-11-22T12:00:00.1234567Z`. They sort as text."""

import re
from datetime import UTC, datetime

_DIGITS = 7
"""Fractional digits of a snapshot's time; `datetime` keeps six."""

_RFC_3339 = re.compile(
    r"(?P<seconds>\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d+))?(?P<zone>[Zz]|[+-]\d\d:[0-5]\d)", re.ASCII
)


def canonical_time(text: str) -> str:
    """Write an RFC 3339 time as Azure prints it, with all its seven digits; what comes after them is cut off.

    Raises:
        ValueError: it is no such time, or has no zone; the message says which.
    """
    seconds, fraction = _read(text)
    return f"{seconds}.{fraction.ljust(_DIGITS, '0')}Z"


def asked_time(text: str) -> str:
    """Write an RFC 3339 time in UTC, as exact as it is: with the fractional digits that it has, seven at most.

    Raises:
        ValueError: it is no such time, or has no zone; the message says which.
    """
    seconds, fraction = _read(text)
    return f"{seconds}.{fraction}Z" if fraction else f"{seconds}Z"


def end_of(asked: str) -> str:
    """Give the last moment that a time covers, as Azure prints it: the end of its second, where it has no fraction."""
    seconds, _, fraction = asked.removesuffix("Z").partition(".")
    return f"{seconds}.{fraction.ljust(_DIGITS, '9')}Z"


def _read(text: str) -> tuple[str, str]:
    """Read the seconds in UTC, and the fractional digits that are written, seven at most."""
    found = _RFC_3339.fullmatch(text.strip())
    if found is None:
        has_no_zone = _RFC_3339.fullmatch(f"{text.strip()}Z") is not None
        wrong = "has no zone" if has_no_zone else "is no RFC 3339 time"
        raise ValueError(f"{wrong}; it should be like 2026-11-22T12:00:00Z or 2026-11-22T13:00:00.1234567+01:00")
    zone = found["zone"].upper()
    try:
        moment = datetime.fromisoformat(found["seconds"].upper() + zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is no time that there is") from None
    return moment.replace(tzinfo=None).isoformat(), (found["fraction"] or "")[:_DIGITS]

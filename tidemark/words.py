"""Times as they are shown, by the clock of the machine; and the words that the app's page has too. Pure functions."""

from datetime import datetime, timedelta

from shared.model.words import NONE, amount, length, many, short_names, some

__all__ = ["NONE", "amount", "length", "local", "many", "short_names", "some", "zone_of"]

_A_YEAR = timedelta(days=300)


def local(moment: datetime | str | None, now: datetime, *, seconds: bool = False) -> str:
    """Write a time by the clock of the machine: `27 Nov 14:00`, with the year where that is not clear."""
    if not moment:
        return NONE
    at = (datetime.fromisoformat(moment) if isinstance(moment, str) else moment).astimezone()
    year = f" {at.year}" if abs(now - at) > _A_YEAR else ""
    return f"{at.day} {at:%b}{year} {at:%H:%M}{f':{at:%S}' if seconds else ''}"


def zone_of(now: datetime) -> str:
    """Name the zone of the machine's clock."""
    return now.astimezone().tzname() or f"{now.astimezone():%z}"

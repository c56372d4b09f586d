"""Lengths, amounts and names as they are shown. Pure functions."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import unquote

from shared.model.disk_ids import PREFIX
from shared.model.sizes import Bytes
from shared.model.texts import human_size

NONE = "-"
"""Shown where there is nothing."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def length(time: timedelta | float | None) -> str:
    """Write a length of time: `8 s`, `12 min`, `2.5 h`, `3 d`."""
    if time is None:
        return NONE
    seconds = max(0.0, time.total_seconds() if isinstance(time, timedelta) else time)
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    for unit, name, until in ((_MINUTE, "min", 2 * _HOUR), (_HOUR, "h", 2 * _DAY)):
        if seconds < until:
            return _number(seconds / unit, name)
    return _number(seconds / _DAY, "d")


def amount(size: float | None) -> str:
    """Write a number of bytes."""
    return NONE if size is None else human_size(round(size))


def some(size: Bytes) -> str:
    """Write a number of bytes, or as much as is known of it: `2 KiB`, `up to 2 KiB`, `1 MiB to 2 MiB`."""
    if size.is_exact:
        return amount(size.at_most)
    return f"{f'{amount(size.at_least)} to' if size.at_least else 'up to'} {amount(size.at_most)}"


def many(number: int, what: str) -> str:
    """Write a number of things: `1 disk`, `2 disks`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _number(value: float, unit: str) -> str:
    ten = 10
    return f"{value:.0f} {unit}" if value >= ten else f"{value:.1f}".removesuffix(".0") + f" {unit}"


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Name each disk by as many of the last parts of its URL or ID as no other has."""
    parts = {name: tuple(_parts(name)) for name in names}
    whole = Counter(parts.values())
    longest = max(map(len, whole), default=0)
    ends = {count: Counter(own[-count:] for own in parts.values()) for count in range(1, longest)}
    short: dict[str, str] = {}
    for name, own in parts.items():
        count = next((count for count in range(1, len(own)) if ends[count][own[-count:]] == 1), len(own))
        short[name] = "/".join(own[-count:]) if whole[own] == 1 else f"{own[-1]}#{name.partition('#')[2]}"
    return short


def _parts(name: str) -> list[str]:
    """Return the parts of a URL, or of a managed disk's ID, of which others under the same name differ after the #."""
    if name.startswith(PREFIX):
        return name.partition("#")[0].split("/")
    return (unquote(name).partition("://")[2] or name).split("/")

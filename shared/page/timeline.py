"""The pictures of a disk's last two weeks: its recovery points, and the bytes that its runs changed. Pure functions.

Coordinates are in the units of the pictures: a day is `DAY` wide. Marks of a kind are one path, so that a picture of
hourly backups has as few elements as one of daily ones.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from shared.model.history import KINDS, History, Mark
from shared.model.progress import Progress
from shared.model.words import amount, length, many
from shared.page.scale import A_DAY, MANY, UNIT, date, place, since, window

_LINE, _BELOW, _ABOVE = 15, 31, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class DayShown:
    """What the table beneath a picture says of a day.

    Attributes:
        day: the day.
        points: how many recovery points, by their kinds.
        known: what is known of them.
        changed: how many bytes changed.
    """

    day: str
    points: str
    known: str
    changed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The picture of a disk's recovery points.

    Attributes:
        summary: it in words.
        paths: by the class of the marks, the path that draws all of them.
        gaps: where the time between two good recovery points was too long: x and width, and how long.
        known_from: where what is on record begins, if that is later than the picture's beginning.
        dense: whether the marks are small.
        run: how much of the open run is done, from 0 to 1; None if there is none.
        days: the days, the newest first.
        points: how many recovery points it shows.
    """

    summary: str
    paths: dict[str, str] = field(default_factory=dict)
    gaps: Sequence[tuple[float, float, str]] = ()
    known_from: float = 0
    dense: bool = False
    run: float | None = None
    days: Sequence[DayShown] = ()
    points: int = 0


def timeline(
    history: History, now: datetime, *, late_after: timedelta, going: Collection[int], run: Progress | None
) -> Timeline:
    """Draw a disk's recovery points.

    Args:
        history: its history.
        now: the time, UTC.
        late_after: how old the newest good recovery point may become.
        going: the seconds of the recovery points that the retention takes next.
        run: its open run.
    """
    start, end = window(now)
    marks = since(history, start)
    if going:
        marks = [_with_fate(mark, going) for mark in marks]
    gaps = [] if history.points == 0 else list(_gaps(history, marks, start, end, late_after.total_seconds()))
    found = days(marks)
    return Timeline(
        summary=_summary(marks, len(gaps), run),
        paths=_paths(marks, start),
        gaps=[(place(first, start), round((last - first) / UNIT, 1), length(last - first)) for first, last in gaps],
        known_from=max(0.0, place(history.since, start)),
        dense=len(marks) > MANY,
        run=None if run is None else min(1.0, run.done / run.total if run.total else 0.0),
        days=found,
        points=len(marks),
    )


def _with_fate(mark: Mark, going: Collection[int]) -> Mark:
    """Mark a recovery point that a plan takes like one that is being deleted."""
    return mark._replace(letters=f"{mark.letters}g") if mark.second in going else mark


def days(marks: Iterable[Mark]) -> list[DayShown]:
    """Say in words what each day has, the newest first."""
    found: dict[int, list[Mark]] = defaultdict(list)
    for mark in marks:
        found[mark[0] // A_DAY].append(mark)
    return [_day(of_day) for of_day in found.values()][::-1]


def _day(marks: Sequence[Mark]) -> DayShown:
    counts = _counts(marks)
    known = ", ".join(f"{counts[letter]} {what}" for letter, what in _KNOWN.items() if letter in counts)
    return DayShown(
        day=date(marks[0].second), points=_kinds(counts), known=known or "-", changed=amount(sum(m[2] for m in marks))
    )


_KNOWN = {"x": "damaged", "v": "verified", "d": "drilled", "k": "kept", "g": "going", "u": "unusual"}
"""What is known of recovery points, by the letters of their marks."""


def _counts(marks: Iterable[Mark]) -> Counter[str]:
    """Count the letters of all marks: kinds, and what is known."""
    counts = Counter[str]()
    for letters, count in Counter(mark.letters for mark in marks).items():
        for letter in set(letters):
            counts[letter] += count
    return counts


def _kinds(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{counts[letter]} {kind}" for letter, kind in KINDS.items() if letter in counts)


def _summary(marks: Sequence[Mark], gaps: int, run: Progress | None) -> str:
    if not marks:
        return "no recovery point in the last 14 days"
    counts = _counts(marks)
    parts = [_kinds(counts), *(f"{counts[letter]} {what}" for letter, what in _KNOWN.items() if letter in counts)]
    parts += [many(gaps, "gap")] if gaps else []
    parts += [f"a run is {run.shown}"] if run else []
    return f"{many(len(marks), 'recovery point')} in the last 14 days: {'; '.join(parts)}"


def _gaps(
    history: History, marks: Sequence[Mark], start: int, end: int, late_after: float
) -> Iterator[tuple[int, int]]:
    """Find where the time between two good recovery points, or since the last, was longer than it may be."""
    good = [mark.second for mark in marks if not mark.is_damaged]
    before = max(start, history.since)
    had_any = 0 < history.oldest < before
    for first, last in pairwise([*([before] if had_any else []), *good, end]):
        if last - first > late_after:
            yield first, last


def _paths(marks: Sequence[Mark], start: int) -> dict[str, str]:
    """Draw all marks of a kind, and all that is known of the points, as a path each."""
    alike: dict[str, list[int]] = defaultdict(list)
    for second, letters, _, _ in marks:
        alike[letters].append(second)
    places: dict[str, list[float]] = defaultdict(list)
    for letters, seconds in alike.items():
        found = [round((second - start) / UNIT, 1) for second in seconds]
        for letter in set(letters[1:] if "x" in letters else letters):
            places[letter] += found
    return {
        name: _dots(sorted(places[letter]), y)
        if shape == _DOT
        else "".join(f"M{x:g} {y}{shape}" for x in sorted(places[letter]))
        for letter, (name, shape, y) in _DRAWN.items()
        if letter in places
    }


def _dots(places: Sequence[float], y: int) -> str:
    """Draw dots; of those that touch each other, one line."""
    found, first, last = list[str](), places[0], places[0]
    for x in [*places[1:], math.inf]:
        if x - last > _TOUCHING:
            found.append(f"M{first:g} {y}{f'H{last:g}' if last > first else _DOT}")
            first = x
        last = x
    return "".join(found)


_TOUCHING = 2.0

_DOT = "h0"
_RING = "m-7 0a7 7 0 1 0 14 0a7 7 0 1 0-14 0"
_DIAMOND = "m0-5.5l5.5 5.5l-5.5 5.5l-5.5-5.5z"
_TRIANGLE = "m0-5.5l5.5 10h-11z"
_CROSS = "m-4.5-4.5l9 9m0-9l-9 9"
_TICK = "m-3.5 0l2.5 2.5l4.5-5.5"
_CIRCLE = "m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0"
_BAR = "m-4 0h8"

_DRAWN = {
    "g": ("going", _RING, _LINE),
    "f": ("full", _DOT, _LINE),
    "i": ("incremental", _DOT, _LINE),
    "r": ("resync", _DIAMOND, _LINE),
    "t": ("restore", _TRIANGLE, _LINE),
    "x": ("damaged", _CROSS, _LINE),
    "v": ("verified", _TICK, _BELOW),
    "d": ("drilled", _CIRCLE, _BELOW + 9),
    "k": ("kept", _BAR, _ABOVE),
}
"""By the letters of marks: the class, the shape and the height of what is drawn, in the order in which it is."""

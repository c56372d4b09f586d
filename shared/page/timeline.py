"""The pictures of a disk's last two weeks: its recovery points, and the bytes that its runs changed. Pure functions.

Coordinates are in the units of the pictures: a day is `DAY` wide. Marks of a kind are one path, so that a picture of
hourly backups has as few elements as one of daily ones.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise

from shared.model.history import KINDS, WINDOW, History, Mark
from shared.model.progress import Progress
from shared.model.words import amount, length, many

DAY, DAYS = 36, WINDOW.days
WIDTH = DAY * DAYS
ROOM = 44
"""What is left of the pictures at the right of now, for the open run."""

_A_DAY = 86400
_UNIT = _A_DAY / DAY
"""Seconds in a unit of the pictures."""

MANY = 120
"""From so many marks on they are drawn smaller."""

_LINE, _BELOW, _ABOVE = 15, 31, 4
_FLOOR, _HEIGHT, _LEAST = 44, 38, 1024**2
"""Of the chart: its bottom, the height of the tallest bar, and what changes its height at all, in bytes."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The picture of the bytes that each run changed, on a logarithmic scale.

    Attributes:
        summary: it in words.
        bars: the path of the bars.
        odd: the path of the bars of unusual runs.
        marks: the path of the marks above them.
        dense: whether the bars are thin.
        usual: how high what is usual is; None if that is not known.
        last, most: bytes of the last run, and the most.
        unusual: how many runs were unusual.
    """

    summary: str
    bars: str = ""
    odd: str = ""
    marks: str = ""
    dense: bool = False
    usual: float | None = None
    last: str = ""
    most: str = ""
    unusual: int = 0


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
    start, end = _window(now)
    marks = [_with_fate(mark, going) for mark in history.marks if mark.second >= start]
    gaps = [] if history.points == 0 else list(_gaps(history, marks, start, end, late_after.total_seconds()))
    found = days(marks)
    return Timeline(
        summary=_summary(marks, len(gaps), run),
        paths=_paths(marks, start),
        gaps=[(_x(first, start), round((last - first) / _UNIT, 1), length(last - first)) for first, last in gaps],
        known_from=max(0.0, _x(history.since, start)),
        dense=len(marks) > MANY,
        run=None if run is None else min(1.0, run.done / run.total if run.total else 0.0),
        days=found,
        points=len(marks),
    )


def _with_fate(mark: Mark, going: Collection[int]) -> Mark:
    """Mark a recovery point that a plan takes like one that is being deleted."""
    return mark._replace(letters=f"{mark.letters}g") if mark.second in going else mark


def chart(history: History, now: datetime) -> Chart:
    """Draw how many bytes each run changed."""
    start, _ = _window(now)
    marks = [mark for mark in history.marks if mark.second >= start]
    if not marks:
        return Chart(summary="no run in the last 14 days")
    odd = [mark for mark in marks if mark.is_unusual]
    most, usual = max(mark.written for mark in marks), history.usual
    scale = _HEIGHT / math.log1p(max(most, usual or 0, 1) / _LEAST)
    compared = f"; usual are {amount(usual)}" if usual is not None else ""
    told = f"; {many(len(odd), 'unusual run')}" if odd else ""
    return Chart(
        summary=f"bytes changed by {many(len(marks), 'run')}: at most {amount(most)}{compared}{told}",
        bars=_bars([mark for mark in marks if not mark.is_unusual] if odd else marks, start, scale),
        odd=_bars(odd, start, scale),
        marks="".join(f"M{_x(mark.second, start) - 4:g} 1h8l-4 5z" for mark in odd),
        dense=len(marks) > MANY,
        usual=None if usual is None else round(_FLOOR - scale * math.log1p(usual / _LEAST), 1),
        last=amount(marks[-1].written),
        most=amount(most),
        unusual=len(odd),
    )


def midnights(now: datetime) -> Sequence[tuple[float, str]]:
    """Give where each day begins, and the label of each other day, but for the newest."""
    start, end = _window(now)
    found = range(start - start % _A_DAY + _A_DAY, end + 1, _A_DAY)
    unlabelled = (len(found) - 1) % 2
    return [(_x(at, start), "" if number % 2 == unlabelled else _date(at)) for number, at in enumerate(found)]


def days(marks: Iterable[Mark]) -> list[DayShown]:
    """Say in words what each day has, the newest first."""
    return [_day(list(found)) for _, found in groupby(marks, lambda mark: mark.second // _A_DAY)][::-1]


def _day(marks: Sequence[Mark]) -> DayShown:
    counts = _counts(marks)
    known = ", ".join(f"{counts[letter]} {what}" for letter, what in _KNOWN.items() if letter in counts)
    return DayShown(
        day=_date(marks[0].second), points=_kinds(counts), known=known or "-", changed=amount(sum(m[2] for m in marks))
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
    places: dict[str, list[float]] = defaultdict(list)
    for second, letters, _, _ in marks:
        x = round((second - start) / _UNIT, 1)
        for letter in set(letters[1:]):
            places[letter].append(x)
        if "x" not in letters:
            places[letters[0]].append(x)
    return {
        name: _dots(places[letter], y) if shape == _DOT else "".join(f"M{x:g} {y}{shape}" for x in places[letter])
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


def _bars(marks: Iterable[Mark], start: int, scale: float) -> str:
    """Draw bars by the logarithm: a full backup is thousands of times an increment."""
    return "".join(
        f"M{(second - start) / _UNIT:.1f} {_FLOOR}v-{max(1.0, scale * math.log1p(written / _LEAST)):.1f}"
        for second, _, written, _ in marks
    )


def _window(now: datetime) -> tuple[int, int]:
    """Give the seconds at which the pictures begin and end."""
    return int((now - WINDOW).timestamp()), int(now.timestamp())


def _date(second: int) -> str:
    at = datetime.fromtimestamp(second, UTC)
    return f"{at.day} {at:%b}"


def _x(second: int, start: int) -> float:
    return round((second - start) / _UNIT, 1)

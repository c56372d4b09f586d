"""The pictures of a disk's last two weeks: its recovery points, and the bytes that its runs wrote. Pure functions.

Coordinates are in the units of the pictures: a day is `DAY` wide. Marks of a kind are one path, so that a picture of
hourly backups has as few elements as one of daily ones.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from shared.model.history import KINDS, History, Mark, Span
from shared.model.progress import Progress
from shared.model.words import amount, length, many
from shared.page.scale import A_DAY, MANY, UNIT, date, place, since, window
from shared.page.shown import moment

_LINE, _BELOW, _ABOVE = 15, 31, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class DayShown:
    """What the table beneath a picture says of a day.

    Attributes:
        day: the day.
        points: how many recovery points, by their kinds.
        known: what is known of them.
        written: how many bytes were written.
    """

    day: str
    points: str
    known: str
    written: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The picture of a disk's recovery points.

    Attributes:
        summary: it in words.
        paths: by the class of the marks, the path that draws all of them.
        gaps: where a good recovery point was late: x and width, how long, and that with its times.
        known_from: where what is on record begins, if that is later than the picture's beginning.
        dense: whether the marks are small.
        run: how much of the open run is done, from 0 to 1; None if there is none.
        days: the days, the newest first.
        beside: what the table has beside them: the open run and the gaps, the newest first.
        points: how many recovery points it shows.
    """

    summary: str
    paths: dict[str, str] = field(default_factory=dict)
    gaps: Sequence[tuple[float, float, str, str]] = ()
    known_from: float = 0
    dense: bool = False
    run: float | None = None
    days: Sequence[DayShown] = ()
    beside: Sequence[tuple[str, str]] = ()
    points: int = 0


def timeline(
    history: History,
    now: datetime,
    *,
    late_after: timedelta,
    going: Collection[int],
    run: Progress | None,
    would_go: Collection[int] = (),
    is_due: bool = True,
) -> Timeline:
    """Draw a disk's recovery points.

    Args:
        history: its history.
        now: the time, UTC.
        late_after: how old the newest good recovery point may become.
        going: the seconds of the recovery points that the retention takes next.
        run: its open run.
        would_go: the seconds of those that it would take if its plan were carried out.
        is_due: whether backups of it are due at all.
    """
    start, end = window(now)
    marks = [_at(mark, end, going, would_go) for mark in since(history, start)]
    known = max(start, history.since)
    gaps = [gap for gap in _gaps(history, end, late_after.total_seconds(), is_due=is_due) if gap[1] > known]
    told = [_told(first, last, now) for first, last in gaps]
    return Timeline(
        summary=_summary(marks, gaps, run),
        paths=_paths(marks, start),
        gaps=[(*_ends(gap, known, start), length(gap[1] - gap[0]), text) for gap, text in zip(gaps, told, strict=True)],
        known_from=max(0.0, place(history.since, start)),
        dense=len(marks) > MANY,
        run=None if run is None else min(1.0, run.done / run.total if run.total else 0.0),
        days=days(marks),
        beside=[*([("open run", run.shown)] if run else []), *(("gap", text) for text in reversed(told))],
        points=len(marks),
    )


def _ends(gap: tuple[int, int], known: int, start: int) -> tuple[float, float]:
    """Draw as much of a gap as is in the picture: x and width."""
    begin = max(gap[0], known)
    return place(begin, start), round((gap[1] - begin) / UNIT, 1)


def _told(first: int, last: int, now: datetime) -> str:
    """Say how long a gap is, and from when to when."""
    begin, end = _minute(first, now), _minute(last, now)
    return f"{length(last - first)}, {f'{begin} to {end}' if last < int(now.timestamp()) else f'since {begin}'}"


def _minute(second: int, now: datetime) -> str:
    found = moment(datetime.fromtimestamp(second, UTC), now)
    return found.text if found else ""


def _at(mark: Mark, now: int, going: Collection[int], would_go: Collection[int]) -> Mark:
    """Give a mark as it holds now: one that a plan takes is like one that is being deleted; kept is none for ever."""
    letters = mark.letters
    if "k" in letters and not mark.is_kept(now):
        letters = letters.replace("k", "")
    if mark.second in going and "g" not in letters:
        letters += "g"
    if mark.second in would_go and "g" not in letters:
        letters += "w"
    return mark if letters == mark.letters else mark._replace(letters=letters)


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
        day=date(marks[0].second),
        points=_kinds(counts),
        known=known or "-",
        written=amount(sum(mark.written for mark in marks)),
    )


_KNOWN = {"x": "damaged", "v": "verified", "d": "drilled", "k": "kept", "g": "going", "w": "would go", "u": "unusual"}
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


def _summary(marks: Sequence[Mark], gaps: Sequence[tuple[int, int]], run: Progress | None) -> str:
    longest = max((last - first for first, last in gaps), default=0)
    told = [f"{many(len(gaps), 'gap')}, {'the longest ' if len(gaps) > 1 else ''}{length(longest)}"] if gaps else []
    told += [f"a run is {run.shown}"] if run else []
    if not marks:
        return "; ".join(["no recovery point in the last 14 days", *told])
    counts = _counts(marks)
    parts = [_kinds(counts), *(f"{counts[letter]} {what}" for letter, what in _KNOWN.items() if letter in counts)]
    return f"{many(len(marks), 'recovery point')} in the last 14 days: {'; '.join([*parts, *told])}"


def _gaps(history: History, now: int, late_after: float, *, is_due: bool) -> Iterator[tuple[int, int]]:
    """Find where a good recovery point was late after the one before it, or is late now.

    What was late is said by the recovery point that the time begins with. Where it does not say so, the longest that
    is known holds: nothing is told as a gap that may be none.
    """
    good = [Span(mark.second, mark.second, mark.late_after) for mark in history.marks if not mark.is_damaged]
    found = sorted([*good, *history.spans])
    if history.oldest and (not found or history.oldest < history.since <= found[0].first):
        begins = history.since if found and history.oldest < history.since else history.oldest
        found.insert(0, Span(begins, begins, 0))
    longest = max([late_after, *(span.late_after for span in found)])
    last, limit = now, 0.0
    for number, span in enumerate(found):
        if number and span.first - last > (limit or longest):
            yield last, span.first
        if not number or span.last >= last:
            limit = max(limit, span.late_after) if number and span.last == last else span.late_after
            last = span.last
    if is_due and now - last > late_after:
        yield last, now


def _paths(marks: Sequence[Mark], start: int) -> dict[str, str]:
    """Draw all marks of a kind, and all that is known of the points, as a path each."""
    alike: dict[str, list[int]] = defaultdict(list)
    for mark in marks:
        alike[mark.letters].append(mark.second)
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
_SQUARE = "m-7-7h14v14h-14z"
_DIAMOND = "m0-5.5l5.5 5.5l-5.5 5.5l-5.5-5.5z"
_TRIANGLE = "m0-5.5l5.5 10h-11z"
_CROSS = "m-4.5-4.5l9 9m0-9l-9 9"
_TICK = "m-3.5 0l2.5 2.5l4.5-5.5"
_CIRCLE = "m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0"
_BAR = "m-4 0h8"

_DRAWN = {
    "g": ("going", _RING, _LINE),
    "w": ("would", _SQUARE, _LINE),
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

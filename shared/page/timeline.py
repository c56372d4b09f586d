"""The pictures of a disk's last two weeks: its recovery points, and the bytes that its runs changed. Pure functions.

Coordinates are in the units of the pictures: a day is `DAY` wide. Marks of a kind are one path, so that a picture of
hourly backups has as few elements as one of daily ones.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import groupby, pairwise

from shared.model.history import WINDOW, History, Mark
from shared.model.progress import Progress
from shared.model.run import Kind
from shared.model.words import amount, length, many

DAY, DAYS = 36, WINDOW.days
WIDTH = DAY * DAYS
ROOM = 44
"""What is left of the pictures at the right of now, for the open run."""

_A_DAY = timedelta(days=1)

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
        usual: how high what is usual is; None if that is not known.
        last, most: bytes of the last run, and the most.
        unusual: how many runs were unusual.
    """

    summary: str
    bars: str = ""
    odd: str = ""
    marks: str = ""
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
    start = now - WINDOW
    marks = [mark for mark in history.marks if mark.at >= start]
    gaps = list(_gaps(history, marks, start, now, late_after))
    return Timeline(
        summary=_summary(marks, len(gaps), going, run),
        paths=_paths(marks, start, going),
        gaps=[(_x(begin, start), round((end - begin) / _A_DAY * DAY, 1), length(end - begin)) for begin, end in gaps],
        known_from=max(0.0, _x(datetime.fromtimestamp(history.since, UTC), start)),
        dense=len(marks) > MANY,
        run=None if run is None else min(1.0, run.done / run.total if run.total else 0.0),
        days=days(marks, going),
        points=len(marks),
    )


def chart(history: History, now: datetime) -> Chart:
    """Draw how many bytes each run changed."""
    start = now - WINDOW
    marks = [mark for mark in history.marks if mark.at >= start]
    if not marks:
        return Chart(summary="no run in the last 14 days")
    most = max(mark.written for mark in marks)
    odd = [mark for mark in marks if mark.is_unusual]
    usual = f"; usual are {amount(history.usual)}" if history.usual is not None else ""
    told = f"; {many(len(odd), 'unusual run')}" if odd else ""
    return Chart(
        summary=f"bytes changed by {many(len(marks), 'run')}: at most {amount(most)}{usual}{told}",
        bars=_bars([mark for mark in marks if not mark.is_unusual], start, most),
        odd=_bars(odd, start, most),
        marks="".join(f"M{_x(mark.at, start) - 4:g} 1h8l-4 5z" for mark in odd),
        usual=None if history.usual is None else round(_FLOOR - _tall(history.usual, max(most, history.usual)), 1),
        last=amount(marks[-1].written),
        most=amount(most),
        unusual=len(odd),
    )


def midnights(now: datetime) -> Sequence[tuple[float, str]]:
    """Give where each day begins, and the label of each other day, but for the newest."""
    start = now - WINDOW
    first = datetime.combine(start.date() + timedelta(days=1), datetime.min.time(), UTC)
    found = [first + timedelta(days=number) for number in range(DAYS)]
    shown = len(found) % 2
    return [(_x(at, start), f"{at.day} {at:%b}" if n % 2 == shown else "") for n, at in enumerate(found)]


def days(marks: Iterable[Mark], going: Collection[int] = ()) -> list[DayShown]:
    """Say in words what each day has, the newest first."""

    def day_of(mark: Mark) -> date:
        return mark.at.date()

    found = [_day(day, list(of_day), going) for day, of_day in groupby(marks, day_of)]
    return found[::-1]


def _day(day: date, marks: Sequence[Mark], going: Collection[int]) -> DayShown:
    kinds = Counter(str(mark.kind) for mark in marks)
    return DayShown(
        day=f"{day.day} {day:%b}",
        points=", ".join(f"{count} {kind}" for kind, count in kinds.items()),
        known=", ".join(f"{count} {what}" for what, count in _known(marks, going).items() if count) or "-",
        changed=amount(sum(mark.written for mark in marks)),
    )


def _known(marks: Sequence[Mark], going: Collection[int]) -> dict[str, int]:
    return {
        "damaged": sum(mark.is_damaged for mark in marks),
        "verified": sum(mark.is_verified for mark in marks),
        "drilled": sum(mark.is_drilled for mark in marks),
        "kept": sum(mark.is_kept for mark in marks),
        "going": sum(mark.is_going or mark.second in going for mark in marks),
        "unusual": sum(mark.is_unusual for mark in marks),
    }


def _summary(marks: Sequence[Mark], gaps: int, going: Collection[int], run: Progress | None) -> str:
    if not marks:
        return "no recovery point in the last 14 days"
    kinds = Counter(str(mark.kind) for mark in marks)
    parts = [", ".join(f"{count} {kind}" for kind, count in kinds.items())]
    parts += [f"{count} {what}" for what, count in _known(marks, going).items() if count]
    parts += [many(gaps, "gap")] if gaps else []
    parts += [f"a run is {run.shown}"] if run else []
    return f"{many(len(marks), 'recovery point')} in the last 14 days: {'; '.join(parts)}"


def _gaps(
    history: History, marks: Sequence[Mark], start: datetime, now: datetime, late_after: timedelta
) -> Iterable[tuple[datetime, datetime]]:
    """Find where the time between two good recovery points, or since the last, was longer than it may be."""
    good = [mark.at for mark in marks if not mark.is_damaged and not mark.is_going]
    before = max(start, datetime.fromtimestamp(history.since, UTC))
    had_any = bool(history.oldest) and datetime.fromtimestamp(history.oldest, UTC) < before
    ends = [*([before] if had_any else []), *good, now]
    for begin, end in pairwise(ends):
        if end - begin > late_after:
            yield begin, end


def _paths(marks: Sequence[Mark], start: datetime, going: Collection[int]) -> dict[str, str]:
    """Draw all marks of a kind, and all that is known of the points, as a path each."""

    def path(chosen: Iterable[Mark], shape: str, y: int) -> str:
        return "".join(f"M{_x(mark.at, start):g} {y}{shape}" for mark in chosen)

    good = [mark for mark in marks if not mark.is_damaged]
    found = {
        "going": path((mark for mark in marks if mark.is_going or mark.second in going), _RING, _LINE),
        "full": path((mark for mark in good if mark.kind is Kind.FULL), _DOT, _LINE),
        "incremental": path((mark for mark in good if mark.kind is Kind.INCREMENTAL), _DOT, _LINE),
        "resync": path((mark for mark in good if mark.kind is Kind.RESYNC), _DIAMOND, _LINE),
        "restore": path((mark for mark in good if mark.kind is Kind.RESTORE), _TRIANGLE, _LINE),
        "damaged": path((mark for mark in marks if mark.is_damaged), _CROSS, _LINE),
        "verified": path((mark for mark in marks if mark.is_verified), _TICK, _BELOW),
        "drilled": path((mark for mark in marks if mark.is_drilled), _CIRCLE, _BELOW + 9),
        "kept": path((mark for mark in marks if mark.is_kept), _BAR, _ABOVE),
    }
    return {name: text for name, text in found.items() if text}


_DOT = "h0"
_RING = "m-7 0a7 7 0 1 0 14 0a7 7 0 1 0-14 0"
_DIAMOND = "m0-5.5l5.5 5.5l-5.5 5.5l-5.5-5.5z"
_TRIANGLE = "m0-5.5l5.5 10h-11z"
_CROSS = "m-4.5-4.5l9 9m0-9l-9 9"
_TICK = "m-3.5 0l2.5 2.5l4.5-5.5"
_CIRCLE = "m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0"
_BAR = "m-4 0h8"


def _bars(marks: Iterable[Mark], start: datetime, most: int) -> str:
    return "".join(f"M{_x(mark.at, start):g} {_FLOOR}v-{max(1.0, _tall(mark.written, most)):.1f}" for mark in marks)


def _tall(written: float, most: float) -> float:
    """Say how tall a bar is: by the logarithm, as a full backup is thousands of times an increment."""
    return _HEIGHT * math.log1p(written / _LEAST) / math.log1p(most / _LEAST) if most else 0.0


def _x(at: datetime, start: datetime) -> float:
    return round((at - start) / _A_DAY * DAY, 1)

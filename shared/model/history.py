"""The history of a disk: its recovery points of the last two weeks in short, and how many it has. Pure functions.

It stands beside the disk's report on record, so that who draws all disks need not read their recovery points.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from itertools import filterfalse, pairwise
from typing import Annotated, NamedTuple

from pydantic import Field, TypeAdapter, ValidationError

from shared.model.job import Stage
from shared.model.point import PointState, RecoveryPoint
from shared.model.run import Kind
from shared.model.unusual import unusual_run, usual_written

WINDOW = timedelta(days=14)
"""How far back it goes."""

MOST_MARKS = 400
"""How many recovery points it has at most, the newest: more than two weeks of hourly ones, which fit in a property."""

MOST_SPANS = 100
"""How many spans it has at most: those that the least time is between are taken for one."""

MOST_CHARACTERS = 32_000
"""How long it is at most, as JSON; a property holds 32 Ki characters."""

_LETTERS = {Kind.FULL: "f", Kind.INCREMENTAL: "i", Kind.RESYNC: "r", Kind.RESTORE: "t"}
KINDS = {letter: kind for kind, letter in _LETTERS.items()}
"""The kinds of runs by the first letters of marks."""

_LOOKED_BACK = 60
"""Among how many earlier recovery points those are looked for that say what is usual for a run."""

Second = Annotated[int, Field(ge=0, le=4_000_000_000)]
"""Seconds since 1970, UTC."""

Count = Annotated[int, Field(ge=0)]
"""A number of things, or bytes."""


class Mark(NamedTuple):
    """A recovery point in short.

    Attributes:
        second: the moment that it holds.
        letters: its kind, and what is known of it, a letter each.
        written: bytes that its run wrote.
        added: bytes that only it and the backup blob held when it was sealed; None where that is not known.
        late_after: seconds after it at which the next was late, as it was when this one was sealed; 0 if not known.
        kept_until: the second until which an operator holds it; 0 if for ever, or not at all.
    """

    second: Second
    letters: str
    written: Count
    added: Count | None
    late_after: Second = 0
    kept_until: Second = 0

    @property
    def at(self) -> datetime:
        """The moment that it holds, UTC, without a fraction of a second."""
        return datetime.fromtimestamp(self.second, UTC)

    @property
    def kind(self) -> Kind:
        """The kind of run that made it."""
        return KINDS.get(self.letters[:1], Kind.INCREMENTAL)

    @property
    def is_verified(self) -> bool:
        """Whether it was compared completely."""
        return "v" in self.letters[1:]

    @property
    def is_damaged(self) -> bool:
        """Whether it can't be relied on."""
        return "x" in self.letters[1:]

    @property
    def is_drilled(self) -> bool:
        """Whether the last drill of it succeeded."""
        return "d" in self.letters[1:]

    def is_kept(self, second: int) -> bool:
        """Return whether an operator holds it at a second."""
        return "k" in self.letters[1:] and (self.kept_until == 0 or second < self.kept_until)

    @property
    def is_going(self) -> bool:
        """Whether it is being deleted."""
        return "g" in self.letters[1:]

    @property
    def is_unusual(self) -> bool:
        """Whether its run wrote many times what is usual."""
        return "u" in self.letters[1:]


class Span(NamedTuple):
    """Good recovery points that no mark has, of which none was late: the retention took them, or they are too old.

    Attributes:
        first, last: the moments that the first and the last of them held.
        late_after: seconds after the last at which the next was late; 0 if not known.
    """

    first: Second
    last: Second
    late_after: Second


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The history of a disk.

    Attributes:
        points: how many recovery points are on record.
        oldest: the second of the oldest; 0 if there is none.
        added: bytes that they added when they were sealed, as far as that is known. They hold more if others were
            deleted, as what these had added and no run wrote over is theirs now.
        unknown: of how many of them it is not known.
        is_whole: whether none of those that they are built upon was deleted.
        usual: bytes that a run usually writes; None if too few runs are on record.
        since: the second from which on no recovery point is left out.
        marks: the recovery points since then, oldest first.
        spans: when there were good ones beside them, oldest first; the first of these may be before the two weeks.
    """

    points: Count = 0
    oldest: Second = 0
    added: Count = 0
    unknown: Count = 0
    is_whole: bool = False
    usual: float | None = None
    since: Second = 0
    marks: tuple[Mark, ...] = ()
    spans: tuple[Span, ...] = ()


_HISTORY = TypeAdapter(History)


def history_of(
    points: Sequence[RecoveryPoint],
    now: datetime,
    *,
    before: History | None = None,
    late_after: timedelta = timedelta(),
) -> History:
    """Write down the history of a disk.

    Args:
        points: all its recovery points, oldest first.
        now: the time, UTC.
        before: its history as it was; None if there is none.
        late_after: how old its newest good recovery point may become, by now; nothing if that is not known.
    """
    limits = _limits(points, before, int(late_after.total_seconds()))
    lengths = (_history(points, now, before, limits, most) for most in (MOST_MARKS, MOST_MARKS // 2, MOST_MARKS // 4))
    found = History()
    for found in lengths:
        if len(to_text(found)) <= MOST_CHARACTERS:
            break
    return found


def _history(
    points: Sequence[RecoveryPoint], now: datetime, before: History | None, limits: Mapping[int, int], most: int
) -> History:
    since = _second(now - WINDOW)
    recent = [number for number, point in enumerate(points) if _second_of(point) >= since]
    shown = recent[-most:]
    first = _second_of(points[shown[0]]) if len(shown) < len(recent) else since
    known = [point.added_bytes for point in points if point.added_bytes is not None]
    left_out = points[: shown[0]] if shown else points
    return History(
        points=len(points),
        oldest=_second_of(points[0]) if points else 0,
        added=sum(known),
        unknown=len(points) - len(known),
        is_whole=is_whole(points),
        usual=usual_written(points),
        since=max(0, first),
        marks=tuple(
            mark_of(points[number], is_unusual_run=_is_unusual(points, number))._replace(
                late_after=limits.get(_second_of(points[number]), 0)
            )
            for number in shown
        ),
        spans=_spans(
            [
                *(Span(at, at, limits.get(at, 0)) for at in map(_second_of, filterfalse(_is_damaged, left_out))),
                *(_removed(points, before) if before else _unrecorded(points)),
            ],
            since,
        ),
    )


def _limits(points: Sequence[RecoveryPoint], before: History | None, late_after: int) -> dict[int, int]:
    """Give after how many seconds the next recovery point was late, by the seconds of those of which it is known."""
    if not points:
        return {}
    marks, spans = (before.marks, before.spans) if before else ((), ())
    known = {last: limit for _, last, limit in spans} | {mark.second: mark.late_after for mark in marks}
    newest = max(known, default=_second_of(points[-1]) - 1)
    new = {at: late_after for at in map(_second_of, points) if at > newest}
    return {at: limit for at, limit in (known | new).items() if limit}


def is_whole(points: Sequence[RecoveryPoint]) -> bool:
    """Return whether each recovery point adds to the one before it, or to none: none between two was deleted.

    Args:
        points: all of a disk, oldest first.
    """
    bases = ["", *(point.backup_snapshot for point in points)]
    return all(point.added_since in {"", base} for point, base in zip(points, bases, strict=False))


def _removed(points: Sequence[RecoveryPoint], before: History) -> list[Span]:
    """Give the good recovery points of an earlier history that are no more, and those that were none even then."""
    there = {_second_of(point) for point in points}
    gone = [mark for mark in before.marks if mark.second not in there and not mark.is_damaged]
    return [*before.spans, *(Span(mark.second, mark.second, mark.late_after) for mark in gone)]


def _unrecorded(points: Sequence[RecoveryPoint]) -> list[Span]:
    """Give the time in which there were recovery points that nobody has written down: others are built upon them.

    Whether one was late among them can't be told, so none was.
    """
    return [
        Span(_second_of(before), min(_second(datetime.fromisoformat(after.added_since)), _second_of(after)), 0)
        for before, after in pairwise(points)
        if after.added_since not in {"", before.backup_snapshot} and after.added_since > before.time
    ]


def _spans(found: Iterable[Span], since: int) -> tuple[Span, ...]:
    """Join spans between which nothing was late; of those that ended before a second, the last one is enough."""
    joined = list[Span]()
    for span in sorted(found):
        if joined and span.first - joined[-1].last <= joined[-1].late_after:
            joined[-1] = _joined(joined[-1], span)
        else:
            joined.append(span)
    kept = joined[max(0, sum(span.last < since for span in joined) - 1) :]
    if len(kept) <= MOST_SPANS:
        return tuple(kept)
    apart = sorted(range(1, len(kept)), key=lambda number: kept[number].first - kept[number - 1].last)
    ends = sorted(apart[1 - MOST_SPANS :])
    return tuple(reduce(_joined, kept[first:last]) for first, last in pairwise([0, *ends, len(kept)]))


def _joined(one: Span, other: Span) -> Span:
    _, last, limit = max(one, other, key=lambda span: span[1:])
    return Span(one.first, last, limit)


def _is_damaged(point: RecoveryPoint) -> bool:
    """Return whether a recovery point is damaged, or was when its deletion began."""
    return point.state is PointState.DAMAGED or (point.state is PointState.DELETING and bool(point.damage))


def mark_of(point: RecoveryPoint, *, is_unusual_run: bool = False) -> Mark:
    """Put a recovery point in short."""
    flags = {
        "v": point.state is PointState.VERIFIED,
        "x": _is_damaged(point),
        "g": point.state is PointState.DELETING,
        "d": point.drilled is not None and point.drill_result.startswith(Stage.DONE),
        "k": point.kept,
        "u": is_unusual_run,
    }
    letters = _LETTERS[point.kind] + "".join(letter for letter, holds in flags.items() if holds)
    until = _second(point.kept_until) if point.kept and point.kept_until else 0
    return Mark(_second_of(point), letters, point.bytes_written, point.added_bytes, kept_until=until)


def to_text(history: History) -> str:
    """Write a history as JSON."""
    return _HISTORY.dump_json(history, exclude_defaults=True).decode()


def from_text(text: object) -> History | None:
    """Read what `to_text` wrote; None if there is nothing, or somebody has edited it."""
    try:
        return _HISTORY.validate_json(text) if isinstance(text, str) else None
    except ValidationError:
        return None


def _is_unusual(points: Sequence[RecoveryPoint], number: int) -> bool:
    return bool(unusual_run(points[max(0, number - _LOOKED_BACK) : number + 1]))


def _second_of(point: RecoveryPoint) -> int:
    return _second(datetime.fromisoformat(point.time))


def _second(moment: datetime) -> int:
    return max(0, int(moment.timestamp()))

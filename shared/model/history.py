"""The history of a disk: its recovery points of the last two weeks in short, and how many it has. Pure functions.

It stands beside the disk's report on record, so that who draws all disks need not read their recovery points.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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
        written: bytes that its run wrote and cleared.
        added: bytes that only it and the backup blob held when it was sealed; None where that is not known.
    """

    second: Second
    letters: str
    written: Count
    added: Count | None

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

    @property
    def is_kept(self) -> bool:
        """Whether an operator holds it."""
        return "k" in self.letters[1:]

    @property
    def is_going(self) -> bool:
        """Whether it is being deleted."""
        return "g" in self.letters[1:]

    @property
    def is_unusual(self) -> bool:
        """Whether its run wrote many times what is usual."""
        return "u" in self.letters[1:]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The history of a disk.

    Attributes:
        points: how many recovery points are on record.
        oldest: the second of the oldest; 0 if there is none.
        added: bytes that they added when they were sealed, as far as that is known: what they hold, at most.
        unknown: of how many of them it is not known.
        usual: bytes that a run usually writes; None if too few runs are on record.
        since: the second from which on no recovery point is left out.
        marks: the recovery points since then, oldest first.
    """

    points: Count = 0
    oldest: Second = 0
    added: Count = 0
    unknown: Count = 0
    usual: float | None = None
    since: Second = 0
    marks: tuple[Mark, ...] = ()


_HISTORY = TypeAdapter(History)


def history_of(points: Sequence[RecoveryPoint], now: datetime) -> History:
    """Write down the history of a disk.

    Args:
        points: all its recovery points, oldest first.
        now: the time, UTC.
    """
    since = _second(now - WINDOW)
    recent = [number for number, point in enumerate(points) if _second_of(point) >= since]
    shown = recent[-MOST_MARKS:]
    first = _second_of(points[shown[0]]) if len(shown) < len(recent) else since
    known = [point.added_bytes for point in points if point.added_bytes is not None]
    return History(
        points=len(points),
        oldest=_second_of(points[0]) if points else 0,
        added=sum(known),
        unknown=len(points) - len(known),
        usual=usual_written(points),
        since=max(0, first),
        marks=tuple(mark_of(points[number], is_unusual_run=_is_unusual(points, number)) for number in shown),
    )


def mark_of(point: RecoveryPoint, *, is_unusual_run: bool = False) -> Mark:
    """Put a recovery point in short."""
    flags = {
        "v": point.state is PointState.VERIFIED,
        "x": point.state is PointState.DAMAGED,
        "g": point.state is PointState.DELETING,
        "d": point.drilled is not None and point.drill_result.startswith(Stage.DONE),
        "k": point.kept,
        "u": is_unusual_run,
    }
    letters = _LETTERS[point.kind] + "".join(letter for letter, holds in flags.items() if holds)
    return Mark(_second_of(point), letters, point.bytes_written + point.bytes_cleared, point.added_bytes)


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

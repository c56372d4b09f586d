"""Times and states as the page shows them. Pure functions."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.model.job import WHAT_TO_DO
from shared.model.report import DiskReport, State
from shared.model.words import NONE, length

_A_YEAR = timedelta(days=300)


@dataclass(frozen=True, slots=True)
class Moment:
    """A time.

    Attributes:
        iso: it as a program reads it, RFC 3339 in UTC.
        text: it as people read it, in UTC: `27 Nov 14:00`, with the year where that is not clear.
        ago: how long ago it was, or how far ahead it is.
    """

    iso: str
    text: str
    ago: str


def moment(at: datetime | str | None, now: datetime, *, seconds: bool = False) -> Moment | None:
    """Show a time; None if there is none."""
    if not at:
        return None
    found = (datetime.fromisoformat(at) if isinstance(at, str) else at).astimezone(UTC)
    year = f" {found.year}" if abs(now - found) > _A_YEAR else ""
    text = f"{found.day} {found:%b}{year} {found:%H:%M}{f':{found:%S}' if seconds else ''}"
    return Moment(f"{found:%Y-%m-%dT%H:%M:%SZ}", text, distance(found, now))


def distance(at: datetime, now: datetime) -> str:
    """Say how long ago a time was, or how far ahead it is."""
    return f"{length(now - at)} ago" if at <= now else f"in {length(at - now)}"


def split_advice(text: str) -> tuple[str, str]:
    """Split a text of the report into what is wrong, and what to do; the latter is empty if the text says nothing."""
    why, _, advice = text.partition(WHAT_TO_DO)
    return why.strip().rstrip("."), advice.removeprefix(":").strip()


_SHAPES = {
    State.RETIRED: "ended",
    State.SAFE: "check",
    State.RUNNING: "running",
    State.NEW: "new",
    State.RESTORING: "restoring",
    State.LATE: "clock",
    State.UNLISTED: "unknown",
    State.MISSING: "missing",
    State.FAILING: "alarm",
}
_QUIET = frozenset({State.RETIRED, State.NEW})
_BUSY = frozenset({State.RUNNING, State.RESTORING})


@dataclass(frozen=True, slots=True)
class Badge:
    """A state as it is drawn: a shape, a word, and a tone that only repeats what they say.

    Attributes:
        shape: the name of the shape.
        word: the word.
        tone: `good`, `busy`, `quiet`, `warn` or `bad`.
    """

    shape: str
    word: str
    tone: str


def badge(disk: DiskReport) -> Badge:
    """Say how the state of a disk is drawn."""
    if disk.state is State.FAILING:
        tone = "bad"
    elif disk.needs_attention:
        tone = "warn"
    elif disk.state in _BUSY:
        tone = "busy"
    else:
        tone = "quiet" if disk.state in _QUIET else "good"
    return Badge(_SHAPES[disk.state], str(disk.state), tone)


def outcome_badge(state: str) -> Badge:
    """Say how the state of a job that has ended is drawn."""
    shapes = {"done": ("check", "good"), "refused": ("unknown", "warn"), "failed": ("alarm", "bad")}
    shape, tone = shapes.get(state, ("unknown", "quiet"))
    return Badge(shape, state or NONE, tone)

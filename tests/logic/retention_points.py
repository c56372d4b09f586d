"""Made-up disks for the tests of the retention: recovery points, facts, rules, and a model of the rules of restic."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from shared.model.addresses import BlobAddress
from shared.model.point import PointState, RecoveryPoint
from shared.model.retention import Facts
from shared.model.retention_rules import Rules, Span
from shared.model.run import Kind
from tests.logic.records import BACKUP, DISK

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
ZONES = [ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia")]

_COUNTS = ("last", "hourly", "daily", "weekly", "monthly", "yearly")


def printed(moment: datetime) -> str:
    """Print a time as Azure does."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}0Z"


def point_at(moment: datetime, **known: Any) -> RecoveryPoint:
    """Make the recovery point of a time; what is given is known of it."""
    point = RecoveryPoint.of_a_copy(
        time=printed(moment),
        kind=Kind.INCREMENTAL,
        reason="",
        backup_blob=BlobAddress.parse(BACKUP),
        backup_snapshot=printed(moment + timedelta(minutes=3)),
        size=2**30,
        started=moment,
        sealed=moment + timedelta(minutes=3),
        bytes_written=512,
    )
    return replace(point, **known)


def moments() -> st.SearchStrategy[list[datetime]]:
    """Times of recovery points, oldest first: hours, days and months apart, the newest hours or months ago."""
    gaps = st.lists(st.sampled_from([1, 5, 12, 12, 12, 24, 24 * 7, 24 * 31, 24 * 200]), max_size=25)
    ages = st.sampled_from([0, 1, 13, 49, 24 * 100])

    def back(drawn: tuple[list[int], int]) -> list[datetime]:
        found, moment = [], NOW - timedelta(hours=drawn[1], minutes=10)
        for gap in drawn[0]:
            found.append(moment)
            moment -= timedelta(hours=gap)
        return found[::-1]

    return st.tuples(gaps, ages).map(back)


@st.composite
def disks(draw: st.DrawFn) -> list[RecoveryPoint]:
    """The recovery points of a disk, of which anything may be known."""
    return [point_at(moment, **draw(_known(moment))) for moment in draw(moments())]


def _known(moment: datetime) -> st.SearchStrategy[dict[str, Any]]:
    later = st.integers(0, 80).map(lambda days: min(NOW, moment + timedelta(days=days)))
    around = st.integers(-3, 3).map(lambda days: NOW + timedelta(days=days))
    return st.fixed_dictionaries(
        {},
        optional={
            "state": st.sampled_from([PointState.SEALED, PointState.VERIFIED, PointState.DAMAGED]),
            "damaged_at": st.none() | later,
            "verified": st.none() | later,
            "drilled": st.none() | later,
            "drill_result": st.sampled_from(["", "done: identical", "failed: bytes 0-511 differ"]),
            "kept": st.booleans(),
            "kept_until": st.none() | around,
        },
    )


def spans() -> st.SearchStrategy[Span]:
    """Durations."""
    numbers = st.integers(0, 2), st.integers(0, 13), st.integers(0, 40), st.integers(0, 30)
    return st.builds(Span, *numbers).filter(lambda span: span != Span())


def rules() -> st.SearchStrategy[Rules]:
    """Rules that keep something."""
    made = st.builds(
        Rules, **{name: st.integers(0, 6) for name in _COUNTS}, within=st.none() | spans(), damaged=spans()
    )
    return made.filter(lambda rules: any(getattr(rules, name) for name in (*_COUNTS, "within")))


@st.composite
def facts_of(draw: st.DrawFn, points: Iterable[RecoveryPoint]) -> Facts:
    """What else may be known of the disk of these points."""
    times = [point.time for point in points]
    some = st.sampled_from(times) if times else st.just("")
    return Facts(
        disk=DISK,
        frozen=draw(st.sampled_from(["", "", "", "it is late"])),
        disagrees=draw(st.sampled_from(["", "", "", "a row has no snapshot"])),
        base=draw(st.just("") | some),
        in_use=dict.fromkeys(draw(st.lists(some, max_size=2)), "restore-1"),
    )


@dataclass
class _Bucket:
    """A counter of restic's, as in ApplyPolicy of its snapshot_policy.go."""

    left: int
    pattern: str
    last: str = ""


_PATTERNS = {"hourly": "%Y%m%d%H", "daily": "%Y%m%d", "weekly": "%G%V", "monthly": "%Y%m", "yearly": "%Y"}


def kept_by_restic(wanted: Rules, times: list[datetime], zone: ZoneInfo) -> set[datetime]:
    """Go through points as restic does, newest first, counting down; of `within`, by its own reckoning."""
    buckets = [_Bucket(wanted.last, "")]
    buckets += [_Bucket(getattr(wanted, name), pattern) for name, pattern in _PATTERNS.items()]
    newest_first = sorted(times, reverse=True)
    kept: set[datetime] = set()
    for number, time in enumerate(newest_first):
        for bucket in buckets:
            value = time.astimezone(zone).strftime(bucket.pattern) if bucket.pattern else f"{number}"
            is_wanted = value != bucket.last or number == len(times) - 1
            if bucket.left > 0 and is_wanted:
                kept.add(time)
                bucket.last, bucket.left = value, bucket.left - 1
        if wanted.within and not is_long_before(time, newest_first[0], wanted.within):
            kept.add(time)
    return kept


def is_long_before(time: datetime, newest: datetime, span: Span) -> bool:
    """Tell whether a span lies between two times, by counting it from the older one's month on."""
    rest = newest - timedelta(days=span.days, hours=span.hours)
    months = span.years * 12 + span.months
    if not months:
        return time <= rest
    year, month, day = newest.year - span.years, newest.month - span.months, newest.day
    while month < 1:
        year, month = year - 1, month + 12
    while True:
        try:
            begin = newest.replace(year=year, month=month, day=day)
            break
        except ValueError:
            day -= 1
    return time <= begin - (newest - rest)

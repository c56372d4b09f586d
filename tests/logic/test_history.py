"""The history of a disk that stands beside its report, and the jobs that have ended last."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model import ended, history
from shared.model.disk import Disk
from shared.model.ended import MOST_ENDED, EndedJob, ended_job, with_ended
from shared.model.history import MOST_MARKS, MOST_SPANS, WINDOW, History, Mark, Span, history_of, mark_of
from shared.model.job import Stage
from shared.model.point import PointState, RecoveryPoint
from shared.model.run import Kind
from shared.page.timeline import timeline
from tests.logic.records import NOON, RESTORE
from tests.logic.retention_points import NOW, point_at

HOUR, DAY, MIB = timedelta(hours=1), timedelta(days=1), 2**20
PROPERTY = 32 * 1024
"""Characters of a text in a table (REST: Understanding the Table service data model)."""


def hourly(count: int) -> list[RecoveryPoint]:
    """Make recovery points an hour apart, oldest first, the newest an hour ago."""
    return [point_at(NOW - number * HOUR, added_bytes=MIB) for number in range(count, 0, -1)]


def test_a_history_has_the_points_of_two_weeks_and_counts_those_before() -> None:
    points = hourly(24 * 20)
    found = history_of(points, NOW)
    assert (found.points, found.added, found.unknown) == (24 * 20, 24 * 20 * MIB, 0)
    assert found.oldest == int((NOW - 24 * 20 * HOUR).timestamp())
    assert [mark.at for mark in found.marks] == [NOW - n * HOUR for n in range(24 * 14, 0, -1)]
    assert found.since == int((NOW - WINDOW).timestamp())


def test_a_history_of_very_many_points_says_from_when_on_it_leaves_none_out() -> None:
    points = [point_at(NOW - number * timedelta(minutes=5)) for number in range(2000, 0, -1)]
    found = history_of(points, NOW)
    assert len(found.marks) == MOST_MARKS
    assert found.since == found.marks[0].second
    assert found.points == found.unknown == 2000


@pytest.mark.parametrize(
    ("known", "shows"),
    [
        ({}, ""),
        ({"state": PointState.VERIFIED}, "is_verified"),
        ({"state": PointState.DAMAGED}, "is_damaged"),
        ({"state": PointState.DELETING}, "is_going"),
        ({"kept": True}, "is_kept"),
        ({"drilled": NOW, "drill_result": "done: identical"}, "is_drilled"),
        ({"drilled": NOW, "drill_result": "failed: it differs"}, ""),
    ],
)
def test_a_mark_shows_what_is_known_of_its_point(known: dict[str, object], shows: str) -> None:
    mark = mark_of(point_at(NOW, **known))
    flags = ("is_verified", "is_damaged", "is_going", "is_drilled", "is_unusual")
    found = {flag for flag in flags if getattr(mark, flag)} | ({"is_kept"} if mark.is_kept(mark.second) else set())
    assert found == ({shows} if shows else set())


@pytest.mark.parametrize("kind", Kind)
def test_a_mark_keeps_the_kind_of_its_run(kind: Kind) -> None:
    assert mark_of(point_at(NOW, kind=kind)).kind is kind


def test_a_run_that_wrote_many_times_what_is_usual_is_marked() -> None:
    points = hourly(12)
    points[-1] = replace(points[-1], bytes_written=2**29)
    assert [mark.is_unusual for mark in history_of(points, NOW).marks] == [False] * 11 + [True]


numbers = st.integers(min_value=0, max_value=2**63)
marks = st.builds(
    Mark,
    second=st.integers(min_value=0, max_value=4_000_000_000),
    letters=st.sampled_from(["f", "ivdku", "tx", "rg"]),
    written=numbers,
    added=st.none() | numbers,
    late_after=st.integers(0, 10**8),
    kept_until=st.integers(0, 4_000_000_000),
)
histories = st.builds(
    History,
    points=numbers,
    marks=st.lists(marks).map(tuple),
    spans=st.lists(st.builds(Span, *[st.integers(0, 4_000_000_000)] * 3)).map(tuple),
    usual=st.none() | st.floats(0, 1e18),
)


@given(histories)
def test_a_history_is_read_as_it_was_written(told: History) -> None:
    assert history.from_text(history.to_text(told)) == told


QUARTER = HOUR / 4


def quarter_hourly(**known: Any) -> list[RecoveryPoint]:
    return [point_at(NOW - number * QUARTER, **known) for number in range(4 * 24 * 30, 0, -1)]


def test_the_longest_history_fits_in_a_property() -> None:
    known = {"kept": True, "kept_until": NOW + 400 * DAY, "drilled": NOW, "drill_result": "done: identical"}
    points = quarter_hourly(
        **known, bytes_written=2**50, added_bytes=2**50, state=PointState.DELETING, damage="differs", kind=Kind.RESYNC
    )
    whole = history_of(points, NOW, late_after=400 * DAY)
    assert len(history.to_text(whole)) < PROPERTY
    thinned = history_of(points[::3], NOW, before=whole, late_after=400 * DAY)
    assert len(history.to_text(thinned)) < PROPERTY


def test_a_history_that_was_thinned_again_and_again_fits_in_a_property_and_loses_no_gap() -> None:
    points = [point for point in quarter_hourly() if not NOW - 3 * DAY < point.started < NOW - 2 * DAY]
    found = None
    for number in range(4 * 24 * 2, len(points) + 1, 40):
        now = points[number - 1].started
        found = history_of(points[:number], now, before=found, late_after=QUARTER * 1.5)
        assert len(history.to_text(found)) < PROPERTY
    found = history_of(points, NOW, before=found, late_after=QUARTER * 1.5)
    for every in (2, 4, 8, 96):
        found = history_of(points[::-every][::-1], NOW, before=found, late_after=QUARTER * 1.5)
        assert len(history.to_text(found)) < PROPERTY
        assert len(found.spans) <= MOST_SPANS
        drawn = timeline(found, NOW, late_after=QUARTER * 1.5, going=(), run=None)
        assert [how_long for _, _, how_long, _ in drawn.gaps] == ["24 h"], every


def test_a_history_of_before_is_read_and_knows_less() -> None:
    found = history.from_text('{"points":1,"oldest":7,"since":5,"marks":[[7,"fk",512,null]]}')
    assert found
    assert found.marks == (Mark(7, "fk", 512, None, late_after=0, kept_until=0),)
    assert found.marks[0].is_kept(4_000_000_000)


def test_a_mark_keeps_how_late_the_next_could_be_when_its_point_was_sealed() -> None:
    points = hourly(3)
    first = history_of(points[:2], NOW - 2 * HOUR, late_after=18 * HOUR)
    then = history_of(points, NOW, before=first, late_after=1.5 * HOUR)
    assert [mark.late_after for mark in then.marks] == [0, 18 * 3600, 5400], "nobody knows that of the first"


def test_a_damaged_point_that_is_being_deleted_stays_damaged_in_the_history() -> None:
    point = point_at(NOW, state=PointState.DAMAGED, damage="differs").as_deleting("no rule keeps it")
    assert mark_of(point).is_damaged
    assert mark_of(point).is_going


@pytest.mark.parametrize("text", [None, "", "{", '{"marks": [[1]]}', '{"marks": [[-1, "f", 0, 0]]}', 7])
def test_a_history_that_somebody_has_edited_is_none(text: object) -> None:
    assert history.from_text(text) is None


def test_the_last_ten_jobs_are_kept_the_newest_first() -> None:
    jobs = [
        ended_job(replace(RESTORE, restore=str(n), state=Stage.DONE, ended=NOON + n * HOUR, proof="x" * 4000))
        for n in range(12)
    ]
    kept = with_ended(with_ended((), jobs[3:]), jobs[:4])
    assert [job.job for job in kept] == [str(n) for n in range(11, 1, -1)]
    assert len(kept) == MOST_ENDED
    assert with_ended(kept, kept) == kept
    assert ended.from_text(ended.to_text(kept)) == kept
    assert len(ended.to_text(kept)) < PROPERTY


@pytest.mark.parametrize("length", [160, 1020])
def test_however_long_the_names_are_the_jobs_that_ended_last_fit_in_a_property(length: int) -> None:
    disk = Disk.parse("https://disks.blob.core.windows.net/vhds/" + "%E7%A3%81" * length)
    kept: tuple[EndedJob, ...] = ()
    for number in range(12):
        ended_at = NOON + number * HOUR
        job = replace(
            RESTORE, restore=str(number), disk=disk, state=Stage.DONE, ended=ended_at, proof="\U0001f4be" * 4000
        )
        kept = with_ended(kept, [replace(ended_job(job), target=disk.name)])
        assert kept[0].job == str(number)
        assert len(ended.to_text(kept).encode("utf-16-le")) <= 2 * PROPERTY


@pytest.mark.parametrize("text", [None, "", "[7]"])
def test_ended_jobs_that_somebody_has_edited_are_none(text: object) -> None:
    assert ended.from_text(text) == ()

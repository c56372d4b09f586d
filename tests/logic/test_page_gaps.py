"""Gaps in the pictures: drawn where a backup was late, and nowhere else."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.history import History, history_of
from shared.model.point import RecoveryPoint
from shared.model.progress import Progress
from shared.model.report import INTERVALS, OpenJob, State
from shared.model.schedule import due_around
from shared.model.words import length
from shared.page.overview import overview
from shared.page.timeline import Timeline, timeline
from tests.logic.page_samples import DAY, GIB, HOUR, NOON, NOW, damaged, points_of, seen, told
from tests.logic.retention_points import point_at, printed
from tests.logic.test_page import drawn as page_of

LATE = 18 * HOUR


def drawn(history: History, now: datetime = NOW, *, late_after: timedelta = LATE, is_due: bool = True) -> Timeline:
    return timeline(history, now, late_after=late_after, going=(), run=None, is_due=is_due)


def gaps(found: Timeline) -> list[str]:
    return [how_long for _, _, how_long, _ in found.gaps]


def allowed(schedule: str, at: datetime) -> timedelta:
    due = due_around(schedule, at)
    assert due
    return INTERVALS * due.longest_gap


def sealed(
    points: Sequence[RecoveryPoint],
    *,
    late_after: timedelta = LATE,
    keeps: timedelta = timedelta(days=99),
    schedule: str = "",
) -> History:
    """Have recovery points be sealed one after the other, and the retention keep one of each day beyond some time."""
    found, before = list[RecoveryPoint](), None
    for point in points:
        found.append(point)
        if schedule:
            late_after = allowed(schedule, point.started)
        before = history_of(found, point.sealed, before=before, late_after=late_after)
        days = {old.started.date(): old for old in reversed(found)}
        found = [old for old in found if point.started - old.started < keeps or old is days[old.started.date()]]
    before = history_of(found, NOW, before=before, late_after=late_after)
    assert before
    return before


@pytest.mark.parametrize(("every", "keeps"), [(12, 7 * DAY), (1, 2 * DAY), (0.25, DAY)])
def test_points_that_the_retention_took_leave_no_gap(every: float, keeps: timedelta) -> None:
    late_after = 1.5 * every * HOUR
    history = sealed(points_of(18, every=every, until=NOW - every * HOUR / 2), late_after=late_after, keeps=keeps)
    assert gaps(drawn(history, late_after=late_after)) == []
    assert history.points < 14 * 24 / every, "they were taken"


def test_a_backup_that_was_missed_stays_a_gap_when_the_retention_takes_the_points_around_it() -> None:
    points = [point for point in points_of(20) if not NOW - 11 * DAY < point.started < NOW - 9 * DAY]
    assert gaps(drawn(sealed(points))) == gaps(drawn(sealed(points, keeps=7 * DAY))) == ["2.5 d"]


def test_a_damaged_point_that_the_retention_takes_fills_no_gap() -> None:
    points = points_of(20)
    broken = damaged(points, -20)
    before = history_of(broken, NOW, before=sealed(points), late_after=LATE)
    assert gaps(drawn(before)) == ["24 h"]
    after = history_of(broken[:-20] + broken[-19:], NOW, before=before, late_after=LATE)
    assert gaps(drawn(after)) == ["24 h"]


def test_points_of_which_others_tell_that_they_are_gone_leave_no_gap() -> None:
    """Nobody has written down what was taken before an upgrade, or while the disk had no row."""
    points = points_of(20, every=1, until=NOW - HOUR / 2)
    built = [replace(after, added_since=before.backup_snapshot) for before, after in pairwise(points)]
    thinned = [point for point in built if NOW - point.started < 2 * DAY or point.started.hour == NOON.hour]
    assert gaps(drawn(history_of(thinned, NOW, late_after=1.5 * HOUR), late_after=1.5 * HOUR)) == []


@pytest.mark.parametrize("day", range(7))
def test_weekends_of_a_schedule_of_weekdays_are_no_gaps_on_whichever_day_the_page_is_read(day: int) -> None:
    schedule, last = "0 0 0 * * 1-5", NOON.replace(hour=0) - 6 * DAY + day * DAY
    points = [point_at(last - n * DAY) for n in range(30, -1, -1) if (last - n * DAY).weekday() < 5]
    late_after = allowed(schedule, last)
    assert gaps(drawn(sealed(points, schedule=schedule), last + HOUR, late_after=late_after)) == []
    missed = [point for point in points if point.started != last - 8 * DAY]
    if (last - 8 * DAY).weekday() in {2, 3}:
        assert gaps(drawn(sealed(missed, schedule=schedule), last + HOUR, late_after=late_after)) == ["2 d"]


def test_a_schedule_that_became_faster_does_not_judge_what_was_before_it() -> None:
    slow, fast = points_of(20, until=NOON - DAY), points_of(0.75, every=1)
    before = history_of(slow, NOON - DAY, before=sealed(slow), late_after=LATE)
    after = history_of([*slow, *fast], NOW, before=before, late_after=4 * HOUR)
    assert gaps(drawn(after, late_after=4 * HOUR)) == []


@pytest.mark.parametrize("age", range(14, 28))
def test_a_missed_weekly_backup_is_a_gap_until_all_of_it_is_out_of_the_picture(age: int) -> None:
    begun = NOW - age * DAY
    points = [point_at(begun + days * DAY) for days in (-28, -21, -14, -7, 0, 14, 21)]
    history = sealed([point for point in points if point.started <= NOW], late_after=10.5 * DAY)
    found = drawn(history, late_after=10.5 * DAY)
    assert gaps(found) == ["14 d"]
    [(x, width, _, _)] = found.gaps
    assert x == pytest.approx(0, abs=0.1)
    assert x + width == pytest.approx(36 * min(14, 28 - age), abs=0.2)


def test_a_disk_whose_backups_were_ended_has_no_gap_since() -> None:
    old = told("old.vhd", State.RETIRED, retired=NOW - 3 * DAY, good_point=printed(NOON - 3 * DAY))
    history = sealed(points_of(until=NOON - 3 * DAY))
    [row] = overview(seen([old], {old.disk: history})).disks
    assert row.timeline
    assert gaps(row.timeline) == []
    late = replace(old, state=State.SAFE, retired=None)
    [row] = overview(seen([late], {late.disk: history})).disks
    assert row.timeline
    assert gaps(row.timeline) == ["3.2 d"]


def test_a_point_is_no_longer_drawn_as_kept_once_that_has_expired() -> None:
    points = points_of()
    points[-3] = replace(points[-3], kept=True, kept_until=NOW - DAY, kept_note="audit")
    points[-5] = replace(points[-5], kept=True, kept_until=NOW + DAY, kept_note="audit")
    points[-7] = replace(points[-7], kept=True, kept_note="audit")
    history = history_of(points, NOW - 2 * DAY)
    assert "3 kept" in drawn(history, NOW - 2 * DAY).summary
    assert "2 kept" in drawn(history).summary
    assert "1 kept" in drawn(history, NOW + 2 * DAY).summary


def test_the_table_has_each_gap_with_its_times_and_the_open_run() -> None:
    points = [point for point in points_of(until=NOON - DAY) if not NOW - 6 * DAY < point.started < NOW - 4 * DAY]
    disk = told("os.vhd", good_point=printed(NOON - DAY), job=OpenJob(kind="backup", job="x", stage="copying"))
    run = Progress(stage="copying", done=43 * GIB, total=128 * GIB, since=NOW - HOUR, seen=NOW)
    found = seen([disk], {disk.disk: sealed(points)}, busy={disk.disk: run}, jobs=False)
    [row] = overview(found).disks
    assert row.timeline
    assert row.timeline.beside == [
        ("open run", run.shown),
        ("gap", "28 h, since 29 Nov 12:00"),
        ("gap", "2.5 d, 24 Nov 12:00 to 27 Nov 00:00"),
    ]
    assert "2 gaps, the longest 2.5 d" in row.timeline.summary
    page = page_of(found)
    for what, text in row.timeline.beside:
        assert f'<tr><th scope="row">{what}</th><td colspan="3">{text}</td></tr>' in page
    assert "<title>gap 28 h, since 29 Nov 12:00</title>" in page


def test_the_table_says_of_a_disk_without_points_in_the_picture_how_long_that_is() -> None:
    disk = told("os.vhd", good_point=printed(NOON - 20 * DAY))
    found = seen([disk], {disk.disk: sealed(points_of(until=NOON - 20 * DAY))}, jobs=False)
    page = page_of(found)
    assert "No recovery point in 14 days" in page
    assert "20 d, since 10 Nov 12:00" in page


@given(
    hours=st.lists(st.integers(1, 40), min_size=2, max_size=60),
    taken=st.lists(st.sets(st.integers(0, 59)), min_size=1, max_size=6),
)
def test_whatever_is_deleted_when_the_gaps_are_those_of_all_points_that_ever_were(
    hours: list[int], taken: list[set[int]]
) -> None:
    points = [point_at(NOW - sum(hours[number:]) * HOUR) for number in range(len(hours))]
    there, before = list[RecoveryPoint](), None
    for number, point in enumerate(points):
        gone = taken[number % len(taken)]
        before = history_of([*there, point], point.sealed, before=before, late_after=LATE)
        there = [old for at, old in enumerate(there) if at not in gone] + [point]
    history = history_of(there, NOW, before=before, late_after=LATE)
    moments = [point.started for point in points] + [NOW]
    late = [(a, b) for a, b in pairwise(moments) if b - a > LATE and b > NOW - 14 * DAY]
    assert gaps(drawn(history)) == [length(b - a) for a, b in late]

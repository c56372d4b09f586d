"""What the page says first is no better than what is known of each disk."""

from dataclasses import replace
from typing import Any

import pytest

from shared.model.progress import Progress
from shared.model.report import AppReport, DiskReport, OpenJob, State
from shared.page.overview import Verdict, overview, verdict
from tests.logic.page_samples import APP, DAY, HOUR, NOON, NOW, seen, told

UNKNOWN: dict[str, Any] = {"good_point": "", "last_point": "", "last_success": None, "first_tick": NOW - HOUR}
FIRST_RUN = OpenJob(kind="backup", job="2026-11-30T15:00:00.0000000Z", stage="copying", began=NOW - HOUR)


def said(*disks: DiskReport, app: AppReport = APP) -> Verdict:
    return overview(seen(disks, app=app, jobs=False)).verdict


@pytest.mark.parametrize(
    ("disks", "title", "tone"),
    [
        ([told("a")], "The disk is safe", "good"),
        ([told("a"), told("b", State.RETIRED, retired=NOW - DAY)], "The disk is safe", "good"),
        ([told("a", State.NEW, **UNKNOWN)], "The disk has no recovery point yet", "quiet"),
        (
            [told(name, State.NEW, **UNKNOWN) for name in "abc"],
            "0 of 3 disks are safe; 3 have no recovery point yet",
            "quiet",
        ),
        (
            [told("a"), told("b", State.RUNNING, job=FIRST_RUN, **UNKNOWN)],
            "1 of 2 disks is safe; 1 has no recovery point yet",
            "quiet",
        ),
        (
            [told("a"), *(told(name, State.RESTORING) for name in "bc")],
            "1 of 3 disks is safe; 2 are being restored",
            "busy",
        ),
        ([told("a", State.RETIRED, retired=NOW - DAY)], "No disk is backed up any more", "quiet"),
        ([], "No disk is backed up yet", "quiet"),
    ],
)
def test_all_is_well_only_if_each_disk_that_is_backed_up_has_a_good_recovery_point(
    disks: list[DiskReport], title: str, tone: str
) -> None:
    verdict = said(*disks)
    assert (verdict.title, verdict.badge.tone) == (title, tone)
    assert (verdict.badge.word == "all is well") == (tone == "good")


def test_a_tick_that_is_overdue_was_due() -> None:
    assert "Next tick 1 Dec 00:00, in 8.3 h." in said(told("a")).text
    overdue = replace(APP, next_tick=NOON)
    assert "The next tick was due 30 Nov 12:00, 3.7 h ago." in said(told("a"), app=overdue).text


def test_one_disk_needs_attention_as_the_app_does() -> None:
    app = replace(APP, last_tick=NOW - 3 * DAY, next_tick=NOW - 2 * DAY)
    failing = told("a", State.FAILING)
    report = replace(seen([failing, told("b")], app=app, jobs=False).told.report, problems=["no tick"])
    assert verdict(report).title == "The app needs attention, and so does 1 of 2 disks"


def test_a_run_says_the_same_in_its_row_and_among_what_is_under_way() -> None:
    found = Progress(stage="copying", done=337, total=1000, since=None, seen=NOW, whole="the disk")
    disk = told("a", State.RUNNING, job=FIRST_RUN)
    page = overview(seen([disk], busy={disk.disk: found}, jobs=False))
    assert page.disks[0].busy == "backup: copying 33 % of the disk"
    assert page.under_way[0].percent == "33 % of the disk"


@pytest.mark.parametrize(
    ("disk", "says"),
    [
        (told("a", State.NEW, **UNKNOWN), "No recovery point yet."),
        (told("a"), "Its recovery points are not on record here yet. The next tick puts them there."),
    ],
)
def test_a_row_without_a_picture_says_why(disk: DiskReport, says: str) -> None:
    [row] = overview(seen([disk], jobs=False)).disks
    assert (row.timeline, row.no_timeline) == (None, says)

"""The page: what it says of disks in each state, and that nothing on record becomes markup."""

import base64
import hashlib
import json
import re
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from typing import override

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.model.disk import Disk
from shared.model.history import History, history_of
from shared.model.point import PointState, RecoveryPoint
from shared.model.prices import Prices
from shared.model.report import AppReport, DiskReport, Flag, State
from shared.model.requests import RestoreRequest
from shared.model.retention_plan import PlanState
from shared.page import restore_ways
from shared.page.accepted import prefers_json
from shared.page.chart import chart
from shared.page.disk_page import disk_page, fates_of
from shared.page.overview import overview, space
from shared.page.pages import _common
from shared.page.reading import PointsSeen, Seen
from shared.page.rendering import headers, render
from shared.page.scale import midnights
from shared.page.timeline import timeline
from tests.logic.page_samples import (
    APP,
    DAY,
    GIB,
    HOUR,
    MIB,
    NOON,
    NOW,
    damaged,
    every_state,
    plan_of,
    points_of,
    seen,
    told,
    url,
)
from tests.logic.records import MANAGED
from tests.logic.retention_points import point_at, printed

LATE = timedelta(hours=18)


class Parsed(HTMLParser):
    """A page as a parser reads it.

    Attributes:
        tags: how many elements there are of each kind.
        attributes: the names of all attributes.
        text: all text but that of the style sheet.
        values: the values of all attributes.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.text = Counter[str](), Counter[str](), list[str]()
        self.values, self._open = list[str](), list[str]()
        self.feed(page)
        self.close()

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes.update(name for name, _ in attrs)
        self.values += [value for _, value in attrs if value]
        self._open.append(tag)

    @override
    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    @override
    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text.append(data)


def drawn(found: Seen) -> str:
    page = overview(found)
    return render("status.html", page=page, settings=None, **_common(page, refresh="", links=True, disk="", before=""))


def drawn_disk(found: Seen, disk: DiskReport, points: PointsSeen | None = None) -> str:
    page = overview(found)
    shown = disk_page(found, page, disk, points, "account")
    common = _common(page, refresh="", links=True, disk=disk.disk, before="")
    return render("disk.html", page=shown, **common)


def histories(disks: Sequence[DiskReport]) -> dict[str, History]:
    return {disk.disk: history_of(points_of(), NOW) for disk in disks}


def safe(count: int) -> list[DiskReport]:
    return [told(f"os-{number}.vhd") for number in range(count)]


@pytest.mark.parametrize(
    ("disks", "says"),
    [
        (safe(1), "The disk is safe"),
        (safe(12), "All 12 disks are safe"),
        ([*safe(2), told("b.vhd", State.RUNNING)], "All 3 disks are safe"),
        ([*safe(2), told("b.vhd", State.RETIRED)], "All 2 disks are safe"),
        ([*safe(2), told("b.vhd", State.NEW)], "2 of 3 disks are safe; 1 has no recovery point yet"),
        ([*safe(1), told("b.vhd", State.RESTORING)], "1 of 2 disks is safe; 1 is being restored"),
        ([*safe(2), told("b.vhd", State.FAILING)], "1 of 3 disks needs attention"),
        ([*safe(2), told("b.vhd", good_point=printed(NOON - DAY))], "1 of 3 disks needs attention"),
        ([*safe(2), told("b.vhd", flags={Flag.DAMAGED: "1 is"})], "1 of 3 disks needs attention"),
        ([*safe(2), told("b.vhd", flags={Flag.NOTICE: "it costs"})], "All 3 disks are safe"),
        ([told("b.vhd", State.RETIRED)], "No disk is backed up any more"),
        ([], "No disk is backed up yet"),
    ],
)
def test_the_verdict_says_first_whether_all_disks_are_safe(disks: Sequence[DiskReport], says: str) -> None:
    found = overview(seen(disks))
    assert found.verdict.title == says
    assert f'<h1 id="verdict">{says}</h1>' in drawn(seen(disks))


def test_an_app_that_no_longer_runs_is_said_before_all_disks() -> None:
    app = replace(APP, next_tick=NOON + HOUR)
    found = overview(seen(safe(2), app=app))
    assert found.verdict.title == "The app needs attention"
    assert "no tick since" in found.advice[0].why
    assert overview(seen([], app=AppReport())).attention


def test_what_needs_somebody_has_commands_that_name_the_disk() -> None:
    found = overview(every_state())
    assert {one.what for one in found.advice} == {"late", "failing", "missing", "unlisted", "damaged"}
    for one in found.advice:
        assert one.commands
        assert all(command.text.startswith("tidemark ") and one.disk in command.text for command in one.commands)


def test_each_state_has_a_word_and_a_shape_of_its_own() -> None:
    rows = overview(every_state()).disks
    assert {row.badge.word for row in rows} == {str(state) for state in State}
    assert len({row.badge.shape for row in rows}) == len(State)
    page = drawn(every_state())
    assert all(f'<symbol id="s-{row.badge.shape}"' in page for row in rows)


def test_a_disk_of_an_older_release_is_said_to_be_not_on_record_yet() -> None:
    [row] = overview(seen(safe(1))).disks
    assert (row.timeline, row.chart, row.space) == (None, None, None)
    assert "not on record here yet" in drawn(seen(safe(1)))


def test_the_report_is_shown_and_not_judged_again() -> None:
    """A disk whose row says `safe`, but has become late since, is late here as in every other report."""
    late = told("os.vhd", good_point=printed(NOON - DAY))
    [row] = overview(seen([late])).disks
    assert row.badge.word == seen([late]).told.report.disks[0].state == State.LATE


def test_a_timeline_draws_what_is_known_of_each_point() -> None:
    points = points_of()
    points[-1] = replace(points[-1], state=PointState.VERIFIED, kept=True, drilled=NOW, drill_result="done: fine")
    points = damaged(points, -3)
    taken = int(datetime.fromisoformat(points[-5].time).timestamp())
    found = timeline(history_of(points, NOW), NOW, late_after=LATE, going=[taken], run=None)
    assert {"incremental", "damaged", "verified", "drilled", "kept", "going"} <= found.paths.keys()
    assert found.paths["damaged"].count("M") == found.paths["kept"].count("M") == 1
    assert "1 damaged" in found.summary
    assert "1 going" in found.summary
    assert found.run is None
    assert found.points == 28


@pytest.mark.parametrize(
    ("state", "drawn_as"),
    [
        (PlanState.REPORT, "would"),
        (PlanState.WAITING, "would"),
        (PlanState.APPROVED, "going"),
        (PlanState.DELETING, "going"),
        (PlanState.DONE, ""),
    ],
)
def test_the_retention_is_said_to_take_only_what_nobody_has_to_approve_any_more(
    state: PlanState, drawn_as: str
) -> None:
    disk, times = told("os.vhd"), [point.time for point in points_of()[-24:-20]]
    plan = replace(plan_of(disk.disk, times), state=state)
    [row] = overview(seen([disk], histories([disk]), plans=[plan])).disks
    assert row.timeline
    assert row.timeline.paths.keys() & {"would", "going"} == ({drawn_as} if drawn_as else set())
    said = {fate for fate, _ in fates_of(plan).values()}
    assert said == {"goes" if drawn_as == "going" else "would go"}


def test_what_is_left_of_a_plan_frees_no_more_than_all_of_it() -> None:
    """What each recovery point frees is not on record."""
    disk, times = told("os.vhd"), [point.time for point in points_of()[-24:-20]]
    for deleted, left, frees in ((0, 4, "12 GiB"), (3, 1, "up to 12 GiB")):
        plan = replace(plan_of(disk.disk, times), state=PlanState.DELETING, deleted=deleted)
        [shown] = overview(seen([disk], plans=[plan])).plans
        assert (shown.going, shown.freed) == (left, frees)


def test_a_gap_is_drawn_where_no_good_point_was_for_longer_than_may_be() -> None:
    points = [point for point in points_of() if not NOW - 6 * DAY < point.started < NOW - 4 * DAY]
    found = timeline(history_of(points, NOW), NOW, late_after=LATE, going=(), run=None)
    [(x, width, how_long, _)] = found.gaps
    before = max(point.started for point in points if point.started < NOW - 5 * DAY)
    assert x == pytest.approx((before - (NOW - 14 * DAY)) / DAY * 36, abs=0.1)
    assert width == pytest.approx(36 * 2.5)
    assert how_long == "2.5 d"
    whole = timeline(history_of(points_of(), NOW), NOW, late_after=LATE, going=(), run=None)
    assert whole.gaps == []
    assert "1 gap" in found.summary


def test_a_disk_without_any_point_has_no_gap_and_no_picture_of_one() -> None:
    found = timeline(history_of([], NOW), NOW, late_after=LATE, going=(), run=None)
    assert (found.gaps, found.paths, found.days) == ([], {}, [])
    assert chart(history_of([], NOW), NOW).bars == ""


def test_an_unusual_run_is_marked_in_the_chart_and_in_the_table() -> None:
    points = points_of()
    points[-1] = replace(points[-1], bytes_written=61 * GIB)
    history = history_of(points, NOW)
    found = chart(history, NOW)
    assert (found.unusual, found.odd.count("M"), found.marks.count("M"), found.most) == (1, 1, 1, "61 GiB")
    days = timeline(history, NOW, late_after=LATE, going=(), run=None).days
    assert "1 unusual" in days[0].known


def test_the_chart_measures_what_the_rule_for_unusual_runs_does() -> None:
    """What a run clears, as a guest that discards does, is neither unusual nor drawn as if it were."""
    points = [replace(point, bytes_written=10 * MIB, bytes_cleared=5 * GIB) for point in points_of()]
    found = chart(history_of(points, NOW), NOW)
    assert found.summary == "bytes written by 28 runs: at most 10 MiB; 10 MiB is usual"
    assert (found.last, found.most, found.unusual) == ("10 MiB", "10 MiB", 0)


def test_a_price_is_told_only_where_the_points_hold_what_they_added() -> None:
    """Once the first of them is deleted, what it held and no run wrote over is held by the others."""
    full, *others = points_of(10)
    points = [
        full,
        *(replace(after, added_since=before.backup_snapshot) for before, after in pairwise([full, *others])),
    ]
    unknown = [*points[:-1], replace(points[-1], added_bytes=None)]
    copies = [replace(point, backup_snapshot="") for point in points_of(10)]
    prices = Prices(backup_gib_month=0.05, currency="EUR")

    def month(points: Sequence[RecoveryPoint]) -> str:
        return space(history_of(points, NOW), NOW, prices).month

    assert month(points)
    assert month(copies[5:]), "full copies share nothing"
    assert [month(found) for found in (points[1:], points[:4] + points[5:], unknown)] == ["", "", ""]


def test_a_day_begins_at_midnight_in_the_picture() -> None:
    places = [x for x, _ in midnights(NOW)]
    assert len(places) == 14
    assert all(0 < x < 14 * 36 for x in places)
    assert all(later - earlier == pytest.approx(36) for earlier, later in pairwise(places))


HOSTILE = st.text(max_size=60) | st.sampled_from(
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "</style></title><h1>All 99 disks are safe</h1>",
        "{{ 7 * 7 }}{% for x in y %}",
        "\u202egnp.exe\u202d \u2066hidden\u2069 \u200f",
        "a" * 1024,
        "'; drop --",
        "&amp;&lt;&#60;",
        "\x00\x08\x1b[31m\x7f\x85\r",
        "-->",
    ]
)


def texts(page: str) -> str:
    return "".join(Parsed(page).text)


@settings(max_examples=60, deadline=None)
@given(name=HOSTILE, reason=HOSTILE)
def test_what_is_on_record_stays_text_whatever_it_is(name: str, reason: str) -> None:
    def hostile(name: str, reason: str) -> tuple[str, str]:
        flags = {Flag.DAMAGED: f"x{reason}. What to do: y{reason}"}
        disk = replace(told("x.vhd", State.FAILING, reason=f"r{reason}", flags=flags), disk=f"n{name}")
        found = seen([disk, told("other.vhd")], {disk.disk: history_of(points_of(), NOW)})
        ended = [replace(job, disk=disk.disk, said=f"s{reason}") for job in found.told.ended]
        found = replace(found, told=found.told._replace(ended=ended))
        return drawn(found), drawn_disk(found, found.told.report.disks[0])

    for page, plain in zip(hostile(name, reason), hostile("", ""), strict=True):
        parsed, expected = Parsed(page), Parsed(plain)
        assert parsed.tags == expected.tags
        assert parsed.attributes == expected.attributes
    page = hostile(name, reason)[0]
    if not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", name + reason):
        assert f"s{reason}" in texts(page)
        assert f"n{name}" in Parsed(page).values


def test_names_are_isolated_from_the_text_around_them() -> None:
    disk = replace(told("x"), disk="https://a.blob.core.windows.net/vhds/\u202egnp.vhd")
    page = drawn(seen([disk]))
    for found in re.finditer("\u202e", page):
        before = page[: found.start()]
        assert before.rfind("<bdi") > before.rfind("</bdi>")


def test_control_characters_are_seen() -> None:
    disk = replace(told("x"), disk="a\x00b\x1bc")
    assert "a\u2400b\u241bc" in drawn(seen([disk]))


def test_a_page_loads_and_runs_nothing() -> None:
    for page in (drawn(every_state()), drawn_disk(every_state(), every_state().told.report.disks[0])):
        parsed = Parsed(page)
        assert not parsed.tags.keys() & {"script", "img", "iframe", "form", "input", "button", "object", "embed"}
        assert not parsed.attributes.keys() & {"style", "src", "action", "onclick", "onload"}
        assert not re.findall(r'(?:href|src)="(?!\?|#|data:)', page)
        assert "url(" not in page
        assert "@import" not in page


def test_the_style_sheet_is_the_one_that_the_policy_allows() -> None:

    [style] = re.findall("<style>(.*?)</style>", drawn(seen([])), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = headers()["Content-Security-Policy"]
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert {"base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"} <= set(policy.split("; "))


def test_each_picture_has_words_and_each_table_has_headings() -> None:
    page = drawn(every_state())
    pictures = re.findall("<svg[^>]*>", page)
    assert all('aria-hidden="true"' in found or 'role="img" aria-label="' in found for found in pictures)
    parsed = Parsed(page)
    assert (parsed.tags["h1"], parsed.tags["main"], parsed.tags["header"], parsed.tags["footer"]) == (1, 1, 1, 1)
    labelled = re.findall('aria-labelledby="([^"]*)"', page)
    assert all(f'id="{name}"' in page for name in labelled)
    assert len(re.findall(r'\bid="([^"]+)"', page)) == len(set(re.findall(r'\bid="([^"]+)"', page)))


def test_a_page_can_be_kept_from_loading_itself_again() -> None:
    page = overview(seen(safe(1)))
    common = _common(page, refresh="off", links=True, disk="", before="")
    still = render("status.html", page=page, settings=None, **common)
    assert "http-equiv" not in still
    elsewhere = re.findall(r'href="(\?disk=[^"]+)"', still)
    assert elsewhere
    assert all(address.endswith("&amp;refresh=off") for address in elsewhere), "a link does not turn it on again"
    assert '<meta http-equiv="refresh" content="60">' in drawn(seen(safe(1)))


@pytest.mark.parametrize(("refresh", "loads"), [("", False), ("off", False), ("on", True), ("no", False)])
def test_a_disks_page_keeps_open_what_is_read_unless_it_is_asked_to_load_itself_again(
    refresh: str, *, loads: bool
) -> None:
    common = _common(overview(seen(safe(1))), refresh=refresh, links=True, disk=url("os.vhd"), before="")
    assert common["refreshes"] is loads
    assert common["how"] == ({"refresh": refresh} if refresh in {"on", "off"} else {})


@pytest.mark.parametrize(
    ("accept", "is_json"),
    [
        ("", False),
        ("*/*", False),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", False),
        ("application/json", True),
        ("application/*", True),
        ("application/json;q=0.9, text/html;q=0.8", True),
        ("application/json;q=0.1, text/html", False),
        ("text/html;q=0, application/json", True),
        ("application/json;q=many", False),
        (",;,/", False),
    ],
)
def test_json_is_given_to_who_prefers_it(accept: str, is_json: bool) -> None:
    assert prefers_json(accept) is is_json


@pytest.mark.parametrize("state", PointState)
@pytest.mark.parametrize("name", [url("o's disk.vhd"), f"{MANAGED}#{'1' * 8}-1111-1111-1111-{'1' * 12}"])
def test_each_way_to_restore_is_a_request_that_the_app_reads(name: str, state: PointState) -> None:

    disk = Disk.parse(name)
    found = restore_ways.ways(disk, point_at(NOW, state=state), "stdisks")
    assert len(found) == (0 if state is PointState.DELETING else 2 if name.startswith("https") else 1)
    for way in found:
        request = RestoreRequest.read(way.message.encode())
        assert (request.disk, request.point) == (disk, printed(NOW))
        assert request.allow_damaged is (state is PointState.DAMAGED)
        assert shlex.split(way.az)[-1] == way.message
        assert json.loads(way.message)["disk"] == disk.name
        assert shlex.split(way.tidemark)[:3] == ["tidemark", "restore", disk.name]
        assert ("--allow-damaged" in way.tidemark) is (state is PointState.DAMAGED)
        assert str(request.target) == way.target or request.target is None
    assert all(
        any("must be allowed to write" in does for does in way.does) for way in found if way.title == "To a new disk"
    )


def test_the_page_of_a_disk_lists_its_points_newest_first_with_what_restoring_each_does() -> None:
    disk = told("os.vhd")
    points = points_of()[::-1]
    page = drawn_disk(
        seen([disk], histories([disk])),
        disk,
        PointsSeen(points=points[:25], total=61, later=0, before=points[24].time, record=None, plan=None),
    )
    times = re.findall(r'<h3><time datetime="([^"]+)"', page)
    assert times == [point.time for point in points[:25]]
    assert page.count("Azure CLI") == 50
    assert "1 to 25 of 61 recovery points" in page
    assert "Earlier ones" in page


def test_a_disk_that_has_never_been_backed_up_has_no_point_yet_and_is_promised_none() -> None:
    new = told("new.vhd", State.NEW, good_point="", last_point="")
    [row] = overview(seen([new])).disks
    assert row.no_timeline == "No recovery point yet."


def test_a_damaged_point_promises_no_more_than_what_is_left_of_the_disk() -> None:
    disk = told("os.vhd")
    points = damaged(points_of(), 60)[::-1][:2]
    found = PointsSeen(points=points, total=2, later=0, before="", record=None, plan=None)
    summaries = re.findall("<summary>(Restore [^<]*) as it was at", drawn_disk(seen([disk]), disk, found))
    assert summaries == ["Restore what is left of the disk", "Restore the disk"]


def test_where_all_older_points_are_gone_the_page_says_so_and_leads_to_the_newest() -> None:
    disk = told("os.vhd")
    found = PointsSeen(points=[], total=25, later=25, before="", record=None, plan=None)
    page = drawn_disk(seen([disk], histories([disk])), disk, found)
    assert "No recovery point is before this time; 25 recovery points in all." in page
    assert ">The newest</a>" in page


def test_a_disk_that_is_backed_up_does_not_run() -> None:
    disk = told("os.vhd", State.RUNNING)
    found = PointsSeen(points=[], total=0, later=0, before="", record=None, plan=None)
    assert "is being backed up</h1>" in drawn_disk(seen([disk]), disk, found)


def test_what_is_wrong_with_many_disks_alike_is_said_once() -> None:
    refused = [
        told(f"d{number:03}.vhd", State.FAILING, reason="refused. What to do: allow it") for number in range(500)
    ]
    other = told("other.vhd", State.FAILING, reason="gone. What to do: look")
    found = overview(seen([*refused, other], jobs=False)).cards
    assert [(one.why, len(one.others)) for one in found] == [("refused", 499), ("gone", 0)]
    page = drawn(seen([*refused, other], jobs=False))
    assert page.count("<span>What to do</span>") == 2
    assert "and 495 more" in page

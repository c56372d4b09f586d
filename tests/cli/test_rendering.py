"""What is printed fits into 80 columns, names each disk that needs attention, and says what to do."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from shared.model.job import Stage
from shared.model.progress import Progress
from shared.model.report import AppReport, DiskReport, Flag, OpenJob, Report, State, report_at
from shared.page.data import data_of
from shared.page.metrics import metrics_of
from tests.cli.schema import StatusJson
from tidemark import screen, words
from tidemark.monitors import line_of
from tidemark.points import shown_of as points_of
from tidemark.status import shown_of

NOW = datetime(2026, 11, 30, 10, 20, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
WIDE = 80
URL = "https://account.blob.core.windows.net/vhds/{}.vhd"
FAILING = (
    "Azure refused: SnapshotCountExceeded. What to do: delete old snapshots of the disk: premium storage allows 100"
)
APP = AppReport(last_tick=NOW - HOUR, tick_result="succeeded", disks=2, next_tick=NOW + 11 * HOUR)


def disk(name: str, state: State = State.SAFE, **more: Any) -> DiskReport:
    good = more.pop("good_point", "2026-11-30T09:20:30.1234567Z")
    return DiskReport(disk=URL.format(name), state=state, since=NOW - HOUR, good_point=good, size=32 << 30, **more)


def report(*disks: DiskReport, app: AppReport = APP) -> Report:
    return report_at(NOW, app, disks)


def printed(parts: Sequence[Any]) -> list[str]:
    out = Console(file=io.StringIO(), width=WIDE, highlight=False, markup=False, emoji=False)
    screen.show(out, parts)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue().splitlines()


def status(told: Report, busy: dict[str, Progress] | None = None) -> list[str]:
    return printed(shown_of(told, busy or {}, words.short_names([found.disk for found in told.disks])))


def test_a_disk_that_fails_is_named_first_with_why_and_what_to_do() -> None:
    shown = status(report(disk("os"), disk("data", State.FAILING, reason=FAILING)))
    rows = [line for line in shown if ".vhd  " in line]
    assert [row.split()[:2] for row in rows] == [["data.vhd", "failing"], ["os.vhd", "safe"]]
    assert FAILING in " ".join(" ".join(shown).split())
    assert any(line.startswith("data.vhd: failing since 30 Nov") for line in shown)


def test_a_flag_of_a_safe_disk_is_said_and_one_for_information_is_no_alarm() -> None:
    damaged = disk("os", flags={Flag.DAMAGED: "1 recovery point is damaged"})
    costs = disk("data", flags={Flag.NOTICE: "versioning is on"})
    shown = status(report(damaged, costs))
    assert "  damaged: 1 recovery point is damaged" in shown
    assert shown[-2:] == ["For information", "  data.vhd: notice: versioning is on"]


def test_what_a_disk_is_busy_with_is_said_with_rate_and_time_left() -> None:
    job = OpenJob(kind="backup", job="2026-11-30T09:20:30.1234567Z", stage="copying")
    half = Progress(stage="copying", done=16 << 30, total=32 << 30, since=NOW - HOUR, seen=NOW)
    [row] = [
        line for line in status(report(disk("os", State.RUNNING, job=job)), {URL.format("os"): half}) if "os" in line
    ]
    assert row.endswith("backup: copying 50 %, 4.6 MiB/s, 60 min"), "the rest is in the next line"


def test_no_tick_for_long_is_a_problem_of_the_app_and_the_line_of_check_says_so() -> None:
    stopped = AppReport(last_tick=NOW - 30 * HOUR, next_tick=NOW - 18 * HOUR, tick_result="succeeded")
    told = report(disk("os"), app=stopped)
    assert line_of(told).startswith("TIDEMARK ATTENTION: nothing is backed up: no tick since ")
    assert "\n" not in line_of(told)
    assert "see whether the function app runs" in " ".join(status(told))


def test_check_names_the_disks_and_counts_those_that_it_leaves_out() -> None:
    told = report(*(disk(f"d{number}", State.FAILING, reason=FAILING) for number in range(7)))
    assert line_of(told) == (
        "TIDEMARK ATTENTION: d0.vhd failing; d1.vhd failing; d2.vhd failing; d3.vhd failing; d4.vhd failing; 2 more"
    )


def test_metrics_escape_what_a_label_may_not_hold() -> None:
    lines = metrics_of(report(disk("a%22b"))).splitlines()
    assert any('blob="a\\"b.vhd"' in line for line in lines)


names = st.text(alphabet="abcdefghij-", min_size=1, max_size=90).map(lambda name: f"{name}a")
texts = st.text(alphabet=st.characters(codec="ascii", categories=["L", "N", "P", "Zs"]), max_size=300)
reports = st.builds(
    disk,
    names,
    st.sampled_from(State),
    reason=texts,
    flags=st.dictionaries(st.sampled_from(Flag), texts, max_size=2),
    good_point=st.sampled_from(["", "2026-11-30T09:20:30.1234567Z", "2024-01-01T00:00:00.0000000Z"]),
    job=st.none() | st.just(OpenJob(kind="restore", job="6a6aefed-fde4-4c0f-8f06-c428385f6b2c", stage=Stage.PROMOTING)),
)


@given(st.lists(reports, max_size=4, unique_by=lambda found: found.disk))
def test_no_line_is_wider_than_the_terminal_and_each_disk_has_its_state(disks: list[DiskReport]) -> None:
    told = report(*disks)
    shown = status(told)
    assert all(len(line) <= WIDE for line in shown)
    assert all(any(f" {found.state} " in line for line in shown) for found in told.disks)
    for one in told.disks:
        assert all(len(line) <= WIDE for line in printed(shown_of(report(one), {}, {}, in_full=True)))


@given(st.lists(reports, max_size=4, unique_by=lambda found: found.disk))
def test_json_says_the_same_as_the_report(disks: list[DiskReport]) -> None:
    told = report(*disks)
    data = StatusJson.model_validate(data_of(told, {}, needs=told.needs_attention))
    assert [found.disk for found in data.disks] == [found.disk for found in told.disks]
    assert [found.attention for found in data.disks] == [found.needs_attention for found in told.disks]
    assert data.state == told.state


@pytest.mark.parametrize(
    ("done", "seconds", "shown"),
    [
        (0, 0, "copying 0 %"),
        (60 << 20, 1, "copying 5 %, 60 MiB/s, 16 s left"),
        (1 << 30, 60, "copying 100 %, 17.1 MiB/s"),
        (1 << 20, 3600, "copying 0 %, 291 B/s, 43 d left"),
    ],
)
def test_progress_is_said_with_what_is_known(done: int, seconds: int, shown: str) -> None:
    since = NOW - timedelta(seconds=seconds)
    assert Progress(stage="copying", done=done, total=1 << 30, since=since, seen=NOW).shown == shown


def test_why_points_stay_is_said_once_below_them() -> None:
    point = {
        "time": "2026-11-30T09:20:30.1234567Z",
        "kind": "incremental",
        "bytes_written": 5,
        "bytes_added": None,
        "state": "verified",
        "damage": "",
        "verified": "2026-11-30T09:20:30+00:00",
        "drilled": "",
        "kept": False,
        "retention": "stays",
        "retention_why": "of the last 2 good points, the base of the next backup, last, hourly, daily, weekly, monthly",
    }
    kept = {
        **point,
        "kept": True,
        "bytes_written": 0,
        "kept_until": "2026-12-24T10:00:00+00:00",
        "kept_note": "before the upgrade",
    }
    shown = printed(points_of({"disk": URL.format("os"), "rules": "last=1", "points": [point, point, kept]}, NOW))
    assert all(len(line) <= WIDE for line in shown)
    assert [line.split()[-2:] for line in shown[2:5]] == [["stays", "1"], ["stays", "1"], ["kept", "2"]]
    assert [line.split()[4] for line in shown[2:5]] == ["5", "5", "-"], "of a restore or a rebuild it is not known"
    assert " ".join(shown).count("the base of the next backup") == 1
    assert any(
        line.startswith("  2: an operator keeps it until 24 Dec") and "before the upgrade" in line for line in shown
    )

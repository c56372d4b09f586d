"""What `events` tells is what the app's rows say, each event with its time, its disk and its outcome."""

import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from shared.azure.tables.retention_rows import RETENTION_PARTITION, row_of
from shared.azure.tables.rows import Kept, to_row
from shared.model.disk import Disk
from shared.model.intent_row import IntentRow
from shared.model.job import JobKind, Stage
from shared.model.point import RecoveryPoint
from shared.model.report import AppReport, DiskReport, State, report_at
from shared.model.retention_plan import PlanOnRecord, PlanState
from shared.model.run import Kind
from shared.model.tombstone import Tombstone
from tests.cli.schema_told import AttentionJson
from tests.logic.records import BACKED_UP, DISK, RESTORE
from tests.logic.retention_points import point_at
from tidemark import screen
from tidemark.events import Happened, attention_of, events_of, of_ticks, shown_of

WIDE = 80
NOW = datetime(2026, 11, 30, 10, 20, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
OF = Disk.parse(DISK)
POINT = point_at(NOW - 2 * HOUR, added_bytes=2048)


def row(key: str, kept: Kept, partition: str = OF.key) -> dict[str, Any]:
    return {"PartitionKey": partition, "RowKey": key, **to_row(kept)}


def told(*rows: dict[str, Any]) -> list[Happened]:
    return list(events_of(rows, {OF.key: DISK}))


def test_a_recovery_point_is_told_with_its_kind_and_what_it_added() -> None:
    [event] = told(row(POINT.row_key, POINT))
    assert (event.at, event.kind, event.disk, event.id) == (POINT.sealed, "point", DISK, POINT.time)
    assert (event.outcome, event.bytes) == ("incremental", 2048)
    assert event.text == "recovery point: incremental, 2 KiB new"


def test_damage_is_told_when_it_was_found() -> None:
    damaged = POINT.as_damaged("bytes 0-511 differ", NOW)
    assert [(event.kind, event.at) for event in told(row(POINT.row_key, damaged))] == [
        ("point", POINT.sealed),
        ("damaged", NOW),
    ]


def test_a_deleted_point_is_told_with_why() -> None:
    tombstone = Tombstone.of(POINT.as_deleting("no rule keeps it"), NOW)
    [event] = told(row(tombstone.row_key, tombstone))
    assert (event.at, event.kind, event.id) == (NOW, "deleted", POINT.time)
    assert event.text.endswith("deleted: no rule keeps it")


def test_jobs_and_intents_are_told_once_they_have_ended() -> None:
    assert told(row(RESTORE.row_key, RESTORE)) == []
    ended = RESTORE.end(Stage.FAILED, "the copy was aborted", NOW)
    intent = IntentRow.of("0123", NOW - HOUR, do="keep", disk=OF).done("kept", NOW)
    events = told(row(ended.row_key, ended), row(intent.row_key, intent))
    assert [(event.at, event.kind, event.id, event.outcome) for event in events] == [
        (NOW, JobKind.RESTORE, ended.restore, "failed"),
        (NOW, "keep", "0123", "done"),
    ]
    assert [event.text for event in events] == ["restore failed: the copy was aborted", "keep done: kept"]
    assert told(row(RESTORE.row_key, RESTORE.end(Stage.DONE, "", NOW)))[0].text.endswith("vhds/restored.vhd")


def test_errors_the_end_of_backups_and_plans_are_told() -> None:
    record = replace(BACKED_UP, last_error="refused", last_error_at=NOW, retired=NOW - HOUR)
    assert [(event.kind, event.at) for event in told(row("disk", record))] == [("error", NOW), ("retired", NOW - HOUR)]
    plan = replace(PlanOnRecord.new(OF, NOW), state=PlanState.WAITING, points=9, going=4, reason="it is the first")
    waits = {"PartitionKey": RETENTION_PARTITION, "RowKey": OF.key, **row_of(plan)}
    [event] = told(waits)
    assert (event.kind, event.outcome, event.disk) == ("plan", "waiting", DISK)
    assert event.text == "a plan to delete 4 of 9 recovery points waits: it is the first"


def test_rows_that_are_no_events_or_can_not_be_read_tell_nothing() -> None:
    newer = {**row(POINT.row_key, POINT), "schema": 1000}
    edited = {**row(POINT.row_key, POINT), "size": "big"}
    others = [
        {"PartitionKey": "status", "RowKey": OF.key, "report": "{}"},
        {"PartitionKey": "index", "RowKey": OF.key},
        {"PartitionKey": OF.key, "RowKey": "diff-a-b"},
    ]
    assert told(newer, edited, *others) == []


def test_of_ticks_the_last_is_told_and_the_last_that_succeeded() -> None:
    app = AppReport(last_tick=NOW, tick_result="failed", tick_reason="no table", last_success=NOW - HOUR, disks=1)
    assert [(event.at, event.outcome) for event in of_ticks(app)] == [(NOW, "failed"), (NOW - HOUR, "succeeded")]
    assert next(of_ticks(app)).text == "tick failed (1 disk): no table"
    assert len(list(of_ticks(replace(app, last_success=NOW)))) == 1


def reported(*disks: DiskReport) -> Any:
    return report_at(NOW, AppReport(last_tick=NOW - HOUR, tick_result="failed", tick_reason="no table"), disks)


def failing(name: str = DISK, reason: str = "refused") -> DiskReport:
    return DiskReport(disk=name, state=State.FAILING, since=NOW - HOUR, reason=reason)


def test_what_needs_attention_now_is_told_first_of_one_disk_only_its_own() -> None:
    report = reported(failing(), DiskReport(disk=f"{DISK}2", state=State.SAFE, since=NOW, good_point=POINT.time))
    everything = [AttentionJson.model_validate(found) for found in attention_of(report, None)]
    assert [(found.disk, found.reason) for found in everything] == [("", "no table"), (DISK, "refused")]
    assert [found["disk"] for found in attention_of(report, OF)] == [DISK]
    assert attention_of(report, Disk.parse(f"{DISK}2")) == []


def printed(parts: Sequence[Any]) -> list[str]:
    out = Console(file=io.StringIO(), width=WIDE, highlight=False, markup=False, emoji=False)
    screen.show(out, parts)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue().splitlines()


names = st.text(alphabet="abcdefghij-", min_size=1, max_size=90)


@given(
    st.lists(names, max_size=3, unique=True),
    st.text(alphabet=st.characters(codec="ascii", categories=["L", "P", "Zs"])),
)
def test_no_line_is_wider_than_the_terminal(disks: list[str], text: str) -> None:
    urls = [f"https://account.blob.core.windows.net/vhds/{name}.vhd" for name in disks]
    data = {
        "since": NOW.isoformat(),
        "attention": attention_of(reported(*(failing(url, text) for url in urls)), None),
        "events": [{"at": NOW.isoformat(), "disk": url, "text": text} for url in [*urls, ""]],
    }
    assert all(len(line) <= WIDE for line in printed(shown_of(data, NOW)))


def test_nothing_is_said_so() -> None:
    data = {"since": (NOW - HOUR).isoformat(), "attention": [], "events": []}
    assert printed(shown_of(data, NOW))[0].startswith("nothing since 30 Nov")


def test_a_point_without_what_it_added_tells_what_its_run_wrote() -> None:
    point: RecoveryPoint = replace(POINT, added_bytes=None, bytes_written=512)
    assert told(row(point.row_key, point))[0].bytes == 512


@pytest.mark.parametrize("kind", [Kind.RESTORE, Kind.INCREMENTAL])
def test_of_a_point_that_no_run_on_record_made_it_is_not_said_that_nothing_is_new(kind: Kind) -> None:
    point: RecoveryPoint = replace(POINT, added_bytes=None, bytes_written=0, kind=kind)
    [event] = told(row(point.row_key, point))
    assert (event.bytes, event.text) == (None, f"recovery point: {kind}")
    assert told(row(point.row_key, replace(point, added_bytes=0)))[0].text.endswith(", 0 B new")

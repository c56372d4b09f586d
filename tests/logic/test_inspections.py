"""Verifies and drills: the row of each, its stages, its attempts and its missing parts."""

from dataclasses import asdict, replace
from datetime import datetime, timedelta

import pytest
from azure.data.tables import EdmType, EntityProperty
from hypothesis import given
from hypothesis import strategies as st

from shared.azure.tables.rows import from_properties, from_row, to_properties, to_row
from shared.model.addresses import BlobAddress
from shared.model.disk import Disk
from shared.model.inspection import (
    INSPECTION_KINDS,
    PARTS_AHEAD,
    Compared,
    Inspection,
    built_upon,
    missing_parts,
    next_parts,
    parts_at_once,
    with_comparison,
)
from shared.model.job import ENDS, JobKind, Stage, job_row
from shared.model.point import POINT_ROW_PREFIX, PointState, RecoveryPoint
from shared.model.record import DISK_ROW
from shared.model.run import Kind
from tests.logic.records import BACKUP, BASE, DISK, GIB, INSPECTION, NOON, SNAPSHOT, inspections

SYSTEM_PROPERTIES = {"PartitionKey": "disks|vhds|os.vhd", "RowKey": "drill-6f3c1d2e", "odata.etag": "W/x"}
LATER = NOON + timedelta(minutes=5)
NOTHING = Compared({}, "")


def attempt(number: int, stage: Stage = Stage.COMPARING) -> Inspection:
    return replace(INSPECTION, attempt=number, state=stage)


def changes(before: Inspection, after: Inspection) -> set[str]:
    """Name the fields that differ."""
    return {name for name in asdict(before) if getattr(before, name) != getattr(after, name)}


# --- the row


def through_the_table(inspection: Inspection) -> Inspection:
    written = to_properties(to_row(inspection))
    return from_row(Inspection, from_properties(SYSTEM_PROPERTIES | written))


@given(inspections())
def test_an_inspection_is_read_from_the_table_as_it_was_written(inspection: Inspection) -> None:
    assert through_the_table(inspection) == inspection


@given(inspections())
def test_the_table_accepts_every_property_of_an_inspection(inspection: Inspection) -> None:
    written = to_properties(to_row(inspection))
    assert all(name.isidentifier() for name in written)
    assert not written.keys() & SYSTEM_PROPERTIES.keys()
    assert all(isinstance(value, str | float | bool | datetime | EntityProperty) for value in written.values())
    numbers = [value for value in written.values() if isinstance(value, EntityProperty)]
    assert {value.edm_type for value in numbers} == {EdmType.INT64}


def test_what_never_happened_has_no_property() -> None:
    assert not to_row(INSPECTION).keys() & {"ended", "last_error_at"}


@pytest.mark.parametrize("task", INSPECTION_KINDS)
def test_a_request_gives_the_row_of_an_inspection_that_has_done_nothing_yet(task: JobKind) -> None:
    inspection = Inspection.of("6f3c1d2e", task, Disk.parse(DISK), SNAPSHOT, NOON)
    assert inspection == Inspection(
        inspection="6f3c1d2e",
        task=task,
        state=Stage.REQUESTED,
        disk=Disk.parse(DISK),
        point=SNAPSHOT,
        attempt=1,
        requested=NOON,
        phase_began=NOON,
        progressed=NOON,
        checked=NOON,
    )
    assert inspection.known_disk.name == DISK
    assert not inspection.has_ended


def test_the_row_of_an_inspection_is_named_after_its_task_and_its_id() -> None:
    assert INSPECTION.row_key == "drill-6f3c1d2e"
    assert job_row(JobKind.VERIFY, "6f3c1d2e") == "verify-6f3c1d2e"


@pytest.mark.parametrize("task", INSPECTION_KINDS)
def test_the_row_of_an_inspection_is_no_other_row_of_its_disk(task: JobKind) -> None:
    row = job_row(task, "6f3c1d2e")
    assert row != DISK_ROW
    assert not row.startswith((POINT_ROW_PREFIX, job_row(JobKind.RESTORE, "")))
    assert [other for other in INSPECTION_KINDS if row.startswith(f"{other}-")] == [task]


@pytest.mark.parametrize("stage", Stage)
def test_an_inspection_has_ended_when_it_is_done_refused_or_has_failed(stage: Stage) -> None:
    assert attempt(1, stage).has_ended is (stage in {Stage.DONE, Stage.REFUSED, Stage.FAILED})
    assert (stage in ENDS) is attempt(1, stage).has_ended


def test_an_inspection_that_is_not_checked_is_overdue() -> None:
    after = timedelta(minutes=30)
    assert not INSPECTION.is_check_overdue(NOON + after - timedelta(seconds=1), after)
    assert INSPECTION.is_check_overdue(NOON + after, after)


# --- stages


@given(inspections(), st.sampled_from([Stage.PROMOTING, Stage.COMPARING]))
def test_a_stage_starts_with_nothing_done_and_the_whole_recovery_point_to_do(
    inspection: Inspection, stage: Stage
) -> None:
    then = inspection.at_stage(stage, LATER)
    assert then.state is stage
    assert (then.bytes_done, then.bytes_total, then.parts_done) == (0, inspection.size, 0)
    assert (then.parts_enqueued, then.parts_counted, then.bytes_counted, then.stalls) == (0, 0, 0, 0)
    assert (then.progressed, then.checked) == (LATER, LATER)


@given(inspections(), st.sampled_from([Stage.PROMOTING, Stage.COMPARING]))
def test_a_new_stage_is_of_the_same_inspection_and_attempt(inspection: Inspection, stage: Stage) -> None:
    progress = {"bytes_done", "bytes_total", "parts_done", "parts_enqueued", "parts_counted", "bytes_counted"}
    changed = {*progress, "stalls", "state", "reason", "phase_began", "progressed", "checked"}
    assert changes(inspection, inspection.at_stage(stage, LATER)) <= changed


@given(inspections(), st.sampled_from(sorted(ENDS)))
def test_an_inspection_ends_with_a_reason_and_the_time_it_took(inspection: Inspection, stage: Stage) -> None:
    then = inspection.end(stage, "all bytes equal", inspection.requested + timedelta(seconds=90.5))
    assert then.has_ended
    assert (then.state, then.reason, then.duration_seconds) == (stage, "all bytes equal", 90.5)
    assert then.ended == then.checked == inspection.requested + timedelta(seconds=90.5)
    assert changes(inspection, then) <= {"state", "reason", "checked", "ended", "duration_seconds"}


# --- attempts


def test_a_retried_drill_restores_again_and_says_why() -> None:
    then = replace(INSPECTION, parts_done=40, stalls=2).retry("somebody has written", LATER).job
    assert (then.state, then.attempt, then.scratch_etag) == (Stage.PROMOTING, 2, "")
    assert (then.parts_done, then.bytes_done, then.parts_enqueued, then.stalls) == (0, 0, False, 0)
    assert (then.last_error, then.last_error_at) == ("somebody has written", LATER)
    assert (then.recovery_point, then.size, then.parts_total, then.requested) == (BASE, 64 * GIB, 64, NOON)


def test_a_drill_has_a_last_attempt() -> None:
    drill, attempts = INSPECTION, 1
    while not drill.has_ended:
        drill = drill.retry(f"the copy of attempt {attempts} failed", LATER).job
        attempts += not drill.has_ended
    assert attempts == drill.attempt == Inspection.max_attempts
    assert (drill.state, drill.ended) == (Stage.FAILED, LATER)
    assert (
        drill.reason
        == f"the copy of attempt {Inspection.max_attempts} failed. Gave up after {Inspection.max_attempts} attempts"
    )


def test_a_drill_keeps_to_its_recovery_point_on_every_attempt() -> None:
    assert attempt(1).retry("once", LATER).job.recovery_point == INSPECTION.recovery_point
    assert attempt(Inspection.max_attempts).retry("for good", LATER).job.recovery_point == INSPECTION.recovery_point


def test_each_attempt_of_a_drill_marks_its_copy_as_its_own() -> None:
    marks = [attempt(number).mark for number in range(1, Inspection.max_attempts + 1)]
    others = [replace(attempt(number), inspection="7a4d2e3f").mark for number in range(1, 4)]
    assert len({*marks, *others}) == len(marks) + len(others)


# --- parts

parts_compared = st.builds(
    Compared, parts=st.dictionaries(st.integers(0, 63), st.integers(0, GIB)), differs=st.just("")
)


@given(parts_compared)
def test_the_missing_parts_are_those_not_compared(found: Compared) -> None:
    enqueued = replace(INSPECTION, parts_enqueued=64)
    left = list(missing_parts(enqueued, found))
    assert not found.parts.keys() & set(left)
    assert sorted(found.parts.keys() | set(left)) == list(range(enqueued.parts_total))
    assert left == sorted(set(left))


@given(st.integers(0, 3000), st.integers(1, 40))
def test_every_part_is_enqueued_once_and_never_more_than_a_few_ahead(total: int, pace: int) -> None:
    inspection, enqueued = replace(INSPECTION, parts_total=total, parts_enqueued=0), list[int]()
    while inspection.parts_done < total:
        parts = next_parts(inspection)
        enqueued += parts
        assert len(enqueued) - inspection.parts_done <= PARTS_AHEAD
        done = min(len(enqueued), inspection.parts_done + pace)
        inspection = replace(inspection, parts_enqueued=parts.stop, parts_done=done)
    assert enqueued == list(range(total))


@pytest.mark.parametrize(("total", "at_once"), [(0, 1), (1, 1), (3, 3), (8, 8), (8192, 8)])
def test_the_parts_under_way_share_the_limits_of_the_blobs_that_they_read(total: int, at_once: int) -> None:
    assert parts_at_once(replace(INSPECTION, parts_total=total)) == at_once


def a_point(time: str) -> RecoveryPoint:
    return RecoveryPoint.of_a_copy(
        time=time,
        kind=Kind.FULL,
        reason="",
        backup_blob=BlobAddress.parse(BACKUP),
        backup_snapshot=SNAPSHOT,
        size=GIB,
        started=NOON,
        sealed=NOON,
    )


@given(st.lists(st.tuples(st.sampled_from(Kind), st.sampled_from(PointState)), max_size=8), st.integers(0, 8))
def test_what_was_built_on_a_damaged_recovery_point_goes_up_to_the_next_whole_or_verified_one(
    made: list[tuple[Kind, PointState]], damaged: int
) -> None:
    points = [replace(a_point(f"{at}"), kind=kind, state=state) for at, (kind, state) in enumerate(made)]
    later = points[damaged + 1 :]
    found = built_upon(points, f"{damaged}")
    assert found == later[: len(found)]
    assert all((point.kind, point.state is PointState.VERIFIED) == (Kind.INCREMENTAL, False) for point in found)
    rest = later[len(found) :]
    assert not rest or rest[0].kind is not Kind.INCREMENTAL or rest[0].state is PointState.VERIFIED


@given(parts_compared)
def test_what_is_compared_is_recorded_on_the_row(found: Compared) -> None:
    then = with_comparison(INSPECTION, found, LATER)
    assert (then.parts_done, then.bytes_done, then.checked) == (len(found.parts), sum(found.parts.values()), LATER)
    assert then.progressed == (LATER if found.parts else NOON)
    counted = {"parts_counted", "bytes_counted"}
    assert changes(INSPECTION, then) <= {"parts_done", "bytes_done", "checked", "progressed"} | counted


@given(parts_compared, parts_compared)
def test_parts_that_are_counted_are_read_no_more_and_nothing_else_is_said(first: Compared, later: Compared) -> None:
    once = with_comparison(INSPECTION, first, NOON)
    assert set(range(once.parts_counted)) <= first.parts.keys()
    everything = Compared({**later.parts, **first.parts}, "")
    left = {part: length for part, length in everything.parts.items() if part >= once.parts_counted}
    then, whole = (with_comparison(*so, LATER) for so in ((once, Compared(left, "")), (INSPECTION, everything)))
    assert (then.parts_done, then.bytes_done) == (whole.parts_done, whole.bytes_done)
    assert (then.parts_counted, then.bytes_counted) == (whole.parts_counted, whole.bytes_counted)
    enqueued = [replace(row, parts_enqueued=64) for row in (then, whole)]
    assert list(missing_parts(enqueued[0], Compared(left, ""))) == list(missing_parts(enqueued[1], everything))


def test_a_check_without_new_parts_is_no_progress() -> None:
    found = Compared({0: GIB, 1: GIB}, "")
    first = with_comparison(INSPECTION, found, NOON)
    again = with_comparison(first, found, LATER)
    assert (again.progressed, again.checked) == (NOON, LATER)
    assert with_comparison(again, found._replace(parts={0: GIB, 1: GIB, 5: GIB}), LATER).progressed == LATER

"""The record: what is written to the table is read back, whatever it holds, in properties that the table takes."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from azure.data.tables import EdmType, EntityProperty
from hypothesis import given, settings

from shared.azure.tables.records import from_properties, to_properties
from shared.changes.ranges import Effort
from shared.model.disk import POINT_ROW_PREFIX, DiskRecord, Kind, OpenRun, PointState, RecoveryPoint
from tests.logic.records import BACKED_UP, BASE, DISK, NEW, NOON, RUN, SNAPSHOT, points, records

SYSTEM_PROPERTIES = {"PartitionKey": "disks|vhds|os.vhd", "RowKey": "disk", "odata.etag": "W/x", "Timestamp": NOON}
POINT = RecoveryPoint(
    time=SNAPSHOT,
    kind=Kind.RESYNC,
    reason="the backup blob was missing",
    source_snapshot=SNAPSHOT,
    backup_snapshot=BASE,
    size=8 * 1024**4,
    copying="server side",
    started=NOON,
    sealed=NOON + timedelta(seconds=90),
    duration_seconds=90.5,
    batches=3,
    **Effort(ranges=5, bytes_written=2**40, bytes_cleared=2**42, write_calls=2**18, clear_calls=1)._asdict(),
)

a_few = settings(max_examples=100, deadline=None)


def through_the_table(values: dict[str, Any]) -> dict[str, Any]:
    return from_properties(SYSTEM_PROPERTIES | to_properties(values))


@a_few
@given(records())
def test_a_record_is_read_as_it_was_written(record: DiskRecord) -> None:
    assert DiskRecord.from_entity(record.to_entity()) == record


@a_few
@given(records())
def test_a_record_is_read_from_the_table_as_it_was_written(record: DiskRecord) -> None:
    assert DiskRecord.from_entity(through_the_table(record.to_entity())) == record


@a_few
@given(points())
def test_a_recovery_point_is_read_from_the_table_as_it_was_written(point: RecoveryPoint) -> None:
    assert RecoveryPoint.model_validate(through_the_table(point.to_entity())) == point


# Understanding the Table service data model: at most 252 properties of one's own, named like identifiers, none null.


@a_few
@given(records())
def test_the_table_takes_every_property_of_a_record(record: DiskRecord) -> None:
    entity = record.to_entity()
    assert len(entity) <= 252
    assert all(name.isidentifier() for name in entity)
    assert all(isinstance(value, str | int | float | bool | datetime) for value in entity.values())
    assert not entity.keys() & SYSTEM_PROPERTIES.keys()


@a_few
@given(points())
def test_the_table_takes_every_property_of_a_recovery_point(point: RecoveryPoint) -> None:
    entity = point.to_entity()
    assert all(name.isidentifier() for name in entity)
    assert all(isinstance(value, str | int | float | datetime) for value in entity.values())
    assert not entity.keys() & SYSTEM_PROPERTIES.keys()


def test_whole_numbers_are_written_in_64_bits_and_truth_as_truth() -> None:
    properties = to_properties(BACKED_UP.with_run(size=8 * 1024**4, opened=True).to_entity())
    assert properties["run_size"] == EntityProperty(8 * 1024**4, EdmType.INT64)
    assert properties["base_size"].edm_type == EdmType.INT64
    assert properties["run_opened"] is True


def test_the_open_run_is_in_properties_of_its_own() -> None:
    entity = NEW.with_run(error_at=NOON, trouble_since=NOON, tick=NOON, alive=NOON).to_entity()
    assert {name for name in entity if name.startswith("run_")} == {f"run_{name}" for name in OpenRun.model_fields}
    assert (entity["disk"], entity["run_snapshot"], entity["run_started"]) == (DISK, SNAPSHOT, NOON)


def test_a_record_without_an_open_run_has_no_property_of_one() -> None:
    resting = BACKED_UP.model_copy(update={"run": None})
    assert not [name for name in resting.to_entity() if name.startswith("run")]
    assert DiskRecord.from_entity(resting.to_entity()).run is None


def test_what_never_happened_has_no_property() -> None:
    assert not NEW.to_entity().keys() & {"last_success", "last_verify", "last_drill", "last_error_at"}
    assert "verified" not in POINT.to_entity()


def test_a_record_that_an_older_version_wrote_is_read() -> None:
    entity = NEW.to_entity()
    for name in ("run_copying", "run_position", "last_error", "resync_reason"):
        del entity[name]
    assert DiskRecord.from_entity(entity) == NEW


def test_a_record_that_was_written_before_there_were_restores_and_modes_is_read() -> None:
    entity = BACKED_UP.to_entity()
    for name in ("restore", "restore_of", "adopted", "sealed_plan", "run_mode", "run_replans"):
        del entity[name]
    assert DiskRecord.from_entity(entity) == BACKED_UP


def test_a_record_that_was_written_before_runs_were_compared_and_tried_again_is_read() -> None:
    entity = BACKED_UP.to_entity()
    for name in ("run_windows_compared", "run_compared_etag", "run_tries", "run_failed"):
        del entity[name]
    assert DiskRecord.from_entity(entity) == BACKED_UP


def test_a_record_that_was_written_before_there_were_inspections_is_read() -> None:
    entity = BACKED_UP.to_entity()
    for name in ("last_verify_point", "last_verify_result"):
        del entity[name]
    for name in ("last_drill_point", "last_drill_seconds", "last_drill_result"):
        del entity[name]
    assert DiskRecord.from_entity(entity) == BACKED_UP


def test_a_recovery_point_that_was_written_before_there_were_full_copies_is_read() -> None:
    entity = POINT.to_entity()
    del entity["backup_blob"]
    assert RecoveryPoint.model_validate(entity) == POINT


def test_a_recovery_point_that_was_written_before_there_were_inspections_is_sealed_and_no_more() -> None:
    entity = POINT.to_entity()
    for name in ("state", "damage"):
        del entity[name]
    point = RecoveryPoint.model_validate(entity)
    assert point == POINT
    assert (point.state, point.damage, point.verified) == (PointState.SEALED, "", None)


def test_the_restore_that_is_under_way_to_a_disk_is_on_its_record() -> None:
    record = BACKED_UP.model_copy(update={"restore": "6f3c1d2e", "restore_of": DISK, "adopted": True})
    entity = record.to_entity()
    assert (entity["restore"], entity["restore_of"], entity["adopted"]) == ("6f3c1d2e", DISK, True)
    assert DiskRecord.from_entity(through_the_table(entity)) == record


# --- the open run


def test_the_open_run_is_given_for_its_own_snapshot_alone() -> None:
    assert NEW.run_of(SNAPSHOT) == RUN
    assert NEW.run_of(SNAPSHOT.replace("4567Z", "4568Z")) is None
    assert NEW.model_copy(update={"run": None}).run_of(SNAPSHOT) is None
    assert NEW.model_copy(update={"run": None}).run_of("") is None


def test_changing_the_open_run_leaves_the_rest_as_it_was() -> None:
    changed = BACKED_UP.with_run(plan=3)
    assert changed.run == RUN.model_copy(update={"plan": 3})
    assert changed.model_copy(update={"run": None}) == BACKED_UP.model_copy(update={"run": None})
    assert BACKED_UP.run == RUN


def test_a_record_without_an_open_run_has_none_to_change() -> None:
    with pytest.raises(ValueError, match=r"os\.vhd has no open run"):
        NEW.model_copy(update={"run": None}).with_run(plan=1)


def test_the_row_of_a_recovery_point_is_named_after_its_time() -> None:
    assert POINT.row_key == "point-2026-11-22T12:00:00.1234567Z"
    assert POINT.row_key.startswith(POINT_ROW_PREFIX)


# --- what is known of a recovery point


@a_few
@given(points())
def test_a_recovery_point_that_is_verified_holds_what_it_held_and_is_not_damaged(point: RecoveryPoint) -> None:
    verified = point.as_verified(NOON)
    assert (verified.state, verified.damage, verified.verified) == (PointState.VERIFIED, "", NOON)
    assert about_the_backup(verified) == about_the_backup(point)


@a_few
@given(points())
def test_a_recovery_point_that_is_damaged_says_how_and_when_it_was_last_found_equal(point: RecoveryPoint) -> None:
    damaged = point.as_damaged("bytes 512-1024 differ")
    assert (damaged.state, damaged.damage, damaged.verified) == (
        PointState.DAMAGED,
        "bytes 512-1024 differ",
        point.verified,
    )
    assert about_the_backup(damaged) == about_the_backup(point)


def about_the_backup(point: RecoveryPoint) -> dict[str, Any]:
    return point.model_dump(exclude={"state", "damage", "verified"})

"""The record: whatever is written to the table is read back, in properties that the table accepts."""

from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from azure.data.tables import EdmType, EntityProperty
from hypothesis import given

from shared.azure.tables.rows import from_properties, from_row, to_properties, to_row
from shared.changes.ranges import Effort
from shared.model.disk import Disk
from shared.model.job import Stage
from shared.model.point import POINT_ROW_PREFIX, PointState, RecoveryPoint
from shared.model.record import DiskRecord
from shared.model.run import Kind, OpenRun
from tests.logic.records import BACKED_UP, BASE, DISK, NEW, NOON, RUN, SNAPSHOT, points, records, with_run

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


def through_the_table(values: dict[str, Any]) -> dict[str, Any]:
    return from_properties(SYSTEM_PROPERTIES | to_properties(values))


@given(records())
def test_a_record_is_read_as_it_was_written(record: DiskRecord) -> None:
    assert from_row(DiskRecord, to_row(record)) == record


@given(records())
def test_a_record_is_read_from_the_table_as_it_was_written(record: DiskRecord) -> None:
    assert from_row(DiskRecord, through_the_table(to_row(record))) == record


@given(points())
def test_a_recovery_point_is_read_from_the_table_as_it_was_written(point: RecoveryPoint) -> None:
    assert from_row(RecoveryPoint, through_the_table(to_row(point))) == point


# Understanding the Table service data model: at most 252 custom properties, named like identifiers, none null.


@given(records())
def test_the_table_accepts_every_property_of_a_record(record: DiskRecord) -> None:
    entity = to_row(record)
    assert len(entity) <= 252
    assert all(name.isidentifier() for name in entity)
    assert all(isinstance(value, str | int | float | bool | datetime) for value in entity.values())
    assert not entity.keys() & SYSTEM_PROPERTIES.keys()


@given(points())
def test_the_table_accepts_every_property_of_a_recovery_point(point: RecoveryPoint) -> None:
    entity = to_row(point)
    assert all(name.isidentifier() for name in entity)
    assert all(isinstance(value, str | int | float | datetime) for value in entity.values())
    assert not entity.keys() & SYSTEM_PROPERTIES.keys()


def test_integers_are_written_in_64_bits_and_booleans_as_booleans() -> None:
    properties = to_properties(to_row(with_run(BACKED_UP, size=8 * 1024**4, state=Stage.COPYING)))
    assert properties["run_size"] == EntityProperty(8 * 1024**4, EdmType.INT64)
    assert properties["base_size"].edm_type == EdmType.INT64
    assert properties["adopted"] is False


def test_the_open_run_is_in_properties_of_its_own() -> None:
    entity = to_row(with_run(NEW, error_at=NOON, trouble_since=NOON, tick=NOON, alive=NOON))
    assert {name for name in entity if name.startswith("run_")} == {f"run_{field.name}" for field in fields(OpenRun)}
    assert (entity["disk"], entity["run_snapshot"], entity["run_started"]) == (DISK, SNAPSHOT, NOON)


def test_a_record_without_an_open_run_has_no_property_of_one() -> None:
    resting = replace(BACKED_UP, run=None)
    assert not [name for name in to_row(resting) if name.startswith("run")]
    assert from_row(DiskRecord, to_row(resting)).run is None


def test_what_never_happened_has_no_property() -> None:
    assert not to_row(NEW).keys() & {"last_success", "last_verify", "last_drill", "last_error_at"}
    assert "verified" not in to_row(POINT)


def test_a_record_that_an_older_version_wrote_is_read() -> None:
    entity = to_row(NEW)
    for name in ("run_copying", "run_position", "last_error", "resync_reason"):
        del entity[name]
    assert from_row(DiskRecord, entity) == NEW


def test_a_record_that_was_written_before_there_were_restores_and_modes_is_read() -> None:
    entity = to_row(BACKED_UP)
    for name in ("restore", "restore_of", "adopted", "sealed_plan", "run_mode", "run_replans"):
        del entity[name]
    assert from_row(DiskRecord, entity) == BACKED_UP


def test_a_record_that_was_written_before_runs_were_compared_and_tried_again_is_read() -> None:
    entity = to_row(BACKED_UP)
    for name in ("run_windows_compared", "run_compared_etag", "run_tries", "run_failed"):
        del entity[name]
    assert from_row(DiskRecord, entity) == BACKED_UP


def test_a_record_that_was_written_before_there_were_inspections_is_read() -> None:
    entity = to_row(BACKED_UP)
    for name in ("last_verify_point", "last_verify_result"):
        del entity[name]
    for name in ("last_drill_point", "last_drill_seconds", "last_drill_result"):
        del entity[name]
    assert from_row(DiskRecord, entity) == BACKED_UP


def test_a_recovery_point_that_was_written_before_there_were_full_copies_is_read() -> None:
    entity = to_row(POINT)
    del entity["backup_blob"]
    assert from_row(RecoveryPoint, entity) == POINT


def test_a_recovery_point_that_was_written_before_there_were_inspections_is_sealed_and_no_more() -> None:
    entity = to_row(POINT)
    for name in ("state", "damage"):
        del entity[name]
    point = from_row(RecoveryPoint, entity)
    assert point == POINT
    assert (point.state, point.damage, point.verified) == (PointState.SEALED, "", None)


def test_the_restore_that_is_under_way_to_a_disk_is_on_its_record() -> None:
    record = replace(BACKED_UP, restore="6f3c1d2e", restore_of=Disk.parse(DISK), adopted=True)
    entity = to_row(record)
    assert (entity["restore"], entity["restore_of"], entity["adopted"]) == ("6f3c1d2e", DISK, True)
    assert from_row(DiskRecord, through_the_table(entity)) == record


# --- the open run


def test_the_open_run_is_given_for_its_own_snapshot_alone() -> None:
    assert NEW.run_of(SNAPSHOT) == RUN
    assert NEW.run_of(SNAPSHOT.replace("4567Z", "4568Z")) is None
    assert replace(NEW, run=None).run_of(SNAPSHOT) is None
    assert replace(NEW, run=None).run_of("") is None


def test_changing_the_open_run_leaves_the_rest_as_it_was() -> None:
    changed = with_run(BACKED_UP, plan=3)
    assert changed.run == replace(RUN, plan=3)
    assert replace(changed, run=None) == replace(BACKED_UP, run=None)
    assert BACKED_UP.run == RUN


def test_a_record_without_an_open_run_has_none_to_change() -> None:
    with pytest.raises(ValueError, match=r"os\.vhd has no open run"):
        with_run(replace(NEW, run=None), plan=1)


def test_the_row_of_a_recovery_point_is_named_after_its_time() -> None:
    assert POINT.row_key == "point-2026-11-22T12:00:00.1234567Z"
    assert POINT.row_key.startswith(POINT_ROW_PREFIX)


# --- what is known of a recovery point


STANDING = points().filter(lambda point: point.state is not PointState.DELETING)


@given(STANDING)
def test_a_recovery_point_that_is_verified_holds_what_it_held_and_is_not_damaged(point: RecoveryPoint) -> None:
    verified = replace(point, damaged_at=None).as_verified(NOON, NOON)
    assert (verified.state, verified.damage, verified.verified) == (PointState.VERIFIED, "", NOON)
    assert about_the_backup(verified) == about_the_backup(point)


@pytest.mark.parametrize("began", [timedelta(), timedelta(hours=1), timedelta(hours=-1)])
def test_damage_is_cleared_by_a_verify_that_began_after_it_was_found_and_by_no_other(began: timedelta) -> None:
    damaged = POINT.as_damaged("bytes 0-511 differ", NOON)
    verified = damaged.as_verified(NOON + began, NOON + timedelta(hours=2))
    assert verified.state is (PointState.VERIFIED if began > timedelta() else PointState.DAMAGED)
    assert (verified == damaged) is (began <= timedelta())


@given(STANDING)
def test_a_recovery_point_that_is_damaged_says_how_and_when_it_was_last_found_equal(point: RecoveryPoint) -> None:
    damaged = point.as_damaged("bytes 512-1024 differ", NOON)
    assert (damaged.state, damaged.damage, damaged.verified) == (
        PointState.DAMAGED,
        "bytes 512-1024 differ",
        point.verified,
    )
    assert about_the_backup(damaged) == about_the_backup(point)


@given(STANDING)
def test_a_recovery_point_that_is_undeleted_is_as_good_as_before_it_was_deleted(point: RecoveryPoint) -> None:
    state = PointState.VERIFIED if point.verified else PointState.SEALED
    before = replace(point, state=state, damage="", lost=False, damaged_at=None)
    assert before.as_damaged("it was deleted", NOON, lost=True).as_found() == before


def test_damage_is_known_since_it_was_first_found_until_it_is_mended() -> None:
    later = NOON + timedelta(days=1)
    damaged = POINT.as_damaged("bytes 0-511 differ", NOON)
    assert damaged.as_damaged("it was deleted", later).damaged_at == NOON
    assert damaged.as_verified(later, later).damaged_at is None
    assert POINT.as_damaged("it was deleted", NOON, lost=True).as_found().damaged_at is None


@given(points())
def test_a_recovery_point_that_is_being_deleted_stays_so_whatever_is_found(point: RecoveryPoint) -> None:
    deleting = point.as_deleting("no rule keeps it")
    assert (deleting.state, deleting.deleting, deleting.is_good) == (PointState.DELETING, "no rule keeps it", False)
    assert about_the_backup(deleting) == about_the_backup(point.as_deleting("no rule keeps it"))
    assert deleting.as_damaged("it was deleted", NOON, lost=True) == deleting
    assert deleting.as_verified(NOON, NOON) == deleting
    assert deleting.as_found() == deleting


@given(STANDING)
def test_damage_that_an_undelete_does_not_mend_is_not_forgotten(point: RecoveryPoint) -> None:
    damaged = point.as_damaged("bytes 0-511 differ", NOON)
    assert damaged.as_damaged("it was deleted", NOON, lost=True).as_found() == damaged


@pytest.mark.parametrize(
    ("damage", "is_lost"),
    [(f"the snapshot {SNAPSHOT} of https://b.blob.core.windows.net/c/d is gone", True), ("bytes 0-511 differ", False)],
)
def test_of_an_older_release_the_text_says_whether_a_damaged_recovery_point_was_deleted(
    damage: str, *, is_lost: bool
) -> None:
    entity = to_row(POINT.as_damaged(damage, NOON))
    del entity["lost"]
    assert from_row(RecoveryPoint, entity) == POINT.as_damaged(damage, NOON, lost=is_lost)


_KNOWN = {"state", "damage", "lost", "damaged_at", "verified", "deleting"}


def about_the_backup(point: RecoveryPoint) -> dict[str, Any]:
    return {name: value for name, value in to_row(point).items() if name not in _KNOWN}

"""Rebuilding the catalogue: every recovery point is found by its metadata, and nothing else is."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.azure.tables.rows import from_properties, from_row, to_properties, to_row
from shared.model.addresses import BlobAddress
from shared.model.blob import BlobState
from shared.model.catalogue import FoundPoint, StoredBlob, found_point, point_metadata, rebuilt
from shared.model.disk import Disk
from shared.model.disk_profile import DiskProfile
from shared.model.messages import RunMessage
from shared.model.names import (
    COPY_METADATA,
    DISK_METADATA,
    ETAG_METADATA,
    KIND_METADATA,
    PLAN_METADATA,
    RESTORE_METADATA,
    RUN_METADATA,
    SOURCE_SNAPSHOT_METADATA,
)
from shared.model.point import RecoveryPoint, TakenSnapshot
from shared.model.record import DiskRecord
from shared.model.restore_target import adopted, claimed, restored_point
from shared.model.run import Kind, OpenRun
from shared.model.run_steps import full_copy, opened, recovery_point, sealed
from tests.logic.conftest import BACKUPS
from tests.logic.records import (
    BACKED_UP,
    BACKUP,
    BACKUP_SNAPSHOT,
    DISK,
    ETAG,
    GIB,
    NEW,
    NOON,
    RESTORE,
    RUN,
    RUN_ID,
    SNAPSHOT,
    with_run,
)

SEALED = datetime(2026, 11, 22, 12, 3, 0, 765432, tzinfo=UTC)
OF_A_RUN = {
    DISK_METADATA: DISK,
    RUN_METADATA: RUN_ID,
    PLAN_METADATA: "2",
    SOURCE_SNAPSHOT_METADATA: SNAPSHOT,
    KIND_METADATA: "resync",
    ETAG_METADATA: ETAG,
}
"""What a run writes on the snapshot of the backup blob that it seals with."""

OF_A_COPY = {
    DISK_METADATA: DISK,
    RUN_METADATA: RUN_ID,
    SOURCE_SNAPSHOT_METADATA: SNAPSHOT,
    KIND_METADATA: "full",
    COPY_METADATA: RUN_ID,
}
"""What a run in full-copy mode has written on its copy."""

COPY_URL = f"{BACKUPS}/disks/vhds/os.vhd/{SNAPSHOT.replace(':', '%3A')}"
NEXT = replace(RUN, snapshot="2026-11-23T00:00:00.1234567Z")
AS_SEALED = BlobState(size=64 * GIB, etag=ETAG)


def snapshot_of_backup(metadata: Mapping[str, str] = OF_A_RUN, url: str = BACKUP) -> StoredBlob:
    return StoredBlob(
        blob=BlobAddress.parse(url),
        snapshot=BACKUP_SNAPSHOT,
        size=64 * GIB,
        metadata=metadata,
        copy_status="",
        modified=NOON,
    )


def copied_blob(metadata: Mapping[str, str] = OF_A_COPY, status: str = "success", snapshot: str = "") -> StoredBlob:
    return StoredBlob(
        blob=BlobAddress.parse(COPY_URL),
        snapshot=snapshot,
        size=64 * GIB,
        metadata=metadata,
        copy_status=status,
        modified=SEALED,
    )


def found(stored: StoredBlob) -> FoundPoint:
    point = found_point(stored)
    assert point
    return point


def next_run(record: DiskRecord, blob: BlobState | None) -> OpenRun:
    run = opened(replace(record, run=NEXT), blob, leased=True).run
    assert run
    return run


# --- what is found


def test_what_a_managed_disk_was_is_found_with_its_recovery_points() -> None:
    profile = DiskProfile(location="westeurope", tags={"team": "dätä"}).text
    written = point_metadata(RunMessage(disk=Disk.parse(DISK), run=SNAPSHOT), Kind.FULL, ETAG, profile)
    assert found(snapshot_of_backup(written)).point.profile == profile
    assert found(copied_blob(written | {COPY_METADATA: RUN_ID})).point.profile == profile
    assert found(snapshot_of_backup()).point.profile == ""


def test_the_metadata_is_that_of_earlier_backups() -> None:
    assert sorted(OF_A_RUN) == [
        "tidemark_disk",
        "tidemark_etag",
        "tidemark_kind",
        "tidemark_plan",
        "tidemark_run",
        "tidemark_source_snapshot",
    ]
    assert OF_A_COPY.keys() - OF_A_RUN.keys() == {"tidemark_copy"}


@pytest.mark.parametrize("kind", Kind)
def test_a_snapshot_that_says_what_it_is_of_is_a_recovery_point(kind: Kind) -> None:
    again = found(snapshot_of_backup(OF_A_RUN | {KIND_METADATA: kind.value}))
    point = again.point
    assert (again.disk, again.plan, again.etag) == (Disk.parse(DISK), 2, ETAG)
    assert (point.time, point.source_snapshot, point.kind) == (SNAPSHOT, SNAPSHOT, kind)
    assert (str(point.backup_blob), point.backup_snapshot, point.size) == (BACKUP, BACKUP_SNAPSHOT, 64 * GIB)
    assert (point.sealed, point.reason) == (SEALED, "the catalogue was rebuilt")
    assert point.started == NOON + timedelta(microseconds=123456)
    assert point.duration_seconds == (point.sealed - point.started).total_seconds()


def test_a_successful_copy_that_says_what_it_is_of_is_a_recovery_point() -> None:
    again = found(copied_blob())
    point = again.point
    assert (again.disk, again.plan, again.etag) == (Disk.parse(DISK), 0, "")
    assert (point.time, point.kind, point.copying) == (SNAPSHOT, Kind.FULL, "Copy Blob")
    assert (str(point.backup_blob), point.backup_snapshot, point.size) == (COPY_URL, "", 64 * GIB)
    assert point.sealed == SEALED


def test_a_recovery_point_is_found_again_where_its_record_said_it_was() -> None:
    record = with_run(BACKED_UP, kind=Kind.RESYNC, plan=2)
    was = recovery_point(record, BACKUP_SNAPSHOT, SEALED)
    again = found(snapshot_of_backup()).point
    assert_same_place(again, was)


def test_a_full_copy_is_found_again_where_its_record_said_it_was() -> None:
    was = full_copy(BACKED_UP, BlobAddress.parse(COPY_URL), 64 * GIB, SEALED)
    assert BlobAddress.parse(COPY_URL).blob == Disk.parse(DISK).full_copy_name(SNAPSHOT)
    assert_same_place(found(copied_blob()).point, was)


def test_the_point_of_a_restored_disk_is_found_again_where_its_record_said_it_was() -> None:
    target = RESTORE.known_target
    backup = BlobAddress.parse(f"{BACKUPS}/disks/vhds/restored.vhd")
    metadata = OF_A_RUN | {
        DISK_METADATA: target.name,
        PLAN_METADATA: "0",
        SOURCE_SNAPSHOT_METADATA: RESTORE.target_snapshot,
        KIND_METADATA: "restore",
    }
    again = found(snapshot_of_backup(metadata, backup.url))
    assert again.disk == target
    assert_same_place(again.point, restored_point(RESTORE, backup, BACKUP_SNAPSHOT, SEALED))


def assert_same_place(again: RecoveryPoint, was: RecoveryPoint) -> None:
    kept = {"time", "kind", "source_snapshot", "backup_blob", "backup_snapshot", "size", "sealed"}
    assert [getattr(again, name) for name in kept] == [getattr(was, name) for name in kept]
    assert again.row_key == was.row_key


def test_two_points_of_one_microsecond_are_two() -> None:
    later = SNAPSHOT.replace("4567Z", "4568Z")
    other = found(snapshot_of_backup(OF_A_RUN | {SOURCE_SNAPSHOT_METADATA: later})).point
    assert (found(snapshot_of_backup()).point.time, other.time) == (SNAPSHOT, later)


def test_a_clock_that_is_behind_makes_no_duration_below_zero() -> None:
    late = OF_A_RUN | {SOURCE_SNAPSHOT_METADATA: "2026-11-22T12:59:00.0000000Z"}
    assert found(snapshot_of_backup(late)).point.duration_seconds == 0


@pytest.mark.parametrize("stored", [snapshot_of_backup(), copied_blob()])
def test_the_table_accepts_a_point_that_was_found(stored: StoredBlob) -> None:
    point = found(stored).point
    written = to_properties(to_row(point))
    assert None not in written.values()
    assert from_row(RecoveryPoint, from_properties(written)) == point


# --- what is not a recovery point


@pytest.mark.parametrize("missing", sorted(OF_A_RUN))
def test_a_snapshot_with_incomplete_metadata_is_not_a_recovery_point(missing: str) -> None:
    assert found_point(snapshot_of_backup({name: said for name, said in OF_A_RUN.items() if name != missing})) is None


@pytest.mark.parametrize("missing", sorted(OF_A_COPY))
def test_a_copy_with_incomplete_metadata_is_not_a_recovery_point(missing: str) -> None:
    assert found_point(copied_blob({name: said for name, said in OF_A_COPY.items() if name != missing})) is None


@pytest.mark.parametrize("status", ["pending", "aborted", "failed"])
def test_a_copy_that_has_not_succeeded_is_not_a_recovery_point(status: str) -> None:
    assert found_point(copied_blob(status=status)) is None


def test_a_copy_with_a_forgotten_source_is_a_recovery_point_unless_it_is_empty() -> None:
    assert found(copied_blob(status="")).point.size == 64 * GIB
    assert found_point(replace(copied_blob(status=""), size=0)) is None


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({DISK_METADATA: DISK}, id="as its first run has made it"),
        pytest.param({DISK_METADATA: DISK, RESTORE_METADATA: "6f3c1d2e", COPY_METADATA: "6f3c1d2e/1"}, id="restored"),
        pytest.param(OF_A_RUN, id="with the metadata of a snapshot that was copied over it"),
    ],
)
@pytest.mark.parametrize("status", ["", "success"])
def test_a_backup_blob_itself_is_not_a_recovery_point(metadata: dict[str, str], status: str) -> None:
    stored = StoredBlob(
        blob=BlobAddress.parse(BACKUP),
        snapshot="",
        size=64 * GIB,
        metadata=metadata,
        copy_status=status,
        modified=SEALED,
    )
    assert found_point(stored) is None


def test_somebody_elses_snapshot_of_a_full_copy_is_not_a_recovery_point() -> None:
    assert found_point(copied_blob(snapshot=BACKUP_SNAPSHOT)) is None


@pytest.mark.parametrize("metadata", [{}, {"made_by": "somebody"}, {name.upper(): "x" for name in OF_A_RUN}])
@pytest.mark.parametrize("status", ["", "success"])
def test_what_others_put_into_the_container_is_not_a_recovery_point(metadata: dict[str, str], status: str) -> None:
    assert found_point(copied_blob(metadata, status)) is None
    assert found_point(snapshot_of_backup(metadata)) is None


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        (DISK_METADATA, ""),
        (DISK_METADATA, "os.vhd"),
        (DISK_METADATA, "https://disks.blob.core.windows.net/vhds"),
        (DISK_METADATA, f"{DISK}?sig=S3CRET"),
        (SOURCE_SNAPSHOT_METADATA, ""),
        (SOURCE_SNAPSHOT_METADATA, "noon"),
        (SOURCE_SNAPSHOT_METADATA, "2026-11-22T12:00:00.1234567"),
        (SOURCE_SNAPSHOT_METADATA, "2026-11-31T12:00:00.1234567Z"),
        (KIND_METADATA, ""),
        (KIND_METADATA, "differential"),
        (PLAN_METADATA, ""),
        (PLAN_METADATA, "first"),
        (PLAN_METADATA, "1" * 5000),
    ],
)
def test_nonsense_metadata_is_not_a_recovery_point(name: str, broken: str) -> None:
    assert found_point(snapshot_of_backup(OF_A_RUN | {name: broken})) is None
    assert found_point(copied_blob(OF_A_COPY | {name: broken})) is None


@given(st.dictionaries(st.sampled_from(sorted(OF_A_RUN | OF_A_COPY)), st.text(max_size=40)))
def test_any_metadata_can_be_examined(metadata: dict[str, str]) -> None:
    for stored in (snapshot_of_backup(OF_A_RUN | metadata), copied_blob(OF_A_COPY | metadata)):
        again = found_point(stored)
        assert again is None or again.disk == Disk.parse(again.disk.name)


# --- the rebuilt record


def test_a_rebuilt_record_is_as_the_last_seal_left_it() -> None:
    record = with_run(BACKED_UP, kind=Kind.RESYNC, plan=2)
    taken = TakenSnapshot(time=BACKUP_SNAPSHOT, plan=2, etag=ETAG)
    was = sealed(record, recovery_point(record, BACKUP_SNAPSHOT, SEALED), taken)
    assert rebuilt(BlobAddress.parse(BACKUP), found(snapshot_of_backup()), AS_SEALED, adopted=False) == was


def test_a_restored_disks_rebuilt_record_is_as_the_restore_left_it() -> None:
    target, backup = RESTORE.known_target, BlobAddress.parse(f"{BACKUPS}/disks/vhds/restored.vhd")
    point = restored_point(RESTORE, backup, BACKUP_SNAPSHOT, SEALED)
    record = replace(NEW, disk=target, backup_blob=backup, run=None)
    taken = TakenSnapshot(time=BACKUP_SNAPSHOT, plan=0, etag=ETAG)
    was = adopted(claimed(record, RESTORE), point, taken, is_listed=False)
    metadata = OF_A_RUN | {
        DISK_METADATA: target.name,
        PLAN_METADATA: "0",
        SOURCE_SNAPSHOT_METADATA: RESTORE.target_snapshot,
        KIND_METADATA: "restore",
    }
    again = rebuilt(backup, found(snapshot_of_backup(metadata, backup.url)), AS_SEALED, adopted=True)
    assert again == replace(was, restore="", restore_of=None)


@pytest.mark.parametrize(
    ("blob", "kind"),
    [
        pytest.param(AS_SEALED, Kind.INCREMENTAL, id="as the last run has left it"),
        pytest.param(replace(AS_SEALED, leased=True), Kind.INCREMENTAL, id="under a lease"),
        pytest.param(replace(AS_SEALED, etag='"0x8DE29F6"'), Kind.RESYNC, id="written to"),
        pytest.param(replace(AS_SEALED, size=64 * GIB + 512), Kind.RESYNC, id="resized"),
        pytest.param(None, Kind.FULL, id="gone"),
    ],
)
def test_the_next_run_is_incremental_only_if_the_backup_blob_is_as_the_last_one_left_it(
    blob: BlobState | None, kind: Kind
) -> None:
    record = rebuilt(BlobAddress.parse(BACKUP), found(snapshot_of_backup()), blob, adopted=False)
    run = next_run(record, blob)
    assert run.kind is kind
    assert bool(run.reason) is (kind is not Kind.INCREMENTAL)


def test_a_blob_written_to_after_the_rebuild_is_resynced() -> None:
    record = rebuilt(BlobAddress.parse(BACKUP), found(snapshot_of_backup()), AS_SEALED, adopted=False)
    assert next_run(record, replace(AS_SEALED, etag='"0x8DE29F6"')).kind is Kind.RESYNC


def test_a_blob_changed_before_the_rebuild_is_resynced_whatever_is_there_later() -> None:
    resized = replace(AS_SEALED, size=64 * GIB + 512)
    for blob in (None, resized, replace(AS_SEALED, etag='"0x8DE29F6"')):
        record = rebuilt(BlobAddress.parse(BACKUP), found(snapshot_of_backup()), blob, adopted=False)
        assert next_run(record, AS_SEALED).kind is Kind.RESYNC


@pytest.mark.parametrize("etag", [ETAG, ""])
def test_after_a_full_copy_the_next_run_is_never_incremental(etag: str) -> None:
    blob = replace(AS_SEALED, etag=etag) if etag else None
    record = rebuilt(BlobAddress.parse(BACKUP), found(copied_blob()), blob, adopted=False)
    assert next_run(record, blob).kind is (Kind.RESYNC if blob else Kind.FULL)
    assert (record.last_point, record.backup_snapshot) == (SNAPSHOT, "")


@pytest.mark.parametrize("is_adopted", [True, False])
def test_a_rebuilt_record_says_whether_its_disk_was_adopted(is_adopted: bool) -> None:
    record = rebuilt(BlobAddress.parse(BACKUP), found(snapshot_of_backup()), AS_SEALED, adopted=is_adopted)
    assert record.adopted is is_adopted
    assert from_row(DiskRecord, to_row(record)) == record

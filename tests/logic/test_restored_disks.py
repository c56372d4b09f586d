"""Restored disks: what a restore leaves on its target's record, and what the next backup does with it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.azure.tables.rows import from_properties, from_row, to_properties, to_row
from shared.model.addresses import BlobAddress
from shared.model.blob import BlobState
from shared.model.disk import Disk
from shared.model.point import RecoveryPoint, TakenSnapshot
from shared.model.record import DiskRecord
from shared.model.restore import Restore
from shared.model.restore_target import adopted, claimed, is_blank, released, restored_point, without_restore
from shared.model.run import Kind, OpenRun
from shared.model.run_steps import opened
from tests.logic.conftest import BACKUPS
from tests.logic.records import BACKED_UP, BACKUP_SNAPSHOT, BASE, DISK, ETAG, GIB, NEW, NOON, RESTORE, RUN

LATER = NOON + timedelta(minutes=5)
BACKUP_OF_TARGET = BlobAddress.parse(f"{BACKUPS}/disks/vhds/restored.vhd")
TAKEN = TakenSnapshot(time=BACKUP_SNAPSHOT, plan=0, etag=ETAG)


def as_made(restore: Restore) -> RecoveryPoint:
    return restored_point(restore, BACKUP_OF_TARGET, BACKUP_SNAPSHOT, LATER)


# --- the record of the target


def resting(record: DiskRecord = BACKED_UP, **changes: Any) -> DiskRecord:
    return replace(record, run=None, **changes)


def test_a_record_names_the_restore_under_way_and_releases_it() -> None:
    taken = claimed(resting(), RESTORE)
    assert taken == resting(restore="6f3c1d2e", restore_of=Disk.parse(DISK))
    assert released(taken, RESTORE, wrote=False) == resting()


def test_a_failed_restore_that_wrote_makes_the_next_run_a_resync() -> None:
    after = released(claimed(resting(), RESTORE), RESTORE, wrote=True)
    assert (after.restore, after.restore_of) == ("", None)
    assert after == without_restore(claimed(resting(), RESTORE), RESTORE.restore)
    run = opened(replace(after, run=RUN), as_sealed(), leased=True).run
    assert run
    assert run.kind is Kind.RESYNC
    assert "restore 6f3c1d2e to this disk did not finish" in run.reason


def test_a_restore_that_wrote_to_a_disk_never_backed_up_leaves_it_a_first_run() -> None:
    record = resting(NEW)
    assert without_restore(claimed(record, RESTORE), RESTORE.restore) == record
    run = opened(replace(record, run=RUN), None, leased=True).run
    assert run
    assert (run.kind, run.reason) == (Kind.FULL, "")


def test_a_restore_that_wrote_nothing_leaves_the_reason_for_a_resync_as_it_was() -> None:
    record = resting(resync_reason="the last run was given up")
    assert released(claimed(record, RESTORE), RESTORE, wrote=False) == record


@pytest.mark.parametrize("wrote", [True, False])
@pytest.mark.parametrize("record", [resting(), resting(restore="another", restore_of=Disk.parse(DISK))])
def test_a_record_that_names_another_restore_or_none_is_unchanged(record: DiskRecord, wrote: bool) -> None:
    assert released(record, RESTORE, wrote=wrote) == record
    assert without_restore(record, RESTORE.restore) == record


@pytest.mark.parametrize(
    ("record", "blank"),
    [
        pytest.param(resting(NEW), True, id="nothing but its name"),
        pytest.param(resting(NEW, last_error="the container is missing"), True, id="an error"),
        pytest.param(NEW, False, id="an open run"),
        pytest.param(resting(), False, id="a recovery point"),
        pytest.param(resting(NEW, last_point=BASE), False, id="a point and no base"),
        pytest.param(claimed(resting(NEW), RESTORE), False, id="a restore under way"),
    ],
)
def test_a_record_is_blank_while_nothing_was_backed_up_or_is_under_way(record: DiskRecord, blank: bool) -> None:
    assert is_blank(record) is blank


# --- adopting the restored disk


def as_sealed(**changes: Any) -> BlobState:
    """Give the backup blob as the restore, or the last run, left it."""
    return replace(BlobState(size=64 * GIB, etag=ETAG), **changes)


def next_run(record: DiskRecord, blob: BlobState | None) -> OpenRun:
    run = opened(replace(record, run=RUN), blob, leased=True).run
    assert run
    return run


def test_the_point_of_a_restored_disk_says_what_it_was_restored_from() -> None:
    point = as_made(replace(RESTORE, requested=NOON))
    assert (point.time, point.source_snapshot) == (RESTORE.target_snapshot, RESTORE.target_snapshot)
    assert point.kind is Kind.RESTORE
    assert point.reason == f"restored from recovery point {BASE} of {DISK}"
    assert (point.backup_blob, point.backup_snapshot) == (BACKUP_OF_TARGET, BACKUP_SNAPSHOT)
    assert (point.size, point.bytes_written, point.bytes_cleared) == (64 * GIB, 0, 0)
    assert (point.started, point.sealed, point.duration_seconds) == (NOON, LATER, 300)


def test_the_point_of_a_restored_disk_is_read_from_the_table_as_it_was_written() -> None:
    written = to_properties(to_row(as_made(RESTORE)))
    assert None not in written.values()
    assert from_row(RecoveryPoint, from_properties(written)) == as_made(RESTORE)


@pytest.mark.parametrize("is_listed", [True, False])
@pytest.mark.parametrize(
    "record",
    [
        pytest.param(resting(NEW), id="a new disk"),
        pytest.param(resting(base_size=GIB, backup_etag="older"), id="a disk with backups"),
        pytest.param(resting(resync_reason="the last backup was a full copy"), id="after a full copy"),
        pytest.param(resting(resync_reason="the last run was given up"), id="after a run that was given up"),
    ],
)
def test_the_run_after_a_restore_is_incremental_from_the_restored_disks_snapshot(
    record: DiskRecord, is_listed: bool
) -> None:
    after = adopted(claimed(record, RESTORE), as_made(RESTORE), TAKEN, is_listed=is_listed)
    assert (after.base_snapshot, after.last_point) == (RESTORE.target_snapshot, RESTORE.target_snapshot)
    assert after.last_success == LATER
    assert after.adopted is not is_listed
    run = next_run(released(after, RESTORE, wrote=False), as_sealed())
    assert (run.kind, run.reason) == (Kind.INCREMENTAL, "")


@pytest.mark.parametrize("changes", [{"etag": '"0x8DE29F6"'}, {"size": 64 * GIB + 512}])
def test_the_run_after_a_restore_is_a_resync_where_somebody_wrote_to_the_backup_blob(changes: dict[str, Any]) -> None:
    after = adopted(claimed(resting(), RESTORE), as_made(RESTORE), TAKEN, is_listed=True)
    assert next_run(after, as_sealed(**changes)).kind is Kind.RESYNC


def test_a_disk_is_adopted_before_its_record_releases_the_restore() -> None:
    after = adopted(claimed(resting(), RESTORE), as_made(RESTORE), TAKEN, is_listed=True)
    assert (after.restore, str(after.restore_of)) == ("6f3c1d2e", DISK)


def test_a_disk_that_source_disks_names_by_now_is_no_longer_adopted() -> None:
    record = claimed(resting(adopted=True), RESTORE)
    assert not adopted(record, as_made(RESTORE), TAKEN, is_listed=True).adopted

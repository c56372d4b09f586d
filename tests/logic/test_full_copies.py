"""Full copies: what a run in full-copy mode records, and what the next run does with it in either mode."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.azure.tables.rows import from_properties, from_row, to_properties, to_row
from shared.model.addresses import BlobAddress
from shared.model.batches import is_run_stalled, requeued
from shared.model.blob import BlobState
from shared.model.job import Stage
from shared.model.point import RecoveryPoint, TakenSnapshot
from shared.model.record import DiskRecord
from shared.model.run import Kind, Mode, OpenRun
from shared.model.run_steps import abandoned, copy_progressed, full_copy, opened, recovery_point, sealed, sealed_copy
from tests.logic.conftest import BACKUPS
from tests.logic.records import BACKED_UP, BACKUP_SNAPSHOT, BASE, ETAG, GIB, NEW, NOON, RUN, SNAPSHOT, with_run

COPY = f"{BACKUPS}/disks/vhds/os.vhd/{SNAPSHOT.replace(':', '%3A')}"
FOUND = BlobState(size=64 * GIB, etag=ETAG)
"""The backup blob as the last incremental run left it."""

LATER = NOON + timedelta(minutes=5)
COPYING = with_run(BACKED_UP, mode=Mode.FULL, kind=Kind.FULL, state=Stage.COPYING, copying="Copy Blob")
"""The record of a disk in full-copy mode that was backed up incrementally before."""

FIRST_COPYING = with_run(NEW, mode=Mode.FULL, kind=Kind.FULL, state=Stage.COPYING, copying="Copy Blob")
"""The record of a disk in its first run, in full-copy mode."""

AFTER_FULL_COPY = "the last backup was a full copy"


def run_of(record: DiskRecord) -> OpenRun:
    assert record.run
    return record.run


def after_copy(record: DiskRecord) -> DiskRecord:
    return sealed_copy(record, full_copy(record, BlobAddress.parse(COPY), 63 * GIB, LATER))


def next_run(record: DiskRecord, blob: BlobState | None) -> OpenRun:
    """Open the next run in incremental mode."""
    run = replace(RUN, snapshot="2026-11-23T00:00:00.1234567Z")
    return run_of(opened(replace(record, run=run), blob, leased=True))


# --- the recovery point


def test_a_full_copy_is_a_recovery_point_of_the_moment_of_its_source_snapshot() -> None:
    point = full_copy(COPYING, BlobAddress.parse(COPY), 63 * GIB, LATER)
    assert (point.time, point.source_snapshot, point.kind, point.reason) == (SNAPSHOT, SNAPSHOT, Kind.FULL, "")
    assert (str(point.backup_blob), point.backup_snapshot) == (COPY, "")
    assert (point.size, point.bytes_written, point.bytes_cleared) == (64 * GIB, 63 * GIB, 0)
    assert (point.write_calls, point.clear_calls, point.batches, point.copying) == (1, 0, 0, "Copy Blob")
    assert (point.started, point.sealed, point.duration_seconds) == (NOON, LATER, 300)


def test_a_full_copy_is_read_from_the_table_as_it_was_written() -> None:
    point = full_copy(COPYING, BlobAddress.parse(COPY), 63 * GIB, LATER)
    written = to_properties(to_row(point))
    assert None not in written.values()
    assert from_row(RecoveryPoint, from_properties(written)) == point


def test_a_record_without_an_open_run_has_no_full_copy() -> None:
    with pytest.raises(ValueError, match="no open run"):
        full_copy(replace(COPYING, run=None), BlobAddress.parse(COPY), 1, LATER)


# --- the record


def test_a_full_copy_moves_the_base_and_says_that_the_backup_blob_no_longer_follows() -> None:
    before = replace(with_run(COPYING, plan=3), last_error="once", adopted=True)
    assert after_copy(before) == replace(
        before,
        base_snapshot=SNAPSHOT,
        base_size=64 * GIB,
        sealed_plan=3,
        backup_snapshot="",
        resync_reason=AFTER_FULL_COPY,
        run=None,
        last_success=LATER,
        last_point=SNAPSHOT,
    )


@given(st.lists(st.integers(0, 64 * GIB), min_size=1).map(sorted))
def test_the_progress_of_a_copy_is_recorded_in_bytes(looks: list[int]) -> None:
    record = COPYING
    for minute, done in enumerate(looks):
        record = copy_progressed(record, done, NOON + timedelta(minutes=minute))
    run = run_of(record)
    first = looks.index(looks[-1])
    assert run.position == looks[-1]
    assert run.checked == NOON + timedelta(minutes=len(looks) - 1)
    assert run.progressed == (NOON + timedelta(minutes=first) if looks[-1] else NOON)


def test_a_copy_that_makes_progress_says_how_much() -> None:
    run = run_of(copy_progressed(COPYING, 5 * GIB, LATER))
    assert (run.position, run.progressed, run.checked) == (5 * GIB, LATER, LATER)


def test_a_copy_that_stands_still_is_stalled_and_one_that_moves_is_not() -> None:
    after = timedelta(seconds=1800)
    moving = copy_progressed(COPYING, GIB, NOON)
    stands_still = copy_progressed(moving, GIB, NOON + after)
    assert is_run_stalled(run_of(stands_still), NOON + after, after)
    assert not is_run_stalled(run_of(copy_progressed(moving, GIB + 1, NOON + after)), NOON + after, after)


def test_a_copy_requeued_in_vain_gets_its_usual_time_once_it_makes_progress() -> None:
    again = requeued(requeued(COPYING, NOON), NOON)
    assert run_of(copy_progressed(again, 0, LATER)).replans == 2
    assert run_of(copy_progressed(again, GIB, LATER)).replans == 0


# --- abandoning


@pytest.mark.parametrize("record", [COPYING, FIRST_COPYING])
def test_an_abandoned_full_copy_has_not_touched_the_backup_blob(record: DiskRecord) -> None:
    assert abandoned(record, "the source snapshot is gone") == replace(record, run=None)


def test_the_run_after_an_abandoned_full_copy_is_still_incremental() -> None:
    run = next_run(abandoned(COPYING, "the source snapshot is gone"), FOUND)
    assert (run.kind, run.reason) == (Kind.INCREMENTAL, "")


def test_an_abandoned_full_copy_keeps_an_earlier_reason_for_a_resync() -> None:
    for before in (after_copy(COPYING), replace(COPYING, resync_reason="the last run was given up")):
        record = abandoned(replace(before, run=COPYING.run), "the source snapshot is gone")
        assert record.resync_reason == before.resync_reason
        assert next_run(record, FOUND).kind is Kind.RESYNC


# --- switching modes


@pytest.mark.parametrize(
    ("record", "blob", "kind"),
    [
        pytest.param(after_copy(COPYING), FOUND, Kind.RESYNC, id="the backup blob as it was before"),
        pytest.param(
            after_copy(COPYING),
            replace(FOUND, etag='"0x8DE29C3"'),
            Kind.RESYNC,
            id="a backup blob written to",
        ),
        pytest.param(after_copy(COPYING), None, Kind.FULL, id="the backup blob deleted"),
        pytest.param(after_copy(FIRST_COPYING), None, Kind.FULL, id="full copies from the first day"),
        pytest.param(after_copy(FIRST_COPYING), FOUND, Kind.RESYNC, id="a backup blob nobody has recorded"),
    ],
)
def test_the_first_incremental_run_after_full_copies_is_full_or_a_resync_and_says_why(
    record: DiskRecord, blob: BlobState | None, kind: Kind
) -> None:
    run = next_run(record, blob)
    assert (run.kind, run.reason) == (kind, AFTER_FULL_COPY)


def test_many_full_copies_are_as_one() -> None:
    record = after_copy(COPYING)
    for _ in range(3):
        record = after_copy(replace(record, run=COPYING.run))
    assert next_run(record, FOUND).kind is Kind.RESYNC


def test_the_run_after_the_resync_is_incremental_again() -> None:
    run = replace(RUN, snapshot="2026-11-23T00:00:00.1234567Z")
    record = opened(replace(after_copy(COPYING), run=run), FOUND, leased=True)
    point = recovery_point(record, BACKUP_SNAPSHOT, LATER)
    written = replace(FOUND, etag='"0x8DE29D4"')
    record = sealed(record, point, TakenSnapshot(time=BACKUP_SNAPSHOT, plan=0, etag=written.etag))
    assert record.resync_reason == ""
    assert next_run(record, written).kind is Kind.INCREMENTAL


def test_an_abandoned_resync_after_full_copies_is_followed_by_another() -> None:
    run = replace(RUN, snapshot="2026-11-23T00:00:00.1234567Z")
    record = opened(replace(after_copy(COPYING), run=run), FOUND, leased=True)
    assert next_run(abandoned(record, "the source snapshot is gone"), FOUND).kind is Kind.RESYNC


def test_a_run_keeps_the_mode_that_it_was_begun_in() -> None:
    assert RUN.mode is Mode.INCREMENTAL
    entity = to_row(COPYING)
    assert entity["run_mode"] == "full"
    assert run_of(from_row(DiskRecord, entity)).mode is Mode.FULL
    del entity["run_mode"]
    assert run_of(from_row(DiskRecord, entity)).mode is Mode.INCREMENTAL


def test_a_full_copy_keeps_the_existing_recovery_points() -> None:
    assert COPYING.last_point == BASE
    assert after_copy(COPYING).backup_blob == COPYING.backup_blob

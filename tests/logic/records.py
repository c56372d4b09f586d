"""Made-up records, runs, recovery points, restores and inspections, for the tests of rows and of decisions."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from shared.model.addresses import BlobAddress
from shared.model.disk import Disk, ManagedDisk, PageBlobDisk
from shared.model.disk_ids import DiskId
from shared.model.inspection import INSPECTION_KINDS, Inspection
from shared.model.job import JobKind, Stage
from shared.model.point import PointState, RecoveryPoint
from shared.model.record import DiskRecord, run_of
from shared.model.restore import Restore
from shared.model.run import Kind, Mode, OpenRun

DISK = "https://disks.blob.core.windows.net/vhds/os.vhd"
BACKUP = "https://backups.blob.core.windows.net/tidemark/disks/vhds/os.vhd"
MANAGED = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/g/providers/Microsoft.Compute/disks/os"
BASE = "2026-11-22T00:00:00.1234567Z"
SNAPSHOT = "2026-11-22T12:00:00.1234567Z"
BACKUP_SNAPSHOT = "2026-11-22T12:03:00.7654321Z"
RUN_ID = f"disks|vhds|os.vhd|{SNAPSHOT}"
OLDER_RUN_ID = f"disks|vhds|os.vhd|{BASE}"
ETAG = '"0x8DE29A1"'
GIB = 1024**3
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

RUN = OpenRun(snapshot=SNAPSHOT, size=64 * GIB, started=NOON, progressed=NOON, checked=NOON)
"""A run with a source snapshot and nothing else."""

NEW = DiskRecord(disk=Disk.parse(DISK), backup_blob=BlobAddress.parse(BACKUP), run=RUN)
"""The record of a disk in its first run."""

BACKED_UP = replace(
    NEW,
    base_snapshot=BASE,
    base_size=64 * GIB,
    backup_etag=ETAG,
    backup_snapshot="2026-11-22T00:02:00.7654321Z",
    last_point=BASE,
)
"""The record of a disk in a later run."""

RESTORE = Restore(
    restore="6f3c1d2e",
    state=Stage.PROVING,
    disk=Disk.parse(DISK),
    point="latest",
    target=PageBlobDisk(BlobAddress.parse("https://disks.blob.core.windows.net/vhds/restored.vhd")),
    recovery_point=BASE,
    size=64 * GIB,
    backup_etag=ETAG,
    target_etag='"0x8DE29E5"',
    target_snapshot="2026-11-22T15:00:00.1234567Z",
    requested=NOON,
    checked=NOON,
    phase_began=NOON,
    progressed=NOON,
)
"""A restore that has copied everything and is being verified."""

INSPECTION = Inspection(
    inspection="6f3c1d2e",
    task=JobKind.DRILL,
    state=Stage.COMPARING,
    disk=Disk.parse(DISK),
    recovery_point=BASE,
    size=64 * GIB,
    bytes_total=64 * GIB,
    parts_total=64,
    parts_enqueued=8,
    scratch_etag=ETAG,
    requested=NOON,
    phase_began=NOON,
    progressed=NOON,
    checked=NOON,
)
"""A drill that has restored everything and is comparing it."""

_counts = st.integers(0, 2**63 - 1)
_durations = st.floats(0, allow_infinity=False)
_texts = st.text(st.characters(codec="utf-8"), max_size=20)
_names = st.text(st.sampled_from("aZ09 ü%-_.*|💾"), min_size=1, max_size=20).map(lambda name: f"{name}.vhd")
_blobs = _names.map(BlobAddress.parse(BACKUP).parent.blob)
_disks = _names.map(BlobAddress.parse(DISK).parent.blob).map(PageBlobDisk)
_managed = st.builds(
    ManagedDisk, st.just(DiskId.parse(MANAGED)), st.just("") | st.uuids().map(str)
)  # with its unique ID or without
_times = st.datetimes(timezones=st.just(UTC))


def with_run(record: DiskRecord, **changes: Any) -> DiskRecord:
    """Change the open run of a record."""
    run = replace(run_of(record), **changes)
    return record.with_run(run.reached(run.position))


def runs() -> st.SearchStrategy[OpenRun]:
    """Open runs with any values."""
    return st.builds(
        OpenRun,
        snapshot=_texts,
        size=_counts,
        started=_times,
        tick=st.none() | _times,
        mode=st.sampled_from(Mode),
        kind=st.sampled_from(Kind),
        reason=_texts,
        plan=_counts,
        copying=_texts,
        position=_counts,
        next_batch=_counts,
        at_work=st.booleans(),
        alive=st.none() | _times,
        rate=st.floats(0.01, 1),
        batches=_counts,
        ranges=_counts,
        bytes_written=_counts,
        bytes_cleared=_counts,
        write_calls=_counts,
        clear_calls=_counts,
        progressed=_times,
        checked=_times,
        replans=_counts,
        windows_compared=_counts,
        compared_etag=_texts,
        sealing=st.booleans(),
        tries=_counts,
        resyncs=_counts,
        error_at=st.none() | _times,
        trouble_since=st.none() | _times,
        failed=_texts,
    )


def records() -> st.SearchStrategy[DiskRecord]:
    """Records with any values, with and without an open run."""
    return st.builds(
        DiskRecord,
        disk=_disks,
        backup_blob=_blobs,
        base_snapshot=_texts,
        base_size=_counts,
        backup_etag=_texts,
        backup_snapshot=_texts,
        sealed_plan=_counts,
        resync_reason=_texts,
        run=st.none() | runs(),
        restore=_texts,
        restore_of=st.none() | _disks,
        adopted=st.booleans(),
        first_tick=st.none() | _times,
        last_tick=st.none() | _times,
        missed_tick=st.none() | _times,
        late_tick=st.none() | _times,
        snapshot_after=st.none() | _times,
        point_tick=st.none() | _times,
        last_success=st.none() | _times,
        last_point=_texts,
        last_verify=st.none() | _times,
        last_verify_point=_texts,
        last_verify_result=_texts,
        last_drill=st.none() | _times,
        last_drill_point=_texts,
        last_drill_seconds=_durations,
        last_drill_result=_texts,
        damaged_points=_counts,
        damaged_point=_texts,
        last_error=_texts,
        last_error_at=st.none() | _times,
    )


def points() -> st.SearchStrategy[RecoveryPoint]:
    """Recovery points with any values: sealed, verified and damaged."""
    return st.builds(
        RecoveryPoint,
        time=_texts,
        kind=st.sampled_from(Kind),
        reason=_texts,
        source_snapshot=_texts,
        backup_blob=st.none() | _blobs,
        backup_snapshot=_texts,
        size=_counts,
        bytes_written=_counts,
        bytes_cleared=_counts,
        ranges=_counts,
        write_calls=_counts,
        clear_calls=_counts,
        batches=_counts,
        copying=_texts,
        started=_times,
        sealed=_times,
        duration_seconds=_durations,
        state=st.sampled_from(PointState),
        damage=_texts,
        damaged_at=st.none() | _times,
        lost=st.booleans(),
        deleting=_texts,
        kept=st.booleans(),
        kept_until=st.none() | _times,
        kept_note=_texts,
        verified=st.none() | _times,
        used_by=_texts,
        drilled=st.none() | _times,
        drill_seconds=_durations,
        drill_result=_texts,
        profile=_texts,
    )


def inspections() -> st.SearchStrategy[Inspection]:
    """Verifies and drills with any values, at any stage."""
    return st.builds(
        Inspection,
        inspection=_texts,
        task=st.sampled_from(INSPECTION_KINDS),
        state=st.sampled_from(Stage),
        reason=_texts,
        disk=st.none() | _disks,
        point=_texts,
        recovery_point=_texts,
        size=_counts,
        bytes_done=_counts,
        bytes_total=_counts,
        parts_done=_counts,
        parts_total=_counts,
        parts_enqueued=_counts,
        parts_counted=_counts,
        bytes_counted=_counts,
        stalls=_counts,
        trouble_since=st.none() | _times,
        failures=_counts,
        scratch_etag=_texts,
        attempt=_counts,
        last_error=_texts,
        last_error_at=st.none() | _times,
        requested=_times,
        phase_began=_times,
        progressed=_times,
        checked=_times,
        ended=st.none() | _times,
        duration_seconds=_durations,
    )


def restores() -> st.SearchStrategy[Restore]:
    """Restores with any values, at any state."""
    return st.builds(
        Restore,
        restore=_texts,
        state=st.sampled_from(Stage),
        reason=_texts,
        disk=st.none() | _disks,
        point=_texts,
        overwrite=st.booleans(),
        replace_other=st.booleans(),
        undo=st.booleans(),
        adopt=st.booleans(),
        expires=_texts,
        expires_at=st.none() | _times,
        deletes=st.booleans(),
        saving=st.booleans(),
        undo_run=_texts,
        undo_point=_texts,
        saved_etag=_texts,
        allow_damaged=st.booleans(),
        asked_target=st.none() | _disks,
        asked_as=_texts,
        target=st.none() | _disks | _managed,
        made_as=_texts,
        left_over=_texts,
        recovery_point=_texts,
        copied_from=_texts,
        copying=_texts,
        size=_counts,
        bytes_done=_counts,
        bytes_total=_counts,
        target_is_new=st.booleans(),
        backup_is_new=st.booleans(),
        lease=_texts,
        attempt=_counts,
        backup_etag=_texts,
        target_etag=_texts,
        target_snapshot=_texts,
        parts_proved=_counts,
        parts_total=_counts,
        ranges_compared=_counts,
        samples_compared=_counts,
        bytes_compared=_counts,
        seen=_texts,
        doubts=_texts,
        proof=_texts,
        last_error=_texts,
        last_error_at=st.none() | _times,
        requested=_times,
        checked=_times,
        phase_began=_times,
        progressed=_times,
        ended=st.none() | _times,
    )

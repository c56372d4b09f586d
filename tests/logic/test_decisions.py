"""Decisions: what comes next, over made-up records."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.azure.sources.own_snapshots import is_own_snapshot
from shared.changes.ranges import Effort
from shared.model.addresses import BlobAddress, ContainerAddress
from shared.model.blob import BlobState
from shared.model.disk import PageBlobDisk
from shared.model.job import Stage
from shared.model.point import TakenSnapshot
from shared.model.record import DiskRecord
from shared.model.run import Kind, OpenRun
from shared.model.run_steps import abandoned, next_check, opened, recovery_point, restarted, sealed
from tests.logic.records import (
    BACKED_UP,
    BACKUP_SNAPSHOT,
    ETAG,
    GIB,
    NEW,
    NOON,
    RUN,
    SNAPSHOT,
    with_run,
)

FOUND = BlobState(size=64 * GIB, etag=ETAG)
"""The backup blob as the last run left it."""

CREATED = BlobState(size=64 * GIB, etag='"0x8DE29B2"')
"""The backup blob as the run created it."""

OTHER_ETAG = replace(FOUND, etag='"0x8DE29C3"')
HALF = Effort(ranges=40, bytes_written=4000, bytes_cleared=400, write_calls=40, clear_calls=4)
UNFINISHED = replace(BACKED_UP, resync_reason="the last run was given up")
LATER = NOON + timedelta(minutes=5)


def run_of(record: DiskRecord) -> OpenRun:
    assert record.run
    return record.run


def under_way(record: DiskRecord, kind: Kind = Kind.INCREMENTAL) -> DiskRecord:
    """Put the run half way through its change list, with its third batch at work."""
    begun = {"state": Stage.COPYING, "kind": kind, "next_batch": 3, "at_work": True, "alive": LATER}
    return with_run(record, **begun, position=32 * GIB, batches=2, progressed=LATER, checked=LATER, **HALF._asdict())


# --- the kind of a run

MOVED_TO = ContainerAddress.parse("https://backups.blob.core.windows.net/new")
MOVED = (
    "the backup container was moved from https://backups.blob.core.windows.net/tidemark to"
    " https://backups.blob.core.windows.net/new: this backup copies the whole disk there; earlier backups stay"
    " where they are"
)


@pytest.mark.parametrize(
    ("record", "blob", "kind", "reason"),
    [
        pytest.param(BACKED_UP, None, Kind.FULL, MOVED, id="nothing there"),
        pytest.param(BACKED_UP, CREATED, Kind.RESYNC, MOVED, id="a blob there"),
        pytest.param(BACKED_UP, FOUND, Kind.RESYNC, MOVED, id="a blob there with the same ETag"),
        pytest.param(UNFINISHED, CREATED, Kind.RESYNC, MOVED, id="after a run that was given up"),
        pytest.param(NEW, None, Kind.FULL, "", id="first run"),
    ],
)
def test_the_first_run_in_another_backup_container_says_so(
    record: DiskRecord, blob: BlobState | None, kind: Kind, reason: str
) -> None:
    run = run_of(opened(record, blob, leased=True, container=MOVED_TO))
    assert (run.kind, run.reason) == (kind, reason)


def test_another_url_of_the_same_backup_container_changes_nothing() -> None:
    assert BACKED_UP.backup_blob
    private = replace(BACKED_UP.backup_blob, service_url="https://backups.privatelink.blob.core.windows.net")
    run = run_of(opened(BACKED_UP, FOUND, leased=True, container=private.parent))
    assert (run.kind, run.reason) == (Kind.INCREMENTAL, "")


def test_a_run_during_which_the_backup_container_was_changed_says_so() -> None:
    begun = opened(BACKED_UP, FOUND, leased=True)
    run = run_of(opened(begun, CREATED, leased=False, container=MOVED_TO))
    assert (run.kind, run.reason) == (Kind.RESYNC, MOVED)


def test_a_run_in_the_backup_container_of_the_last_one_is_incremental() -> None:
    assert BACKED_UP.backup_blob
    container = BACKED_UP.backup_blob.parent
    assert run_of(opened(BACKED_UP, FOUND, leased=True, container=container)).kind is Kind.INCREMENTAL


@pytest.mark.parametrize(
    ("record", "blob", "kind", "reason"),
    [
        pytest.param(NEW, None, Kind.FULL, "", id="first run"),
        pytest.param(
            NEW, FOUND, Kind.RESYNC, "no recovery point on record", id="blob of a first run that was given up"
        ),
        pytest.param(BACKED_UP, FOUND, Kind.INCREMENTAL, "", id="as the last run has left it"),
        pytest.param(BACKED_UP, None, Kind.FULL, "missing", id="blob was missing"),
        pytest.param(BACKED_UP, OTHER_ETAG, Kind.RESYNC, "changed", id="written to by somebody else"),
        pytest.param(BACKED_UP, replace(FOUND, size=GIB), Kind.RESYNC, "changed", id="resized by somebody else"),
        pytest.param(UNFINISHED, FOUND, Kind.RESYNC, "was given up", id="after a run that was given up"),
        pytest.param(UNFINISHED, None, Kind.FULL, "missing", id="after a run that was given up, and missing"),
    ],
)
def test_only_a_blob_that_equals_the_base_snapshot_takes_a_diff(
    record: DiskRecord, blob: BlobState | None, kind: Kind, reason: str
) -> None:
    run = run_of(opened(record, blob, leased=True))
    assert run.kind is kind
    assert reason in run.reason
    assert bool(reason) == bool(run.reason)


# --- opening a run


def test_a_run_is_opened_with_its_kind() -> None:
    assert opened(BACKED_UP, OTHER_ETAG, leased=True) == with_run(
        BACKED_UP, state=Stage.COPYING, kind=Kind.RESYNC, reason="the backup blob was changed outside a run"
    )


@pytest.mark.parametrize("record", [NEW, BACKED_UP, UNFINISHED])
@pytest.mark.parametrize("blob", [None, FOUND, OTHER_ETAG])
def test_a_run_opened_twice_is_opened_once(record: DiskRecord, blob: BlobState | None) -> None:
    once = opened(record, blob, leased=True)
    written_to = replace(blob or CREATED, etag="written to by the run itself")
    assert opened(once, written_to, leased=True) == once


@pytest.mark.parametrize(
    ("kind", "blob"), [(Kind.INCREMENTAL, OTHER_ETAG), (Kind.RESYNC, OTHER_ETAG), (Kind.FULL, CREATED)]
)
def test_opening_a_run_that_is_under_way_keeps_its_progress(kind: Kind, blob: BlobState) -> None:
    record = under_way(BACKED_UP, kind)
    assert opened(record, blob, leased=True) == record


@pytest.mark.parametrize("kind", Kind)
def test_a_run_whose_blob_is_missing_starts_over(kind: Kind) -> None:
    run = run_of(opened(under_way(BACKED_UP, kind), None, leased=True))
    assert (run.kind, run.plan, run.position, run.batches, run.done) == (Kind.FULL, 1, 0, 0, Effort())
    assert run.opened
    assert "missing" in run.reason


@pytest.mark.parametrize("kind", Kind)
def test_a_run_that_lost_its_lease_starts_over_as_a_resync(kind: Kind) -> None:
    run = run_of(opened(under_way(BACKED_UP, kind), CREATED, leased=False))
    assert (run.kind, run.plan, run.position) == (Kind.RESYNC, 1, 0)
    assert "lease was broken" in run.reason


def test_an_incremental_run_that_has_written_nothing_yet_goes_on_without_its_lease() -> None:
    record = with_run(BACKED_UP, state=Stage.COPYING, kind=Kind.INCREMENTAL)
    assert opened(record, FOUND, leased=False) == record


def test_a_restarted_run_continues_once_its_blob_exists_and_is_leased() -> None:
    anew = opened(under_way(BACKED_UP, Kind.FULL), None, leased=False)
    assert opened(anew, CREATED, leased=True) == anew


def test_a_record_without_an_open_run_has_none_to_open() -> None:
    with pytest.raises(ValueError, match="no open run"):
        opened(replace(NEW, run=None), None, leased=True)


# --- starting over, abandoning


def test_a_restarted_plan_has_another_number_and_no_progress() -> None:
    begun = {"state": Stage.COPYING, "kind": Kind.RESYNC, "reason": "refused", "plan": 5, "next_batch": 3}
    assert restarted(with_run(under_way(BACKED_UP), plan=4), Kind.RESYNC, "refused") == with_run(
        BACKED_UP, **begun, alive=LATER, progressed=LATER, checked=LATER
    )


def test_a_restarted_plan_is_compared_from_its_beginning() -> None:
    compared = with_run(under_way(BACKED_UP), windows_compared=12, compared_etag=ETAG, sealing=True)
    run = run_of(restarted(compared, Kind.RESYNC, "refused"))
    assert (run.windows_compared, run.compared_etag, run.sealing) == (0, "", False)


def test_an_abandoned_run_makes_the_next_one_a_resync() -> None:
    record = abandoned(under_way(BACKED_UP), "the source snapshot is gone")
    assert record.run is None
    run = run_of(opened(replace(record, run=RUN), FOUND, leased=True))
    assert (run.kind, run.reason) == (Kind.RESYNC, "the source snapshot is gone")


def test_an_abandoned_first_run_leaves_a_blob_that_the_next_one_resyncs() -> None:
    record = abandoned(under_way(NEW, Kind.FULL), "the source snapshot is gone")
    assert record == replace(NEW, run=None)
    assert run_of(opened(replace(record, run=RUN), FOUND, leased=True)).kind is Kind.RESYNC


def test_an_abandoned_run_leaves_the_recovery_points_as_they_were() -> None:
    record = abandoned(under_way(BACKED_UP), "the source snapshot is gone")
    assert record == replace(BACKED_UP, run=None, resync_reason="the source snapshot is gone")


# --- checking again


@pytest.mark.parametrize(("seconds", "over"), [(-5, False), (0, False), (1799, False), (1800, True), (9999, True)])
def test_a_run_is_overdue_by_its_last_check(seconds: int, over: bool) -> None:
    after = timedelta(seconds=1800)
    now = NOON + timedelta(seconds=seconds)
    long_ago = NOON - timedelta(days=3)
    assert replace(RUN, progressed=long_ago, started=long_ago).is_check_overdue(now, after) is over


# --- which snapshots are Tidemark's

DISK = BlobAddress.parse("https://disks.blob.core.windows.net/vhds/os.vhd")
CONTAINER = ContainerAddress.parse("https://backups.blob.core.windows.net/tidemark")
METADATA = {"tidemark_disk": DISK.url, "tidemark_backup": CONTAINER.url, "tidemark_taken": "2026-11-22T12:34:50+00:00"}


def test_a_snapshot_taken_for_the_backup_container_is_tidemarks() -> None:
    assert is_own_snapshot(PageBlobDisk(DISK), CONTAINER, "2026-11-22T12:34:56.1234567Z", METADATA)


@pytest.mark.parametrize(
    ("time", "metadata"),
    [
        pytest.param("2026-11-22T18:00:00.0000000Z", METADATA, id="inherited from a disk that was made of one"),
        pytest.param("2026-11-22T12:34:56.1234567Z", {}, id="a user's own"),
        pytest.param(
            "2026-11-22T12:34:56.1234567Z",
            METADATA | {"tidemark_disk": "https://disks.blob.core.windows.net/vhds/copy.vhd"},
            id="of another disk",
        ),
        pytest.param(
            "2026-11-22T12:34:56.1234567Z",
            METADATA | {"tidemark_backup": "https://others.blob.core.windows.net/tidemark"},
            id="for another backup container",
        ),
        pytest.param("2026-11-22T12:34:56.1234567Z", METADATA | {"tidemark_taken": "noon"}, id="no time"),
    ],
)
def test_any_other_snapshot_is_left_alone(time: str, metadata: dict[str, str]) -> None:
    assert not is_own_snapshot(PageBlobDisk(DISK), CONTAINER, time, metadata)


@pytest.mark.parametrize(
    "spelt", ["https://{}:443/", "http://{}/", "HTTPS://{}/"], ids=["a default port", "plain http", "capitals"]
)
def test_a_snapshot_is_tidemarks_however_its_urls_are_spelled(spelt: str) -> None:
    metadata = {
        **METADATA,
        "tidemark_disk": f"{spelt.format('disks.blob.core.windows.net')}vhds/o%73.vhd",
        "tidemark_backup": f"{spelt.format('BACKUPS.blob.core.windows.net')}tidemark",
    }
    assert is_own_snapshot(PageBlobDisk(DISK), CONTAINER, "2026-11-22T12:34:56.1234567Z", metadata)


@pytest.mark.parametrize("host", ["backups.privatelink.blob.core.windows.net", "backups.z12.blob.storage.azure.net"])
def test_a_snapshot_is_tidemarks_whichever_url_the_backup_container_had_when_it_was_taken(host: str) -> None:
    metadata = METADATA | {"tidemark_backup": f"https://{host}/tidemark"}
    assert is_own_snapshot(PageBlobDisk(DISK), CONTAINER, "2026-11-22T12:34:56.1234567Z", metadata)


@given(st.timedeltas(min_value=timedelta(days=-1), max_value=timedelta(days=400)))
def test_a_run_is_checked_again_after_a_second_to_a_minute(age: timedelta) -> None:
    assert timedelta(seconds=1) <= next_check(RUN, NOON + age) <= timedelta(seconds=60)


def test_a_run_is_checked_less_often_as_it_grows_older() -> None:
    ages = [0, 10, 100, 600, 86400]
    assert [next_check(RUN, NOON + timedelta(seconds=age)).total_seconds() for age in ages] == [1, 1, 10, 60, 60]


# --- sealing


def test_a_recovery_point_says_what_its_run_was_and_what_it_took() -> None:
    record = with_run(under_way(BACKED_UP, Kind.RESYNC), reason="refused", copying="through the function", batches=4)
    point = recovery_point(record, BACKUP_SNAPSHOT, LATER)
    assert (point.time, point.source_snapshot, point.backup_snapshot) == (SNAPSHOT, SNAPSHOT, BACKUP_SNAPSHOT)
    assert (point.kind, point.reason, point.copying) == (Kind.RESYNC, "refused", "through the function")
    assert (point.size, point.batches) == (64 * GIB, 4)
    assert Effort(point.ranges, point.bytes_written, point.bytes_cleared, point.write_calls, point.clear_calls) == HALF
    assert (point.started, point.sealed, point.duration_seconds) == (NOON, LATER, 300)


def test_a_seal_moves_the_base_to_the_runs_snapshot_and_closes_the_run() -> None:
    before = replace(under_way(BACKED_UP), resync_reason="given up", last_error="once")
    size = 65 * GIB
    point = recovery_point(with_run(NEW, size=size), BACKUP_SNAPSHOT, LATER)
    assert sealed(before, point, TakenSnapshot(time=BACKUP_SNAPSHOT, plan=2, etag='"0x8DE29D4"')) == replace(
        before,
        base_snapshot=SNAPSHOT,
        base_size=size,
        backup_etag='"0x8DE29D4"',
        sealed_plan=2,
        backup_snapshot=BACKUP_SNAPSHOT,
        resync_reason="",
        run=None,
        last_success=LATER,
        last_point=SNAPSHOT,
    )


@pytest.mark.parametrize("record", [NEW, BACKED_UP, UNFINISHED])
def test_the_run_after_a_seal_is_incremental(record: DiskRecord) -> None:
    after = sealed(
        record,
        recovery_point(NEW, BACKUP_SNAPSHOT, LATER),
        TakenSnapshot(time=BACKUP_SNAPSHOT, plan=0, etag=FOUND.etag),
    )
    next_run = replace(after, run=replace(RUN, snapshot="2026-11-23T00:00:00.1234567Z"))
    run = run_of(opened(next_run, FOUND, leased=True))
    assert (run.kind, run.reason) == (Kind.INCREMENTAL, "")

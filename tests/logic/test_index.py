"""What the index says of disks and jobs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.azure.tables.rows import to_row
from shared.limits import PAGE
from shared.model.addresses import BlobAddress
from shared.model.disk import Disk
from shared.model.index import (
    COMPLETE_ROW,
    DISKS_FROM,
    JOB_PREFIX,
    Summary,
    is_complete,
    is_idle,
    is_settled,
    job_key,
    must_unsettle,
    read_summary,
    settled,
    summary,
)
from shared.model.record import DiskRecord
from shared.model.run import OpenRun
from shared.model.schema import SCHEMA
from shared.model.tick import DueDisk

DISK = Disk.parse("https://disks.blob.core.windows.net/vhds/os.vhd")
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
TIME = "2026-11-22T12:00:00.0000000Z"
RECORD = DiskRecord(disk=DISK, backup_blob=BlobAddress.parse("https://backups.blob.core.windows.net/tidemark/os.vhd"))
RUN = OpenRun(snapshot=TIME, size=PAGE, started=NOON, progressed=NOON, checked=NOON)
BUSY = (replace(RECORD, run=RUN), replace(RECORD, restore="6f3c1d2e", restore_of=DISK))


TICKED = replace(RECORD, first_tick=NOON, last_tick=NOON + timedelta(hours=12), point_tick=NOON, last_point=TIME)


@pytest.mark.parametrize("record", [RECORD, TICKED, replace(TICKED, adopted=True, missed_tick=NOON)])
def test_a_settled_row_says_what_the_record_says(record: DiskRecord) -> None:
    assert read_summary(settled(record)) == read_summary(to_row(record)) == summary(record)
    assert is_settled(settled(record))


@pytest.mark.parametrize("record", BUSY)
def test_a_busy_disk_is_read_from_its_record(record: DiskRecord) -> None:
    assert read_summary(to_row(record)) == summary(record)
    assert not is_idle(record)


def test_a_disk_is_due_as_its_record_says() -> None:
    tick = NOON + timedelta(hours=12)
    running = replace(TICKED, run=replace(RUN, tick=tick), missed_tick=NOON)
    assert summary(running).due == DueDisk(NOON, tick, missed_tick=NOON, point_tick=NOON, run_tick=tick)
    assert summary(RECORD).due is None


@pytest.mark.parametrize("busy", BUSY)
@pytest.mark.parametrize(
    ("before", "after", "is_told"),
    [
        (RECORD, replace(RECORD, last_error="odd"), False),
        (RECORD, TICKED, True),
        (RECORD, "busy", True),
        ("busy", RECORD, True),
        ("busy", "busy", False),
    ],
)
def test_a_row_is_unsettled_if_it_may_be_wrong(
    before: DiskRecord | str, after: DiskRecord | str, busy: DiskRecord, *, is_told: bool
) -> None:
    first, then = (found if isinstance(found, DiskRecord) else busy for found in (before, after))
    assert must_unsettle(first, then) is is_told


def test_an_invalid_value_counts_as_missing() -> None:
    row = {"disk": DISK.name, "adopted": "yes", "first_tick": "noon", "last_tick": NOON}
    assert read_summary(row) == Summary(disk=DISK.name, last_tick=NOON)
    assert read_summary({"disk": 7}) == Summary(disk="")


def test_of_a_newer_releases_row_only_the_disk_is_read() -> None:
    row = settled(replace(TICKED, adopted=True)) | {"schema": SCHEMA + 1}
    assert not is_settled(row)
    assert read_summary(row) == Summary(disk=DISK.name, adopted=True, last_point=TIME)


@pytest.mark.parametrize(("row", "told"), [({"schema": SCHEMA}, True), ({"schema": SCHEMA + 1}, True), ({}, False)])
def test_an_index_of_an_older_schema_is_rebuilt(row: dict[str, Any], *, told: bool) -> None:
    assert is_complete(row) is told


def test_the_rows_of_disks_and_jobs_and_the_mark_are_separate() -> None:
    key = DISK.key
    assert key >= DISKS_FROM
    assert job_key(key, "restore-1").startswith(JOB_PREFIX)
    assert not COMPLETE_ROW.startswith(JOB_PREFIX)
    assert max(COMPLETE_ROW, job_key(key, "verify-1")) < DISKS_FROM
    assert job_key(key, "restore-1") != job_key(f"{key}2", "restore-1")

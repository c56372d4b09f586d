"""Made-up records and runs, for the tests of the record and of the decisions."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from shared.record import DiskRecord, Kind, OpenRun

DISK = "https://disks.blob.core.windows.net/vhds/os.vhd"
BACKUP = "https://backups.blob.core.windows.net/tidemark/disks/vhds/os.vhd"
BASE = "2026-11-22T00:00:00.1234567Z"
SNAPSHOT = "2026-11-22T12:00:00.1234567Z"
BACKUP_SNAPSHOT = "2026-11-22T12:03:00.7654321Z"
RUN_ID = f"disks|vhds|os.vhd|{SNAPSHOT}"
OLDER_RUN_ID = f"disks|vhds|os.vhd|{BASE}"
ETAG = '"0x8DE29A1"'
GIB = 1024**3
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

RUN = OpenRun(snapshot=SNAPSHOT, size=64 * GIB, started=NOON, progressed=NOON, checked=NOON)
"""A run whose source snapshot has been taken, and no more."""

NEW = DiskRecord(disk=DISK, backup_blob=BACKUP, run=RUN)
"""The record of a disk in its first run."""

BACKED_UP = NEW.model_copy(
    update={
        "base_snapshot": BASE,
        "base_size": 64 * GIB,
        "backup_etag": ETAG,
        "backup_snapshot": "2026-11-22T00:02:00.7654321Z",
        "last_point": BASE,
    }
)
"""The record of a disk in a later run."""

_counts = st.integers(0, 2**63 - 1)
_texts = st.text(st.characters(codec="utf-8"), max_size=20)
_times = st.datetimes(timezones=st.just(UTC))


def runs() -> st.SearchStrategy[OpenRun]:
    """Open runs with any values."""
    return st.builds(
        OpenRun,
        snapshot=_texts,
        size=_counts,
        started=_times,
        kind=st.sampled_from(Kind),
        reason=_texts,
        opened=st.booleans(),
        plan=_counts,
        windows=_counts,
        copying=_texts,
        windows_planned=_counts,
        batches_done=_counts,
        batches_total=_counts,
        ranges_done=_counts,
        ranges_total=_counts,
        bytes_done=_counts,
        bytes_total=_counts,
        progressed=_times,
        checked=_times,
    )


def records() -> st.SearchStrategy[DiskRecord]:
    """Records with any values, with and without an open run."""
    return st.builds(
        DiskRecord,
        disk=_texts,
        backup_blob=_texts,
        base_snapshot=_texts,
        base_size=_counts,
        backup_etag=_texts,
        backup_snapshot=_texts,
        resync_reason=_texts,
        run=st.none() | runs(),
        last_success=st.none() | _times,
        last_point=_texts,
        last_error=_texts,
        last_error_at=st.none() | _times,
    )

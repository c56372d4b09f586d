"""The index: a small row for each disk and each open job, so that no tick or check has to scan recovery points.

It is a partition of the table `backups`, and can't share a transaction with a disk's own partition. So a disk's row is
either settled, and equals the summary of its record, or unsettled, and readers read the record instead. Whenever the
two could differ, the row is unsettled; while a disk has an open run or is being restored, it always is. To change the
record, a writer

1. unsettles the row unconditionally, and keeps its ETag;
2. writes the record, provided that its ETag has not changed since it was read;
3. settles the row, provided that its ETag is the one kept; if not, another writer is at work.

This holds after any crash and with any delay. A row is settled only with what was just written, and only if it has not
been unsettled since; a writer that unsettled it earlier and writes the record later is refused by the record's ETag,
and starts over. That is why a reader may neither settle a row nor drop one without a record: a writer may be at work
on it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from shared.model.names import RUN_SEPARATOR
from shared.model.record import DiskRecord
from shared.model.schema import SCHEMA, SCHEMA_PROPERTY, is_known, with_schema
from shared.model.tick import DueDisk

INDEX_PARTITION = "index"
"""The partition of the index; every disk's partition key has a `|`."""

COMPLETE_ROW = f"{RUN_SEPARATOR}complete"
"""The row that says that the index has every record and open job."""

JOB_PREFIX, DISKS_FROM = f"{RUN_SEPARATOR}job-", "0"
"""The prefix of the row keys of open jobs, and the lower bound of those of disks, which start with an account name."""

DROPPED_AFTER = timedelta(days=7)
"""When a row without a record or job is dropped: a writer that meant to create one is long dead by then."""


class RowState(StrEnum):
    """The state of a disk's row."""

    SETTLED = "settled"
    UNSETTLED = "unsettled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What ticks and checks need to know of a disk; the fields are named as in its record's row.

    Attributes:
        disk, adopted, restore, first_tick, last_tick, missed_tick, snapshot_after, point_tick, last_point: as in its
            record.
        absence, retired, retired_clean, points_checked: as in its record.
        run_snapshot, run_tick: the source snapshot and the tick (UTC) of its open run.
    """

    disk: str
    adopted: bool = False
    restore: str = ""
    run_snapshot: str = ""
    first_tick: datetime | None = None
    last_tick: datetime | None = None
    missed_tick: datetime | None = None
    snapshot_after: datetime | None = None
    point_tick: datetime | None = None
    run_tick: datetime | None = None
    last_point: str = ""
    absence: str = ""
    retired: datetime | None = None
    retired_clean: bool = False
    points_checked: datetime | None = None

    @property
    def has_backups(self) -> bool:
        """Whether the disk has a recovery point, or an open run."""
        return bool(self.last_point or self.run_snapshot)

    @property
    def was_restored(self) -> bool:
        """Whether the disk was restored, or is being restored."""
        return bool(self.adopted or self.restore)

    @property
    def due(self) -> DueDisk | None:
        """The disk's progress with what ticks have asked for; None if none has."""
        if not (self.first_tick and self.last_tick):
            return None
        return DueDisk(self.first_tick, self.last_tick, self.missed_tick, self.point_tick, self.run_tick)


def summary(record: DiskRecord) -> Summary:
    """Summarize a record."""
    return Summary(
        disk=record.disk.name,
        adopted=record.adopted,
        restore=record.restore,
        run_snapshot=record.run.snapshot if record.run else "",
        first_tick=record.first_tick,
        last_tick=record.last_tick,
        missed_tick=record.missed_tick,
        snapshot_after=record.snapshot_after,
        point_tick=record.point_tick,
        run_tick=record.run.tick if record.run else None,
        last_point=record.last_point,
        absence=str(record.absence),
        retired=record.retired,
        retired_clean=record.retired_clean,
        points_checked=record.points_checked,
    )


def is_idle(record: DiskRecord) -> bool:
    """Return whether a disk has neither an open run nor a restore to it."""
    return not (record.run or record.restore)


def must_unsettle(before: DiskRecord, after: DiskRecord) -> bool:
    """Return whether a disk's row must be unsettled before this change to its record."""
    if is_idle(before) and is_idle(after):
        return summary(before) != summary(after)
    return is_idle(before) or is_idle(after)


def unsettled(disk: str) -> dict[str, Any]:
    """Make the row of a disk whose record must be read.

    Args:
        disk: its URL, for people who look at the row.
    """
    return with_schema({"state": RowState.UNSETTLED.value, "disk": disk})


def settled(record: DiskRecord) -> dict[str, Any]:
    """Make the row of a disk whose record need not be read."""
    values = {name: value for name, value in asdict(summary(record)).items() if value not in (None, "")}
    return with_schema({"state": RowState.SETTLED.value, **values})


def is_settled(row: Mapping[str, Any]) -> bool:
    """Return whether a row is settled; in a newer release that may mean something else."""
    return row.get("state") == RowState.SETTLED and is_known(row)


def is_complete(row: Mapping[str, Any]) -> bool:
    """Return whether the index is complete for this schema; that of a newer release includes all this one knows."""
    schema = row.get(SCHEMA_PROPERTY)
    return isinstance(schema, int) and schema >= SCHEMA


def read_summary(row: Mapping[str, Any]) -> Summary:
    """Read a settled row, or the row of a record; an invalid value counts as missing.

    Of a newer release's record only enough is read to keep a tick from succeeding without the disk.
    """

    def text(name: str) -> str:
        return value if isinstance(value := row.get(name), str) else ""

    def moment(name: str) -> datetime | None:
        return value if isinstance(value := row.get(name), datetime) and is_known(row) else None

    return Summary(
        disk=text("disk"),
        adopted=row.get("adopted") is True,
        restore=text("restore"),
        run_snapshot=text("run_snapshot"),
        first_tick=moment("first_tick"),
        last_tick=moment("last_tick"),
        missed_tick=moment("missed_tick"),
        snapshot_after=moment("snapshot_after"),
        point_tick=moment("point_tick"),
        run_tick=moment("run_tick"),
        last_point=text("last_point"),
        absence=text("absence"),
        retired=moment("retired"),
        retired_clean=row.get("retired_clean") is True,
        points_checked=moment("points_checked"),
    )


def job_key(partition: str, row: str) -> str:
    """Name the index row of an open job, whose own row is in a disk's partition."""
    digest = hashlib.sha256(partition.encode()).hexdigest()[:16]
    return f"{JOB_PREFIX}{row}{RUN_SEPARATOR}{digest}"


def open_job(partition: str, row: str) -> dict[str, Any]:
    """Make the index row of an open job: it says where the job's own row is."""
    return with_schema({"partition": partition, "row": row})

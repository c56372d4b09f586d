"""The index: a thin row for each disk and each open job, so that no tick and no look reads a recovery point.

It is a partition of the table `backups`, and can't be written in one transaction with a disk's own. So a disk's row is
either settled, and says what its record says, or unsettled: whoever reads it reads the record itself. Whenever the
record says anything else than a settled row would, the row is unsettled; of a disk that has an open run, or is being
restored, it always is. Whoever changes the record

1. unsettles the row, whatever it says, and remembers its ETag;
2. writes the record, as long as that has the ETag that it was read with;
3. settles the row, as long as that has the ETag remembered; where it has another, somebody else is at it.

That holds after every crash, and whoever is late. A row is settled by what was just written, unless somebody has
unsettled it since; who unsettled it before and writes the record after that is refused by its ETag, and begins anew.
For that reason nobody who only reads may settle a row, or drop one whose record is gone: somebody may be about to
write.
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
"""Where the rows are: no disk's partition is named so, they all have a `|`."""

COMPLETE_ROW = f"{RUN_SEPARATOR}complete"
"""The row that says that every record and open job is in the index."""

JOB_PREFIX, DISKS_FROM = f"{RUN_SEPARATOR}job-", "0"
"""What the row keys of open jobs begin with, and where those of disks begin: with an account's name."""

FORGOTTEN_AFTER = timedelta(days=7)
"""After how long a row is dropped of which there is no record or job: whoever meant to write one is long dead."""


class RowState(StrEnum):
    """How a disk's row stands."""

    SETTLED = "settled"
    UNSETTLED = "unsettled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a tick and a look ask of a disk; the names are those of its record's row, as far as that has them.

    Attributes:
        disk, adopted, restore, first_tick, last_tick, missed_tick, point_tick, last_point: as in its record.
        run_tick: the tick of its open run, UTC.
    """

    disk: str
    adopted: bool = False
    restore: str = ""
    first_tick: datetime | None = None
    last_tick: datetime | None = None
    missed_tick: datetime | None = None
    point_tick: datetime | None = None
    run_tick: datetime | None = None
    last_point: str = ""

    @property
    def due(self) -> DueDisk | None:
        """Say how far the disk is with what ticks have asked for; None where none has."""
        if not (self.first_tick and self.last_tick):
            return None
        return DueDisk(self.first_tick, self.last_tick, self.missed_tick, self.point_tick, self.run_tick)


def summary(record: DiskRecord) -> Summary:
    """Sum up a record."""
    return Summary(
        disk=record.disk.name,
        adopted=record.adopted,
        restore=record.restore,
        first_tick=record.first_tick,
        last_tick=record.last_tick,
        missed_tick=record.missed_tick,
        point_tick=record.point_tick,
        run_tick=record.run.tick if record.run else None,
        last_point=record.last_point,
    )


def is_at_rest(record: DiskRecord) -> bool:
    """Tell whether a disk has neither an open run nor a restore to it."""
    return not (record.run or record.restore)


def is_to_be_unsettled(before: DiskRecord, after: DiskRecord) -> bool:
    """Tell whether a disk's row is to be unsettled before its record is changed so."""
    if is_at_rest(before) and is_at_rest(after):
        return summary(before) != summary(after)
    return is_at_rest(before) or is_at_rest(after)


def unsettled(disk: str) -> dict[str, Any]:
    """Make the row of a disk whose record is to be read.

    Args:
        disk: its URL, for people who read the row.
    """
    return with_schema({"state": RowState.UNSETTLED.value, "disk": disk})


def settled(record: DiskRecord) -> dict[str, Any]:
    """Make the row of a disk whose record is not to be read."""
    told = {name: value for name, value in asdict(summary(record)).items() if value not in (None, "")}
    return with_schema({"state": RowState.SETTLED.value, **told})


def is_settled(row: Mapping[str, Any]) -> bool:
    """Tell whether a row says all; one of a newer release may mean something else by it."""
    return row.get("state") == RowState.SETTLED and is_known(row)


def is_complete(row: Mapping[str, Any]) -> bool:
    """Tell whether the index was made by this schema; a newer release has made it of all that this one knows."""
    schema = row.get(SCHEMA_PROPERTY)
    return isinstance(schema, int) and schema >= SCHEMA


def said(row: Mapping[str, Any]) -> Summary | None:
    """Read a settled row, or the row of a record; what somebody has spoilt of it counts as not said.

    Of the record of a newer release only so much counts as keeps a tick from passing for a success without it.
    """

    def text(name: str) -> str:
        return value if isinstance(value := row.get(name), str) else ""

    def moment(name: str) -> datetime | None:
        return value if isinstance(value := row.get(name), datetime) and is_known(row) else None

    if not text("disk"):
        return None
    return Summary(
        disk=text("disk"),
        adopted=row.get("adopted") is True,
        restore=text("restore"),
        first_tick=moment("first_tick"),
        last_tick=moment("last_tick"),
        missed_tick=moment("missed_tick"),
        point_tick=moment("point_tick"),
        run_tick=moment("run_tick"),
        last_point=text("last_point"),
    )


def job_key(partition: str, row: str) -> str:
    """Name the row of an open job, whose own row is in a disk's partition."""
    digest = hashlib.sha256(partition.encode()).hexdigest()[:16]
    return f"{JOB_PREFIX}{row}{RUN_SEPARATOR}{digest}"


def open_job(partition: str, row: str) -> dict[str, Any]:
    """Make the row of an open job: it says where the job's own row is."""
    return with_schema({"partition": partition, "row": row})

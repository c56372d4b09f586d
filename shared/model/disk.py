"""The record: what the table holds of each disk, its open run and its recovery points.

Table `backups`: a partition per disk; row `disk`, a row `point-TIME` a recovery point, a row `restore-ID` a restore.
Table `parts`: a partition per verify and drill; a row for each part of it that is compared.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from shared.changes.pace import FASTEST
from shared.changes.ranges import Effort
from shared.model.texts import Text
from shared.settings import Mode

DISK_ROW = "disk"
POINT_ROW_PREFIX = "point-"
_RUN_PREFIX = "run_"
SERVER_SIDE = "server side"


COPY_BLOB = "Copy Blob"


class Kind(StrEnum):
    """The kinds of runs; and the first recovery point of a restored disk, which no run has made."""

    FULL = "full"
    INCREMENTAL = "incremental"
    RESYNC = "resync"
    RESTORE = "restore"


class Task(StrEnum):
    """What an inspection does with a recovery point: compare it with its source snapshot, or restore it for a trial."""

    VERIFY = "verify"
    DRILL = "drill"


class PointState(StrEnum):
    """What is known of a recovery point: that it was sealed, that it was compared whole, or that it is damaged."""

    SEALED = "sealed"
    VERIFIED = "verified"
    DAMAGED = "damaged"


class OpenRun(BaseModel):
    """The run a disk is in the middle of.

    Attributes:
        snapshot: the time of its source snapshot, which names the run.
        size: the source snapshot's size in bytes.
        started: when its source snapshot was taken, UTC.
        tick: the tick that it was taken for, UTC.
        mode: whether it follows the disk with the backup blob, or makes a full copy.
        kind: how its change list is made.
        reason: why it is not incremental, or why its plan was begun anew.
        opened: whether the backup blob is ready for its batches.
        plan: the number of its plan; batches of an older one do not count.
        copying: how pages travel: on the server's side, or through the function and why.
        position: its progress, in bytes of the disk: the change list is applied up to here, or so much is copied.
        next_batch: the number that the next batch's message carries; one that carries another is dropped.
        at_work: whether a batch is under way; else the next one's message waits.
        alive: when a batch last showed that it is at work, UTC, or when its message was last enqueued again.
        rate: the rate that its last batch has come to, as `shared.changes.pace.Pace` has it.
        batches: batches that have moved the position.
        ranges, bytes_written, bytes_cleared, write_calls, clear_calls: what they have applied.
        progressed: when the progress last changed, UTC.
        checked: when the progress was last looked at, UTC.
        replans: how often its messages were enqueued again since the progress last changed.
        windows_compared, compared_etag: how many windows of the backup blob were held against the source snapshot since
            the change list is applied, and the backup blob's ETag at that time.
        tries: how often the run was tried again since it failed; none once it moves.
        resyncs: how often its backup blob was not what it should be.
        error_at, trouble_since: when something last went wrong with the run that has not moved since, and when first.
        failed: why it fails, where the queue has given up a message of it; the next tick tries it again.
    """

    model_config = ConfigDict(frozen=True)

    snapshot: str
    size: int
    started: datetime
    tick: datetime | None = None
    mode: Mode = Mode.INCREMENTAL
    kind: Kind = Kind.INCREMENTAL
    reason: Text = ""
    opened: bool = False
    plan: int = 0
    copying: Text = SERVER_SIDE
    position: int = 0
    next_batch: int = 0
    at_work: bool = False
    alive: datetime | None = None
    rate: float = FASTEST
    batches: int = 0
    ranges: int = 0
    bytes_written: int = 0
    bytes_cleared: int = 0
    write_calls: int = 0
    clear_calls: int = 0
    progressed: datetime
    checked: datetime
    replans: int = 0
    windows_compared: int = 0
    compared_etag: str = ""
    tries: int = 0
    resyncs: int = 0
    error_at: datetime | None = None
    trouble_since: datetime | None = None
    failed: Text = ""

    @property
    def done(self) -> Effort:
        """What its batches have applied."""
        return Effort(*(getattr(self, name) for name in Effort._fields))

    @property
    def is_applied(self) -> bool:
        """Whether its change list is applied to its end."""
        return self.opened and self.position == self.size


class DiskRecord(BaseModel):
    """The record of a disk.

    Attributes:
        disk: its URL.
        backup_blob: its backup blob's URL.
        base_snapshot: the source snapshot of the last recovery point, which the backup blob now equals unless there is
            a `resync_reason`; empty before the first recovery point.
        base_size: that snapshot's size in bytes.
        backup_etag: the backup blob's ETag at the last seal: another one means that somebody else wrote to it.
        backup_snapshot: the snapshot of the backup blob that is the last recovery point; empty for a full copy.
        sealed_plan: the plan of its run that the last recovery point was made by.
        resync_reason: why the next run can't be incremental; empty where it can.
        run: the open run, if there is one.
        restore, restore_of: the restore that is under way to this disk, and the URL of the disk whose recovery point it
            restores; until it has ended, the disk gets no run.
        adopted: whether the disk is backed up since it was restored, though `SOURCE_DISKS` does not name it.
        first_tick, last_tick: when the timer first asked for a backup of it, and when it last did, UTC.
        missed_tick: the last tick that another overtook before a snapshot was taken for it, UTC.
        late_tick: the last tick that has found it busy, UTC, while no run has been opened for it since.
        point_tick: the last tick whose state a recovery point holds, UTC: one taken at or after it.
        last_success: when the last recovery point was sealed, UTC.
        last_point: the last recovery point's time.
        notice, backup_notice: what the account of the disk and that of its backups are set to, where it costs.
        last_verify, last_verify_point, last_verify_result: when a recovery point was last compared with its source
            snapshot, which, and what came of it.
        last_drill, last_drill_point, last_drill_seconds, last_drill_result: when a restore was last tried, of which
            recovery point, how long it took, and what came of it.
        last_drill_seen: what was seen on the disk at the last drill that was done.
        last_error: what went wrong last, with what to do; it stays until the next error.
        last_error_at: when, UTC.
    """

    model_config = ConfigDict(frozen=True)

    disk: str
    backup_blob: str
    base_snapshot: str = ""
    base_size: int = 0
    backup_etag: str = ""
    backup_snapshot: str = ""
    sealed_plan: int = 0
    resync_reason: Text = ""
    run: OpenRun | None = None
    restore: str = ""
    restore_of: str = ""
    adopted: bool = False
    first_tick: datetime | None = None
    last_tick: datetime | None = None
    missed_tick: datetime | None = None
    late_tick: datetime | None = None
    point_tick: datetime | None = None
    last_success: datetime | None = None
    last_point: str = ""
    notice: Text = ""
    backup_notice: Text = ""
    last_verify: datetime | None = None
    last_verify_point: str = ""
    last_verify_result: Text = ""
    last_drill: datetime | None = None
    last_drill_point: str = ""
    last_drill_seconds: float = 0.0
    last_drill_result: Text = ""
    last_drill_seen: Text = ""
    last_error: Text = ""
    last_error_at: datetime | None = None

    def run_of(self, snapshot: str) -> OpenRun | None:
        """Give the open run, if it is the one of this source snapshot."""
        return self.run if self.run and self.run.snapshot == snapshot else None

    def with_run(self, **changes: Any) -> Self:
        """Change the open run.

        Raises:
            ValueError: there is no open run.
        """
        if self.run is None:
            raise ValueError(f"{self.disk} has no open run")
        return self.model_copy(update={"run": self.run.model_copy(update=changes)})

    def to_entity(self) -> dict[str, Any]:
        """Write the record as flat properties; those of the open run start with `run_`."""
        entity = self.model_dump(exclude={"run"}, exclude_none=True)
        run = self.run.model_dump(exclude_none=True) if self.run else {}
        return entity | {f"{_RUN_PREFIX}{name}": value for name, value in run.items()}

    @classmethod
    def from_entity(cls, entity: dict[str, Any]) -> Self:
        """Read what `to_entity` wrote."""
        run = {name.removeprefix(_RUN_PREFIX): value for name, value in entity.items() if name.startswith(_RUN_PREFIX)}
        return cls.model_validate(entity | ({"run": run} if run else {}))


class RecoveryPoint(BaseModel):
    """A recovery point.

    Attributes:
        time: its source snapshot's time, the moment whose state it holds.
        kind: the kind of the run that made it; `restore` for what a disk was restored to.
        reason: why the run was not incremental, or what was restored.
        source_snapshot: its source snapshot; gone once the next recovery point is sealed.
        backup_blob: the URL of the backup blob, or of the full copy.
        backup_snapshot: the snapshot of the backup blob; empty for a full copy.
        size: bytes of the disk.
        bytes_written, bytes_cleared: bytes that the run wrote and cleared in the backup blob.
        ranges: changed ranges.
        write_calls, clear_calls: requests that wrote and cleared.
        batches: batches it took.
        copying: how pages travelled.
        started, sealed: when the source snapshot and the recovery point were taken, UTC.
        duration_seconds: the time between them.
        state: what is known of it.
        damage: what is wrong with it, where it is damaged.
        verified: when it was last compared with its source snapshot, UTC.
    """

    model_config = ConfigDict(frozen=True)

    time: str
    kind: Kind
    reason: Text
    source_snapshot: str
    backup_blob: str = ""
    backup_snapshot: str
    size: int
    bytes_written: int
    bytes_cleared: int
    ranges: int
    write_calls: int
    clear_calls: int
    batches: int
    copying: Text
    started: datetime
    sealed: datetime
    duration_seconds: float
    state: PointState = PointState.SEALED
    damage: Text = ""
    verified: datetime | None = None

    @classmethod
    def of_a_copy(cls, **values: Any) -> Self:
        """Make a recovery point that no batches have made: a full copy, or what a disk was restored to.

        Its time is its source snapshot's; what is not given of a run's counts is 0.
        """
        counts = ("bytes_written", "bytes_cleared", "ranges", "write_calls", "clear_calls", "batches")
        took = (values["sealed"] - values["started"]).total_seconds()
        made = {**dict.fromkeys(counts, 0), "copying": COPY_BLOB, "duration_seconds": took, **values}
        return cls.model_validate({**made, "source_snapshot": made["time"]})

    def to_entity(self) -> dict[str, Any]:
        """Write it as flat properties."""
        return self.model_dump(exclude_none=True)

    def as_verified(self, now: datetime) -> Self:
        """Note that it was compared whole with its source snapshot, and is equal."""
        return self.model_copy(update={"state": PointState.VERIFIED, "damage": "", "verified": now})

    def as_damaged(self, damage: str) -> Self:
        """Note what is wrong with it."""
        return self.model_copy(update={"state": PointState.DAMAGED, "damage": damage})

    @property
    def row_key(self) -> str:
        """The recovery point's row in the disk's partition."""
        return f"{POINT_ROW_PREFIX}{self.time}"

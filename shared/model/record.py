"""The record: what the tables hold of each disk, its open run, its recovery points and its jobs.

Table `backups`: a partition per disk, with a row `disk`, a row `point-TIME` per recovery point, a row `restore-ID`,
`verify-ID` or `drill-ID` per job, and a row `diff-TIME-TIME` per counted page diff. Table `parts`: a partition per
verify and drill, with a row per compared part.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from shared.model.absence import Absence
from shared.model.disk import Disk
from shared.model.fields import BlobUrlOrNone, DiskName, DiskNameOrNone
from shared.model.run import OpenRun
from shared.model.texts import Text

DISK_ROW = "disk"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskRecord:
    """The record of a disk.

    Attributes:
        disk: the disk.
        backup_blob: its backup blob; None on a row without any backup.
        base_snapshot: the source snapshot of the last recovery point, which the backup blob now equals unless there is
            a `resync_reason`; empty before the first recovery point.
        base_size: that snapshot's size in bytes.
        backup_etag: the backup blob's ETag at the last seal; another one means a change outside Tidemark.
        backup_snapshot: the snapshot of the backup blob that is the last recovery point; empty for a full copy.
        sealed_plan: the plan of the run that made the last recovery point.
        resync_reason: why the next run can't be incremental; empty if it can.
        run: the open run, if there is one.
        restore, restore_of: the restore under way to this disk, and the disk whose recovery point it restores; until
            it ends, the disk gets no run.
        adopted: whether the disk is backed up because it was restored, though `SOURCE_DISKS` does not name it.
        absence, absence_reason: how it is absent though it has backups, and what to do; empty if it is not.
        retired: when its backups were ended by intent, UTC; None if they go on.
        retired_keep_points: whether its recovery points are kept then, whatever the retention says.
        retired_clean: whether its source snapshots are deleted since.
        first_tick, last_tick: the first and the last tick that asked for a backup of it, UTC.
        missed_tick: the last tick that another overtook before a snapshot was taken for it, UTC.
        late_tick: the last tick that could not snapshot it, as it was busy or the service refused, UTC, while no run
            has been opened since.
        snapshot_after: when a snapshot that the service refused for that tick is tried again, UTC; until its run's
            messages are enqueued.
        point_tick: the last tick covered by a recovery point, that is, by one taken at or after it, UTC.
        last_success: when the last recovery point was sealed, UTC.
        last_point: the last recovery point's time.
        good_point: the newest recovery point that is not damaged; empty where the last one is good.
        notice, backup_notice: settings of the disk's and the backups' account that cost.
        damaged_points, damaged_point: how many of its recovery points are damaged, and the newest of them.
        orphans: how many old snapshots of its backup blob are not on record.
        points_checked: when all its recovery points were last looked for in the backup account, UTC.
        judged_point: the last recovery point whose run was compared with those before.
        resync_again, unusual: what looks wrong about that run, and what to do: the second resync in a row; many times
            the bytes that are usual. Empty where nothing does.
        overdue_told: when it was last told that no verify or drill has looked at it for long, UTC.
        last_verify, last_verify_point, last_verify_result: when a recovery point was last compared with its source
            snapshot, which one, and the result.
        last_drill, last_drill_point, last_drill_seconds, last_drill_result: when a drill last ended, of which
            recovery point, how long it took, and the result.
        last_drill_seen: what the last finished drill found on the disk.
        last_error: the last error, with what to do; it stays until the next one.
        last_error_at: when, UTC.
    """

    disk: DiskName
    backup_blob: BlobUrlOrNone = None
    base_snapshot: str = ""
    base_size: int = 0
    backup_etag: str = ""
    backup_snapshot: str = ""
    sealed_plan: int = 0
    resync_reason: Text = ""
    run: OpenRun | None = None
    restore: str = ""
    restore_of: DiskNameOrNone = None
    adopted: bool = False
    absence: Absence = Absence.NONE
    absence_reason: Text = ""
    retired: datetime | None = None
    retired_keep_points: bool = False
    retired_clean: bool = False
    first_tick: datetime | None = None
    last_tick: datetime | None = None
    missed_tick: datetime | None = None
    late_tick: datetime | None = None
    snapshot_after: datetime | None = None
    point_tick: datetime | None = None
    last_success: datetime | None = None
    last_point: str = ""
    good_point: str = ""
    notice: Text = ""
    backup_notice: Text = ""
    damaged_points: int = 0
    damaged_point: str = ""
    points_checked: datetime | None = None
    orphans: int = 0
    judged_point: str = ""
    resync_again: Text = ""
    unusual: Text = ""
    overdue_told: datetime | None = None
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

    def with_damaged(self, times: Sequence[str], good: str) -> Self:
        """Record which of its recovery points are damaged, oldest first, and the newest that is good."""
        is_last_good = good == self.last_point
        newest = times[-1] if times else ""
        return replace(self, damaged_points=len(times), damaged_point=newest, good_point="" if is_last_good else good)

    @property
    def newest_good_point(self) -> str:
        """The time of the newest recovery point that is not damaged, as far as is known; empty if there is none."""
        return self.last_point if self.last_point != self.damaged_point else self.good_point

    def run_of(self, snapshot: str) -> OpenRun | None:
        """Return the open run, if it is the run of this source snapshot."""
        return self.run if self.run and self.run.snapshot == snapshot else None

    def with_run(self, run: OpenRun) -> Self:
        """Replace the open run, or open one."""
        return replace(self, run=run)


def run_of(record: DiskRecord) -> OpenRun:
    """Return the open run of a disk that has one.

    Raises:
        ValueError: it has none.
    """
    if record.run is None:
        raise ValueError(f"{record.disk} has no open run")
    return record.run


def restored_of(record: DiskRecord) -> Disk:
    """Return the disk whose recovery point is being restored to this one.

    Raises:
        ValueError: no restore to it is under way.
    """
    if record.restore_of is None:
        raise ValueError(f"{record.disk} is not being restored")
    return record.restore_of

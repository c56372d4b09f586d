"""What a restore is of and where it goes; and how its target's record changes. Pure functions of values."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from shared.model.addresses import BlobAddress, ContainerAddress
from shared.model.point import RecoveryPoint, TakenSnapshot
from shared.model.record import DiskRecord
from shared.model.requests import LATEST
from shared.model.restore import RefusedError, Restore
from shared.model.run import Kind
from shared.model.run_steps import sealed
from shared.model.times import end_of


def point_asked_for(times: Sequence[str], asked: str) -> str | None:
    """Find the last recovery point at or before the time that is asked for; None where there is none.

    Args:
        times: the times of recovery points, in any order.
        asked: `latest`, or a time as Azure prints it; one with fewer digits covers all that begins with them.
    """
    return max((time for time in times if asked == LATEST or time <= end_of(asked)), default=None)


def require_allowed(target: BlobAddress, backups: ContainerAddress, services: Sequence[str]) -> None:
    """See to it that a target is where restores may go.

    Args:
        target: the target.
        backups: the backup container.
        services: the URLs of the blob services of the disks that `SOURCE_DISKS` names.

    Raises:
        RefusedError: it is in the backup container, or in an account that no disk of `SOURCE_DISKS` is in.
    """
    if (target.account, target.container) == (backups.account, backups.container):
        raise RefusedError(
            f"{target.url} is in the backup container. What to do: name a target in an account of a disk"
        )
    if target.service_url not in services:
        raise RefusedError(
            f"{target.url} is not in an account that SOURCE_DISKS names ({', '.join(services)})."
            " What to do: name a target in one of these; or add a disk of that account to SOURCE_DISKS"
        )


def claimed(record: DiskRecord, restore: Restore) -> DiskRecord:
    """Put on a target's record which restore is under way to it: it gets no other, and no run, until that has ended."""
    return replace(record, restore=restore.restore, restore_of=restore.disk)


def released(record: DiskRecord, restore: Restore, *, wrote: bool) -> DiskRecord:
    """Take a restore off its target's record.

    Args:
        record: the target's record.
        restore: the restore that has ended.
        wrote: whether the target's backup blob may have been written to without an end.
    """
    if wrote:
        return without_restore(record, restore.restore)
    return replace(record, restore="", restore_of=None) if record.restore == restore.restore else record


def without_restore(record: DiskRecord, restore: str) -> DiskRecord:
    """Take a restore that did not come to its end, or whose row is gone, off its target's record."""
    if record.restore != restore:
        return record
    reason = f"the restore {restore} over the disk did not come to its end" if record.base_snapshot else ""
    return replace(record, restore="", restore_of=None, resync_reason=reason)


def is_blank(record: DiskRecord) -> bool:
    """Tell whether a record says nothing of any backup."""
    return not (record.base_snapshot or record.run or record.last_point or record.restore)


def restored_point(restore: Restore, backup_blob: BlobAddress, backup_snapshot: str, now: datetime) -> RecoveryPoint:
    """Describe the first recovery point of a restored disk: the state that it was restored to."""
    return RecoveryPoint.of_a_copy(
        time=restore.target_snapshot,
        kind=Kind.RESTORE,
        reason=f"restored from the recovery point {restore.recovery_point} of {restore.disk}",
        backup_blob=backup_blob,
        backup_snapshot=backup_snapshot,
        size=restore.size,
        started=restore.requested,
        sealed=now,
    )


def adopted(record: DiskRecord, point: RecoveryPoint, taken: TakenSnapshot, *, is_listed: bool) -> DiskRecord:
    """Advance the target's record to the state that it was restored to: the next run is incremental from there.

    Args:
        record: the target's record.
        point: that state.
        taken: the snapshot of the backup blob that holds it.
        is_listed: whether `SOURCE_DISKS` names the target; it is backed up in any case.
    """
    return replace(sealed(record, point, taken), adopted=not is_listed)

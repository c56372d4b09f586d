"""Which recovery point a restore is of, where it may go, and how its target's record changes. Pure functions."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from shared.model.addresses import BlobAddress, ContainerAddress
from shared.model.blob import BlobState
from shared.model.disk import Disk, PageBlobDisk
from shared.model.point import RecoveryPoint, TakenSnapshot
from shared.model.record import DiskRecord
from shared.model.requests import LATEST
from shared.model.restore import RefusedError, Restore
from shared.model.retirement import unretired
from shared.model.run import Kind
from shared.model.run_steps import sealed
from shared.model.texts import human_size
from shared.model.times import is_date, last_moment

OTHER_TARGET = "What to do: choose another target"


def requested_point(times: Sequence[str], asked: str) -> str | None:
    """Find the last recovery point at or before the requested time; None if there is none.

    Args:
        times: the times of recovery points, in any order.
        asked: `latest`, or a time as Azure prints it; one with fewer digits covers all times that start with them.
    """
    return max((time for time in times if asked == LATEST or time <= last_moment(asked)), default=None)


def date_problem(times: Sequence[str], asked: str) -> str:
    """Say which recovery points are around a date alone, which is no time; empty if a time was requested.

    Args:
        times: the times of recovery points, in any order.
        asked: as in the request.
    """
    if asked == LATEST or not is_date(asked):
        return ""
    before, after = max((time for time in times if time < asked), default=""), f"{asked}~"
    on_it = max((time for time in times if asked <= time < after), default="")
    next_one = min((time for time in times if time > after), default="")
    named = {"the last before that day": before, "the last on that day": on_it, "the first after it": next_one}
    around = ", ".join(f"{time} ({what})" for what, time in named.items() if time)
    return (
        f"{asked} is a date, not a time. The recovery points around it, by UTC: {around}. What to do: send one of these"
        " times"
    )


def require_allowed(
    target: BlobAddress,
    backups: Sequence[ContainerAddress],
    services: Sequence[str],
    *,
    restore_containers: Sequence[ContainerAddress],
) -> None:
    """Require a target in a place that restores may write to.

    Args:
        target: the target.
        backups: the containers that hold backups.
        services: the blob service URLs of the disks in `SOURCE_DISKS`.
        restore_containers: the containers in `RESTORE_CONTAINERS`.

    Raises:
        RefusedError: it is in a container of backups, or neither in an account of a disk nor in one of these.
    """
    if any(target.parent.is_same_as(container) for container in backups):
        raise RefusedError(
            f"{target.url} is in the backup container. What to do: choose a target in an account that holds disks"
        )
    of_disks = ", ".join(services) or "it names none"
    is_named = any(target.parent.is_same_as(container) for container in restore_containers)
    if target.service_url not in services and not is_named:
        raise RefusedError(
            f"{target.url} is not in an account that SOURCE_DISKS names ({of_disks}), nor in a container that"
            " RESTORE_CONTAINERS names. What to do: choose a target that is, or add its container there"
        )


def require_overwritable(restore: Restore, target: PageBlobDisk, found: BlobState, point_size: int, known: str) -> None:
    """Require that a restore may write over an existing blob.

    Args:
        restore: the restore.
        target: the blob.
        found: its state.
        point_size: bytes of the recovery point.
        known: the target's last recovery point; empty if it has none.

    Raises:
        RefusedError: it may not; the message says which field of the request allows it.
    """
    name = f'"overwrite": {json.dumps(target.address.blob.rpartition("/")[2], ensure_ascii=False)}'
    if not restore.adopt:
        raise RefusedError(f"{target.name} already exists, and a trial makes a new disk. {OTHER_TARGET}")
    if not restore.overwrite:
        raise RefusedError(
            f"{target.name} already exists. What to do: choose another target, or send {name} to replace what it holds"
        )
    if not found.is_page_blob:
        raise RefusedError(f"{target.name} is not a page blob, so a disk can't be restored over it. {OTHER_TARGET}")
    doubts = []
    if not known:
        doubts.append("was never backed up by Tidemark")
    elif target != restore.disk:
        doubts.append(f"is another disk on record than {restore.disk}")
    if found.size != point_size:
        doubts.append(f"has {human_size(found.size)} ({found.size} bytes) where the recovery point has {point_size}")
    if doubts and not restore.replace_other:
        raise RefusedError(
            f"{target.name} {', and '.join(doubts)}. What to do: choose another target; or, to replace what it holds,"
            f' send "replaceOther": true beside {name}'
        )


def require_trial(target: Disk, record: DiskRecord | None, *, is_listed: bool) -> None:
    """Require that a disk is not backed up, so that a trial may be restored to it.

    Raises:
        RefusedError: it is, or would be.
    """
    if is_listed:
        raise RefusedError(
            f"{target.name} would be backed up, because SOURCE_DISKS names it, and a trial is not. What to do: choose a"
            f" target that SOURCE_DISKS does not name, such as one in another container, or exclude it: !{target.name}"
        )
    if record and (record.base_snapshot or record.run or record.last_point):
        raise RefusedError(
            f"{target.name} is on record as a disk that is backed up, and a trial is not. {OTHER_TARGET}"
        )


def claimed(record: DiskRecord, restore: Restore) -> DiskRecord:
    """Record on a target which restore is under way to it: until that ends, it gets no other restore and no run."""
    return replace(record, restore=restore.restore, restore_of=restore.disk)


def released(record: DiskRecord, restore: Restore, *, wrote: bool) -> DiskRecord:
    """Remove an ended restore from its target's record.

    Args:
        record: the target's record.
        restore: the restore.
        wrote: whether it may have left the target's backup blob half-written.
    """
    if wrote:
        return without_restore(record, restore.restore)
    return replace(record, restore="", restore_of=None) if record.restore == restore.restore else record


def without_restore(record: DiskRecord, restore: str) -> DiskRecord:
    """Remove a restore that did not finish, or has no row any more, from its target's record."""
    if record.restore != restore:
        return record
    reason = f"restore {restore} to this disk did not finish" if record.base_snapshot else ""
    return replace(record, restore="", restore_of=None, resync_reason=reason)


def is_blank(record: DiskRecord) -> bool:
    """Return whether a record has no backup, run or restore on it."""
    return not (record.base_snapshot or record.run or record.last_point or record.restore)


def restored_point(restore: Restore, backup_blob: BlobAddress, backup_snapshot: str, now: datetime) -> RecoveryPoint:
    """Describe the first recovery point of a restored disk: the state it was restored to."""
    return RecoveryPoint.of_a_copy(
        time=restore.target_snapshot,
        kind=Kind.RESTORE,
        reason=f"restored from recovery point {restore.recovery_point} of {restore.disk}",
        backup_blob=backup_blob,
        backup_snapshot=backup_snapshot,
        size=restore.size,
        started=restore.requested,
        sealed=now,
    )


def adopted(record: DiskRecord, point: RecoveryPoint, taken: TakenSnapshot, *, is_listed: bool) -> DiskRecord:
    """Advance the target's record to the state it was restored to: the next run is incremental from there.

    A retired disk is backed up again.

    Args:
        record: the target's record.
        point: the recovery point of that state.
        taken: the snapshot of the backup blob that holds it.
        is_listed: whether `SOURCE_DISKS` names the target; it is backed up in any case.
    """
    return replace(unretired(sealed(record, point, taken)), adopted=not is_listed)

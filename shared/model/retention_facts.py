"""What keeps the retention from a disk: its state, and rows and blobs that disagree. Pure functions."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple

from shared.model.addresses import BlobAddress
from shared.model.job import Job
from shared.model.point import RecoveryPoint
from shared.model.record import DiskRecord
from shared.model.report import error_that_holds, is_failing_run
from shared.model.retry_policy import is_too_long
from shared.model.tick import is_behind

LAST_ERROR = "its last error is newer than its last backup"
"""Why a disk may be frozen though each tick backs it up: only its clean-up fails."""


class Place(NamedTuple):
    """Where a recovery point is, however the URL of its account is spelled."""

    account: str
    container: str
    blob: str
    snapshot: str

    @classmethod
    def of(cls, blob: BlobAddress, snapshot: str) -> "Place":
        """Name the place of a snapshot, or of a blob."""
        return cls(blob.account, blob.container, blob.blob, snapshot)


def why_frozen(record: DiskRecord | None, now: datetime, *, is_listed: bool) -> str:
    """Say why nothing of a disk may be deleted now; empty if it is safe, or was retired.

    Args:
        record: its record.
        now: the time, UTC.
        is_listed: whether it is to be backed up.
    """
    if record is None:
        return "it has no record"
    if record.retired and not record.restore:
        return "it is retired, and its recovery points are kept" if record.retired_keep_points else ""
    run = record.run
    reasons = {
        f"restore {record.restore} to it is under way": bool(record.restore),
        f"it is {record.absence}": bool(record.absence),
        "SOURCE_DISKS does not name it": not is_listed,
        "its open run is failing": run is not None and is_failing_run(run),
        "its open run is late": run is not None and is_too_long(run.started, now),
        "its last backup is late": run is None and is_behind(record),
        LAST_ERROR: bool(error_that_holds(record)),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def used_by(jobs: Iterable[Job]) -> dict[str, str]:
    """Return the times of the points that open jobs read, each with the job; of one that has found none yet, under ''.

    Args:
        jobs: the open jobs for recovery points of a disk.
    """
    return {job.recovery_point: job.row_key for job in jobs}


def disagreement(
    points: Collection[RecoveryPoint], stored: Collection[Place], times: Collection[str], known: Collection[str]
) -> str:
    """Say how a disk's rows and its backups disagree; empty if they do not.

    Args:
        points: its recovery points on record, each with the address of its blob.
        stored: what its blobs and snapshots are.
        times: the times of the recovery points among them.
        known: the times of points that are not on record yet, or not any more.
    """
    gone = [point.time for point in points if point.is_good and _place(point) not in stored]
    back = [point.time for point in points if point.lost and _place(point) in stored]
    unknown = sorted(set(times) - {point.time for point in points} - set(known))
    for found, what in (
        (gone, "on record, but not in the backup container"),
        (back, "marked as deleted, but in the backup container"),
        (unknown, "in the backup container, but not on record"),
    ):
        if found:
            return f"{len(found)} recovery points are {what}, the first of {found[0]}"
    return ""


def _place(point: RecoveryPoint) -> Place | None:
    return Place.of(point.backup_blob, point.backup_snapshot) if point.backup_blob else None

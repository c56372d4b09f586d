"""What a command is to read: which disk and which of its recovery points is meant."""

from collections.abc import Sequence

from shared.model.disk import Disk
from shared.model.point import RecoveryPoint
from shared.model.restore_target import requested_point
from shared.model.version import BlobVersion
from tidemark import disks
from tidemark.ask import point_said
from tidemark.outcome import Exit, Problem
from tidemark.store import Store, known_disks


async def points_of(store: Store, text: str) -> tuple[Disk, list[RecoveryPoint]]:
    """Find the disk that a text names, and its recovery points, oldest first.

    Raises:
        Problem: it names none, or several; or the disk has no recovery point.
    """
    disk = disks.named(text, known_disks(await store.report()))
    found = await store.points(disk)
    if not found:
        raise Problem(f"{disk.name} has no recovery point yet", Exit.ATTENTION)
    return disk, found


def point_at(points: Sequence[RecoveryPoint], at: str) -> RecoveryPoint:
    """Return the recovery point that a time names: the last one at or before it.

    Raises:
        Problem: there is none.
    """
    time = requested_point([point.time for point in points], point_said(at))
    if time is None:
        raise Problem(f"there is no recovery point at or before {at}. What to do: see `tidemark points`")
    return next(point for point in points if point.time == time)


def version_of(point: RecoveryPoint) -> BlobVersion:
    """Return the version that holds a recovery point.

    Raises:
        Problem: its row does not say which.
    """
    if point.backup_blob is None:
        raise Problem(f"the row of recovery point {point.time} does not say where it is", Exit.ATTENTION)
    return BlobVersion(point.backup_blob, point.backup_snapshot)

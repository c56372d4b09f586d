"""What a restore may write to or delete: a disk it has claimed, and made or may overwrite; what a record must say.

Nothing is written over before its undo point holds the exact state, and no trial takes what somebody has written.
"""

from collections.abc import Iterator, Mapping, Sequence

from shared.model.addresses import BlobAddress
from shared.model.names import RESTORE_METADATA
from shared.model.point import PointState, RecoveryPoint
from shared.model.record import DiskRecord
from tests.simulation.blobs import Snapshot, same_content
from tests.simulation.world import BACKUPS, World


def copied_over(world: World, address: BlobAddress, metadata: Mapping[str, str], before: Snapshot) -> None:
    """Note that a copy to a blob has begun: to a disk by the restore that has claimed it, where it was asked for.

    Args:
        world: the world.
        address: the blob.
        metadata: its metadata.
        before: what was there; a restore that is not to overwrite copies over what it has made only.
    """
    restore = metadata.get(RESTORE_METADATA, "")
    if address.parent not in BACKUPS:
        _require_right(world, address, restore, before)
    world.note_written(address, metadata)


def carried_to(world: World, address: BlobAddress, lease: str, before: Snapshot) -> None:
    """Note that a restore has written to a disk through the function, under its lease."""
    for restore in [row.restore for row in world.restore_rows() if row.lease == lease]:
        _require_right(world, address, restore, before)
        world.note_written(address, {RESTORE_METADATA: restore})


def emptied(world: World, address: BlobAddress, before: Snapshot) -> None:
    """See to it that a trial deletes its disk only as it has left it."""
    for row in world.restore_rows():
        if row.deletes and row.restore == before.metadata.get(RESTORE_METADATA) and before.pages:
            is_doubtful = row.restore in world.spoiled or world.is_meddled(address, row.requested)
            if not (is_doubtful or same_content(before.pages, world.held[row.recovery_point])):
                world.violations.append(f"{address.blob} was deleted with what somebody has written since")


def _require_right(world: World, address: BlobAddress, restore: str, before: Snapshot) -> None:
    """See to it that a restore writes to a disk that it has claimed, and has made or may overwrite."""
    metadata = before.metadata
    record = world.record(address)
    if record is None or record.restore != restore:
        world.violations.append(f"{address.blob} was written by the restore {restore}, which has not claimed it")
    may_overwrite = any(row.overwrite for row in world.restore_rows() if row.restore == restore)
    if metadata.get(RESTORE_METADATA) != restore and not may_overwrite:
        world.violations.append(f"{address.blob} was written over by the restore {restore}, which was not asked")
    if metadata.get(RESTORE_METADATA) != restore and address not in world.written.get(restore, ()):
        _require_undo_point(world, address, restore, before)


def _require_undo_point(world: World, address: BlobAddress, restore: str, before: Snapshot) -> None:
    """See to it that what is written over is what the undo point holds, unless the request has done without."""
    row = next((row for row in world.restore_rows() if row.restore == restore), None)
    if row is None or not row.undo:
        return
    if row.undo_point not in [point.time for point in world.points_of(address)]:
        world.violations.append(f"{address.blob} was written over by {restore} before its undo point was sealed")
    elif not same_content(world.held[row.undo_point], before.pages):
        world.violations.append(f"{address.blob} was not what its undo point {row.undo_point} holds")


def wrong_summary(record: DiskRecord, points: Sequence[RecoveryPoint]) -> Iterator[str]:
    """Say where a disk's record does not say of its recovery points what their rows say."""
    damaged = [point.time for point in points if point.state is PointState.DAMAGED]
    good = max((point.time for point in points if point.is_good), default="")
    if record.with_damaged(damaged, good if damaged else "") != record:
        yield f"{record.disk} is said to have {record.damaged_points} damaged recovery points, and has {damaged}"
    if points and record.newest_good_point != good:
        yield f"the newest good recovery point of {record.disk} is said to be {record.newest_good_point}, and is {good}"
    drilled = [point.drilled for point in points if point.time == record.last_drill_point]
    if drilled == [None]:
        yield f"the last drill of {record.disk} is not on the row of {record.last_drill_point}"

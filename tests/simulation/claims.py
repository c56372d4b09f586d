"""What a restore may write to: a disk that it has claimed, and made or may overwrite; what a record must say."""

from collections.abc import Iterator, Mapping, Sequence

from shared.model.addresses import BlobAddress
from shared.model.names import RESTORE_METADATA
from shared.model.point import PointState, RecoveryPoint
from shared.model.record import DiskRecord
from tests.simulation.world import BACKUPS, World


def copied_over(world: World, address: BlobAddress, metadata: Mapping[str, str], before: Mapping[str, str]) -> None:
    """Note that a copy to a blob has begun: to a disk by the restore that has claimed it, where it was asked for.

    Args:
        world: the world.
        address: the blob.
        metadata: its metadata.
        before: what that was; a restore that is not to overwrite copies over what it has made only.
    """
    restore = metadata.get(RESTORE_METADATA, "")
    if address.parent not in BACKUPS:
        _require_right(world, address, restore, before)
    world.note_written(address, metadata)


def carried_to(world: World, address: BlobAddress, lease: str) -> None:
    """Note that a restore has written to a disk through the function, under its lease."""
    metadata = world.blob(address).metadata
    for restore in [row.restore for row in world.restore_rows() if row.lease == lease]:
        _require_right(world, address, restore, metadata)
        world.note_written(address, {RESTORE_METADATA: restore})


def _require_right(world: World, address: BlobAddress, restore: str, metadata: Mapping[str, str]) -> None:
    """See to it that a restore writes to a disk that it has claimed, and has made or may overwrite."""
    record = world.record(address)
    if record is None or record.restore != restore:
        world.violations.append(f"{address.blob} was written by the restore {restore}, which has not claimed it")
    may_overwrite = any(row.overwrite for row in world.restore_rows() if row.restore == restore)
    if metadata.get(RESTORE_METADATA) != restore and not may_overwrite:
        world.violations.append(f"{address.blob} was written over by the restore {restore}, which was not asked")


def wrong_summary(record: DiskRecord, points: Sequence[RecoveryPoint]) -> Iterator[str]:
    """Say where a disk's record does not say of its recovery points what their rows say."""
    damaged = [point.time for point in points if point.state is PointState.DAMAGED]
    if record.with_damaged(damaged) != record:
        yield f"{record.disk} is said to have {record.damaged_points} damaged recovery points, and has {damaged}"
    drilled = [point.drilled for point in points if point.time == record.last_drill_point]
    if drilled == [None]:
        yield f"the last drill of {record.disk} is not on the row of {record.last_drill_point}"

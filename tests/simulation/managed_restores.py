"""What must be true of restores as managed disks: no disk half made is left, and none is another than was asked for."""

from collections.abc import Iterator

from shared.model.disk import Disk, ManagedDisk
from shared.model.names import RESTORE_METADATA
from shared.model.restore import Restore
from tests.simulation.blobs import Pages, same_content
from tests.simulation.managed.resources import Made
from tests.simulation.world import World


def is_meddled(world: World, target: Disk, restore: Restore) -> bool:
    """Tell whether something has befallen a disk, or another of its ID, since a restore was asked for."""
    named = [target]
    if isinstance(target, ManagedDisk):
        named += [disk for disk in world.meddled if isinstance(disk, ManagedDisk) and disk.id == target.id]
        if world.not_snapshotted.get(target, restore.requested) > restore.requested:
            return True
    return any(world.is_meddled(disk, restore.requested) for disk in named)


def is_same_disk(one: Pages, other: Pages) -> bool:
    """Tell whether two disks read the same, but for the footer after them: the service may write one of its own."""
    return same_content(one[:-1], other[:-1])


def wrong_disk(world: World, restore: Restore) -> Iterator[str]:
    """Say what is wrong with the disk that a restore has made and proved, and that nobody has touched since."""
    made, asked = world.compute.disks.get(restore.managed_target.id), world.held[restore.recovery_point]
    if made is None or made.disk != restore.target or _restore_of(made) != restore.restore:
        yield f"{restore.restore} has not made {restore.target}"
    elif made.upload:
        yield f"{restore.restore} has not ended its upload into {restore.target}"
    elif not is_same_disk(tuple(made.content.pages), asked):
        yield f"{restore.target} is not {restore.recovery_point}, which {restore.restore} has restored"


def left_of_failed(world: World, restore: Restore) -> Iterator[str]:
    """Say what a restore that is not done has left: a disk is kept if it was uploaded as a whole."""
    target = restore.managed_target
    if is_meddled(world, target, restore) or (restore.ended and world.landed >= restore.ended):
        return
    made = world.compute.disks.get(target.id)
    if made and _restore_of(made) == restore.restore and made.disk.unique_id != restore.target_etag:
        yield f"{restore.restore} is {restore.state}, and has left {target}"
    backup = world.blobs.get(world.backup_of(target))
    is_own = backup is not None and backup.metadata.get(RESTORE_METADATA) == restore.restore
    if backup and is_own and restore.backup_is_new and not (restore.backup_etag or backup.snapshots):
        yield f"{restore.restore} is {restore.state}, and has left {world.backup_of(target).url}"


def left_of_trial(world: World, restore: Restore) -> Iterator[str]:
    """Say what a trial has left beside its disk: the snapshot that it was compared by, or a record."""
    target = restore.managed_target
    if left := world.own_snapshots(target):
        yield f"the trial {restore.restore} has left the snapshots {left} of {target}"
    for named in (target, ManagedDisk(target.id)):
        if world.record(named):
            yield f"the trial {restore.restore} has left a record of {named}"


def wrong_uploads(world: World) -> Iterator[str]:
    """Say which disks the app has left half made."""
    ended = {row.restore: row.ended for row in world.restore_rows()}
    for made in world.compute.disks.values():
        since = ended.get(_restore_of(made))
        if made.upload and made.made_by and not (since and world.landed >= since):
            yield f"{made.disk} is left {made.upload} by {made.made_by}"


def _restore_of(made: Made) -> str:
    return (made.made_by or "").partition("/")[0]

"""What a tick's success promises: the state of every disk that was due at the tick is safe.

It is safe once a recovery point is on record that was taken of the disk at or after the tick, and the backup account
holds what the disk held then. What is due is what the settings name, and what was restored, as the world is when the
timer goes off; what can't even be found keeps a tick from its success.
"""

from collections.abc import Iterator
from datetime import datetime

from shared.model.addresses import BlobAddress
from shared.model.disk import PageBlobDisk
from shared.model.names import REPORT_TICK_QUEUE
from shared.model.record import DiskRecord
from shared.model.run import Kind
from shared.settings import Settings
from tests.simulation.world import BACKUPS, Due, World


def begun(world: World, settings: Settings, tick: datetime) -> None:
    """Note what is due as the timer goes off: disks that are there, restored ones too, and those backed up and gone.

    What is excluded is never due.
    """
    there = [blob for blob in world.blobs if blob.parent not in BACKUPS]
    known = {disk for disk in set(world.snapshots_of.values()) if disk.parent not in BACKUPS and world.points_of(disk)}
    restored = {
        disk
        for disk in there
        if any(point.kind is Kind.RESTORE for point in world.points_of(disk))
        and not settings.excludes(PageBlobDisk(disk))
    }
    named = {disk for disk in {*there, *known} if settings.covers(PageBlobDisk(disk))}
    world.ticks[tick] = Due(frozenset(named | restored), tuple(settings.source_disks))


def succeeded(world: World, tick: datetime) -> None:
    """Hold it against the world that a tick is said to have succeeded."""
    if tick not in world.ticks:
        world.violations.append(f"a tick at {tick} is said to have succeeded, and there was none")
        return
    world.violations += [f"the tick at {tick} is said to have succeeded: {why}" for why in _unsafe(world, tick)]


def wrong_silence(world: World, settings: Settings, tick: datetime) -> Iterator[str]:
    """Say that no heartbeat tells of the last tick, though all is safe that was due, and nothing is gone."""
    if world.forbidden or list(_unsafe(world, tick)):
        return
    on_record = [BlobAddress.parse(entity["disk"]) for entity, _ in world.records.values()]
    are_there = all(disk in world.ticks[tick].disks for disk in on_record if settings.covers(PageBlobDisk(disk)))
    is_pending = any(message.queue == REPORT_TICK_QUEUE for message in world.messages)
    if are_there and not is_pending and tick not in world.heartbeats:
        yield f"all that was due at the tick at {tick} is safe, and no heartbeat tells"


def wrong_after_tick(world: World, tick: datetime) -> Iterator[str]:
    """Say which disks at rest, and free, are not safe though they were due: the last tick has found them busy."""
    for disk in world.ticks[tick].disks & set(world.disks):
        if disk in world.not_snapshotted and world.not_snapshotted[disk] >= tick:
            continue  # premium storage: it waits for the next tick
        record = world.record(disk)
        is_free = record is not None and not (record.run or record.restore or is_told_unfit(record, tick))
        if is_free and not _is_safe(world, disk, tick):
            yield f"{disk.blob} is not safe since the tick at {tick}, and nothing is under way"


def is_told_unfit(record: DiskRecord, tick: datetime) -> bool:
    """Tell whether its owner was told, since the tick, that a disk can't be backed up as it is.

    A restored disk is such a one when its mode becomes `full`, and its name is too long for full copies.
    """
    is_since = record.last_error_at is not None and record.last_error_at >= tick
    return is_since and "can't be backed up" in record.last_error


def _unsafe(world: World, tick: datetime) -> Iterator[str]:
    """Say what was due at a tick and is not safe; what has been deleted since is nobody's promise."""
    due = world.ticks[tick]
    for disk in due.disks:
        is_deleted = disk in world.deleted and world.deleted[disk] >= tick
        if not (is_deleted or _is_safe(world, disk, tick)):
            yield f"no recovery point holds a state of {disk.blob} since then"
    ever_seen = {*world.blobs, *world.snapshots_of.values()}
    for setting in due.settings:
        found = [disk for disk in ever_seen if setting.covers(PageBlobDisk(disk))]
        if not any(_is_safe(world, disk, tick) for disk in found):
            yield f"nothing that {setting.url} names is backed up since then"


def _is_safe(world: World, disk: BlobAddress, tick: datetime) -> bool:
    points = world.points.get(PageBlobDisk(disk).key, {}).values()
    since = [point for point in points if datetime.fromisoformat(point.time) >= tick]
    return any(world.holds(disk, point) for point in since)

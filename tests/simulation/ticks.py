"""What a tick's success promises: the state of every disk that was due at the tick is safe.

It is safe once a recovery point is on record that was taken of the disk at or after the tick, and the backup account
holds what the disk held then. What is due is what the settings name, and what was restored, as the world is when the
timer goes off; what can't even be found keeps a tick from its success.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from shared.azure.tables.rows import from_row
from shared.model.disk import Disk, PageBlobDisk
from shared.model.names import REPORT_TICK_QUEUE
from shared.model.record import DiskRecord
from shared.model.run import Kind
from shared.model.schema import is_known
from shared.settings import Settings
from tests.simulation.kept import Due
from tests.simulation.named import is_of_one_disk
from tests.simulation.world import BACKUPS, World

_LASTS = timedelta(hours=1)
"""For how long a refusal is tried again, at least."""


def begun(world: World, settings: Settings, tick: datetime) -> None:
    """Note what is due as the timer goes off: disks that are there, restored ones too, and those backed up and gone.

    What is excluded is never due, nor is what was retired, unless its own URL is named.
    """
    there = disks_that_are_there(world)
    known = {disk for disk in set(world.snapshots_of.values()) if world.points_of(disk)}
    restored = {disk for disk in there if is_adopted(world, settings, disk)}
    named = {disk for disk in {*there, *known} if settings.covers(disk)}
    retired = frozenset(disk for disk in named | restored | known if is_retired(world, settings, disk))
    absent = frozenset(absences(world, settings))
    world.ticks[tick] = Due(frozenset((named | restored) - retired), settings, absent, retired)


def disks_that_are_there(world: World) -> list[Disk]:
    """List the disks that are there, be it where the app can't reach them."""
    blobs: list[Disk] = [PageBlobDisk(blob) for blob in world.blobs if blob.parent not in BACKUPS]
    return [*blobs, *world.compute.usable]


def is_adopted(world: World, settings: Settings, disk: Disk) -> bool:
    """Tell whether a disk is backed up because it was restored."""
    was_restored = any(point.kind is Kind.RESTORE for point in world.points_of(disk))
    return was_restored and bool(_row(world, disk).get("adopted")) and not settings.excludes(disk)


def is_retired(world: World, settings: Settings, disk: Disk) -> bool:
    """Tell whether the backups of a disk were ended, and SOURCE_DISKS does not name it again."""
    return "retired" in _row(world, disk) and not settings.names(disk)


def _row(world: World, disk: Disk) -> dict[str, Any]:
    """Give the row of a disk's record, which a newer release may have written; an empty one if there is none."""
    return world.records.get(disk.key, ({}, ""))[0]


def is_dropped(world: World, disk: Disk) -> bool:
    """Tell whether nobody looked after a disk at the last tick: it is not retired, and nothing has it backed up."""
    row = _row(world, disk)
    if not world.ticks or "retired" in row:
        return False
    settings = world.ticks[max(world.ticks)].settings
    return not settings.backs_up(disk, adopted=bool(row.get("adopted")), retired=False)


def absences(world: World, settings: Settings) -> dict[Disk, str]:
    """Tell which disks with backups nobody has said a word about, and which nevertheless are not backed up."""
    found: dict[Disk, str] = {}
    for entity, _ in world.records.values():
        if not (is_known(entity) and is_of_one_disk(entity)):
            continue
        record = from_row(DiskRecord, entity)
        disk = record.disk
        has_backups = bool(world.points_of(disk) or record.run)
        if not has_backups or record.retired or settings.names(disk) or settings.excludes_by_url(disk):
            continue
        if settings.covers(disk):
            if world.content(disk) is None and not (record.adopted or record.restore):
                found[disk] = "missing"
        elif settings.excludes(disk) or not record.adopted:
            found[disk] = "unlisted"
    return found


def wrong_absences(world: World, settings: Settings, tick: datetime) -> Iterator[str]:
    """Say where the record of a disk does not say, after a tick, whether it was absent then and is so now."""
    expected, before = absences(world, settings), world.ticks[tick].absent
    for entity, _ in world.records.values():
        if is_known(entity) and is_of_one_disk(entity):
            record = from_row(DiskRecord, entity)
            absence = expected.get(record.disk, "")
            if bool(absence) != (record.disk in before):
                continue
            if record.absence != absence or bool(record.absence_reason) != bool(absence):
                yield f"{record.disk} is said to be {record.absence or 'present'}, and is {absence or 'present'}"


def succeeded(world: World, tick: datetime) -> None:
    """Hold it against the world that a tick is said to have succeeded."""
    if tick not in world.ticks:
        world.violations.append(f"a tick at {tick} is said to have succeeded, and there was none")
        return
    world.violations += [f"the tick at {tick} is said to have succeeded: {why}" for why in _unsafe(world, tick)]


def wrong_silence(world: World, settings: Settings, tick: datetime) -> Iterator[str]:
    """Say that no heartbeat tells of the last tick, though all is safe that was due, and nothing is gone."""
    if world.forbidden or world.ticks[tick].absent or list(_unsafe(world, tick)):
        return
    if any(is_retired(world, settings, disk) for disk in world.ticks[tick].disks):
        return  # retired since
    on_record = [Disk.parse(entity["disk"]) for entity, _ in world.records.values()]
    due = world.ticks[tick].disks | world.ticks[tick].retired
    are_there = all(disk in due for disk in on_record if settings.covers(disk))
    is_pending = any(message.queue == REPORT_TICK_QUEUE for message in world.messages)
    if are_there and not is_pending and tick not in world.heartbeats:
        yield f"all that was due at the tick at {tick} is safe, and no heartbeat tells"


def wrong_after_tick(world: World, tick: datetime) -> Iterator[str]:
    """Say which disks at rest, and free, are not safe though they were due: the last tick has found them busy."""
    for disk in world.ticks[tick].disks & set(world.disks):
        if disk in world.not_snapshotted and world.not_snapshotted[disk] - tick >= _LASTS:
            continue  # it has as many snapshots as may be: after a while it waits for the next tick
        if is_retired(world, world.ticks[tick].settings, disk):
            continue
        record = world.record(disk)
        is_free = record is not None and not (record.run or record.restore or is_told_unfit(record, tick))
        if is_free and not _is_safe(world, disk, tick):
            yield f"{disk} is not safe since the tick at {tick}, and nothing is under way"


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
        if not (is_deleted or is_retired(world, due.settings, disk) or _is_safe(world, disk, tick)):
            yield f"no recovery point holds a state of {disk} since then"
    for disk in due.absent & absences(world, due.settings).keys():
        yield f"{disk} has backups, and was not found"
    ever_seen = {*disks_that_are_there(world), *world.snapshots_of.values()}
    for setting in due.settings.source_disks:
        found = [disk for disk in ever_seen if setting.covers(disk)]
        # One that was retired then was not due, even if an older tick, of other settings, has it backed up since.
        if any(disk in due.retired or is_retired(world, due.settings, disk) for disk in found):
            continue
        if not any(_is_safe(world, disk, tick) for disk in found):
            yield f"nothing that {setting.url} names is backed up since then"


def _is_safe(world: World, disk: Disk, tick: datetime) -> bool:
    points = world.points.get(disk.key, {}).values()
    since = [point for point in points if datetime.fromisoformat(point.time) >= tick]
    return any(world.holds(disk, point) for point in since)

"""Looking whether recovery points are still there: what was deleted outside Tidemark is damaged until it is back."""

from collections import defaultdict
from collections.abc import Container, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import NamedTuple

from azure.core.exceptions import AzureError

from shared.azure.answers import explain
from shared.azure.blobs.snapshots import is_taken_by
from shared.azure.services import Services
from shared.errors import SourceGoneError, TidemarkError
from shared.events import Event, log_event
from shared.model.addresses import BlobAddress
from shared.model.disk import Disk
from shared.model.orphans import is_old_enough
from shared.model.point import PointState, RecoveryPoint
from shared.model.version import BlobVersion
from shared.points.versions import deleted_message, mark_damaged, update_damaged_points, version_of

_ONCE_BACK = "after that, the next tick finds it"


class SealedRun(NamedTuple):
    """A run that is sealed, and under whose lease no snapshot can be taken any more.

    Attributes:
        run_id: its id.
        kept: the time of the snapshot that is its recovery point; its other snapshots of the backup blob are left over.
    """

    run_id: str
    kept: str


async def check_points(services: Services, disk: Disk, sealed: SealedRun | None = None) -> list[RecoveryPoint]:
    """Look for all recovery points of a disk, in whichever container they are, and update their rows and its record.

    A list that leaves one out is no proof: the recovery point itself is requested before it is marked. If another
    container than BACKUP_CONTAINER can't be read, that is logged, and its recovery points stay as they are on record.

    Args:
        services: the services.
        disk: the disk.
        sealed: a run to clean up after: the list that finds the recovery points finds what is left over of it, too.

    Returns:
        The recovery points as they were on record before, oldest first; without those that are being deleted.
    """
    now = services.now()
    # Order matters: a point sealed between the two calls must not be looked up in an older list of snapshots.
    rows = await services.records.points(disk)
    points = [point for point in rows if point.state is not PointState.DELETING]
    damaged = {point.time for point in points if point.state is PointState.DAMAGED}
    on_record, orphans = {_current(services, disk, point) for point in rows}, 0
    by_backup, current = _by_backup_blob(services, disk, points), services.backups.address(disk)
    for backup in dict.fromkeys([*by_backup, *([current] if sealed else [])]):
        try:
            existing = await services.snapshots.versions(backup)
            if sealed and backup == current:
                existing = await _without_duplicates(services, backup, existing, sealed)
            orphans += sum(_is_old(version, now) for version in existing.keys() - on_record)
            for point in by_backup.get(backup, ()):
                damaged ^= {point.time} if await _changes(services, disk, point, existing) else set()
        except (AzureError, TidemarkError) as error:
            if backup == current:
                raise
            log_event(Event.CHECK_POINTS_FAILED, disk=disk.name, reason=explain(error))
    # Even if another container could not be read: it may be gone, and asking at each tick takes the time of all disks.
    record = await services.records.update(disk, lambda found: replace(found, points_checked=now, orphans=orphans))
    services.status.points_changed(disk)  # a worker that died may have left another history, and an old release none
    if record is None:
        await services.records.invalidate(disk)  # somebody has deleted its row
    elif record.with_damaged(sorted(damaged), _newest_but(points, damaged)) != record:
        await update_damaged_points(services, disk)
    return points


async def _without_duplicates(
    services: Services, backup: BlobAddress, existing: Mapping[BlobVersion, Mapping[str, str]], sealed: SealedRun
) -> dict[BlobVersion, Mapping[str, str]]:
    """Delete what a run has left over among the versions of its backup blob; return the others."""
    left = dict(existing)
    for version, metadata in existing.items():
        if version.snapshot not in {"", sealed.kept} and is_taken_by(sealed.run_id, metadata):
            await services.snapshots.delete(backup, version.snapshot)
            del left[version]
    return left


def _newest_but(points: list[RecoveryPoint], damaged: set[str]) -> str:
    return max((point.time for point in points if point.time not in damaged), default="") if damaged else ""


def _is_old(version: BlobVersion, now: datetime) -> bool:
    return bool(version.snapshot) and is_old_enough(version.snapshot, now)


async def check_newest_point(services: Services, disk: Disk, time: str) -> None:
    """Look for a disk's newest recovery point, by one request, and update its row and the disk's record.

    Args:
        services: the services.
        disk: the disk.
        time: the recovery point's time.
    """
    point = await services.records.point(disk, time)
    if point is None or point.state is PointState.DELETING:
        return
    has_changed = await _mark(services, disk, point, is_there=await _exists(services, disk, point))
    if has_changed or (point.state is PointState.DAMAGED and not await _is_told(services, disk, time)):
        await update_damaged_points(services, disk)


async def _is_told(services: Services, disk: Disk, time: str) -> bool:
    """Return whether a disk's record says that its newest recovery point is damaged, and which is good in its place.

    If so, a tick need not read all its points: whoever marks another one updates the record, too.
    """
    found = await services.records.get(disk)
    return found is not None and found[0].damaged_point == time and bool(found[0].good_point)


async def _changes(services: Services, disk: Disk, point: RecoveryPoint, existing: Container[BlobVersion]) -> bool:
    """Look for a recovery point among the versions that exist; return whether it becomes, or ceases to be, damaged."""
    is_there = _current(services, disk, point) in existing
    if not is_there and point.state is not PointState.DAMAGED:
        is_there = await _exists(services, disk, point)
    return await _mark(services, disk, point, is_there=is_there)


async def _mark(services: Services, disk: Disk, point: RecoveryPoint, *, is_there: bool) -> bool:
    """Mark a recovery point that is gone, or clear the mark of one that is back; return whether that changes it."""
    if is_there and point.lost:
        await services.records.update_point(disk, point.time, RecoveryPoint.as_found)
        return True
    if is_there or not point.is_good:
        if point.state is PointState.DAMAGED and point.damaged_at is None:
            await services.records.update_point(
                disk, point.time, partial(RecoveryPoint.damaged_since, when=services.now())
            )
        return False
    damage = deleted_message(disk, point, version_of(services, disk, point), then=_ONCE_BACK)
    await mark_damaged(services, disk, point.time, damage, lost=True)
    return True


async def _exists(services: Services, disk: Disk, point: RecoveryPoint) -> bool:
    """Return whether a recovery point exists, at the URL that its container has now, or at the one on its row."""
    for version in dict.fromkeys((_current(services, disk, point), version_of(services, disk, point))):
        try:
            await services.pages.properties(version)
        except SourceGoneError:
            continue
        return True
    return False


def _by_backup_blob(
    services: Services, disk: Disk, points: list[RecoveryPoint]
) -> dict[BlobAddress, list[RecoveryPoint]]:
    """Group recovery points by the backup blob that is in their container."""
    found: dict[BlobAddress, list[RecoveryPoint]] = defaultdict(list)
    for point in points:
        found[_current(services, disk, point).blob.parent.blob(disk.backup_name)].append(point)
    return found


def _current(services: Services, disk: Disk, point: RecoveryPoint) -> BlobVersion:
    """Return where a recovery point is; BACKUP_CONTAINER by the URL it has now, which may not be that on the row."""
    version, container = version_of(services, disk, point), services.settings.container
    if not version.blob.parent.is_same_as(container):
        return version
    return BlobVersion(container.blob(version.blob.blob), version.snapshot)

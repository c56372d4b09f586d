"""Recovery points and backup blobs: locate them, check whose they are, and mark points damaged."""

import shlex
from collections.abc import Iterable
from functools import partial
from typing import Protocol

from shared.azure.services import Services
from shared.errors import NoPointError, OtherDiskError, PointDeletingError, SourceGoneError, not_found
from shared.events import Event, log_event
from shared.model.addresses import BlobAddress
from shared.model.blob import BlobState
from shared.model.disk import Disk
from shared.model.job import Job
from shared.model.names import DISK_METADATA
from shared.model.point import PointState, RecoveryPoint
from shared.model.record import DiskRecord
from shared.model.restore_target import date_problem, requested_point
from shared.model.schema import UnknownSchemaError
from shared.model.times import canonical_time
from shared.model.version import BlobVersion


class BackupAddresses(Protocol):
    """Knows where the backups of disks are."""

    def address(self, disk: Disk) -> BlobAddress:
        """Give the address of a disk's backup blob."""
        ...


class LocatingServices(Protocol):
    """What locating a recovery point takes of `Services`."""

    @property
    def backups(self) -> BackupAddresses:
        """Knows where the backups are."""
        ...


def version_of(services: LocatingServices, disk: Disk, point: RecoveryPoint) -> BlobVersion:
    """Return the blob version that holds a recovery point: a snapshot of the backup blob, or a full copy."""
    return BlobVersion(point.backup_blob or services.backups.address(disk), point.backup_snapshot)


async def require_own_record(services: Services, disk: Disk) -> DiskRecord | None:
    """Return a disk's record, None if it has none; require that it belongs to this disk.

    Raises:
        OtherDiskError: it belongs to a disk with the same account, container and name on another service.
    """
    if service := services.settings.other_service(disk):
        raise OtherDiskError(
            f"{disk.name} is not in the account that the settings name, {service}. What to do: check the URL"
        )
    found = await services.records.get(disk)
    return found[0] if found else None


async def requested_time(services: Services, disk: Disk, asked: str) -> str:
    """Find the time of the recovery point that somebody asks for.

    Args:
        services: the services.
        disk: the disk.
        asked: `latest`, or a time: then the last recovery point at or before it is meant.

    Raises:
        NoPointError: there is none, or a date alone is asked for.
        OtherDiskError: the disk's record belongs to another disk.
    """
    record = await require_own_record(services, disk)
    times = await services.records.point_times(disk)
    if not times:
        is_known = services.settings.covers(disk) or record is not None
        what = "it has no recovery point yet" if is_known else "it is not in SOURCE_DISKS and has no record"
        raise NoPointError(
            f"there is no recovery point of {disk.name}: {what}. What to do: check the URL; if the table was lost,"
            " rebuild the catalogue first"
        )
    if problem := date_problem(times, asked):
        raise NoPointError(problem)
    time = requested_point(times, asked)
    if time is None:
        raise NoPointError(
            f"{disk.name} has no recovery point at or before {canonical_time(asked)}; the oldest is {min(times)}."
            " What to do: name that one or a later one"
        )
    return time


async def find_backup_blob(services: Services, disk: Disk) -> BlobState | None:
    """Return the state of a disk's backup blob, None if it does not exist; require that it belongs to this disk.

    Raises:
        OtherDiskError: it belongs to a disk with the same account, container and name on another service.
    """
    found = await services.pages.find(services.backups.address(disk))
    owner = found.metadata.get(DISK_METADATA, disk.name) if found else disk.name
    if disk.is_another_than(owner):
        raise OtherDiskError(
            f"the backup blob of {disk.name} belongs to another disk, {owner}. What to do: set BACKUP_CONTAINER to"
            " another container"
        )
    return found


async def point_of(services: Services, disk: Disk, time: str) -> RecoveryPoint:
    """Return a recovery point of a disk.

    Raises:
        SourceGoneError: it is no longer on record.
    """
    point = await services.records.point(disk, time)
    if point is None:
        raise _not_on_record(disk, time)
    return point


def _not_on_record(disk: Disk, time: str) -> SourceGoneError:
    return SourceGoneError(f"recovery point {time} of {disk.name} is no longer on record")


async def take_into_use(services: Services, job: Job, time: str) -> RecoveryPoint:
    """Return the recovery point that a job was requested for, once its row names the job.

    A deletion reads the point's row, then those of open jobs, and is written on the condition that the point's row has
    not changed. The job is on record by now, so one of the two sees the other. An open job that does not name its
    recovery point yet may have chosen any point of its disk.

    Raises:
        SourceGoneError: it is no longer on record.
        PointDeletingError: it is being deleted.
    """
    disk = job.known_disk
    point = await services.records.update_point(disk, time, lambda found: found.as_used(job.row_key))
    if point is None:
        raise _not_on_record(disk, time)
    if point.state is PointState.DELETING:
        raise PointDeletingError(
            f"recovery point {time} of {disk.shown} is being deleted. What to do: use another recovery point"
        )
    return point


async def properties_of(services: Services, disk: Disk, point: RecoveryPoint) -> BlobState:
    """Return the state of the blob version that holds a recovery point.

    Raises:
        SourceGoneError: it was deleted; the message says how to recover it.
    """
    version = version_of(services, disk, point)
    try:
        return await services.pages.properties(version)
    except SourceGoneError:
        raise SourceGoneError(deleted_message(disk, point, version)) from None


def deleted_message(
    disk: Disk, point: RecoveryPoint, version: BlobVersion, *, then: str = "then send the request again"
) -> str:
    """Return the message that a recovery point was deleted, and how to recover it.

    Args:
        disk: the disk.
        point: the recovery point.
        version: where it was.
        then: what follows once it is recovered.
    """
    blob = version.blob
    undelete = (
        f"az storage blob undelete --account-name {blob.account} --auth-mode login --container-name {blob.container}"
        f" --name {shlex.quote(blob.blob)}"
    )
    return (
        f"recovery point {point.time} of {disk.shown} was deleted outside Tidemark:"
        f" {not_found(blob.url, version.snapshot)}. What to do: undelete it while soft delete on account"
        f" {blob.account} still retains it ({undelete}; or Undelete in the portal), {then}; or use another"
        " recovery point"
    )


async def require_not_lost(services: Services, disk: Disk, point: RecoveryPoint) -> RecoveryPoint:
    """Return a recovery point; one marked lost must have been undeleted, and then loses the mark `damaged`.

    Raises:
        SourceGoneError: it is still deleted.
    """
    if not point.lost:
        return point
    await properties_of(services, disk, point)
    found = await services.records.update_point(disk, point.time, RecoveryPoint.as_found)
    await update_damaged_points(services, disk)
    return found or point


async def mark_damaged(services: Services, disk: Disk, time: str, damage: str, *, lost: bool = False) -> None:
    """Mark a recovery point damaged, and log it if that is new.

    Args:
        services: the services.
        disk: the disk.
        time: the recovery point's time.
        damage: what is wrong with it.
        lost: whether it was deleted.
    """
    is_news, now = False, services.now()

    def damaged(point: RecoveryPoint) -> RecoveryPoint:
        nonlocal is_news
        marked = point.as_damaged(damage, now, lost=lost)
        is_news = marked != point
        return marked

    if await services.records.update_point(disk, time, damaged) and is_news:
        log_event(Event.POINT_DAMAGED, disk=disk.name, point=time, reason=damage)


async def update_damaged_points(services: Services, disk: Disk) -> None:
    """Copy the list of damaged recovery points, and the newest good one, from their rows to the disk's record.

    The rows are read again after each write, so the last of several concurrent writers leaves the list correct.
    """
    written: tuple[list[str], str] | None = None
    while (found := await _damaged_and_good(services, disk)) != written:
        times, good = found
        await services.records.update(disk, partial(DiskRecord.with_damaged, times=times, good=good))
        written = found


async def _damaged_and_good(services: Services, disk: Disk) -> tuple[list[str], str]:
    times = await services.records.damaged(disk)
    try:
        return times, newest_good(await services.records.points(disk)) if times else ""
    except UnknownSchemaError:  # of a row: what is damaged is told all the same, and nothing is called good
        return times, ""


def newest_good(points: Iterable[RecoveryPoint]) -> str:
    """Return the time of the newest good recovery point; empty if there is none."""
    return max((point.time for point in points if point.is_good), default="")

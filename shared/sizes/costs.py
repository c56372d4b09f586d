"""What a disk's backups hold, recovery point by recovery point, and what deleting some of them frees.

Azure bills a page once, however many versions of a blob share it. So a recovery point costs what only it holds, and
deleting two of them may free more than the two cost.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from azure.core.exceptions import AzureError

from shared.azure.answers import explain
from shared.errors import TidemarkError
from shared.events import Event, log_event
from shared.model.disk import Disk
from shared.model.point import RecoveryPoint
from shared.model.sizes import (
    NO_BYTES,
    Bytes,
    Chain,
    SoftDeleted,
    as_sealed,
    freed,
    held_in_all,
    label_of,
    neighbours,
    pairs_for,
)
from shared.sizes.chains import OnRecord, by_blob, read_chain
from shared.sizes.diffs import Diffs
from shared.sizes.services import SizeServices

LISTING_TIME = timedelta(seconds=60)
"""How long page diffs of a disk are listed at a time; what is not counted by then is bounded by the versions' sizes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PointCost:
    """What a recovery point costs.

    Attributes:
        time: the recovery point's time.
        unique: bytes that only it holds: what deleting it alone frees.
    """

    time: str
    unique: Bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskCosts:
    """What a disk's backups cost.

    Attributes:
        held: bytes that all of them hold together, the backup blob included, each page counted once.
        points: its recovery points, newest first.
        soft_deleted: deleted backups that soft delete keeps and bills.
    """

    held: Bytes
    points: list[PointCost]
    soft_deleted: list[SoftDeleted]


async def freed_bytes(
    services: SizeServices, disk: Disk, times: Collection[str], *, within: timedelta = LISTING_TIME
) -> Bytes:
    """Compute how many bytes deleting recovery points frees, once soft delete no longer keeps them.

    Diffs are listed once per pair of versions, and kept on record. What can't be counted, or not in time, is no error:
    it is bounded by the versions' sizes.

    Args:
        services: the services.
        disk: the disk.
        times: the times of the recovery points to delete.
        within: how long to list diffs.
    """
    points = await services.records.points(disk)
    diffs = await _diffs(services, disk, points, within)
    total = NO_BYTES
    for found in by_blob(services, disk, [point for point in points if not point.lost]):
        going = {label_of(point) for point in found.points if point.time in times}
        if not going:
            continue
        chain = await _chain(services, disk, found)
        if chain is None:
            total = total.plus(Bytes(0, sum(point.size for point in found.points if point.time in times)))
            continue
        await diffs.count(chain, pairs_for(chain, going))
        total = total.plus(freed(chain, going, diffs.known))
    return total


async def costs(services: SizeServices, disk: Disk, *, within: timedelta = LISTING_TIME) -> DiskCosts:
    """Compute what a disk's backups hold; the newest recovery points are counted first.

    Args:
        services: the services.
        disk: the disk.
        within: how long to list diffs.
    """
    points = await services.records.points(disk)
    diffs = await _diffs(services, disk, points, within)
    held, unique = NO_BYTES, dict[str, Bytes]()
    for found in by_blob(services, disk, [point for point in points if not point.lost]):
        chain = await _chain(services, disk, found)
        if chain is None:
            size = sum(point.size for point in found.points)
            held = held.plus(Bytes(0, size))
            unique |= {point.time: Bytes(0, point.size) for point in found.points}
            continue
        await diffs.count(chain, reversed(neighbours(chain)))
        held = held.plus(held_in_all(chain, diffs.known))
        for point in reversed(found.points):
            await diffs.count(chain, pairs_for(chain, {label_of(point)}))
            unique[point.time] = freed(chain, {label_of(point)}, diffs.known)
    in_order = [PointCost(time=time, unique=unique[time]) for time in sorted(unique, reverse=True)]
    return DiskCosts(held=held, points=in_order, soft_deleted=await services.backups.soft_deleted(disk))


async def _diffs(services: SizeServices, disk: Disk, points: list[RecoveryPoint], within: timedelta) -> Diffs:
    """Begin with what the rows say; drop those of versions that no recovery point on record has any more."""
    rows, labels = await services.diffs.of(disk), {label_of(point) for point in points}
    for row in rows:
        if row.version not in labels:
            await services.diffs.drop(disk, row)
    known = {row.pair: row.bytes_written for row in rows}
    return Diffs(services, disk, known | as_sealed(points), services.now() + within)


async def _chain(services: SizeServices, disk: Disk, found: OnRecord) -> Chain | None:
    """Read a chain; None if the blob can't be read."""
    try:
        return await read_chain(services, found)
    except (AzureError, TidemarkError) as error:
        log_event(Event.SIZE_UNKNOWN, disk=disk.name, version=found.blob.url, since="", reason=explain(error))
        return None

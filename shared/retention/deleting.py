"""Deleting a recovery point: its row says so first, then what holds it goes, and a tombstone takes its place.

Each step looks at what is there and does what is missing, so a crash anywhere repeats a step.
"""

from collections.abc import Collection

from shared.azure.services import Services
from shared.azure.tables.records import TRIES, RecordConflictError
from shared.errors import Remedy, TidemarkError
from shared.events import Event, log_event
from shared.model.blob import BlobState
from shared.model.disk import Disk
from shared.model.names import DISK_METADATA, SOURCE_SNAPSHOT_METADATA
from shared.model.point import PointState, RecoveryPoint
from shared.model.retention import is_outdated, protected, why_it_stays
from shared.model.tombstone import Tombstone
from shared.points.versions import update_damaged_points, version_of
from shared.retention.facts import facts_of, look_at

ASKED_FOR = "an operator has asked for it"


class PointStaysError(TidemarkError):
    """A recovery point that must not be deleted; the message says why."""

    remedy = Remedy.FAIL


async def delete_point(services: Services, disk: Disk, time: str, why: str = ASKED_FOR) -> str:
    """Delete one recovery point, unless something needs it. Idempotent.

    Args:
        services: the services.
        disk: the disk.
        time: the recovery point's time.
        why: why, for its tombstone.

    Returns:
        What was done, as a sentence.

    Raises:
        PointStaysError: it must not be deleted, whoever asks for it.
    """
    seen = await look_at(services, disk)
    found = next((point for point in seen.points if point.time == time), None)
    if container := seen.out_of_reach.get(time):
        raise PointStaysError(
            f"recovery point {time} of {disk.shown} is in {container}. What to do: let the app read it, and ask again"
        )
    if found is None:
        buried = {tombstone.time for tombstone in await services.tombstones.of(disk)}
        if time in buried:
            return f"recovery point {time} was deleted before"
        raise PointStaysError(f"recovery point {time} of {disk.shown} is not on record. What to do: check its time")
    reasons = protected(seen.points, seen.facts, services.now()).get(time, [])
    if reasons and found.state is not PointState.DELETING:
        raise PointStaysError(
            f"recovery point {time} of {disk.shown} can't be deleted: {', '.join(reasons)}. What to do: wait until"
            " nothing needs it, and ask again"
        )
    await carry_out(services, disk, time, why, seen.points)
    await update_damaged_points(services, disk)
    return f"recovery point {time} was deleted"


async def carry_out(services: Services, disk: Disk, time: str, why: str, decided_by: Collection[RecoveryPoint]) -> None:
    """Delete a recovery point that was decided to go, unless something has begun to need it since.

    Args:
        services: the services.
        disk: the disk.
        time: the recovery point's time.
        why: why, for its tombstone.
        decided_by: the disk's recovery points as they were when that was decided.

    Raises:
        PointStaysError: something has, or what holds it is not what Tidemark made.
        RecordConflictError: what it was decided by is no longer so, or its row changes all the time.
    """
    point = await _mark(services, disk, time, why, decided_by)
    if point is None:
        return
    version = version_of(services, disk, point)
    if version.snapshot:
        await services.snapshots.delete(version.blob, version.snapshot)
    elif copy := await _own_copy(services, disk, point):
        # Not emptied, so that soft delete can bring it back.
        await services.blobs.delete(version.blob, copy.etag)
    await services.tombstones.bury(disk, Tombstone.of(point, services.now()))
    services.status.points_changed(disk)
    log_event(
        Event.POINT_DELETED, disk=disk.name, point=time, reason=point.deleting, size=point.size, sealed=point.sealed
    )


async def _mark(
    services: Services, disk: Disk, time: str, why: str, decided_by: Collection[RecoveryPoint]
) -> RecoveryPoint | None:
    """Record on a point's row that it is being deleted; None if it is not on record any more.

    The row is read first, then what may need the point, and then it is written on the condition that it is unchanged:
    a job is on record before it marks the row, so one of the two sees the other.
    """
    for _ in range(TRIES):
        found = await services.records.find_point(disk, time)
        if found is None:
            return None
        point, etag = found
        if point.state is PointState.DELETING:
            return point
        if is_outdated(decided_by, point, await services.records.damaged(disk)):
            raise RecordConflictError(f"the recovery points of {disk.name}")
        facts = await facts_of(services, disk)
        if reasons := why_it_stays(point, facts, services.now()):
            raise PointStaysError(f"recovery point {time} of {disk.shown} stays: {', '.join(reasons)}")
        if not point.backup_snapshot:
            await _require_deletable(services, disk, point)
        marked = point.as_deleting(why)
        try:
            await services.records.put_point(disk, marked, etag)
        except RecordConflictError:
            continue
        return marked
    raise RecordConflictError(f"the recovery point {time} of {disk.name}")


async def _require_deletable(services: Services, disk: Disk, point: RecoveryPoint) -> None:
    """Require that a full copy can be deleted, before its row says for good that nobody may use it.

    Raises:
        PointStaysError: it is leased, not what Tidemark made, or somebody has taken a snapshot of it.
    """
    if await _own_copy(services, disk, point) is None:
        return
    blob = version_of(services, disk, point).blob
    if snapshots := await services.snapshots.sizes(blob):
        raise PointStaysError(
            f"{blob.url} has {len(snapshots)} snapshots that Tidemark has not taken, and stays. What to do: delete"
            " them if nobody needs them"
        )


async def _own_copy(services: Services, disk: Disk, point: RecoveryPoint) -> BlobState | None:
    """Return the full copy that holds a recovery point; None if it no longer exists.

    Raises:
        PointStaysError: it is leased, or not what Tidemark made.
    """
    blob = version_of(services, disk, point).blob
    found = await services.pages.find(blob)
    if found is None:
        return None
    if found.leased:
        raise PointStaysError(f"{blob.url} is leased, and stays. What to do: end the lease, or detach it from its VM")
    of_disk, of_time = (found.metadata.get(name, "") for name in (DISK_METADATA, SOURCE_SNAPSHOT_METADATA))
    if not disk.is_named(of_disk) or of_time != point.time:
        raise PointStaysError(
            f"{blob.url} does not say that it is recovery point {point.time} of {disk.shown}, and stays. What to do:"
            " look at who has written it, and delete it by hand if nobody needs it"
        )
    return found

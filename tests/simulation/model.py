"""What must be true: of each recovery point and each restore when it is put on record, and of a world at rest."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from shared.inspection.conclude import BUILT_ON
from shared.limits import PAGE
from shared.model.addresses import BlobAddress
from shared.model.disk import Disk, PageBlobDisk
from shared.model.inspection import Inspection
from shared.model.job import JobKind, Stage
from shared.model.names import (
    COPY_METADATA,
    DRILL_METADATA,
    RESTORE_METADATA,
    RUN_METADATA,
    RUN_SEPARATOR,
)
from shared.model.point import PointState, RecoveryPoint
from shared.model.requests import LATEST
from shared.model.restore import Restore
from shared.model.retry_policy import MIN_FAILURES
from shared.model.run import Kind
from shared.settings import Settings
from tests.simulation import managed_restores, ticks
from tests.simulation.blobs import SUCCESS, Pages, same_content
from tests.simulation.claims import wrong_summary
from tests.simulation.index import wrong_index
from tests.simulation.world import BACKUPS, OWN, VM, World, place_of


def sealed(world: World, disk: Disk, point: RecoveryPoint) -> None:
    """Keep a recovery point; it must be new, hold what its source snapshot held, and be of the kind it can be."""
    points = world.points.setdefault(disk.key, {})
    if points and point.row_key <= max(points):
        world.violations.append(f"{point.time} was sealed after {max(points)}")
    last = points[max(points)] if points else None
    is_whole = point.kind in (Kind.FULL, Kind.RESYNC) and point.backup_snapshot
    if last and is_whole and not _may_be_whole(world, disk, last):
        why = f"{point.kind} ({point.reason}) after {last.time} {last.kind}"
        world.violations.append(f"{point.time} of {disk} is {why}")
    if _is_tainted(world, point, last):
        world.tainted.add((place_of(point), point.backup_snapshot))
    if (of := world.snapshots_of.get(point.time)) and of != disk:
        world.violations.append(f"{point.time} of {disk} holds {of}")
    points[point.row_key] = point
    world.sealed.setdefault(disk.key, {})[point.time] = world.now
    world.violations += wrong_with(world, disk, point)


def _is_tainted(world: World, point: RecoveryPoint, last: RecoveryPoint | None) -> bool:
    """Tell whether a recovery point stands on rot: a restore of it, or an incremental run after that."""
    if point.kind is Kind.INCREMENTAL and last:
        return (place_of(last), last.backup_snapshot) in world.tainted
    restores = [row for row in world.restore_rows() if row.target_snapshot == point.time]
    return point.kind is Kind.RESTORE and any(_of_rotten(world, row) for row in restores)


def _may_be_whole(world: World, disk: Disk, last: RecoveryPoint) -> bool:
    """Tell whether a run after this recovery point has a reason not to be incremental."""
    since = datetime.fromisoformat(last.time)
    if last.state is PointState.DAMAGED:
        return True
    if not last.backup_snapshot or world.is_meddled(disk, since) or world.landed >= since:
        return True
    if last.sealed < world.calm_since:
        return True  # a batch that was delivered twice may write on, under its lease, after the seal
    verifies = [found for found, _ in world.inspections.values() if found.disk == disk and found.task is JobKind.VERIFY]
    differ = [found for found in verifies if Stage.FAILED in (found.state, found.outcome) and found.ended]
    if any(found.recovery_point < last.time and found.ended and found.ended >= last.sealed for found in differ):
        return True  # it has found damaged what the last one was built on, which was then found to be right
    over = [restore for restore in world.restore_rows() if restore.target == disk]
    return any(restore.ended is None or restore.ended >= last.sealed for restore in over if restore.state != Stage.DONE)


def restore_written(world: World, before: Restore | None, then: Restore, read_since: datetime) -> None:
    """Look at a restore's row as it is written."""
    if before and before.has_ended:
        world.violations.append(f"{then.restore} is {then.state} after it was {before.state}")
    if then.recovery_point and not (before and before.recovery_point):
        world.violations += _wrong_choice(world, then, read_since)
    if then.state is Stage.DONE and then.adopt:
        world.violations += _wrong_when_done(world, then)
    if then.state is Stage.ENDING and not then.adopt:
        world.violations += _wrong_trial(world, then)
    if then.state is Stage.REFUSED and not (then.target and is_explained(world, then)):
        world.violations += [f"{then.restore} was refused and wrote to {blob.blob}" for blob in _written(world, then)]
    if then.state is Stage.FAILED and not is_explained(world, then):
        world.violations.append(f"{then.restore} failed, and nothing was wrong: {then.reason}")


def _of_rotten(world: World, restore: Restore) -> bool:
    """Tell whether a restore is of a recovery point that is not what it was."""
    point = world.points.get(restore.known_disk.key, {}).get(f"point-{restore.recovery_point}")
    return point is not None and (place_of(point), point.backup_snapshot) in world.rotten


def is_explained(world: World, restore: Restore) -> bool:
    """Tell whether a restore has a reason not to come to its good end: a foreign hand, a bad copy, or bad luck."""
    if restore.cancelled:
        return True
    disks = [disk for disk in (restore.disk, restore.target) if disk]
    blobs = [disk.address for disk in disks if isinstance(disk, PageBlobDisk)]
    if world.forbidden & {blob.parent for blob in blobs} or _is_unlucky(world, restore.restore):
        return True
    return (restore.restore in world.spoiled or _of_rotten(world, restore)) or any(
        managed_restores.is_meddled(world, disk, restore) for disk in disks
    )


def _is_unlucky(world: World, job: str) -> bool:
    """Tell whether so many steps in a row have met an error by chance, the one that is under way too, as may be."""
    return world.unlucky[job] >= MIN_FAILURES - 1


def _written(world: World, restore: Restore) -> list[BlobAddress]:
    return sorted(world.written.get(restore.restore, ()))


def _wrong_choice(world: World, restore: Restore, read_since: datetime) -> Iterator[str]:
    """Hold the recovery point that was found against those that were on record when it was looked for."""
    times = world.sealed[restore.known_disk.key]

    def answer(until: datetime) -> str:
        return max(
            (time for time, on in times.items() if on <= until and restore.point in (LATEST, max(restore.point, time))),
            default="",
        )

    if not answer(read_since) <= restore.recovery_point <= answer(world.now):
        yield f"{restore.restore} found {restore.recovery_point} for {restore.point} among {sorted(times)}"


def _wrong_when_done(world: World, restore: Restore) -> Iterator[str]:
    if _of_rotten(world, restore):
        return
    held, asked = world.held.get(restore.target_snapshot), world.held[restore.recovery_point]
    if held is None:
        yield f"{restore.restore} is done without a snapshot of its target"
    elif not (managed_restores.is_same_disk if restore.makes_managed_disk else same_content)(held, asked):
        yield f"{restore.restore} is not {restore.recovery_point}: {_difference(held, asked)}"
    if restore.attempt > Restore.max_attempts:
        yield f"{restore.restore} was tried {restore.attempt} times"
    if restore.makes_managed_disk:
        yield from () if is_explained(world, restore) else managed_restores.wrong_disk(world, restore)
    elif len(targets := {blob for blob in _written(world, restore) if blob.parent not in BACKUPS}) != 1:
        yield f"{restore.restore} was restored to {sorted(targets)}"


def _wrong_trial(world: World, restore: Restore) -> Iterator[str]:
    """Say what is wrong with a trial that has compared its disk, which it still holds."""
    if _of_rotten(world, restore) or is_explained(world, restore):
        return
    if restore.makes_managed_disk:
        yield from managed_restores.wrong_disk(world, restore)
        return
    blob = world.blobs.get(restore.page_blob_target.address)
    if blob is None or not same_content(blob.pages, world.held[restore.recovery_point]):
        yield f"the trial {restore.restore} is not {restore.recovery_point}"
    address = restore.page_blob_target.address
    if blob and (world.own_snapshots(address) or world.backup_of(address) in world.blobs):
        yield f"the trial {restore.restore} has made snapshots or a backup blob"


def marked(world: World, disk: Disk, before: RecoveryPoint, point: RecoveryPoint) -> None:
    """Look at what is put on record of a recovery point: what is verified is right, what is damaged is not."""
    place = place_of(point)
    if point.state is PointState.VERIFIED:
        world.violations += [f"verified, but {wrong}" for wrong in wrong_with(world, disk, point)]
    rots_since = world.rotten.get((place, point.backup_snapshot), world.now)
    verifies = [found for found, _ in world.inspections.values() if found.recovery_point == point.time]
    comparing = [found.requested for found in verifies if found.state is Stage.COMPARING]
    was_rotten = bool(comparing) and rots_since < min(comparing)
    was_found = before.state is PointState.DAMAGED and not before.lost and rots_since < world.now
    if point.state is PointState.VERIFIED and (was_rotten or was_found) and not _is_whole(world, point):
        world.violations.append(f"{point.time} of {disk} is verified, and is not what it was")
    is_doubted = point.damage.startswith(BUILT_ON) and any(
        before.time < point.time and before.state is PointState.DAMAGED for before in world.points_of(disk)
    )
    if point.state is PointState.DAMAGED and not (world.is_spoilt(point) or is_doubted):
        world.violations.append(f"{point.time} of {disk} is said to be damaged: {point.damage}")


def _is_whole(world: World, point: RecoveryPoint) -> bool:
    blob = world.blobs.get(place_of(point))
    taken = blob.snapshots.get(point.backup_snapshot) if blob else None
    return taken is not None and same_content(taken.pages, world.held[point.time])


def inspection_written(world: World, before: Inspection, then: Inspection) -> None:
    """Look at an inspection's row as it is written."""
    name = f"the {then.task} {then.inspection} of {then.recovery_point}"
    if before.has_ended:
        world.violations.append(f"{name} is {then.state} after it was {before.state}")
    if then.state is Stage.FAILED and not _may_fail(world, then):
        world.violations.append(f"{name} failed, and nothing was wrong: {then.reason}")


def _may_fail(world: World, inspection: Inspection) -> bool:
    """Tell whether an inspection has a reason to fail: its recovery point is spoilt, or a copy did not go well."""
    if inspection.cancelled or _is_unlucky(world, inspection.inspection):
        return True
    if inspection.inspection in world.spoiled or world.is_meddled(inspection.known_disk, inspection.requested):
        return True
    point = world.points.get(inspection.known_disk.key, {}).get(f"point-{inspection.recovery_point}")
    # What is said of a recovery point is looked at where it is said.
    return point is None or world.is_spoilt(point) or point.state is PointState.DAMAGED


def wrong_with(world: World, disk: Disk, point: RecoveryPoint) -> Iterator[str]:
    """Say what is wrong with a recovery point."""
    place = place_of(point)
    if world.is_spoilt(point):
        return
    held = world.held[point.time]
    try:
        taken = world.blob(place).at(point.backup_snapshot).pages
    except Exception:  # noqa: BLE001 - it is not there
        yield f"the recovery point {point.time} has no backup snapshot"
        return
    copy = world.blobs[place].copy
    if not point.backup_snapshot and copy and copy.status != SUCCESS:
        yield f"the recovery point {point.time} is a full copy that has not succeeded"
    if not same_content(taken, held):
        difference = _difference(taken, held)
        yield f"{point.time} ({point.kind}) of {disk} is not what its source snapshot was: {difference}"


def backed_up(world: World, settings: Settings) -> list[Disk]:
    """List the disks that are to be backed up: those that the settings name, and those that were restored."""
    return [
        disk
        for disk in world.disks
        if (settings.covers(disk) or ticks.is_adopted(world, settings, disk))
        and not ticks.is_retired(world, settings, disk)
    ]


def wrong_below(world: World, disk: Disk, run: str, position: int) -> Iterator[str]:
    """Say what of a run is on record as applied, and is not: all that its backup blob holds below its position."""
    blob, pages = world.blobs.get(world.backup_of(disk)), position // PAGE
    if blob is None or disk in world.meddled:
        return
    applied, source = tuple(blob.pages[:pages]), world.held[run][:pages]
    if not same_content(applied, source):
        yield f"the run {run} of {disk} is not applied up to {position}: {_difference(applied, source)}"


def wrong_at_rest(world: World) -> Iterator[str]:
    """Say what is wrong of a world where every run and restore is over, and the last ones had no trouble."""
    for disk in world.disks:
        yield from _wrong_disk(world, disk)
    yield from _wrong_blobs(world)
    yield from managed_restores.wrong_uploads(world)
    yield from wrong_index(world)
    for restore in world.restore_rows():
        yield from _wrong_restore(world, restore)
    yield from _wrong_requests(world)
    for found, _ in world.inspections.values():
        if not found.has_ended:
            yield f"the {found.task} {found.inspection} is still {found.state}: {found.last_error}"
    for entity, _ in world.records.values():
        if entity.get("restore"):
            yield f"{entity['disk']} is still claimed by {entity['restore']}"
    if any("sig=" in repr(table) for table in (world.records, world.restores, world.points)):
        yield "a signature is in a table"


def _wrong_requests(world: World) -> Iterator[str]:
    """Say which requests have not come to one row each, named by the message that somebody has put.

    What its queue has given up has another id then: it has a row under that, and one more if another delivery of it has
    come to something.
    """
    rows = [restore.restore for restore in world.restore_rows()]
    missing, others = world.asked.keys() - set(rows), set(rows) - world.asked.keys()
    if len(set(rows)) != len(rows) or len(missing) > len(others) or others - world.given_up:
        yield f"of the requests {sorted(world.asked)} there are the rows {sorted(rows)}"


def _wrong_blobs(world: World) -> Iterator[str]:
    """Say what is wrong with the blobs: what is left over, and what is gone that was not Tidemark's.

    The lease of a run that was given up may be left on a backup blob that does not follow its disk any more: the disk
    is gone, retired, or in full-copy mode.
    """
    last = {disk: world.points_of(disk)[-1:] for disk in world.disks}
    following = [
        world.backup_of(disk)
        for disk, points in last.items()
        if points and points[0].backup_snapshot and not ((record := world.record(disk)) and record.retired)
    ]
    for address, blob in world.blobs.items():
        if address.parent in world.forbidden:
            continue
        if blob.lease not in ("", VM) and (address.parent not in BACKUPS or address in following):
            yield f"the lease {blob.lease} is left on {address.blob}"
        if blob.is_pending:
            yield f"a copy to {address.blob} is still pending"
        if DRILL_METADATA in blob.metadata:
            yield f"the scratch blob {address.blob} is left"
        elif address.parent == OWN:
            yield from _wrong_snapshots(world, address)
    for blob_of, time in world.foreign_snapshots:
        if (blob_of, time) not in world.lost and time not in world.blobs[blob_of].snapshots:
            yield f"the snapshot {time} is gone, which is not Tidemark's"


def _wrong_disk(world: World, disk: Disk) -> Iterator[str]:
    """Say what is wrong with a disk's source snapshots and recovery points."""
    record = world.record(disk)
    base = {record.base_snapshot} if record and record.base_snapshot else set()
    own = set(world.own_snapshots(disk))
    if ticks.is_dropped(world, disk):
        own &= base  # a tick may have died between its snapshot and its record
    if record and record.retired:
        own, base = own - _compared_at_last(world, disk), set()
    # A catalogue that is rebuilt knows points that no record did: of runs that were given up while being sealed.
    there = {time for time in base if (disk, time) not in world.dropped}
    if own - base or (not there <= own and disk not in world.meddled):
        yield f"source snapshots of {disk} are left: {sorted(own)}, with the base {base}"
    for point in world.points_of(disk):
        if not point.deleting:
            yield from wrong_with(world, disk, point)
    if record:
        yield from wrong_summary(record, world.points_of(disk))


def _compared_at_last(world: World, disk: Disk) -> set[str]:
    """List the source snapshots that a verify may have needed when the last tick would have deleted them."""
    inspections = [found for found, _ in world.inspections.values() if found.disk == disk]
    return {found.recovery_point for found in inspections if found.ended and found.ended >= max(world.ticks)}


def _wrong_restore(world: World, restore: Restore) -> Iterator[str]:
    """Say what is wrong with a restore at rest: it has ended, and nothing half-made is left of it.

    What was copied whole is left, and so is what has snapshots: they are somebody else's, or recovery points.
    """
    if restore.state is Stage.REFUSED and "What to do" not in restore.reason:
        yield f"{restore.restore} is refused without advice: {restore.reason}"
    just_now = world.now - timedelta(minutes=1)  # the message that looks at it may be the next
    if restore.state is Stage.EXPIRING and restore.expires_at and restore.expires_at > just_now:
        return
    if not restore.has_ended:
        yield f"{restore.restore} is still {restore.state}: {restore.last_error or restore.reason}"
    if not restore.adopt and restore.state is Stage.DONE:
        yield from _left_of_trial(world, restore)
    if restore.state is Stage.DONE or not restore.recovery_point:
        return
    if restore.makes_managed_disk:
        yield from managed_restores.left_of_failed(world, restore)
    elif not restore.target_etag:
        yield from _left_of_failed(world, restore)


def _left_of_failed(world: World, restore: Restore) -> Iterator[str]:
    """Say what a restore to a page blob that is not done has left."""
    target = restore.page_blob_target
    if target.address.parent in world.forbidden:
        return  # it can't be cleaned up, and its disk is let go of
    if world.is_meddled(target.address, restore.requested) or (restore.ended and world.landed >= restore.ended):
        return
    new = {target.address: restore.target_is_new, world.backup_of(target.address): restore.backup_is_new}
    for address in [address for address, is_new in new.items() if is_new and address in world.blobs]:
        blob = world.blobs[address]
        if blob.metadata.get(RESTORE_METADATA) == restore.restore and not blob.snapshots:
            yield f"{restore.restore} is {restore.state}, and has left {address.url}"


def _left_of_trial(world: World, restore: Restore) -> Iterator[str]:
    """Say what a trial has left beside its disk, and its disk if that was to be deleted."""
    if is_explained(world, restore) or any(
        other.target == restore.target and other.adopt and other.recovery_point for other in world.restore_rows()
    ):
        return
    if restore.makes_managed_disk:
        was_due = any(restore.target in tick.disks for tick in world.ticks.values())
        yield from () if was_due else managed_restores.left_of_trial(world, restore)
        return
    target = restore.page_blob_target.address
    # Somebody may have added it to SOURCE_DISKS since.
    was_due = any(restore.target in tick.disks for tick in world.ticks.values())
    if world.record(target) and not was_due:
        yield f"the trial {restore.restore} has left a record of {target.blob}"
    left = world.blobs.get(target)
    if "was deleted" in restore.reason and left and left.metadata.get(RESTORE_METADATA) == restore.restore:
        yield f"the trial {restore.restore} has left {target.blob}, which has expired"


def _wrong_snapshots(world: World, address: BlobAddress) -> Iterator[str]:
    """Say what is wrong with a backup blob's snapshots: a catalogue is to be rebuilt from them alone."""
    blob = world.blobs[address]
    sealed_runs = [disk.run_id(time) for disk in world.disks for time in world.sealed.get(disk.key, ())]
    for run, count in Counter(taken.metadata[RUN_METADATA] for taken in blob.snapshots.values()).items():
        if count > 1 and run in sealed_runs:
            yield f"the run {run} has {count} backup snapshots"
    for time, taken in blob.snapshots.items():
        run = taken.metadata[RUN_METADATA].rpartition(RUN_SEPARATOR)[2]
        is_known = (address, time) in world.rotten.keys() | world.tainted
        if not (is_known or same_content(taken.pages, world.held[run])):
            yield f"the backup snapshot {time} is not what {run} was"
    is_whole = blob.copy.status == SUCCESS if blob.copy else bool(blob.pages)
    if is_whole and blob.metadata.keys() >= {COPY_METADATA, RUN_METADATA}:
        run = blob.metadata[RUN_METADATA].rpartition(RUN_SEPARATOR)[2]
        if (address, "") not in world.lost and not same_content(blob.pages, world.held[run]):
            yield f"the full copy {address.blob} is not what {run} was"


def _difference(backup: Pages, source: Pages) -> str:
    if len(backup) != len(source):
        return f"{len(backup)} pages for {len(source)}"
    pages = [at for at, (one, other) in enumerate(zip(backup, source, strict=True)) if (one or 0) != (other or 0)]
    return f"pages {pages}, {[backup[at] for at in pages]} for {[source[at] for at in pages]}"

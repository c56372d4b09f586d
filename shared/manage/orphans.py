"""`orphans`: list the snapshots that no row knows, and delete those of an approved list."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from azure.core.exceptions import AzureError

from shared.azure.services import Services
from shared.errors import OtherDiskError
from shared.events import Event, log_event
from shared.model.catalogue import found_point
from shared.model.disk import Disk
from shared.model.intent_row import IntentRow
from shared.model.intents import IntentRefusedError, OrphansIntent
from shared.model.orphans import MAX_LISTED, Known, Orphan, hash_of, is_old_enough, is_orphan, looks_lost
from shared.owner.mark import require_owner


@dataclass
class _Found:
    """What was found.

    Attributes:
        orphans: the orphans.
        left_alone: the disks that have more of them than recovery points on record.
    """

    orphans: list[Orphan] = field(default_factory=list)
    left_alone: list[Disk] = field(default_factory=list)


async def list_or_delete(services: Services, intent: OrphansIntent, row: IntentRow) -> str:
    """List the orphans, or delete those that are on the approved list and still are orphans.

    Raises:
        IntentRefusedError: there is no such list.
        NotOwnerError: the backup container belongs to another app.
    """
    await require_owner(services)
    if intent.approve is None:
        return await _list(services, row)
    lists = [found for found in await services.intents.of(None) if found.listed and found.subject == intent.approve]
    if not lists:
        raise IntentRefusedError(f'no list has the hash {intent.approve}. What to do: send {{"do": "orphans"}} first')
    listed = frozenset(lists[0].listed.split())
    for orphan in (await _find(services)).orphans:
        if orphan.digest in listed:
            await _delete(services, orphan, row)
    return f"of the {len(listed)} listed snapshots, all that were orphans still are deleted"


async def _list(services: Services, row: IntentRow) -> str:
    """List the orphans on the intent's row, each by a digest, and describe the list."""
    found = await _find(services)
    orphans = sorted(found.orphans, key=lambda orphan: orphan.name)[:MAX_LISTED]
    alone = ""
    if found.left_alone:
        disks = ", ".join(disk.shown for disk in found.left_alone)
        alone = (
            f" Left alone, as more recovery points are unknown than on record: {disks}. What to do: rebuild the"
            " catalogue."
        )
    if not orphans:
        return f"there are no orphans.{alone}"
    digests = [orphan.digest for orphan in orphans]
    hashed, listed = hash_of(digests), " ".join(digests)
    await services.intents.update(
        row.disk, row.row_key, lambda current: replace(current, subject=hashed, listed=listed)
    )
    names = ", ".join(orphan.name for orphan in orphans)
    count = f"{len(orphans)} of {len(found.orphans)}" if len(orphans) < len(found.orphans) else f"{len(orphans)}"
    approve = f'{{"do": "orphans", "approve": "{hashed}"}}'
    return f"{count} orphans: {names}.{alone} To delete these snapshots, send {approve}"


async def _find(services: Services) -> _Found:
    """Find the orphans among the snapshots in the backup container, and among those of the disks on record."""
    found = _Found()
    async for disk, candidates in _backup_snapshots(services):
        await _judge(services, found, disk, candidates)
    for disk in sorted(await services.records.disks()):
        with contextlib.suppress(AzureError):  # the disk's account or container no longer exists
            snapshots = await services.disks.own_snapshots(disk)
            await _judge(services, found, disk, [Orphan(disk, None, snapshot, snapshot) for snapshot in snapshots])
    return found


async def _judge(services: Services, found: _Found, disk: Disk, candidates: list[Orphan]) -> None:
    now = services.now()
    if not any(is_old_enough(candidate.snapshot, now) for candidate in candidates):
        return
    known = await _known(services, disk)
    orphans = [candidate for candidate in candidates if is_orphan(candidate, known, now)]
    if looks_lost(orphans, known):
        found.left_alone.append(disk)
    else:
        found.orphans += orphans


async def _backup_snapshots(services: Services) -> AsyncIterator[tuple[Disk, list[Orphan]]]:
    """List the snapshots of backup blobs that are recovery points by their metadata, disk by disk."""
    of: list[Orphan] = []
    async for stored in services.backups.blobs():
        point = found_point(stored)
        if point is None or not stored.snapshot:
            continue
        if of and of[0].disk != point.disk:
            yield of[0].disk, of
            of = []
        of.append(Orphan(point.disk, stored.blob, stored.snapshot, point.point.time))
    if of:
        yield of[0].disk, of


async def _known(services: Services, disk: Disk) -> Known:
    """Return what is on record of a disk; the record is read last, so that what has just begun is seen."""
    jobs = [*await services.restores.open(disk), *await services.inspections.open(disk)]
    points = frozenset(await services.records.point_times(disk))
    deleted = frozenset(tombstone.time for tombstone in await services.tombstones.of(disk))
    try:
        found = await services.records.get(disk)
    except OtherDiskError:
        found = None
    record = found[0] if found else None
    is_busy = record is None or bool(jobs or record.run or record.restore)
    return Known(record.base_snapshot if record else "", points, is_busy, deleted)


async def _delete(services: Services, orphan: Orphan, row: IntentRow) -> None:
    """Delete a snapshot by its time, if it is an orphan still."""
    if not is_orphan(orphan, await _known(services, orphan.disk), services.now()):
        return
    if orphan.blob:
        await services.snapshots.delete(orphan.blob, orphan.snapshot)
    else:
        await services.disks.delete_snapshot(orphan.disk, orphan.snapshot)
    log_event(Event.ORPHAN_DELETED, **row.about, snapshot=orphan.name)

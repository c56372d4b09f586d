"""Counting what a disk's backups hold, by what is on record and without writing there."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from azure.core.exceptions import AzureError

from shared.azure.blobs.backup_container import BackupContainer
from shared.azure.blobs.reading import BlobReader
from shared.azure.blobs.snapshots import BlobSnapshots
from shared.azure.connections import Connections
from shared.azure.sources.source import Reader
from shared.errors import TidemarkError
from shared.limits import STORAGE_API_VERSION
from shared.model.addresses import BlobAddress, ContainerAddress
from shared.model.disk import Disk
from shared.model.point import RecoveryPoint
from shared.model.sizes import Bytes, Held, PageDiff, freed, pairs_for
from shared.sizes.chains import OnRecord, read_chain
from shared.sizes.diffs import Diffs
from shared.sizes.services import Backups, SnapshotSizes
from tidemark.accounts import why_unread
from tidemark.content.access import Reading


class PointsRead:
    """The recovery points of a disk as they were read."""

    def __init__(self, points: Sequence[RecoveryPoint]) -> None:
        self._points = points

    async def points(self, _: Disk) -> list[RecoveryPoint]:
        """Give them, oldest first."""
        return list(self._points)


class DiffsRead:
    """The counted diffs of a disk: those on record, and what is counted since, which nobody writes there."""

    def __init__(self, diffs: Sequence[PageDiff]) -> None:
        self._diffs = {diff.pair: diff for diff in diffs}

    async def of(self, _: Disk) -> list[PageDiff]:
        """Give them."""
        return list(self._diffs.values())

    async def put(self, _: Disk, diff: PageDiff) -> None:
        """Remember one until the program ends."""
        self._diffs[diff.pair] = diff

    async def drop(self, _: Disk, diff: PageDiff) -> None:
        """Forget one until the program ends."""
        self._diffs.pop(diff.pair, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting:
    """What counting takes, of one disk: see `SizeServices`."""

    pages: Reader
    records: PointsRead
    diffs: DiffsRead
    snapshots: SnapshotSizes
    backups: Backups
    now: Callable[[], datetime]
    sleep: Callable[[timedelta], Awaitable[None]]


def counting(
    connections: Connections, container: ContainerAddress, points: Sequence[RecoveryPoint], diffs: Sequence[PageDiff]
) -> Counting:
    """Prepare to count what a disk's backups hold.

    Args:
        connections: the accounts of the disk and of its backups.
        container: the container that its next backup goes to.
        points: its recovery points.
        diffs: its counted diffs on record.
    """
    pages = BlobReader(connections, STORAGE_API_VERSION)
    return Counting(
        pages=pages,
        records=PointsRead(points),
        diffs=DiffsRead(diffs),
        snapshots=BlobSnapshots(connections),
        backups=BackupContainer(connections, container),
        now=partial(datetime.now, UTC),
        sleep=Reading(pages).sleep,
    )


async def held_by_snapshots(
    services: Counting, disk: Disk, blob: BlobAddress, snapshots: Sequence[Held], within: timedelta
) -> tuple[Bytes, str]:
    """Count what only some snapshots of a disk hold: the pages that were written over or cleared since.

    Args:
        services: reads the disk.
        disk: the disk.
        blob: its blob.
        snapshots: those snapshots.
        within: how long to list.

    Returns:
        The bytes; and why they are not known, if the disk can't be read: its size bounds them then.
    """
    going, most = {held.label for held in snapshots}, Bytes(0, sum(held.size for held in snapshots))
    if not going:
        return most, ""
    apart = replace(services, diffs=DiffsRead(()))
    try:
        chain = await read_chain(apart, OnRecord(blob, []))
    except (AzureError, TidemarkError) as error:
        return most, why_unread(error)
    diffs = Diffs(apart, disk, {}, apart.now() + within)
    await diffs.count(chain, pairs_for(chain, going))
    found = freed(chain, going, diffs.known)
    return Bytes(found.at_least, min(found.at_most, most.at_most)), ""

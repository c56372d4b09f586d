"""Copying back through the function, for a restore whose target the service can't copy to itself, such as a firewall.

Each invocation copies one part, about as fast as a page blob accepts writes.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

from shared.azure.services import Services
from shared.changes.ranges import Change, Window, coalesced, gaps_cleared, writes
from shared.model.blob import BlobState
from shared.model.job import Next, Stage
from shared.model.restore import Restore, RestoreFailedError
from shared.model.version import BlobVersion, Version
from shared.pages.at_once import AtOnce
from shared.pages.clearing import Clearing
from shared.pages.listing import listed
from shared.pages.paced import Paced
from shared.pages.signed import SignedReads

COPIED_PART = 1024**3
"""Bytes of a disk that one invocation copies."""

WRITERS = 8
"""Concurrent requests of one invocation."""


async def copy_next_part(services: Services, restore: Restore, source: Version, found: BlobState) -> Next[Restore]:
    """Copy the next part of the recovery point to the target: write the valid ranges, clear the rest.

    The lease is as old as the refused copy: what was written without it since is in no undo point.

    Raises:
        RestoreFailedError: the target is no longer under the restore's lease, and nothing was copied yet.
        BlobChangedError: it no longer is since.
        SourceGoneError: the recovery point no longer exists.
    """
    target = restore.page_blob_target.address
    if restore.bytes_done == 0:
        if not await services.leases.renew(target, restore.lease):
            raise RestoreFailedError(f"the lease on {restore.target} was broken before it was copied to")
        if found.size != restore.size:
            await services.blobs.resize(target, restore.size, restore.lease)
    part = Window(restore.bytes_done, min(restore.bytes_done + COPIED_PART, restore.size))
    valid = coalesced(listed(services, source, None, part))
    if restore.size:
        await _apply(services, restore, source, gaps_cleared(valid, part))
    copied = replace(restore, bytes_done=part.end, checked=services.now())
    if part.end < restore.size:
        return Next(copied)
    etag = (await services.pages.properties(BlobVersion(target))).etag
    await services.leases.require(target, restore.lease)
    return Next(replace(copied.at_stage(Stage.PROVING, services.now()), target_etag=etag, bytes_done=restore.size))


async def _apply(services: Services, restore: Restore, source: Version, changes: AsyncIterator[Change]) -> None:
    """Apply changes, a few at a time, at the pace the service accepts; the list is never held in memory as a whole."""
    target = restore.page_blob_target.address
    reads = await SignedReads.begin(services, source)
    pace = Paced(services, WRITERS)
    clearing = Clearing(pace, partial(services.blobs.clear, target, lease_id=restore.lease))

    async def write(piece: Change) -> None:
        await services.blobs.write(target, piece, await reads.read(piece), restore.lease)

    async with AtOnce(WRITERS) as writing:
        async for change in changes:
            for piece in writes(change):
                writes_it = partial(pace.call, partial(write, piece), piece.length)
                await writing.start(clearing.apply(piece) if piece.clear else writes_it())

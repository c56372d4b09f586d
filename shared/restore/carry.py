"""Where the service can't copy back by itself, behind a firewall: a restore's bytes go through the function.

A part at a time, an invocation each: one invocation writes about as fast as a page blob takes it.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

from shared.azure.services import Services
from shared.changes.ranges import Change, Window, coalesced, gaps_cleared, writes
from shared.model.blob import BlobState
from shared.model.job import Next, Stage
from shared.model.restore import Restore
from shared.model.version import BlobVersion, Version
from shared.pages.at_once import AtOnce
from shared.pages.clearing import Clearing
from shared.pages.listing import listed
from shared.pages.paced import Paced

CARRIED_PART = 1024**3
"""Bytes of a disk that one invocation carries."""

WRITERS = 8
"""Requests that one invocation has under way at once."""


async def carry(services: Services, restore: Restore, source: Version, found: BlobState) -> Next[Restore]:
    """Carry the next part of the recovery point to the target: write what is valid, clear the rest.

    Raises:
        BlobChangedError: the target is not under the restore's lease.
        SourceGoneError: the recovery point is gone.
    """
    target = restore.known_target.address
    if restore.bytes_done == 0:
        await services.leases.acquire(target, restore.lease, found.etag)
        if found.size != restore.size:
            await services.blobs.resize(target, restore.size, restore.lease)
    part = Window(restore.bytes_done, min(restore.bytes_done + CARRIED_PART, restore.size))
    valid = coalesced(listed(services, source, None, part))
    if restore.size:
        await _apply(services, restore, source, gaps_cleared(valid, part))
    carried = replace(restore, bytes_done=part.end, checked=services.now())
    if part.end < restore.size:
        return Next(carried)
    etag = (await services.pages.properties(BlobVersion(target))).etag
    await services.leases.require(target, restore.lease)
    return Next(replace(carried.at_stage(Stage.PROVING, services.now()), target_etag=etag, bytes_done=restore.size))


async def _apply(services: Services, restore: Restore, source: Version, changes: AsyncIterator[Change]) -> None:
    """Apply a list of changes, a few at once, at the pace that the service takes them; the list is never held whole."""
    target = restore.known_target.address
    url = await services.pages.signed_url(source)
    pace = Paced(services, WRITERS)
    clearing = Clearing(pace, partial(services.blobs.clear, target, lease_id=restore.lease))

    async def write(piece: Change) -> None:
        await services.blobs.write(target, piece, await services.pages.read(url, piece), restore.lease)

    async with AtOnce(WRITERS) as writing:
        async for change in changes:
            for piece in writes(change):
                writes_it = partial(pace.call, partial(write, piece), piece.length)
                await writing.start(clearing.apply(piece) if piece.clear else writes_it())

"""Copying to a managed disk: it is made for an upload, written to part by part, and usable once the upload has ended.

What is written comes from the recovery point, whoever writes it and however late: nothing fences a late write but that
each attempt has a disk, and a URL, of its own.
"""

from dataclasses import replace
from datetime import timedelta
from functools import partial

from azure.core.exceptions import AzureError

from shared.azure.answers import explain, refuses_source
from shared.azure.services import Services
from shared.changes.ranges import Change, Window, coalesced, writes
from shared.errors import UploadLostError
from shared.events import Event, log_event
from shared.limits import FOOTER
from shared.model.job import Next, Stage
from shared.model.restore import Restore, RestoreFailedError
from shared.model.run import SERVER_SIDE
from shared.model.version import Version
from shared.pages.at_once import AtOnce
from shared.pages.listing import listed
from shared.pages.paced import Paced
from shared.pages.signed import SignedReads
from shared.points.versions import point_of, properties_of, version_of
from shared.restore.managed_target import discard, make_disk, recorded
from shared.restore.save import start_copies
from shared.restore.target import claim, require_current
from shared.restore.through_function import COPIED_PART, WRITERS

COPIES_FOR = timedelta(minutes=1)
"""How long one invocation copies, after its first part: parts of which little is in use take no time."""

LOST_FOR = timedelta(minutes=5)
"""How long to wait for the process that has the URL, if Azure gives none to another, before another disk is made."""

_ASKS_AGAIN = timedelta(seconds=10)


async def upload(services: Services, restore: Restore) -> Next[Restore]:
    """Make the managed disk, or copy the next parts of the recovery point to it, or end the upload.

    Raises:
        UploadLostError: the disk can no longer be written to, so that another one must be made.
        RestoreFailedError: the disk can't be made.
        SourceGoneError: the recovery point no longer exists.
    """
    found = await services.uploads.find(restore.managed_target.id)
    await require_current(services, restore)
    if found is None or found.mark != restore.mark:
        made = await make_disk(services, restore, found)
        await _discard_if_late(services, restore)
        return made
    if found.problem or not found.unique_id or found.unique_id != restore.managed_target.unique_id:
        return await recorded(services, restore, found)
    record = await claim(services, restore, restore.known_target)
    if record.restore != restore.restore:
        raise RestoreFailedError(f"the record of {restore.target} names another restore, {record.restore}")
    if restore.bytes_done < restore.size:
        if not found.uploads:
            raise UploadLostError(f"somebody has ended the upload into {restore.target} before all was written")
        return await _copy_on(services, restore)
    if found.uploads:
        await services.uploads.finish(restore.managed_target)
        return Next(replace(restore, checked=services.now()))
    return Next(await start_copies(services, replace(restore, target_etag=found.unique_id)))


async def _discard_if_late(services: Services, restore: Restore) -> None:
    """Delete the disk again if the restore has failed meanwhile: whoever ended it has not seen the disk."""
    row = await services.restores.find(restore.known_disk, restore.row_key)
    if row and row[0].state is not Stage.FAILED:
        return
    found = await services.uploads.find(restore.managed_target.id)
    if found and found.uploads and found.mark == restore.mark:
        await discard(services, restore, found)


async def _copy_on(services: Services, restore: Restore) -> Next[Restore]:
    point = await point_of(services, restore.known_disk, restore.recovery_point)
    await properties_of(services, restore.known_disk, point)
    source = version_of(services, restore.known_disk, point)
    copying = _Copying(services, replace(restore, copied_from=source.name), source)
    try:
        return await copying.copy_on()
    except UploadLostError as error:
        now = services.now()
        if now - restore.progressed >= min(LOST_FOR, services.settings.stalled_after):
            raise
        waiting = f"waiting for the instance that has access to the disk: {error}"
        return Next(replace(restore, reason=waiting, checked=now), _ASKS_AGAIN)


class _Copying:
    """Copies parts of a recovery point to the managed disk, until the time of an invocation is up."""

    def __init__(self, services: Services, restore: Restore, source: Version) -> None:
        self._services, self._restore, self._source = services, restore, source
        self._pace = Paced(services, WRITERS)
        self._reads = SignedReads(services, source)

    async def copy_on(self) -> Next[Restore]:
        """Copy at least one part; the footer is written with the last, whether the service lists it or not."""
        position, size = self._restore.bytes_done, self._restore.size
        await self._reads.url()
        until = self._services.now() + COPIES_FOR
        is_first = True
        while position < size and (is_first or self._services.now() < until):
            is_first, position = False, await self._copy_part(position)
        now = self._services.now()
        return Next(replace(self._restore.with_progress(position, size, now), reason=""))

    async def _copy_part(self, start: int) -> int:
        end = min(start + COPIED_PART, self._restore.size)
        part = Window(start, min(end, self._restore.size - FOOTER))
        async with AtOnce(WRITERS) as writing:
            if part.start < part.end:
                async for change in coalesced(listed(self._services, self._source, None, part)):
                    for piece in writes(change):
                        await writing.start(self._apply(piece))
            if end == self._restore.size:
                await writing.start(self._apply(Change(end - FOOTER, end, clear=False)))
        return end

    async def _apply(self, piece: Change) -> None:
        try:
            await self._pace.call(partial(self._write, piece), piece.length)
        except AzureError as error:
            if not refuses_source(error):
                raise
            self._go_through_function(explain(error))
            await self._pace.call(partial(self._write, piece), piece.length)

    async def _write(self, piece: Change) -> None:
        disk = self._restore.managed_target
        if self._restore.copying == SERVER_SIDE:
            why = await self._reads.copied(partial(self._services.uploads.put_from_url, disk, piece))
            if not why:
                return
            self._go_through_function(why)
        await self._services.uploads.write(disk, piece, await self._reads.read(piece))

    def _go_through_function(self, why: str) -> None:
        """Copy the rest through the function, and record why."""
        if self._restore.copying != SERVER_SIDE:
            return
        how = f"through the function, because the service could not copy from the source: {why}"
        self._restore = replace(self._restore, copying=how)
        log_event(Event.COPY_THROUGH_FUNCTION, **self._restore.about, reason=how)

"""Writing the pieces of a batch: the service copies them if it can, else they go through the function."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from azure.core.exceptions import AzureError

from shared.azure.answers import explain, refuses_source
from shared.azure.services import Services
from shared.changes.ranges import Change
from shared.events import Event, log_event
from shared.model.messages import RunMessage
from shared.model.record import DiskRecord, run_of
from shared.model.run import SERVER_SIDE, OpenRun
from shared.pages.clearing import Clearing
from shared.pages.paced import Paced
from shared.pages.signed import SignedReads

THROUGH_FUNCTION = 8
"""Pieces of at most 4 MiB that one batch holds in memory at a time."""


class Pieces:
    """Writes and clears pieces of a run's change list at a shared pace."""

    def __init__(
        self,
        services: Services,
        message: RunMessage,
        run: OpenRun,
        pace: Paced,
        show_life: Callable[[], Awaitable[None]],
    ) -> None:
        """Prepare to apply pieces; `show_life` is called after each request, whether it succeeds or not."""
        self._services = services
        self._message = message.of_plan(run.plan)
        self._disk = message.disk
        self._backup = services.backups.address(message.disk)
        self._pace = pace
        self._show_life = show_life
        self._clearing = Clearing(pace, self._clear)
        self._source = SignedReads(services, services.disks.version(message.disk, message.run))
        self._through_function = run.copying != SERVER_SIDE
        self._in_memory = asyncio.Semaphore(THROUGH_FUNCTION)

    async def apply(self, piece: Change) -> None:
        """Write or clear a piece, at most as large as one request allows.

        If the service refuses the source for too long, even with a transient error, the run goes through the function.

        Raises:
            AzureError: the service was busy for too long, or refused the request.
            LeaseLostError: the backup blob is no longer under the run's lease.
            SourceGoneError: the source snapshot no longer exists.
        """
        if piece.clear:
            await self._clearing.apply(piece)
            return
        try:
            await self._pace.call(partial(self._write, piece), piece.length)
        except AzureError as error:
            if not refuses_source(error):
                raise
            await self._switch_to_function(explain(error))
            await self._pace.call(partial(self._write, piece), piece.length)

    async def _clear(self, piece: Change) -> None:
        try:
            await self._services.blobs.clear(self._backup, piece, self._message.lease_id)
        finally:
            await self._show_life()

    async def _write(self, piece: Change) -> None:
        try:
            await self._copy(piece)
        finally:
            await self._show_life()

    async def _copy(self, piece: Change) -> None:
        if not self._through_function:
            why = await self._source.copied(partial(self._put_from_url, piece))
            if not why:
                return
            await self._switch_to_function(why)
        async with self._in_memory:
            content = await self._source.read(piece)
            await self._services.blobs.write(self._backup, piece, content, self._message.lease_id)

    async def _put_from_url(self, piece: Change, url: str) -> None:
        await self._services.blobs.put_from_url(self._backup, piece, url, self._message.lease_id)

    async def _switch_to_function(self, why: str) -> None:
        """Copy the rest of the run through the function, and record why."""
        if self._through_function:
            return
        self._through_function = True
        how = f"through the function, because the service could not copy from the source: {why}"

        def change(record: DiskRecord) -> DiskRecord:
            run = record.run_of(self._message.run)
            return (
                record.with_run(replace(run_of(record), copying=how)) if run and run.copying == SERVER_SIDE else record
            )

        await self._services.records.update(self._disk, change)
        log_event(Event.COPY_THROUGH_FUNCTION, **self._message.about, reason=how)

"""The third step, fanned out: apply one batch to the backup blob, then note that it is done."""

import asyncio
import logging
from datetime import timedelta
from functools import partial

from azure.core.exceptions import AzureError

from shared.batches import effort
from shared.errors import (
    LeaseLostError,
    SourceGoneError,
    SourceUnreachableError,
    explain,
    is_passing,
    refuses_source,
)
from shared.events import Event, Stopwatch, log_event
from shared.messages import BatchMessage
from shared.ranges import Change, writes
from shared.record import SERVER_SIDE, DiskRecord, OpenRun
from shared.storage.services import Services
from shared.workflows.at_once import AtOnce
from shared.workflows.clearing import Clearing
from shared.workflows.failures import on_record, record_failure
from shared.workflows.give_up import give_up
from shared.workflows.paced import Paced

WRITERS = 8
"""Requests that one batch has under way at once."""


async def copy_ranges(services: Services, message: BatchMessage) -> None:
    """Apply a batch. A batch of a run or a plan that is over is dropped; applying one twice is harmless."""
    watch = Stopwatch()
    async with on_record(services, message, Event.COPY_RANGES_FAILED):
        run = await _open_run(services, message)
        if run is None:
            log_event(Event.MESSAGE_DROPPED, disk=message.disk, run=message.run, step="copy-ranges")
            return
        if await services.plans.is_batch_done(message):
            return
        try:
            batch = await _Batch.begin(services, message, through_function=run.copying != SERVER_SIDE)
            await batch.apply()
        except SourceGoneError as error:
            await give_up(services, message, error)
            return
        except AzureError as error:
            if not is_passing(error):
                raise
            await _postpone(services, message, error)
            return
        except LeaseLostError:
            if await _open_run(services, message) is None:
                log_event(Event.LATE_WRITE_REFUSED, level=logging.WARNING, disk=message.disk, run=message.run)
                return
            raise
        done = effort(message.changes)
        await services.plans.batch_done(message, done)
        log_event(
            Event.BATCH_DONE,
            disk=message.disk,
            run=message.run,
            window=message.window,
            batch=message.number,
            **done._asdict(),
            duration_seconds=watch.seconds,
        )


async def _postpone(services: Services, message: BatchMessage, error: AzureError) -> None:
    """Come back to a batch when the service is less busy; the queue alone would give it up after five tries."""
    await record_failure(services, message.address, Event.COPY_RANGES_FAILED, error, message.run)
    await services.queues.send(message, timedelta(seconds=30 + message.number * 7 % 60))


async def _open_run(services: Services, message: BatchMessage) -> OpenRun | None:
    """Give the disk's open run, if the message is of its plan."""
    found = await services.records.get(message.address)
    run = found[0].run_of(message.run) if found else None
    return run if run and run.plan == message.plan else None


class _Batch:
    """A batch while it is applied: by the service itself as long as it can, else through the function."""

    def __init__(self, services: Services, message: BatchMessage, source_url: str, through_function: bool) -> None:
        self._services = services
        self._message = message
        self._disk = message.address
        self._lease_id = message.lease_id
        self._source_url = source_url
        self._through_function = through_function
        self._signed_anew = 0
        self._renewing = asyncio.Lock()

    @classmethod
    async def begin(cls, services: Services, message: BatchMessage, *, through_function: bool) -> "_Batch":
        source_url = ""
        if any(not change.clear for change in message.changes):
            source_url = await services.pages.signed_url(message.address, message.run)
        return cls(services, message, source_url, through_function)

    async def apply(self) -> None:
        """Apply all changes, a few at once, at the pace that the service takes them."""
        pace = Paced(self._services, WRITERS)
        clearing = Clearing(pace, partial(self._services.backups.clear, self._disk, lease_id=self._lease_id))
        async with AtOnce(WRITERS) as writing:
            for change in self._message.changes:
                for piece in writes(change):
                    await writing.start(clearing.apply(piece) if piece.clear else self._write_at_pace(pace, piece))

    async def _write_at_pace(self, pace: Paced, piece: Change) -> None:
        """Write a piece; where its source was refused for too long, though that may pass, through the function."""
        try:
            await pace.call(partial(self._write, piece))
        except AzureError as error:
            if not refuses_source(error):
                raise
            await self._turn_to_function(explain(error))
            await pace.call(partial(self._write, piece))

    async def _write(self, piece: Change) -> None:
        while not self._through_function:
            signed_anew = self._signed_anew
            try:
                await self._services.backups.copy(self._disk, piece, self._source_url, self._lease_id)
            except SourceUnreachableError as error:
                if not await self._renew(signed_anew):
                    await self._turn_to_function(str(error))
            else:
                return
        content = await self._services.pages.read(self._source_url, piece)
        await self._services.backups.write(self._disk, piece, content, self._lease_id)

    async def _renew(self, signed_anew: int) -> bool:
        """Sign the source's URL anew, once a batch: its signature may have expired, its key may be revoked.

        Tells whether it is another URL by now.

        Args:
            signed_anew: how often it had been, of the URL that was refused.
        """
        async with self._renewing:
            if signed_anew == self._signed_anew == 0:
                disk, snapshot = self._message.address, self._message.run
                self._source_url = await self._services.pages.signed_url(disk, snapshot, anew=True)
                self._signed_anew = 1
            return self._signed_anew != signed_anew

    async def _turn_to_function(self, why: str) -> None:
        """Have the rest of the run carried through the function, and say so on the record."""
        if self._through_function:
            return
        self._through_function = True
        how = f"through the function, since the service could not copy by itself: {why}"

        def change(record: DiskRecord) -> DiskRecord:
            run = record.run_of(self._message.run)
            return record.with_run(copying=how) if run and run.copying == SERVER_SIDE else record

        await self._services.records.update(self._disk, change)
        log_event(
            Event.COPY_THROUGH_FUNCTION, level=logging.WARNING, disk=self._disk.url, run=self._message.run, reason=how
        )

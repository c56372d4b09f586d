"""A batch: apply a run's change list for a limited time, starting at the position on record.

At most one batch of a run is at work, so that all requests to a backup blob share one rate limit. A message hands what
is left when the time is up to the next batch.
"""

import contextlib
import math
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from azure.core.exceptions import AzureError

from shared.azure.answers import is_transient
from shared.azure.services import Services
from shared.azure.tables.records import RecordConflictError
from shared.changes.pace import blob_seconds
from shared.changes.ranges import Change, Window, writes
from shared.errors import BlobChangedError, DiffRefusedError, Remedy, SourceGoneError, TidemarkError
from shared.events import Event, Stopwatch, log_event
from shared.limits import REQUESTS_PER_SECOND
from shared.model.batches import (
    Applied,
    BatchProgress,
    batch_ended,
    batch_progressed,
    batch_returned,
    batch_started,
    gap_to_write,
    run_if_current,
)
from shared.model.messages import BatchMessage, PlanMessage, RunMessage
from shared.model.record import DiskRecord
from shared.model.run import Kind, OpenRun
from shared.pages.at_once import AtOnce
from shared.pages.change_list import change_list
from shared.pages.listing import ListingWindows
from shared.pages.paced import Paced
from shared.pages.pieces import Pieces
from shared.runs.abandon import abandon_run
from shared.runs.failures import record_failure
from shared.runs.restart import restart_run

REQUESTS = REQUESTS_PER_SECOND // 4
"""Concurrent requests of a batch, at most: what a blob serves in a quarter of a second; mostly fewer do."""

SAVE_INTERVAL = timedelta(seconds=10)
"""How often a batch records its progress: at most this much work is repeated after a worker dies."""

BUSY_DELAY = timedelta(minutes=1)
"""Delay of the next batch after a busy service stopped one."""


class _SupersededError(TidemarkError):
    """This batch must stop: another has taken over because it seemed dead, or the run has ended or restarted."""

    remedy = Remedy.REREAD


class Claim(NamedTuple):
    """The disk's record and open run as a batch has claimed them."""

    record: DiskRecord
    run: OpenRun


class BatchLimits(NamedTuple):
    """How long a batch keeps starting requests.

    Attributes:
        turn: the length of a turn, after which batches of other disks go first.
        turns: turns at most; the next turn starts only if no other batch is waiting in the queue.
        blob_seconds: the most it may use of the backup blob's limits, as counted by `shared.changes.pace.blob_seconds`.
        busy_for: how long a busy service may refuse a request; None for the default of `shared.pages.paced`.
    """

    turn: timedelta
    turns: int
    blob_seconds: float = math.inf
    busy_for: timedelta | None = None


async def copy_batch(services: Services, message: RunMessage, *, number: int | None, limits: BatchLimits) -> None:
    """Claim a batch, apply what it has time for, and enqueue the next batch. Applying a change twice is harmless.

    Args:
        services: the services.
        message: a message of the run's plan.
        number: the batch's number; None for the next one, if no batch is at work.
        limits: how long it keeps starting requests.

    Raises:
        AzureError: a permanent error.
        LeaseLostError, BlobChangedError: the run is open, but its backup blob is not under its lease, or no longer
            exists.
    """
    claim = await _claim(services, message, number)
    if claim is None:
        return
    batch = _Batch(services, message, claim, limits)
    try:
        await batch.enqueue_next(await batch.apply_or_postpone())
    except _SupersededError:
        log_event(Event.MESSAGE_DROPPED, **message.about, step="copy-ranges")
    except SourceGoneError as error:
        await abandon_run(services, message, error)
    except DiffRefusedError as error:
        await restart_run(services, message, Kind.RESYNC, str(error))
    except BlobChangedError:
        if await batch.release():
            if number is not None:  # have a plan prepare the backup blob again; a plan's own message is redelivered
                await services.queues.send(PlanMessage(disk=message.disk, run=message.run))
            raise
        log_event(Event.LATE_WRITE_REFUSED, **message.about)
    except Exception:
        await batch.release()
        raise


async def _claim(services: Services, message: RunMessage, number: int | None) -> Claim | None:
    """Claim a batch, if it is the one the run waits for."""
    claims: list[Claim] = []
    now = services.now()

    def change(record: DiskRecord) -> DiskRecord:
        claims.clear()
        started = batch_started(record, message.run, message.plan, number, now)
        if started.run and started is not record:
            claims.append(Claim(started, started.run))
        return started

    await services.records.update(message.disk, change)
    if not claims and number is not None:
        log_event(Event.MESSAGE_DROPPED, **message.about, step="copy-ranges")
    return claims[0] if claims else None


class _Batch:
    """A batch at work."""

    def __init__(self, services: Services, message: RunMessage, claim: Claim, limits: BatchLimits) -> None:
        self._services = services
        self._message = message
        self._record, self._run = claim
        self._pace = Paced(services, REQUESTS, rate=claim.run.rate, busy_for=limits.busy_for)
        self._pieces = Pieces(services, message, claim.run, self._pace, self._save_regularly)
        settings = services.settings
        self._gap = gap_to_write(claim.run, settings.coalesce_gap, settings.backup_schedule)
        self._applied = Applied(claim.run.position)
        self._windows = ListingWindows()
        self._watch = Stopwatch()
        self._has_started = False
        self._limits, self._used = limits, 0.0
        self._until = services.now()
        self._ends = self._until + limits.turns * limits.turn
        self._saved_at = services.now()
        self._is_saving = False

    async def apply_or_postpone(self) -> timedelta:
        """Apply what there is time for; return the delay of the next batch, which is not 0 if the service is busy."""
        try:
            await self._apply()
        except AzureError as error:
            if not is_transient(error):
                raise
            await record_failure(self._services, self._message.disk, Event.COPY_RANGES_FAILED, error, self._message.run)
            return BUSY_DELAY
        return timedelta()

    async def enqueue_next(self, delay: timedelta) -> None:
        """Record the batch's progress, and enqueue the next batch if anything is left."""
        run = await self._save()
        if not run.is_applied:
            disk, of_run, plan = self._message.disk, self._message.run, self._message.plan
            next_batch = BatchMessage(disk=disk, run=of_run, plan=plan, number=run.next_batch)
            await self._services.queues.send(next_batch, delay)
            with contextlib.suppress(AzureError, RecordConflictError):  # the next batch can start without it
                await self._services.records.update(self._message.disk, lambda record: batch_ended(record, self._run))
        log_event(
            Event.BATCH_DONE,
            **self._message.about,
            batch=run.next_batch - 1,
            position=run.position,
            size=run.size,
            **self._applied.done._asdict(),
            rate=round(self._pace.rate, 3),
            duration_seconds=self._watch.seconds,
        )

    async def release(self) -> bool:
        """Release the batch for its own message to resume it when redelivered; return whether it was still current."""
        try:
            await self._save()
            await self._services.records.update(self._message.disk, lambda record: batch_returned(record, self._run))
        except _SupersededError:
            return False
        except (AzureError, RecordConflictError):
            pass  # the original error is raised anyway
        return True

    async def _apply(self) -> None:
        """Apply the change list window by window until the time is up; at least one piece or one window."""
        position, size = self._run.position, self._run.size
        async with AtOnce(REQUESTS) as writing:
            while position < size:
                window = self._windows.next(position, size)
                if not await self._apply_window(window, writing):
                    return
                position = window.end

    async def _apply_window(self, window: Window, writing: AtOnce) -> bool:
        """Apply the changes in a window; return whether there is time for another window."""
        changes = change_list(
            self._services, self._record, self._run, window, timed_out=self._see_time_out, gap=self._gap
        )
        async for change in changes:
            self._windows.see_range()
            for piece in writes(change):
                if await self._is_time_up():
                    return False
                self._start_turn()
                self._used += blob_seconds(0 if piece.clear else piece.length)
                ended = self._applied.begin(piece, ends=piece.end == change.end)
                await writing.start(self._apply_piece(piece, ended))
                await self._pace.until_few_wait()
        self._start_turn()
        self._applied.reach(window.end)
        await self._save_regularly()
        return not await self._is_time_up()

    async def _see_time_out(self) -> None:
        await self._windows.see_time_out()
        await self._save_regularly()

    def _start_turn(self) -> None:
        """Start the first turn, unless it has started: only now is there work to do, however long the listing took."""
        if not self._has_started:
            self._has_started, self._until = True, self._services.now() + self._limits.turn

    async def _is_time_up(self) -> bool:
        """Return whether the batch's time is up; it gets another turn if no other batch is waiting."""
        if not self._has_started:
            return False
        if self._used >= self._limits.blob_seconds:
            return True
        if self._services.now() < self._until:
            return False
        if self._services.now() >= self._ends or await self._is_another_waiting():
            return True
        self._until = self._services.now() + self._limits.turn
        return False

    async def _is_another_waiting(self) -> bool:
        try:
            return await self._services.queues.is_any_waiting(BatchMessage)
        except AzureError:
            return True  # leave the queue's trouble to the next batch

    async def _apply_piece(self, piece: Change, ended: Callable[[], None]) -> None:
        try:
            await self._pieces.apply(piece)
        except BaseException:
            self._pace.close()
            raise
        ended()

    async def _save_regularly(self) -> None:
        """Record the progress every `SAVE_INTERVAL`, so that a batch that a busy service delays does not seem dead."""
        if not self._is_saving and self._services.now() - self._saved_at >= SAVE_INTERVAL:
            self._is_saving = True
            # Only the save at the end of the batch must succeed.
            with contextlib.suppress(AzureError, RecordConflictError):
                await self._save()
            self._saved_at = self._services.now()
            self._is_saving = False

    async def _save(self) -> OpenRun:
        """Record the batch's progress; return the updated run.

        Raises:
            _SupersededError: the batch is no longer current.
        """
        progress = BatchProgress(self._applied.position, self._applied.done, round(self._pace.rate, 3))
        now = self._services.now()

        def change(record: DiskRecord) -> DiskRecord:
            return batch_progressed(record, self._run, progress, now)

        record = await self._services.records.update(self._message.disk, change)
        run = run_if_current(record, self._run) if record else None
        if run is None:
            raise _SupersededError
        return run

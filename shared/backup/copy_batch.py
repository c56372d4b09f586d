"""A batch: a run's change list is applied for a while, from where the record says that it is applied.

At most one batch of a run is under way, so that its requests share one pace: that of its backup blob. What is left when
its time is over is handed on to the next one, by a message.
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
from shared.model.batches import (
    Applied,
    BatchProgress,
    batch_ended,
    batch_progressed,
    batch_returned,
    batch_started,
    run_if_current,
)
from shared.model.messages import BatchMessage, PlanMessage, RunMessage
from shared.model.record import DiskRecord
from shared.model.run import Kind, OpenRun
from shared.pages.at_once import AtOnce
from shared.pages.change_list import change_list
from shared.pages.listing import LISTING_WINDOW
from shared.pages.paced import Paced
from shared.pages.pieces import Pieces
from shared.runs.abandon import abandon_run
from shared.runs.failures import record_failure
from shared.runs.restart import restart_run

REQUESTS = 128
"""Requests that a batch has under way at most; as a rule its pace keeps it at what the blob can use."""

SAVES_AFTER = timedelta(seconds=10)
"""How much of a batch is done over, at most, whose worker dies."""

BUSY_AGAIN_AFTER = timedelta(minutes=1)
"""How long after a batch that a busy service has ended the next one is begun."""


class _TakenOverError(TidemarkError):
    """Another batch goes on with the run: this one was taken for dead, or the run is over or begun anew."""

    remedy = Remedy.REREAD


class Taken(NamedTuple):
    """What a batch has taken up: the disk's record, and its open run."""

    record: DiskRecord
    run: OpenRun


class Lasts(NamedTuple):
    """How long a batch begins requests.

    Attributes:
        turn: so long, before other disks' batches have their turn.
        turns: so many turns at most, while none of those waits in the queue.
        blob_seconds: what they may use up of the backup blob's limits, as `shared.changes.pace.blob_seconds` counts it.
        busy_for: how long a busy service may refuse one; as `shared.pages.paced` has it where it is not said.
    """

    turn: timedelta
    turns: int
    blob_seconds: float = math.inf
    busy_for: timedelta | None = None


async def copy_batch(services: Services, message: RunMessage, *, number: int | None, lasts: Lasts) -> None:
    """Take up a batch, apply what its time suffices for, and hand on the rest. Applying any of it twice is harmless.

    Args:
        services: the services.
        message: a message of the run's plan.
        number: the batch's number; None for whichever is next, if nobody is at it.
        lasts: how long it begins requests.

    Raises:
        AzureError: an error that does not pass.
        LeaseLostError, BlobChangedError: the backup blob is not under the run's lease, or gone, though the run is open.
    """
    taken = await _take_up(services, message, number)
    if taken is None:
        return
    batch = _Batch(services, message, taken, lasts)
    try:
        await batch.hand_on(await batch.apply_or_postpone())
    except _TakenOverError:
        log_event(Event.MESSAGE_DROPPED, **message.about, step="copy-ranges")
    except SourceGoneError as error:
        await abandon_run(services, message, error)
    except DiffRefusedError as error:
        await restart_run(services, message, Kind.RESYNC, str(error))
    except BlobChangedError:
        if await batch.give_back():
            if number is not None:  # it has its backup blob from a plan, which gets it ready again
                await services.queues.send(PlanMessage(disk=message.disk, run=message.run))
            raise
        log_event(Event.LATE_WRITE_REFUSED, **message.about)
    except Exception:
        await batch.give_back()
        raise


async def _take_up(services: Services, message: RunMessage, number: int | None) -> Taken | None:
    """Take up a batch, if it is there to be taken up."""
    taken: list[Taken] = []
    now = services.now()

    def change(record: DiskRecord) -> DiskRecord:
        taken.clear()
        then = batch_started(record, message.run, message.plan, number, now)
        if then.run and then is not record:
            taken.append(Taken(then, then.run))
        return then

    await services.records.update(message.disk, change)
    if not taken and number is not None:
        log_event(Event.MESSAGE_DROPPED, **message.about, step="copy-ranges")
    return taken[0] if taken else None


class _Batch:
    """A batch while it is applied."""

    def __init__(self, services: Services, message: RunMessage, taken: Taken, lasts: Lasts) -> None:
        self._services = services
        self._message = message
        self._record, self._run = taken
        self._pace = Paced(services, REQUESTS, rate=taken.run.rate, busy_for=lasts.busy_for)
        self._pieces = Pieces(services, message, taken.run, self._pace, self._show_life)
        self._applied = Applied(taken.run.position)
        self._watch = Stopwatch()
        self._has_begun = False
        self._lasts, self._used = lasts, 0.0
        self._until = services.now()
        self._ends = self._until + lasts.turns * lasts.turn
        self._saved_at = services.now()
        self._is_saving = False

    async def apply_or_postpone(self) -> timedelta:
        """Apply what there is time for; give how long the next batch is to wait, since the service is busy."""
        try:
            await self._apply()
        except AzureError as error:
            if not is_transient(error):
                raise
            await record_failure(self._services, self._message.disk, Event.COPY_RANGES_FAILED, error, self._message.run)
            return BUSY_AGAIN_AFTER
        return timedelta()

    async def hand_on(self, delay: timedelta) -> None:
        """Put on record how far the batch has come, and enqueue the next one, if anything is left for it."""
        run = await self._save()
        if not run.is_applied:
            disk, of_run, plan = self._message.disk, self._message.run, self._message.plan
            next_batch = BatchMessage(disk=disk, run=of_run, plan=plan, number=run.next_batch)
            await self._services.queues.send(next_batch, delay)
        with contextlib.suppress(AzureError, RecordConflictError):  # the next batch takes over, whatever is on record
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

    async def give_back(self) -> bool:
        """Have the batch's own message go on with it when it comes again; tell whether it was still under way."""
        try:
            await self._save()
            await self._services.records.update(self._message.disk, lambda record: batch_returned(record, self._run))
        except _TakenOverError:
            return False
        except (AzureError, RecordConflictError):
            pass  # what has failed is raised anyway
        return True

    async def _apply(self) -> None:
        """Apply the change list, window by window, until the time is over; a piece or a window at least."""
        position, size = self._run.position, self._run.size
        async with AtOnce(REQUESTS) as writing:
            while position < size:
                window = Window(position, min((position // LISTING_WINDOW + 1) * LISTING_WINDOW, size))
                if not await self._apply_window(window, writing):
                    return
                position = window.end

    async def _apply_window(self, window: Window, writing: AtOnce) -> bool:
        """Apply what a window's change list says; tell whether there is time for another window."""
        changes = change_list(self._services, self._record, self._run, window, timed_out=self._show_life)
        async for change in changes:
            for piece in writes(change):
                if await self._is_over():
                    return False
                self._begin()
                self._used += blob_seconds(0 if piece.clear else piece.length)
                ended = self._applied.begin(piece, ends=piece.end == change.end)
                await writing.start(self._apply_piece(piece, ended))
                await self._pace.until_none_waits()
        self._begin()
        self._applied.reach(window.end)
        await self._show_life()
        return not await self._is_over()

    def _begin(self) -> None:
        """Begin the first turn, once there is something to do: however long the listing takes up to that."""
        if not self._has_begun:
            self._has_begun, self._until = True, self._services.now() + self._lasts.turn

    async def _is_over(self) -> bool:
        """Tell whether the batch's time is over; it has another turn if nobody waits for one."""
        if not self._has_begun:
            return False
        if self._used >= self._lasts.blob_seconds:
            return True
        if self._services.now() < self._until:
            return False
        if self._services.now() >= self._ends or await self._does_another_wait():
            return True
        self._until = self._services.now() + self._lasts.turn
        return False

    async def _does_another_wait(self) -> bool:
        try:
            return await self._services.queues.is_any_waiting(BatchMessage)
        except AzureError:
            return True  # whatever keeps the queue from being asked, the next batch is to find out

    async def _apply_piece(self, piece: Change, ended: Callable[[], None]) -> None:
        try:
            await self._pieces.apply(piece)
        except BaseException:
            await self._pace.close()
            raise
        ended()

    async def _show_life(self) -> None:
        """Put on record now and then how far the batch has come: a service that refuses it may keep it for minutes."""
        if not self._is_saving and self._services.now() - self._saved_at >= SAVES_AFTER:
            self._is_saving = True
            # The last of them, when the batch ends, must succeed.
            with contextlib.suppress(AzureError, RecordConflictError):
                await self._save()
            self._saved_at = self._services.now()
            self._is_saving = False

    async def _save(self) -> OpenRun:
        """Put on record how far the batch has come.

        Raises:
            _TakenOverError: it is not under way any more.
        """
        progress = BatchProgress(self._applied.position, self._applied.done, round(self._pace.rate, 3))
        now = self._services.now()

        def change(record: DiskRecord) -> DiskRecord:
            return batch_progressed(record, self._run, progress, now)

        record = await self._services.records.update(self._message.disk, change)
        run = run_if_current(record, self._run) if record else None
        if run is None:
            raise _TakenOverError
        return run

"""Batches: invocations apply a run's change list one after another, each from the position the last one reached.

The record holds that position and the number of the next batch's message, so only one batch is at work at a time,
however often and however late a message is delivered. Pure functions.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from shared.changes.coalescing import is_in_hurry
from shared.changes.ranges import Change, Effort, effort
from shared.model.record import DiskRecord, run_of
from shared.model.retry_policy import is_stalled
from shared.model.run import Kind, OpenRun
from shared.model.schedule import due_around

DEAD_AFTER = timedelta(minutes=2)
"""How long a batch at work may show no sign of life before its worker is considered dead."""


class BatchProgress(NamedTuple):
    """The progress of a batch.

    Attributes:
        position: how far the change list is applied, in bytes of the disk.
        done: what the batch has applied up to there.
        rate: the current rate of its requests, as in `shared.changes.pace.Pace`.
    """

    position: int
    done: Effort
    rate: float


def batch_started(record: DiskRecord, run: str, plan: int, number: int | None, now: datetime) -> DiskRecord:
    """Start the next batch of a run; unchanged if it is not due, or another worker is at it.

    Args:
        record: the disk's record.
        run: the time of the run's source snapshot.
        plan: the message's plan.
        number: the batch's number; None for the next one, if no worker is at it.
        now: the time, UTC.
    """
    current = record.run_of(run)
    if current is None or not current.opened or current.is_applied or current.plan != plan:
        return record
    is_next = number == current.next_batch or (number is None and not current.at_work)
    if not is_next:
        return record
    return record.with_run(replace(run_of(record), next_batch=current.next_batch + 1, at_work=True, alive=now))


def gap_to_write(run: OpenRun, most: int, schedule: str) -> int:
    """Return the longest gap of its diff that a batch of a run writes as well, in bytes; 0 while there is time enough.

    It goes by what is on record as the batch starts, so that to plan a batch again gives the same.

    Args:
        run: the run.
        most: what is set.
        schedule: `BACKUP_SCHEDULE`.
    """
    due = due_around(schedule, run.started)
    if due is None or run.kind is not Kind.INCREMENTAL:
        return 0
    return most if is_in_hurry(run.done, due.next - run.started) else 0


def run_if_current(record: DiskRecord, mine: OpenRun) -> OpenRun | None:
    """Return the open run, if the batch that was started with `mine` is still the current one."""
    current = record.run_of(mine.snapshot)
    is_mine = current is not None and (current.plan, current.next_batch) == (mine.plan, mine.next_batch)
    return current if is_mine else None


def batch_progressed(record: DiskRecord, mine: OpenRun, progress: BatchProgress, now: datetime) -> DiskRecord:
    """Record a batch's progress, and that it is alive, or ends; unchanged if another batch has taken over.

    Args:
        record: the disk's record.
        mine: the run as it was when the batch started.
        progress: the batch's progress.
        now: the time, UTC.
    """
    current = run_if_current(record, mine)
    if current is None:
        return record
    if progress.position <= current.position:
        return record.with_run(replace(run_of(record), alive=now, rate=progress.rate))
    moved = replace(
        current.after(mine.done.plus(progress.done)).recovered().reached(progress.position),
        batches=mine.batches + 1,
        alive=now,
        rate=progress.rate,
        progressed=now,
        replans=0,
    )
    return record.with_run(replace(moved, at_work=not moved.is_applied))


def batch_ended(record: DiskRecord, mine: OpenRun) -> DiskRecord:
    """Record that a batch has ended, and that the next one's message is enqueued."""
    return record.with_run(replace(run_of(record), at_work=False)) if run_if_current(record, mine) else record


def batch_returned(record: DiskRecord, mine: OpenRun) -> DiskRecord:
    """Return a batch, for the message that failed to start it again when the queue redelivers it."""
    return (
        record.with_run(replace(run_of(record), at_work=False, next_batch=mine.next_batch - 1))
        if run_if_current(record, mine)
        else record
    )


def is_run_stalled(run: OpenRun, now: datetime, after: timedelta) -> bool:
    """Return whether a run has shown no sign of life for so long that its message is considered lost.

    The message of a batch at work is lost with its worker; a waiting one may be queued behind those of other disks.

    Args:
        run: the open run.
        now: the time, UTC.
        after: how long a message may wait before it is considered lost.
    """
    last_sign = max(run.progressed, run.alive or run.progressed)
    return is_stalled(last_sign, now, min(after, DEAD_AFTER) if run.at_work else after, run.replans)


def requeued(record: DiskRecord, now: datetime) -> DiskRecord:
    """Record that a stalled run's plan message is enqueued again, to start the next batch in place of a dead worker."""
    return record.with_run(replace(run_of(record), at_work=False, alive=now, replans=run_of(record).replans + 1))


@dataclass(eq=False)
class _Piece:
    reaches: int
    takes: Effort
    is_applied: bool = False


class Applied:
    """How far a change list is applied without gaps, though the requests for its pieces finish in any order.

    Attributes:
        position: how far, in bytes of the disk.
        done: what was applied up to there.
    """

    def __init__(self, position: int) -> None:
        self.position = position
        self.done = Effort()
        self._under_way: deque[_Piece] = deque()

    def begin(self, piece: Change, *, ends: bool) -> Callable[[], None]:
        """Begin the next piece, which may be the last of its range; give the callback for when it is applied."""
        begun = _Piece(piece.end, effort(piece, ends=ends))
        self._under_way.append(begun)

        def end() -> None:
            begun.is_applied = True
            self._advance()

        return end

    def reach(self, position: int) -> None:
        """Record that the change list has nothing more before a position."""
        if self._under_way:
            self._under_way[-1].reaches = position
        else:
            self.position = position

    def _advance(self) -> None:
        while self._under_way and self._under_way[0].is_applied:
            piece = self._under_way.popleft()
            self.position, self.done = piece.reaches, self.done.plus(piece.takes)

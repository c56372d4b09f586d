"""Batches: a run's change list is applied by one invocation after another, each from where the last one has come to.

The record says how far the change list is applied, and which number the next batch's message carries: so one batch is
under way at a time, however often and however late a message is delivered. Pure functions of values.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from shared.changes.ranges import Change, Effort, effort
from shared.model.patience import is_stalled
from shared.model.record import DiskRecord, run_of
from shared.model.run import OpenRun

SILENT_FOR = timedelta(minutes=2)
"""How long a batch at work may show no sign of life before its worker is taken for dead."""


class ComeTo(NamedTuple):
    """How far a batch has come.

    Attributes:
        position: up to where the change list is applied, in bytes of the disk.
        done: what the batch has applied up to there.
        rate: the rate that its requests have come to, as `shared.changes.pace.Pace` has it.
    """

    position: int
    done: Effort
    rate: float


def taken_up(record: DiskRecord, run: str, plan: int, number: int | None, now: datetime) -> DiskRecord:
    """Take up the next batch of a run; unchanged where that is not to be done, or is being done.

    Args:
        record: the disk's record.
        run: the time of the run's source snapshot.
        plan: the plan that the message is of.
        number: the batch's number; None for whichever is next, if nobody is at it.
        now: the time, UTC.
    """
    current = record.run_of(run)
    if current is None or not current.opened or current.is_applied or current.plan != plan:
        return record
    is_next = number == current.next_batch or (number is None and not current.at_work)
    if not is_next:
        return record
    return record.with_run(replace(run_of(record), next_batch=current.next_batch + 1, at_work=True, alive=now))


def still_mine(record: DiskRecord, mine: OpenRun) -> OpenRun | None:
    """Give the open run, if the batch is still the one under way for which it was taken up like `mine`."""
    current = record.run_of(mine.snapshot)
    is_mine = current is not None and (current.plan, current.next_batch) == (mine.plan, mine.next_batch)
    return current if is_mine else None


def moved_on(record: DiskRecord, mine: OpenRun, come_to: ComeTo, now: datetime) -> DiskRecord:
    """Put on record how far a batch has come, and that it is alive; unchanged where another has taken over.

    Args:
        record: the disk's record.
        mine: the run as the batch has taken it up.
        come_to: how far it has come.
        now: the time, UTC.
    """
    current = still_mine(record, mine)
    if current is None:
        return record
    if come_to.position <= current.position:
        return record.with_run(replace(run_of(record), alive=now, rate=come_to.rate))
    moved = replace(
        current.after(mine.done.plus(come_to.done)).out_of_trouble().reached(come_to.position),
        batches=mine.batches + 1,
        alive=now,
        rate=come_to.rate,
        progressed=now,
        replans=0,
    )
    return record.with_run(moved)


def handed_on(record: DiskRecord, mine: OpenRun) -> DiskRecord:
    """Note that a batch has ended, and that the next one's message is enqueued."""
    return record.with_run(replace(run_of(record), at_work=False)) if still_mine(record, mine) else record


def given_back(record: DiskRecord, mine: OpenRun) -> DiskRecord:
    """Have a batch be taken up again by the very message that has failed, when the queue delivers it again."""
    return (
        record.with_run(replace(run_of(record), at_work=False, next_batch=mine.next_batch - 1))
        if still_mine(record, mine)
        else record
    )


def is_run_stalled(run: OpenRun, now: datetime, after: timedelta) -> bool:
    """Tell whether a run has shown no sign of life for so long that its message must be taken for lost.

    That of a batch at work is lost with its worker. One that waits may wait behind those of other disks.

    Args:
        run: the open run.
        now: the time, UTC.
        after: how long a message that waits is not taken for lost.
    """
    last_sign = max(run.progressed, run.alive or run.progressed)
    return is_stalled(last_sign, now, min(after, SILENT_FOR) if run.at_work else after, run.replans)


def enqueued_again(record: DiskRecord, now: datetime) -> DiskRecord:
    """Note that a stalled run's plan is enqueued again, which takes up the next batch; who was at it may be dead."""
    return record.with_run(replace(run_of(record), at_work=False, alive=now, replans=run_of(record).replans + 1))


@dataclass(eq=False)
class _Piece:
    reaches: int
    takes: Effort
    is_applied: bool = False


class Applied:
    """How far a change list is applied without a gap, though the requests for its pieces end in any order.

    Attributes:
        position: up to where, in bytes of the disk.
        done: what was applied up to there.
    """

    def __init__(self, position: int) -> None:
        self.position = position
        self.done = Effort()
        self._under_way: deque[_Piece] = deque()

    def begin(self, piece: Change, *, ends: bool) -> Callable[[], None]:
        """Begin the next piece, with which its range may end; give what is to be called when it is applied."""
        begun = _Piece(piece.end, effort(piece, ends=ends))
        self._under_way.append(begun)

        def end() -> None:
            begun.is_applied = True
            self._advance()

        return end

    def reach(self, position: int) -> None:
        """Note that the change list has nothing more up to a position."""
        if self._under_way:
            self._under_way[-1].reaches = position
        else:
            self.position = position

    def _advance(self) -> None:
        while self._under_way and self._under_way[0].is_applied:
            piece = self._under_way.popleft()
            self.position, self.done = piece.reaches, self.done.plus(piece.takes)

"""An open run: one backup of one disk, in progress."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from shared.changes.pace import DOCUMENTED
from shared.changes.ranges import Effort
from shared.model.job import Stage, WorkInProgress
from shared.model.texts import Text

SERVER_SIDE, COPY_BLOB = "server side", "Copy Blob"
"""How pages are copied; otherwise through the function, with the reason."""

SEAL_WINDOW = 8 * 1024**3
"""Bytes of a disk compared at a time before the seal: few enough to finish in minutes even if all have to be read."""


class Mode(StrEnum):
    """How a disk is backed up: incrementally, or by a full copy each time."""

    INCREMENTAL = "incremental"
    FULL = "full"


class Kind(StrEnum):
    """The kinds of runs; `restore` is for the first recovery point of a restored disk, which no run made."""

    FULL = "full"
    INCREMENTAL = "incremental"
    RESYNC = "resync"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRun(WorkInProgress):
    """A disk's open run: `requested`, `copying` or `sealing`.

    Attributes:
        snapshot: the time of its source snapshot, which names the run.
        size: the source snapshot's size in bytes.
        started: when its source snapshot was taken, UTC.
        tick: the tick it was taken for, UTC; None if no tick asked for it.
        mode: whether it updates the backup blob, or makes a full copy.
        kind: how its change list is made.
        plan: the number of its plan; batches of older plans do not count.
        copying: how pages are copied: server side, or through the function and why.
        position: its progress, in bytes of the disk: how far the change list is applied, or how much is copied.
        next_batch: the number in the next batch's message; a message with any other is dropped.
        at_work: whether a batch is at work; if not, the next one's message is waiting.
        alive: when a batch last gave a sign of life, or its message was last enqueued again, UTC.
        rate: the last rate of its batches, as in `shared.changes.pace.Pace`.
        batches: batches that have advanced the position.
        ranges, bytes_written, bytes_cleared, write_calls, clear_calls: what they have applied.
        replans: how often its messages were enqueued again since it last made progress.
        windows_compared, compared_etag: how many windows of the backup blob have been compared with the source
            snapshot since the change list was applied, and the backup blob's ETag then.
        sealing: whether an invocation may have begun to seal it under this plan, and taken its snapshot.
        tries: how often the run was retried since it last made progress.
        resyncs: how often its backup blob was not what it should be.
        error_at: when the last error since its last progress occurred, UTC.
        failed: why it fails, once a message of it was moved to a poison queue; the next tick retries it.
    """

    snapshot: str
    size: int
    started: datetime
    tick: datetime | None = None
    mode: Mode = Mode.INCREMENTAL
    kind: Kind = Kind.INCREMENTAL
    plan: int = 0
    copying: Text = SERVER_SIDE
    position: int = 0
    next_batch: int = 0
    at_work: bool = False
    alive: datetime | None = None
    rate: float = DOCUMENTED
    batches: int = 0
    ranges: int = 0
    bytes_written: int = 0
    bytes_cleared: int = 0
    write_calls: int = 0
    clear_calls: int = 0
    replans: int = 0
    windows_compared: int = 0
    compared_etag: str = ""
    sealing: bool = False
    tries: int = 0
    resyncs: int = 0
    error_at: datetime | None = None
    failed: Text = ""

    @property
    def done(self) -> Effort:
        """What its batches have applied."""
        return Effort(*(getattr(self, name) for name in Effort._fields))

    @property
    def opened(self) -> bool:
        """Whether the backup blob is ready for batches."""
        return self.state is not Stage.REQUESTED

    @property
    def is_applied(self) -> bool:
        """Whether its change list is applied completely."""
        return self.state is Stage.SEALING

    def opened_now(self) -> Self:
        """Record that the backup blob is ready for batches."""
        return replace(self, state=Stage.COPYING).reached(self.position)

    def reached(self, position: int) -> Self:
        """Record its position; a run that is not opened stays so."""
        state = Stage.SEALING if position == self.size else Stage.COPYING
        return replace(self, position=position, state=state if self.opened else self.state)

    def after(self, done: Effort) -> Self:
        """Record what its batches have applied so far."""
        return replace(
            self,
            ranges=done.ranges,
            bytes_written=done.bytes_written,
            bytes_cleared=done.bytes_cleared,
            write_calls=done.write_calls,
            clear_calls=done.clear_calls,
        )

    def recovered(self) -> Self:
        """Record that it makes progress again."""
        return replace(self, tries=0, failed="", error_at=None, trouble_since=None)

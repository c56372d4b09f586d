"""A run: one backup of one disk, while it is open."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from shared.changes.pace import FASTEST
from shared.changes.ranges import Effort
from shared.model.job import Stage, Underway
from shared.model.texts import Text

SERVER_SIDE, COPY_BLOB = "server side", "Copy Blob"
"""How pages travel; else through the function, and it is said why."""


class Mode(StrEnum):
    """How a disk is backed up: by what changed, or by a whole copy each time."""

    INCREMENTAL = "incremental"
    FULL = "full"


class Kind(StrEnum):
    """The kinds of runs; and the first recovery point of a restored disk, which no run has made."""

    FULL = "full"
    INCREMENTAL = "incremental"
    RESYNC = "resync"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRun(Underway):
    """The run a disk is in the middle of: `requested`, `copying`, `sealing`.

    Attributes:
        snapshot: the time of its source snapshot, which names the run.
        size: the source snapshot's size in bytes.
        started: when its source snapshot was taken, UTC.
        tick: the tick that it was taken for, UTC.
        mode: whether it follows the disk with the backup blob, or makes a full copy.
        kind: how its change list is made.
        plan: the number of its plan; batches of an older one do not count.
        copying: how pages travel: on the server's side, or through the function and why.
        position: its progress, in bytes of the disk: the change list is applied up to here, or so much is copied.
        next_batch: the number that the next batch's message carries; one that carries another is dropped.
        at_work: whether a batch is under way; else the next one's message waits.
        alive: when a batch last showed that it is at work, UTC, or when its message was last enqueued again.
        rate: the rate that its last batch has come to, as `shared.changes.pace.Pace` has it.
        batches: batches that have moved the position.
        ranges, bytes_written, bytes_cleared, write_calls, clear_calls: what they have applied.
        replans: how often its messages were enqueued again since the progress last changed.
        windows_compared, compared_etag: how many windows of the backup blob were held against the source snapshot since
            the change list is applied, and the backup blob's ETag at that time.
        tries: how often the run was tried again since it failed; none once it moves.
        resyncs: how often its backup blob was not what it should be.
        error_at: when something last went wrong with the run that has not moved since.
        failed: why it fails, where the queue has given up a message of it; the next tick tries it again.
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
    rate: float = FASTEST
    batches: int = 0
    ranges: int = 0
    bytes_written: int = 0
    bytes_cleared: int = 0
    write_calls: int = 0
    clear_calls: int = 0
    replans: int = 0
    windows_compared: int = 0
    compared_etag: str = ""
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
        """Whether the backup blob is ready for its batches."""
        return self.state is not Stage.REQUESTED

    @property
    def is_applied(self) -> bool:
        """Whether its change list is applied to its end."""
        return self.state is Stage.SEALING

    def opened_now(self) -> Self:
        """Note that the backup blob is ready for its batches."""
        return replace(self, state=Stage.COPYING).reached(self.position)

    def reached(self, position: int) -> Self:
        """Note how far it has come; one that is not opened stays so."""
        state = Stage.SEALING if position == self.size else Stage.COPYING
        return replace(self, position=position, state=state if self.opened else self.state)

    def after(self, done: Effort) -> Self:
        """Note what its batches have applied by now."""
        return replace(
            self,
            ranges=done.ranges,
            bytes_written=done.bytes_written,
            bytes_cleared=done.bytes_cleared,
            write_calls=done.write_calls,
            clear_calls=done.clear_calls,
        )

    def out_of_trouble(self) -> Self:
        """Note that it moves: its troubles are over."""
        return replace(self, tries=0, failed="", error_at=None, trouble_since=None)

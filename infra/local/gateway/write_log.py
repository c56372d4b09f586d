"""The write log of each blob: which pages were written or cleared between which snapshots.

The service reports what was written, not what differs (rewriting the same bytes is a change), so a diff can't be made
by comparing two snapshots. Every change goes through the gateway, which logs it here.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import NamedTuple

from .answers import ServiceError
from .ranges import Spans, Touched, union


class SharedExclusiveLock:
    """A lock that page writes share, and that operations which must not overlap with them hold exclusively.

    First come, first served: `exclusive` keeps the gate closed while the writes before it finish.
    """

    def __init__(self) -> None:
        self._gate = asyncio.Lock()
        self._sharers = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextlib.asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Hold the lock together with others."""
        async with self._gate:
            self._sharers += 1
            self._idle.clear()
        try:
            yield
        finally:
            self._sharers -= 1
            if self._sharers == 0:
                self._idle.set()

    @contextlib.asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Hold the lock exclusively."""
        async with self._gate:
            await self._idle.wait()
            yield


class _Mark(NamedTuple):
    """A snapshot's place in the log: before `position`, in the blob's `generation`-th incarnation."""

    position: int
    generation: int


class WriteLog:
    """The write log of one blob.

    Attributes:
        lock: to be held while Azurite makes a change that is then logged here.
        length: the base blob's length in bytes; None if unknown.
        newest_snapshot: the id of the last snapshot taken, kept when that is deleted; empty before the first.
    """

    def __init__(self) -> None:
        self.lock = SharedExclusiveLock()
        self.length: int | None = None
        self.newest_snapshot = ""
        self._generation = 0
        self._segments = [Touched()]
        self._marks: dict[str, _Mark] = {}

    def touch(self, start: int, end: int) -> None:
        """Log that the bytes from `start` to `end` (exclusive) were written or cleared."""
        if self._marks:
            self._segments[-1].add(start, end)

    def resize(self, length: int) -> None:
        """Log a new length.

        What the service reports for a resized blob is not documented. Pages cut off are logged as touched, so that
        they show as cleared if the blob grows again; pages added by growing are not: nothing wrote them.
        """
        if self.length is not None and length < self.length:
            self.touch(length, self.length)
        self.length = length

    def recreate(self, length: int | None) -> None:
        """Log that Put Blob or a copy recreated the blob: no diff spans that (REST: Get Page Ranges)."""
        self._generation += 1
        self.length = length

    def mark(self, snapshot: str) -> None:
        """Log a snapshot taken now."""
        if self._segments[-1].spans() or not self._marks:
            self._segments.append(Touched())
        self._marks[snapshot] = _Mark(len(self._segments) - 1, self._generation)
        self.newest_snapshot = max(self.newest_snapshot, snapshot)

    def forget(self, snapshot: str) -> None:
        """Log that a snapshot was deleted, and drop what no diff can need any more."""
        self._marks.pop(snapshot, None)
        oldest = min((mark.position for mark in self._marks.values()), default=len(self._segments))
        for position in range(oldest):
            self._segments[position] = Touched()

    def forget_all(self) -> None:
        """Log that all snapshots were deleted."""
        self._marks.clear()
        self._segments = [Touched()]

    def forget_blob(self) -> None:
        """Log that the blob was deleted with all its snapshots."""
        self.forget_all()
        self.recreate(None)

    def knows(self, snapshot: str) -> bool:
        """Return whether the snapshot was taken through the gateway and not deleted."""
        return snapshot in self._marks

    def touched(self, since: str, until: str | None) -> Spans:
        """Return the pages touched between two known snapshots, or up to now (`until` None).

        Raises:
            ServiceError: BlobOverwritten, if the blob was recreated in between.
        """
        first = self._marks[since]
        last = _Mark(len(self._segments), self._generation) if until is None else self._marks[until]
        if first.generation != last.generation:
            message = "The blob has been recreated since the previous snapshot was taken."
            raise ServiceError(409, "BlobOverwritten", message)
        return union([segment.spans() for segment in self._segments[first.position : last.position]] or [[]])


class WriteLogs:
    """The write logs of all blobs, by decoded path "/account/container/blob"."""

    def __init__(self) -> None:
        self._logs: dict[str, WriteLog] = {}

    def of(self, path: str) -> WriteLog:
        """Return the log of a blob, the same for all its incarnations, so that they share one lock."""
        return self._logs.setdefault(path, WriteLog())

    def forget_container(self, path: str) -> None:
        """Log that a container ("/account/container") was deleted with its blobs."""
        for blob, log in self._logs.items():
            if blob.startswith(f"{path}/"):
                log.forget_blob()

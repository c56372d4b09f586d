"""The write log of each blob: which pages were written or cleared, between which snapshots.

The service reports what was written, not what differs (a rewrite of the same bytes is a change), so a diff can't be had
by comparing two snapshots. Every mutation goes through the gateway, which notes it here.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import NamedTuple

from .answers import ServiceError
from .ranges import Spans, Touched, union


class SharedExclusiveLock:
    """A lock that page writes share, and that what must not overlap with one (a snapshot, a copy) holds exclusively.

    First come, first served: `exclusive` keeps the gate closed while the writes before it finish.
    """

    def __init__(self) -> None:
        self._gate = asyncio.Lock()
        self._sharers = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextlib.asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Hold it with others."""
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
        """Hold it with nobody else."""
        async with self._gate:
            await self._idle.wait()
            yield


class _Mark(NamedTuple):
    """A snapshot's place in the log: before `position`, in the blob's `generation`-th life."""

    position: int
    generation: int


class WriteLog:
    """What happened to one blob.

    Attributes:
        lock: to be held while Azurite does what is then noted here.
        length: the base blob's length in bytes; None when not known.
        newest_snapshot: id of the last snapshot taken, kept when it is deleted; "" before the first.
    """

    def __init__(self) -> None:
        self.lock = SharedExclusiveLock()
        self.length: int | None = None
        self.newest_snapshot = ""
        self._generation = 0
        self._segments = [Touched()]
        self._marks: dict[str, _Mark] = {}

    def touch(self, start: int, end: int) -> None:
        """Note that the bytes from `start` to `end` (exclusive) were written or cleared."""
        if self._marks:
            self._segments[-1].add(start, end)

    def resize(self, length: int) -> None:
        """Note a new length.

        What the service reports for a resized blob is not documented. Pages cut off are noted as touched, so that
        they show as cleared when the blob grows again; pages that growing adds are not noted: nobody wrote them.
        """
        if self.length is not None and length < self.length:
            self.touch(length, self.length)
        self.length = length

    def recreate(self, length: int | None) -> None:
        """Note that Put Blob or a copy made the blob anew: no diff reaches across (REST: Get Page Ranges)."""
        self._generation += 1
        self.length = length

    def mark(self, snapshot: str) -> None:
        """Note a snapshot taken now."""
        if self._segments[-1].spans() or not self._marks:
            self._segments.append(Touched())
        self._marks[snapshot] = _Mark(len(self._segments) - 1, self._generation)
        self.newest_snapshot = max(self.newest_snapshot, snapshot)

    def forget(self, snapshot: str) -> None:
        """Note that a snapshot was deleted, and let go of what no diff can ask for any more."""
        self._marks.pop(snapshot, None)
        oldest = min((mark.position for mark in self._marks.values()), default=len(self._segments))
        for position in range(oldest):
            self._segments[position] = Touched()

    def forget_all(self) -> None:
        """Note that all snapshots were deleted."""
        self._marks.clear()
        self._segments = [Touched()]

    def forget_blob(self) -> None:
        """Note that the blob was deleted with all its snapshots."""
        self.forget_all()
        self.recreate(None)

    def knows(self, snapshot: str) -> bool:
        """Tell if the snapshot was taken through the gateway and is not deleted."""
        return snapshot in self._marks

    def touched(self, since: str, until: str | None) -> Spans:
        """Return the pages touched between two known snapshots, or up to now (`until` None).

        Raises:
            ServiceError: BlobOverwritten, when the blob was made anew in between.
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
        """Return the log of a blob, for its whole life and those after it: its lock must stay one and the same."""
        return self._logs.setdefault(path, WriteLog())

    def forget_container(self, path: str) -> None:
        """Note that a container ("/account/container") was deleted with its blobs."""
        for blob, log in self._logs.items():
            if blob.startswith(f"{path}/"):
                log.forget_blob()

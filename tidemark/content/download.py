"""Downloading the valid pages of a version to a file, window by window, so that it can be resumed after any window."""

import contextlib
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from shared.changes.ranges import Change, Window, coalesced, windows, writes
from shared.model.version import Version
from shared.pages.listing import LISTING_WINDOW, listed
from tidemark.content.access import Reading
from tidemark.content.in_order import in_order
from tidemark.content.part_file import PartFile
from tidemark.content.pieces import PieceReader
from tidemark.content.progress import Meter
from tidemark.content.sparse_digest import SparseDigest
from tidemark.content.state import Source, State
from tidemark.content.threads import in_thread


async def count_valid(reading: Reading, version: Version, source: Source) -> list[int]:
    """Count the valid bytes of each window.

    Raises:
        SourceGoneError: the version no longer exists.
        ListingTimedOutError: listing even the smallest part timed out.
    """
    counts = [0] * len(source.windows)
    for part in windows(source.length, LISTING_WINDOW):
        async for change in coalesced(listed(reading, version, None, part)):
            start = change.start
            while start < change.end:
                number = start // source.window
                end = min(change.end, (number + 1) * source.window)
                counts[number] += end - start
                start = end
    return counts


class Download:
    """Downloads the windows that are not on disk yet."""

    def __init__(
        self,
        pieces: PieceReader,
        part: PartFile,
        state: State,
        record: Path,
        *,
        is_resumed: bool,
        save_every: float,
    ) -> None:
        """Prepare to download.

        Args:
            pieces: reads the version.
            part: the file.
            state: what is on disk; it is kept up to date.
            record: where that is saved.
            is_resumed: whether something may be in the file where it should be zeros.
            save_every: seconds between two saves.
        """
        self._pieces, self._part, self._state, self._record = pieces, part, state, record
        self._is_resumed, self._save_every = is_resumed, save_every
        self._saved_at, self._is_saved = time.monotonic(), True
        self._digest, self._position = SparseDigest(), -1

    async def run(self, reading: Reading, version: Version, at_once: int, meter: Meter) -> None:
        """Download what is missing; whatever ends that, the windows that are complete are on record."""
        todo = [number for number in range(len(self._state.valid)) if number not in self._state.done]
        steps = in_order(self._steps(reading, version, todo), self._fetch, at_once)
        try:
            async with contextlib.aclosing(steps):
                async for step, content in steps:
                    if isinstance(step, Window):
                        await in_thread(self._finish, step)
                    else:
                        await in_thread(self._put, step, content)
                        meter.add(len(content))
        finally:
            self._save()

    async def _steps(self, reading: Reading, version: Version, todo: Iterable[int]) -> AsyncIterator[Change | Window]:
        """Give the pieces to read of each window, in order, and then the window."""
        for number in todo:
            window = self._state.source.window_at(number)
            if self._state.valid[number]:
                async for change in coalesced(listed(reading, version, None, window)):
                    for piece in writes(change):
                        yield piece
            yield window

    async def _fetch(self, step: Change | Window) -> bytes:
        return await self._pieces.read(step) if isinstance(step, Change) else b""

    def _put(self, piece: Change, content: bytes) -> None:
        self._leave_out(piece.start)
        self._part.write(piece.start, content)
        self._digest.add(content)
        self._position = piece.end

    def _leave_out(self, end: int) -> None:
        """Leave a hole from the position on, and count it as zeros."""
        if self._position < 0:
            self._position = end // self._state.source.window * self._state.source.window
        start, self._position = self._position, end
        if self._is_resumed:
            self._part.wipe(start, end)
        self._digest.skip(end - start)

    def _finish(self, window: Window) -> None:
        number = window.start // self._state.source.window
        if self._position < 0:
            self._position = window.start
        self._leave_out(window.end)
        self._state.done[number] = self._digest.hexdigest()
        self._digest, self._position, self._is_saved = SparseDigest(), -1, False
        if time.monotonic() - self._saved_at >= self._save_every:
            self._save()

    def _save(self) -> None:
        if self._is_saved:
            return
        self._part.sync()
        self._state.save(self._record)
        self._saved_at, self._is_saved = time.monotonic(), True

"""All changes of blobs: Azurite makes them, and the blob's write log records them in the same order.

Also refuses what the service refuses and Azurite does not, as far as this project relies on it: a write of more than 4
MiB or past the blob's end, and two snapshots with one id. Azurite's answers to a missing, wrong or ended lease id equal
the service's (412 LeaseIdMissing, LeaseIdMismatchWithBlobOperation, LeaseNotPresentWithBlobOperation), as does 409
SnapshotsPresent.
"""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable

import aiohttp

from .answers import Answer, invalid_page_range, too_large
from .copy_blob import Copies
from .deletions import Deletions
from .ranges import requested_range
from .upstream import Call, Upstream
from .write_log import WriteLog

# REST, Put Page and Put Page From URL: at most 4 MiB in one write.
MAX_WRITE_BYTES = 4 * 1024 * 1024
PAGE_WRITES = frozenset({"Put Page", "Clear Pages"})
_COPYING = frozenset({"Copy Blob", "Copy Blob From URL"})
_RECREATING = frozenset({"Put Blob", "Put Blob From URL", "Put Block List"})
EXCLUSIVE_MUTATIONS = frozenset({"Snapshot Blob", "Set Blob Properties", "Delete Blob"}) | _COPYING | _RECREATING
_SOFT_DELETED = frozenset({"Delete Blob"}) | _COPYING | _RECREATING
# These change no page, so they are not logged.
UNLOGGED_MUTATIONS = frozenset({"Set Blob Metadata", "Set Blob Tier", "Lease Blob"})
_CLOCK_TIMEOUT_SECONDS = 5.0
_OK, _CREATED, _REFUSED = 200, 201, 400


class Mutations:
    """Has Azurite change blobs, and logs the changes."""

    def __init__(self, upstream: Upstream, copies: Copies, deletions: Deletions) -> None:
        self._upstream = upstream
        self._copies = copies
        self._deletions = deletions

    async def write_pages(
        self, call: Call, log: WriteLog, span: tuple[int, int], write: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        """Run `write`, which writes or clears the pages from `span[0]` to `span[1]` (bytes, end exclusive), and log it.

        Raises:
            ServiceError: InvalidPageRange, when the span ends past the blob's end; PendingCopyOperation.
        """
        async with log.lock.shared():
            self._copies.refuse_pending(call.request)
            length = await self._length(call, log)
            if length is not None and span[1] > length:
                raise invalid_page_range()
            try:
                answer = await write()
            except aiohttp.ClientError:
                log.touch(*span)
                raise
            if answer.status == _CREATED:
                log.touch(*span)
            return answer

    async def put_page(self, call: Call, log: WriteLog) -> Answer:
        """Answer a Put Page or Clear Pages.

        Raises:
            ServiceError: RequestBodyTooLarge, InvalidPageRange, PendingCopyOperation.
        """
        if len(call.body) > MAX_WRITE_BYTES:
            raise too_large(MAX_WRITE_BYTES)
        start, end = requested_range(call.request.headers) or (0, None)
        if end is None:
            raise invalid_page_range()
        return await self.write_pages(call, log, (start, end), lambda: self._upstream.forward(call))

    async def exclusive(self, call: Call, log: WriteLog) -> Answer:
        """Answer one of `EXCLUSIVE_MUTATIONS`, which must not overlap with a page write.

        Raises:
            ServiceError: PendingCopyOperation; for a copy InfiniteLeaseDurationRequired, InvalidBlobType.
        """
        operation, headers = call.request.operation, call.request.headers
        async with log.lock.exclusive():
            self._copies.refuse_pending(call.request)
            if operation in _COPYING:
                await self._copies.check(call)
            if operation == "Snapshot Blob":
                await clock_past(log.newest_snapshot)
            if operation == "Set Blob Properties" and "x-ms-blob-content-length" in headers:
                await self._length(call, log)
            kept = await self._deletions.would_keep(call) if operation in _SOFT_DELETED else None
            answer = await self._upstream.forward(call)
            if answer.status < _REFUSED:
                self._deletions.kept += [kept] if kept else []
                await self._log(call, log, answer)
            return answer

    async def _log(self, call: Call, log: WriteLog, answer: Answer) -> None:
        """Log the effect of one of `EXCLUSIVE_MUTATIONS`."""
        operation, headers = call.request.operation, call.request.headers
        if operation == "Snapshot Blob":
            log.mark(answer.headers["x-ms-snapshot"])
        elif operation == "Set Blob Properties":
            await self._copies.conclude(call)
            if "x-ms-blob-content-length" in headers:
                log.resize(int(headers["x-ms-blob-content-length"]))
        elif operation == "Delete Blob":
            _log_delete(call, log)
        elif operation in _RECREATING | _COPYING:
            log.recreate(None)
            if operation in _COPYING:
                await self._copies.settle(call, answer, log)

    async def unlogged(self, call: Call, log: WriteLog) -> Answer:
        """Answer one of `UNLOGGED_MUTATIONS`.

        Raises:
            ServiceError: PendingCopyOperation.
        """
        async with log.lock.shared():
            self._copies.refuse_pending(call.request)
            return await self._upstream.forward(call)

    async def _length(self, call: Call, log: WriteLog) -> int | None:
        """Return the length of a page blob, which is read once; None if it is not a page blob."""
        if log.length is None:
            head = await self._upstream.as_owner("HEAD", call.raw_path)
            if head.status == _OK and head.headers.get("x-ms-blob-type") == "PageBlob":
                log.length = int(head.headers["Content-Length"])
        return log.length


def _log_delete(call: Call, log: WriteLog) -> None:
    if "snapshot" in call.request.query:
        log.forget(call.request.query["snapshot"])
    elif call.request.headers.get("x-ms-delete-snapshots", "").lower() == "only":
        log.forget_all()
    else:
        log.forget_blob()


async def clock_past(snapshot: str) -> None:
    """Wait until a snapshot taken now gets a new id: Azurite's ids are milliseconds, and it would use one twice.

    Args:
        snapshot: the id of the newest snapshot; empty for none.
    """
    async with asyncio.timeout(_CLOCK_TIMEOUT_SECONDS):
        while _milliseconds() <= snapshot[: len(_milliseconds())]:  # noqa: ASYNC110 - a clock sets no event
            await asyncio.sleep(0)


def _milliseconds() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")

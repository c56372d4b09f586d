"""Copies that take their time: begun, told of as pending, and ended when a test says so.

Azurite copies at once. The gateway keeps what was copied in a scratch blob and clears the destination, so that nothing
of it can be seen before the end. A copy that fails or is aborted leaves an empty blob, its metadata intact.
"""

import asyncio
import fnmatch
from collections.abc import Mapping

from .answers import Answer
from .copy_properties import CopyPropertyOverrides
from .scratch_blobs import ScratchBlobs
from .upstream import Call, Upstream
from .write_log import WriteLog

_CREATED, _ACCEPTED, _NO_CONTENT, _LEASE_REFUSED = 201, 202, 204, 412
_KEPT_HEADERS = ("x-ms-lease-id", "x-ms-tags", "x-ms-version")


def kept_headers(call: Call) -> dict[str, str]:
    """Return the headers of a Copy Blob that whatever completes it must carry too."""
    return {name: call.request.headers[name] for name in _KEPT_HEADERS if name in call.request.headers}


class PendingCopy:
    """A copy to a page blob that has not ended yet.

    Attributes:
        id: the copy id that the client got.
        ended: whether it has ended after all.
    """

    def __init__(
        self, upstream: Upstream, scratch: ScratchBlobs, overrides: CopyPropertyOverrides, call: Call, log: WriteLog
    ) -> None:
        self.id = ""
        self.ended = False
        self._upstream = upstream
        self._scratch = scratch
        self._overrides = overrides
        self._path = call.raw_path
        self._source = call.request.headers["x-ms-copy-source"]
        self._headers = kept_headers(call)
        self._lock = log.lock
        self._length = 0
        self._progress = ""
        self._kept = ""

    async def begin(self, answer: Answer, length: int) -> None:
        """Make a copy that is done and parted from its source a pending one; the blob's lock is held exclusively.

        Args:
            answer: what the client is answered.
            length: the copy's length in bytes.
        """
        self.id, self._length = answer.headers["x-ms-copy-id"], length
        self._kept = await self._scratch.keep(self._path)
        if length:
            headers = {**self._headers, "x-ms-page-write": "clear", "x-ms-range": f"bytes=0-{length - 1}"}
            cleared = await self._upstream.insist("PUT", self._path, (_CREATED,), query="comp=page", headers=headers)
            for name in ("ETag", "Last-Modified"):
                answer.headers[name] = cleared.headers[name]
        answer.headers["x-ms-copy-status"] = "pending"
        self._overrides.set(self.id, {"x-ms-copy-status": "pending", "x-ms-copy-completion-time": None})
        self.progress(0)

    def progress(self, share: float) -> None:
        """Tell that this share of the bytes is copied, if it has begun and not ended."""
        if self.id and not self.ended:
            self._progress = f"{int(share * self._length)}/{self._length}"
            self._overrides.set(self.id, {"x-ms-copy-progress": self._progress})

    async def succeed(self) -> None:
        """End it with the content in place."""
        async with self._lock.exclusive():
            if not self.ended:
                done = await self._scratch.bring(self._kept, self._path, self._headers)
                self._end(done, {})

    async def fail(self, description: str) -> None:
        """End it for a reason of the service's, with an empty blob."""
        async with self._lock.exclusive():
            if not self.ended:
                done = await self._empty(self._headers, (_ACCEPTED,))
                told = {"x-ms-copy-status": "failed", "x-ms-copy-status-description": description}
                self._end(done, {**told, "x-ms-copy-progress": self._progress})
                await self._scratch.drop(self._kept)

    async def abort(self, headers: Mapping[str, str]) -> Answer:
        """End it with an empty blob, if the lease id in the headers allows; the blob's lock is held exclusively."""
        done = await self._empty(headers, (_ACCEPTED, _LEASE_REFUSED))
        if done.status == _LEASE_REFUSED:
            return done
        self._end(done, {"x-ms-copy-status": "aborted", "x-ms-copy-progress": self._progress})
        await self._scratch.drop(self._kept)
        return Answer(_NO_CONTENT)

    async def _empty(self, headers: Mapping[str, str], good: tuple[int, ...]) -> Answer:
        return await self._scratch.bring(await self._scratch.keep_empty(self._path), self._path, headers, good)

    def _end(self, done: Answer, told: Mapping[str, str]) -> None:
        """Tell of Azurite's last copy as the end of this one."""
        self.ended = True
        same = {"x-ms-copy-id": self.id, "x-ms-copy-source": self._source}
        self._overrides.set(done.headers["x-ms-copy-id"], {**same, **told})


class HeldCopies:
    """The copies to page blobs that a test holds pending.

    Attributes:
        started: set when the first is pending.
        count: how many have become pending, ended ones included.
    """

    def __init__(self, path: str, times: int | None) -> None:
        self.started = asyncio.Event()
        self.count = 0
        self._path = path
        self._left = times
        self._share = 0.0
        self._held: list[PendingCopy] = []

    def progress(self, share: float) -> None:
        """Have those pending, and those to come, told of as so far done (0 to 1, of the bytes)."""
        self._share = share
        for copy in self._held:
            copy.progress(share)

    async def finish(self) -> None:
        """Let those pending succeed, and hold no more."""
        self.remove()
        for copy in self._held:
            await copy.succeed()

    async def fail(self, description: str = '500 InternalServerError "Copy failed."') -> None:
        """Have those pending fail; those to come are still held."""
        for copy in list(self._held):
            await copy.fail(description)

    def remove(self) -> None:
        """Hold no more; those pending stay so until they are finished, failed or aborted."""
        self._left = 0

    def wants(self, path: str) -> bool:
        """Tell if a copy to `path`, decoded, is to be held."""
        return self._left != 0 and fnmatch.fnmatchcase(path, self._path)

    async def begin(self, copy: PendingCopy, answer: Answer, length: int) -> None:
        """Begin a copy it wants."""
        if self._left is not None:
            self._left -= 1
        # Before anything is awaited: a `finish` meanwhile must find it, and waits for the blob's lock.
        self._held.append(copy)
        await copy.begin(answer, length)
        copy.progress(self._share)
        self.count += 1
        self.started.set()

"""Pending copies: started, reported as pending, and ended when a test says so.

Azurite copies immediately. The gateway keeps the copied content in a scratch blob and clears the destination, so that
none of it is visible before the end. A failed or aborted copy leaves an empty blob with its metadata.
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
    """Return the headers of a Copy Blob that the requests completing it need too."""
    return {name: call.request.headers[name] for name in _KEPT_HEADERS if name in call.request.headers}


class PendingCopy:
    """A copy to a page blob that has not ended yet.

    Attributes:
        id: the copy id given to the client.
        ended: whether it has ended.
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
        """Turn a copy that is done and detached from its source into a pending one; the caller holds the lock.

        Args:
            answer: the answer to the client.
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
        """Report this share of the bytes as copied, if the copy has begun and not ended."""
        if self.id and not self.ended:
            self._progress = f"{int(share * self._length)}/{self._length}"
            self._overrides.set(self.id, {"x-ms-copy-progress": self._progress})

    async def succeed(self) -> None:
        """End the copy successfully."""
        async with self._lock.exclusive():
            if not self.ended:
                done = await self._scratch.bring(self._kept, self._path, self._headers)
                self._end(done, {})

    async def fail(self, description: str) -> None:
        """End the copy as failed, with an empty blob."""
        async with self._lock.exclusive():
            if not self.ended:
                done = await self._empty(self._headers, (_ACCEPTED,))
                properties = {"x-ms-copy-status": "failed", "x-ms-copy-status-description": description}
                self._end(done, {**properties, "x-ms-copy-progress": self._progress})
                await self._scratch.drop(self._kept)

    async def abort(self, headers: Mapping[str, str]) -> Answer:
        """Abort the copy, with an empty blob, if the lease id allows; the caller holds the lock exclusively."""
        done = await self._empty(headers, (_ACCEPTED, _LEASE_REFUSED))
        if done.status == _LEASE_REFUSED:
            return done
        self._end(done, {"x-ms-copy-status": "aborted", "x-ms-copy-progress": self._progress})
        await self._scratch.drop(self._kept)
        return Answer(_NO_CONTENT)

    async def _empty(self, headers: Mapping[str, str], good: tuple[int, ...]) -> Answer:
        return await self._scratch.bring(await self._scratch.keep_empty(self._path), self._path, headers, good)

    def _end(self, done: Answer, properties: Mapping[str, str]) -> None:
        """Show Azurite's last copy to the blob as the end of this one."""
        self.ended = True
        same = {"x-ms-copy-id": self.id, "x-ms-copy-source": self._source}
        self._overrides.set(done.headers["x-ms-copy-id"], {**same, **properties})


class HeldCopies:
    """The copies to page blobs that a test holds pending.

    Attributes:
        started: set when the first copy is pending.
        count: the number of copies held so far, ended ones included.
    """

    def __init__(self, path: str, times: int | None) -> None:
        self.started = asyncio.Event()
        self.count = 0
        self._path = path
        self._left = times
        self._share = 0.0
        self._held: list[PendingCopy] = []

    def progress(self, share: float) -> None:
        """Report this progress (0 to 1) for pending and later copies."""
        self._share = share
        for copy in self._held:
            copy.progress(share)

    async def finish(self) -> None:
        """Let pending copies succeed, and hold no more."""
        self.remove()
        for copy in self._held:
            await copy.succeed()

    async def fail(self, description: str = '500 InternalServerError "Copy failed."') -> None:
        """Let pending copies fail; later ones are still held."""
        for copy in list(self._held):
            await copy.fail(description)

    def remove(self) -> None:
        """Hold no more copies; pending ones stay so until they are finished, failed or aborted."""
        self._left = 0

    def wants(self, path: str) -> bool:
        """Return whether to hold a copy to a decoded path."""
        return self._left != 0 and fnmatch.fnmatchcase(path, self._path)

    async def begin(self, copy: PendingCopy, answer: Answer, length: int) -> None:
        """Hold a copy."""
        if self._left is not None:
            self._left -= 1
        # Before any await: a concurrent `finish` must find it, and then waits for the blob's lock.
        self._held.append(copy)
        await copy.begin(answer, length)
        copy.progress(self._share)
        self.count += 1
        self.started.set()

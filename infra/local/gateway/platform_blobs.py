"""Page blobs that the platform itself keeps, as those of managed disks: no client's, but diffed like a client's."""

from urllib.parse import quote

from .mutations import MAX_WRITE_BYTES, clock_past
from .upstream import Upstream
from .write_log import WriteLogs

_OK, _CREATED, _ACCEPTED, _PARTIAL, _NOT_FOUND, _CONFLICT = 200, 201, 202, 206, 404, 409


class PlatformBlobs:
    """Creates, changes, snapshots and reads page blobs with their owner's rights, and logs what it writes.

    A blob is named by its decoded path, "/account/container/blob"; offsets and lengths are bytes, multiples of 512.
    """

    def __init__(self, upstream: Upstream, logs: WriteLogs) -> None:
        self._upstream = upstream
        self._logs = logs

    async def create(self, path: str, length: int) -> None:
        """Create a blob with no page written, and its container if there is none."""
        container = path.rpartition("/")[0]
        await self._upstream.insist("PUT", container, (_CREATED, _CONFLICT), query="restype=container")
        headers = {"x-ms-blob-type": "PageBlob", "x-ms-blob-content-length": str(length)}
        async with self._logs.of(path).lock.exclusive():
            await self._upstream.insist("PUT", path, (_CREATED,), headers=headers)
            self._logs.of(path).recreate(length)

    async def write(self, path: str, start: int, content: bytes, *, is_logged: bool = True) -> None:
        """Write pages; what is not logged shows in no diff."""
        log = self._logs.of(path)
        for at in range(0, len(content), MAX_WRITE_BYTES):
            part = content[at : at + MAX_WRITE_BYTES]
            first, end = start + at, start + at + len(part)
            headers = {"x-ms-page-write": "update", "x-ms-range": f"bytes={first}-{end - 1}"}
            async with log.lock.shared():
                await self._upstream.insist("PUT", path, (_CREATED,), query="comp=page", headers=headers, body=part)
                if is_logged:
                    log.touch(first, end)

    async def clear(self, path: str, start: int, end: int, *, is_logged: bool = True) -> None:
        """Clear the pages from `start` to `end` (exclusive); what is not logged shows in no diff."""
        headers = {"x-ms-page-write": "clear", "x-ms-range": f"bytes={start}-{end - 1}"}
        log = self._logs.of(path)
        async with log.lock.shared():
            await self._upstream.insist("PUT", path, (_CREATED,), query="comp=page", headers=headers)
            if is_logged:
                log.touch(start, end)

    async def read(self, path: str, start: int, end: int, *, snapshot: str = "") -> bytes:
        """Read the bytes from `start` to `end` (exclusive) of a blob or a snapshot."""
        query = f"snapshot={quote(snapshot)}" if snapshot else ""
        headers = {"x-ms-range": f"bytes={start}-{end - 1}"}
        return (await self._upstream.insist("GET", path, (_OK, _PARTIAL), query=query, headers=headers)).body

    async def resize(self, path: str, length: int) -> None:
        """Give a blob another length."""
        log = self._logs.of(path)
        async with log.lock.exclusive():
            headers = {"x-ms-blob-content-length": str(length)}
            target = self._upstream.writers_target(path, "comp=properties")
            answer = await self._upstream.send("PUT", target, headers, b"")
            if answer.status != _OK:
                raise RuntimeError(f"Azurite answered {answer.status} to a resize of {path}: {answer.body.decode()}")
            log.resize(length)

    async def snapshot(self, path: str) -> str:
        """Take a snapshot; return its id."""
        log = self._logs.of(path)
        async with log.lock.exclusive():
            await clock_past(log.newest_snapshot)
            answer = await self._upstream.insist("PUT", path, (_CREATED,), query="comp=snapshot")
            log.mark(answer.headers["x-ms-snapshot"])
        return answer.headers["x-ms-snapshot"]

    async def delete_snapshot(self, path: str, snapshot: str) -> None:
        """Delete a snapshot, if it is there."""
        log = self._logs.of(path)
        async with log.lock.exclusive():
            await self._upstream.insist("DELETE", path, (_ACCEPTED, _NOT_FOUND), query=f"snapshot={quote(snapshot)}")
            log.forget(snapshot)

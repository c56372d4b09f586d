"""A page blob of the local Azure: written as a VM's driver would, read over plain HTTP without the SDK."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator
from http import HTTPStatus
from io import FileIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from azure.storage.blob.aio import BlobClient

from infra.local.azurite import Account
from infra.local.disks.disk_changes import Change, data_extents, read_at
from infra.local.disks.vhd import MIB
from infra.local.local_azure import LocalAzure

_MAX_WRITE = 4 * MIB  # REST: Put Page
_WRITERS = 4


class PageBlob:
    """A page blob and its snapshots.

    It is written through the gateway, and read straight from Azurite: the gateway has no hand in what proves its work.

    Attributes:
        url: its URL as the app sees it, without a query.
    """

    def __init__(self, client: BlobClient, account: Account, azure: LocalAzure, http: aiohttp.ClientSession) -> None:
        self.url = client.url.partition("?")[0]
        self._read_url = azure.azurite.blob_url + self.url.removeprefix(azure.gateway.url)
        self._client = client
        self._account = account
        self._azure = azure
        self._http = http

    async def upload(self, image: Path, moved: Callable[[int], None]) -> None:
        """Create the blob (over one that is there) with the content of a sparse file; only the file's data travels.

        `moved` is told the bytes of each request.
        """
        size = _size(image)
        await self._client.create_page_blob(size)
        await self.apply(image, (Change(start, end, cleared=False) for start, end in data_extents(image, size)), moved)

    async def apply(self, image: Path, changes: Iterable[Change], moved: Callable[[int], None]) -> None:
        """Write the changes, as `write_changes` does."""
        await write_changes(self._client, image, changes, moved)

    async def size(self, snapshot: str) -> int:
        """Give a snapshot's size in bytes."""
        url, headers = self._reading(snapshot)
        async with self._http.head(url, headers=headers) as answer:
            await _check(answer, HTTPStatus.OK)
            return int(answer.headers["Content-Length"])

    async def read(self, snapshot: str, start: int, end: int) -> bytes:
        """Read the bytes from `start` to `end` (exclusive) of a snapshot; what is not valid reads as zeros.

        Raises:
            RuntimeError: the service refused, or gave another number of bytes.
        """
        url, headers = self._reading(snapshot)
        async with self._http.get(url, headers={**headers, "x-ms-range": f"bytes={start}-{end - 1}"}) as answer:
            await _check(answer, HTTPStatus.PARTIAL_CONTENT)
            content = await answer.read()
        if len(content) != end - start:
            raise RuntimeError(f"{self.url} gave {len(content)} bytes for the range {start}-{end - 1}")
        return content

    def _reading(self, snapshot: str) -> tuple[str, dict[str, str]]:
        """Give the URL and the headers that read a snapshot."""
        container, blob = self._client.container_name, self._client.blob_name
        query, headers = self._azure.reading(self._account, container, blob, snapshot)
        return f"{self._read_url}?snapshot={quote(snapshot, safe='')}&{query}", headers


async def write_changes(
    client: BlobClient, image: Path, changes: Iterable[Change], moved: Callable[[int], None]
) -> None:
    """Write to a page blob what changed in its image, a few requests at once (REST: Put Page, Clear Pages).

    `moved` receives the bytes of each request.
    """
    pieces = (piece for change in changes for piece in _requests(change))
    with FileIO(image) as file:

        async def put() -> None:
            for piece in pieces:
                length = piece.end - piece.start
                if piece.cleared:
                    await client.clear_page(piece.start, length)
                else:
                    await client.upload_page(read_at(file, piece.start, length), piece.start, length)
                moved(length)

        await at_once(_WRITERS, put)


async def at_once(count: int, worker: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run so many workers; the first that fails ends the others, and what it raised is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(worker())
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


def _size(file: Path) -> int:
    return file.stat().st_size


def _requests(change: Change) -> Iterator[Change]:
    """Cut a change into what one request may carry: a clear may be of any length."""
    step = change.end - change.start if change.cleared else _MAX_WRITE
    for start in range(change.start, change.end, step):
        yield Change(start, min(change.end, start + step), change.cleared)


async def _check(answer: aiohttp.ClientResponse, expected: HTTPStatus) -> None:
    if answer.status != expected:
        path = answer.url.with_query(None)
        raise RuntimeError(f"{path} could not be read: {answer.status} {(await answer.text())[:500]}")

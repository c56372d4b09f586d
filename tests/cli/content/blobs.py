"""Page blobs of the local Azure for the tests of the command line, and readers that watch or fail."""

import itertools
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

from azure.storage.blob.aio import BlobClient, ContainerClient

from infra.local.azurite import Account
from infra.local.disks.vhd import make_footer
from shared.azure.blobs.reading import BlobReader
from shared.azure.sources.source import READ_URL_LIFETIME, Reader
from shared.changes.ranges import Change, Window
from shared.limits import PAGE
from shared.model.addresses import BlobAddress
from shared.model.blob import BlobState
from shared.model.version import BlobVersion, Version

MIB = 1024 * 1024
_NUMBERS = itertools.count()


class Blob:
    """A page blob, and what it holds.

    Attributes:
        client: the SDK's client.
        expected: what it holds.
        valid: the numbers of its valid pages.
    """

    def __init__(self, account: Account, client: BlobClient, size: int) -> None:
        self.client, self.expected, self.valid = client, bytearray(size), set[int]()
        self.address = BlobAddress.parse(client.url)
        self.path = f"/{account.name}/{self.address.container}/{self.address.blob}"

    @classmethod
    async def make(cls, account: Account, container: ContainerClient, size: int) -> "Blob":
        blob = cls(account, container.get_blob_client(f"a/vhds/disk{next(_NUMBERS)}.vhd"), size)
        await blob.client.create_page_blob(size)
        return blob

    async def write(self, start: int, content: bytes) -> None:
        for at in range(0, len(content), 4 * MIB):
            part = content[at : at + 4 * MIB]
            await self.client.upload_page(part, start + at, len(part))
        self.expected[start : start + len(content)] = content
        self.valid.update(range(start // PAGE, (start + len(content)) // PAGE))

    async def clear(self, start: int, length: int) -> None:
        await self.client.clear_page(start, length)
        self.expected[start : start + length] = bytes(length)
        self.valid.difference_update(range(start // PAGE, (start + length) // PAGE))

    async def resize(self, size: int) -> None:
        await self.client.resize_blob(size)
        self.expected = self.expected[:size].ljust(size, b"\0")
        self.valid = {page for page in self.valid if page < size // PAGE}

    async def write_footer(self) -> None:
        """End it in the footer of a VHD."""
        size = len(self.expected) - PAGE
        await self.write(size, make_footer(size, uuid.UUID(int=7), 1_767_225_600))

    async def snapshot(self) -> BlobVersion:
        return BlobVersion(self.address, str((await self.client.create_snapshot())["snapshot"]))

    @property
    def itself(self) -> BlobVersion:
        return BlobVersion(self.address)


class Watched(Reader):
    """A reader that counts the bytes that are held, and may fail at a read.

    Attributes:
        reads: what was read.
        most: the most bytes in flight, or read and not used yet, at a time.
        used: the bytes that are used.
        before: called before each read, with its number from 1.
    """

    def __init__(self, reader: BlobReader, before: Callable[[int], Awaitable[None] | None] = lambda _: None) -> None:
        self._reader, self.before = reader, before
        self.reads = list[Change]()
        self.begun = self.most = self.used = 0

    async def find(self, blob: BlobAddress) -> BlobState | None:
        return await self._reader.find(blob)

    async def properties(self, version: Version) -> BlobState:
        return await self._reader.properties(version)

    def changes(self, version: Version, since: Version | None, window: Window) -> AsyncIterator[Change]:
        return self._reader.changes(version, since, window)

    async def signed_url(
        self, version: Version, lifetime: timedelta = READ_URL_LIFETIME, *, fresh_key: bool = False
    ) -> str:
        return await self._reader.signed_url(version, lifetime, fresh_key=fresh_key)

    async def read(self, signed_url: str, piece: Change) -> bytes:
        self.reads.append(piece)
        if waiting := self.before(len(self.reads)):
            await waiting
        self.begun += piece.length
        self.most = max(self.most, self.begun - self.used)
        return await self._reader.read(signed_url, piece)

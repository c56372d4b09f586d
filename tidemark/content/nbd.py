"""Bytes served read-only as a network block device on a Unix socket: what of NBD's protocol that takes.

Of https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md that is the fixed newstyle handshake and simple
replies. nbdkit could do it, but takes the signed URL as an argument, which everybody on the machine can read.
"""

import asyncio
import contextlib
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable
from enum import IntEnum
from pathlib import Path

from azure.core.exceptions import AzureError

from shared.azure.answers import explain
from shared.errors import TidemarkError

type Read = Callable[[int, int], Awaitable[bytes]]

LONGEST = 32 * 1024 * 1024
"""The most bytes of one request: what clients take for granted."""

_MAGIC, _OPTION_MAGIC, _REPLY_MAGIC = b"NBDMAGIC", b"IHAVEOPT", 0x3E889045565A9
_REQUEST_MAGIC, _SIMPLE_REPLY = 0x25609513, 0x67446698
_FIXED_NEWSTYLE, _NO_ZEROES = 1, 2
_FLAGS = 1 | 2 | 1 << 8  # has flags, read-only, several connections see the same
_ACK, _SERVER, _INFO, _UNSUPPORTED = 1, 2, 3, 1 << 31 | 1
_EXPORT, _BLOCK_SIZE = 0, 3
_READ, _WRITE, _DISCONNECT = 0, 1, 2
_PERM, _IO, _INVALID = 1, 5, 22
_PREFERRED = 64 * 1024
_LONGEST_OPTION = 64 * 1024
_REQUESTS_AT_ONCE = 16


class _Option(IntEnum):
    EXPORT_NAME = 1
    ABORT = 2
    LIST = 3
    INFO = 6
    GO = 7


@contextlib.asynccontextmanager
async def served(read: Read, size: int, socket: Path, say: Callable[[str], None]) -> AsyncIterator[None]:
    """Serve bytes on a socket meanwhile.

    Args:
        read: reads so many bytes from a byte on.
        size: how many there are.
        socket: the socket's path, in a folder that nobody else may enter.
        say: told why a read has failed, of which a client sees only that it has.
    """

    async def connected(reader: StreamReader, writer: StreamWriter) -> None:
        with contextlib.suppress(EOFError, ConnectionError):
            await _Client(read, size, reader, writer, say).serve()
        writer.close()

    server = await asyncio.start_unix_server(connected, socket)
    async with server:
        yield
        server.close_clients()


class _Client:
    """One that is connected."""

    def __init__(
        self, read: Read, size: int, reader: StreamReader, writer: StreamWriter, say: Callable[[str], None]
    ) -> None:
        self._read, self._size, self._say = read, size, say
        self._reader, self._writer = reader, writer
        self._free = asyncio.Semaphore(_REQUESTS_AT_ONCE)

    async def serve(self) -> None:
        """Shake hands, and answer requests until it leaves."""
        self._writer.write(_MAGIC + _OPTION_MAGIC + struct.pack(">H", _FIXED_NEWSTYLE | _NO_ZEROES))
        flags = int.from_bytes(await self._reader.readexactly(4))
        if await self._agrees(has_zeroes=not flags & _NO_ZEROES):
            async with asyncio.TaskGroup() as answers:
                while request := await self._request():
                    await self._free.acquire()
                    answers.create_task(self._answer(*request))

    async def _agrees(self, *, has_zeroes: bool) -> bool:
        """Answer the client's options; return whether it goes on to requests."""
        while True:
            magic, number, length = struct.unpack(">8sII", await self._reader.readexactly(16))
            if magic != _OPTION_MAGIC or length > _LONGEST_OPTION:
                return False
            await self._reader.readexactly(length)  # whatever the export's name: there is one
            if number == _Option.EXPORT_NAME:
                self._writer.write(struct.pack(">QH", self._size, _FLAGS) + bytes(124 if has_zeroes else 0))
                return True
            if number in {_Option.INFO, _Option.GO}:
                self._reply(number, _INFO, struct.pack(">HQH", _EXPORT, self._size, _FLAGS))
                self._reply(number, _INFO, struct.pack(">HIII", _BLOCK_SIZE, 1, _PREFERRED, LONGEST))
            elif number == _Option.LIST:
                self._reply(number, _SERVER, bytes(4))
            elif number != _Option.ABORT:
                self._reply(number, _UNSUPPORTED)
                continue
            self._reply(number, _ACK)
            if number in {_Option.GO, _Option.ABORT}:
                return bool(number == _Option.GO)

    def _reply(self, option: int, kind: int, content: bytes = b"") -> None:
        self._writer.write(struct.pack(">QIII", _REPLY_MAGIC, option, kind, len(content)) + content)

    async def _request(self) -> tuple[int, bytes, int, int] | None:
        """Read a request: its kind, cookie, start and length; None at the end."""
        try:
            header = await self._reader.readexactly(28)
            magic, _, kind, cookie, start, length = struct.unpack(">IHH8sQI", header)
            if magic != _REQUEST_MAGIC or kind == _DISCONNECT or length > LONGEST:
                return None
            if kind == _WRITE:
                await self._reader.readexactly(length)
        except EOFError:
            return None
        return kind, cookie, start, length

    async def _answer(self, kind: int, cookie: bytes, start: int, length: int) -> None:
        error, content = _PERM, b""
        if kind == _READ:
            error = _INVALID
            if start + length <= self._size:
                error, content = await self._content(start, length)
        try:
            self._writer.write(struct.pack(">II8s", _SIMPLE_REPLY, error, cookie) + content)
            await self._writer.drain()
        except ConnectionError:
            pass
        finally:
            self._free.release()

    async def _content(self, start: int, length: int) -> tuple[int, bytes]:
        try:
            return 0, await self._read(start, length)
        except (AzureError, TidemarkError) as error:
            self._say(explain(error))
            return _IO, b""

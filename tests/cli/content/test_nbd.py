"""A recovery point served as a block device, to a client that is written by the protocol, and to real ones."""

import asyncio
import shutil
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.local.gateway import Fault
from infra.local.local_azure import LocalAzure
from shared.azure.blobs.reading import BlobReader
from shared.limits import PAGE
from tests.cli.content.blobs import MIB, Blob
from tests.cli.content.exporting import Make, content
from tidemark.content.access import Reading
from tidemark.content.disk_bytes import DiskBytes
from tidemark.content.nbd import LONGEST, served
from tidemark.content.pieces import PieceReader

SIZE = 9 * MIB
FLUSH, TRIM = 3, 4


@dataclass
class Served:
    blob: Blob
    socket: Path
    said: list[str]


@pytest.fixture
async def device(reader: BlobReader, make: Make, tmp_path: Path) -> AsyncIterator[Served]:
    blob = await make(SIZE)
    await blob.write(0, content(5 * MIB))
    await blob.write(SIZE - PAGE, content(PAGE, 2))
    version, said = await blob.snapshot(), list[str]()
    await blob.write(0, content(PAGE, 3))
    disk = DiskBytes(PieceReader(Reading(reader), version, 4), SIZE)
    async with served(disk.read, SIZE, tmp_path / "nbd", said.append):
        yield Served(blob, tmp_path / "nbd", said)


class Client:
    """What of a client these tests take."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connected(cls, socket: Path, flags: int = 3) -> "Client":
        client = cls(*await asyncio.open_unix_connection(socket))
        assert await client.reader.readexactly(18) == b"NBDMAGICIHAVEOPT\0\3"
        client.writer.write(struct.pack(">I", flags))
        return client

    async def option(self, number: int, data: bytes = b"") -> list[tuple[int, bytes]]:
        """Send an option; give the replies to it, to the last."""
        self.writer.write(b"IHAVEOPT" + struct.pack(">II", number, len(data)) + data)
        replies = list[tuple[int, bytes]]()
        while not replies or replies[-1][0] in {2, 3}:
            magic, option, kind, length = struct.unpack(">QIII", await self.reader.readexactly(20))
            assert (magic, option) == (0x3E889045565A9, number)
            replies.append((kind, await self.reader.readexactly(length)))
        return replies

    def ask(self, kind: int, cookie: int, start: int = 0, length: int = 0) -> None:
        self.writer.write(struct.pack(">IHHQQI", 0x25609513, 0, kind, cookie, start, length))

    async def answer(self) -> tuple[int, int]:
        """Give an answer's error and cookie."""
        magic, error, cookie = struct.unpack(">IIQ", await self.reader.readexactly(16))
        assert magic == 0x67446698
        return error, cookie

    async def read(self, start: int, length: int) -> bytes:
        self.ask(0, 7, start, length)
        assert await self.answer() == (0, 7)
        return await self.reader.readexactly(length)


async def test_bytes_past_the_end_are_left_out(reader: BlobReader, make: Make) -> None:
    blob = await make(4 * PAGE)
    await blob.write(0, content(4 * PAGE))
    disk = DiskBytes(PieceReader(Reading(reader), await blob.snapshot(), 1), 3 * PAGE)
    assert await disk.read(2 * PAGE, 2 * PAGE) == content(4 * PAGE)[2 * PAGE : 3 * PAGE], "nor is a footer read"
    assert await disk.read(3 * PAGE, PAGE) == b""


async def test_options_are_answered_and_the_disk_is_read_only(device: Served) -> None:
    client = await Client.connected(device.socket)
    assert await client.option(8) == [(1 << 31 | 1, b"")], "structured replies"
    assert await client.option(3) == [(2, bytes(4)), (1, b"")], "one export, without a name"
    [export, blocks, end] = await client.option(7, struct.pack(">IHH", 0, 1, 3))
    assert export == (3, struct.pack(">HQH", 0, SIZE, 1 | 2 | 256))
    assert blocks[1][:2] == b"\0\3"
    assert end == (1, b"")
    assert await client.read(0, 1024) == content(5 * MIB)[:1024], "of the snapshot"
    client.ask(1, 8, 0, 512)
    client.writer.write(bytes(512))
    assert await client.answer() == (1, 8)
    for kind in (FLUSH, TRIM):
        client.ask(kind, 9)
        assert await client.answer() == (1, 9)
    client.ask(2, 0)
    assert await client.reader.read() == b""
    client.writer.close()


async def test_an_old_way_to_name_the_export_serves_too(device: Served) -> None:
    client = await Client.connected(device.socket, flags=1)
    client.writer.write(b"IHAVEOPT" + struct.pack(">II", 1, 0))
    assert await client.reader.readexactly(8 + 2 + 124) == struct.pack(">QH", SIZE, 1 | 2 | 256) + bytes(124)
    assert await client.read(SIZE - PAGE, PAGE) == content(PAGE, 2)
    client.writer.close()


async def test_reads_across_requests_and_at_once_are_right_and_past_the_end_refused(device: Served) -> None:
    client = await Client.connected(device.socket)
    await client.option(7, struct.pack(">IH", 0, 0))
    whole = content(5 * MIB).ljust(SIZE - PAGE, b"\0") + content(PAGE, 2)
    assert await client.read(0, SIZE) == whole
    places = [(at * 100_003, 70_001) for at in range(40)]
    for cookie, (start, length) in enumerate(places):
        client.ask(0, cookie, start, length)
    answered = set[int]()
    for _ in places:
        error, cookie = await client.answer()
        start, length = places[cookie]
        assert (error, await client.reader.readexactly(length)) == (0, whole[start : start + length])
        answered.add(cookie)
    assert len(answered) == len(places)
    client.ask(0, 1, SIZE - 1, 2)
    assert await client.answer() == (22, 1)
    client.ask(0, 1, 0, LONGEST + 1)
    assert await client.reader.read() == b"", "a client that asks for what none may is left"
    client.writer.close()


async def test_a_read_that_fails_is_an_error_to_the_client_and_said_to_the_person(
    azure: LocalAzure, device: Served
) -> None:
    client = await Client.connected(device.socket)
    await client.option(7, struct.pack(">IH", 0, 0))
    azure.gateway.faults.add(Fault("Get Blob", device.blob.path, times=1, refuse=(404, "BlobNotFound", "gone")))
    client.ask(0, 3, 0, 512)
    assert await client.answer() == (5, 3)
    assert "no longer exists" in device.said[0]
    assert await client.read(0, 512) == content(5 * MIB)[:512]
    client.writer.close()


async def test_what_is_not_nbd_is_left(device: Served) -> None:
    client = await Client.connected(device.socket)
    client.writer.write(b"GET / HTTP/1.1\r\n")
    assert await client.reader.read() == b""
    client.writer.close()


@pytest.mark.skipif(not shutil.which("nbdcopy"), reason="no nbdcopy (libnbd-bin); the protocol is tested all the same")
async def test_a_real_client_copies_the_disk(device: Served, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    process = await asyncio.create_subprocess_exec("nbdcopy", f"nbd+unix:///?socket={device.socket}", str(copy))
    assert await asyncio.wait_for(process.wait(), 60) == 0
    assert copy.read_bytes() == content(5 * MIB).ljust(SIZE - PAGE, b"\0") + content(PAGE, 2)

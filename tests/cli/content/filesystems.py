"""Filesystems made by the real tools (tests/data/filesystems/make.sh), on page blobs of the local Azure."""

import base64
import contextlib
import lzma
from dataclasses import dataclass
from pathlib import Path

from shared.azure.blobs.reading import BlobReader
from shared.content.reading import read_content
from shared.limits import PAGE
from shared.model.version import BlobVersion
from tests.cli.content.blobs import MIB, Blob
from tests.logic.made_disks import mbr
from tidemark.content.access import Reading
from tidemark.content.disk_bytes import DiskBytes
from tidemark.content.pieces import PieceReader
from tidemark.content.place import Place
from tidemark.content.places import chosen, places
from tidemark.content.volumes import At, OpenVolume, opened_volume

FOLDER = Path(__file__).parents[2] / "data" / "filesystems"
NUMBERS = "".join(f"{number}\n" for number in range(1, 4001)).encode()
"""What each has in a file of some blocks."""


def image(name: str) -> bytes:
    """Give `ext4`, `ntfs` or `fat`."""
    return lzma.decompress(base64.b64decode((FOLDER / f"{name}.img.xz.base64").read_bytes()))


async def put(blob: Blob, start: int, content: bytes) -> None:
    """Write what of it is not zeros."""
    step = 64 * 1024
    for at in range(0, len(content), step):
        if any(piece := content[at : at + step]):
            await blob.write(start + at, piece.ljust(-(-len(piece) // PAGE) * PAGE, b"\0"))


async def with_two_partitions(blob: Blob) -> None:
    """Put an MBR, an ext4 as partition 2 and an NTFS as partition 4 on a disk of 8 MiB and a footer."""
    entries = [(0, 0, 0, 0), (0, 0x83, 2048, 2048), (0, 0, 0, 0), (0, 0x07, 4096, 4096)]
    await blob.write(0, mbr(entries).ljust(PAGE, b"\0"))
    await put(blob, MIB, image("ext4"))
    await put(blob, 2 * MIB, image("ntfs"))
    await blob.write_footer()


@dataclass
class Opened:
    """A filesystem on a version of a blob."""

    place: Place
    volume: OpenVolume
    places: list[Place]

    async def find(self, path: str) -> At:
        return await self.volume.find(path)

    async def names(self, path: str) -> list[str]:
        return [entry.name for entry in await self.volume.entries((await self.find(path)).path)]

    async def content(self, path: str) -> bytes:
        found = await self.find(path)
        await self.volume.require_copyable(found.path)
        return await self.volume.read(found.path, 0, found.entry.size or 0)


async def opened(
    stack: contextlib.AsyncExitStack, reader: BlobReader, version: BlobVersion, number: int | None = None
) -> Opened:
    """Open a filesystem on a version as the program does."""
    reading, size = Reading(reader), (await reader.properties(version)).size
    found = await read_content(reading, version, size)
    content = DiskBytes(PieceReader(reading, version, 4), size - (PAGE if found.has_footer else 0))
    listed = places(found, content.size)
    place = chosen(listed, number)
    return Opened(place, await stack.enter_async_context(opened_volume(content, place)), listed)

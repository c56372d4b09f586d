"""Checks of a recovery point: byte for byte while its source snapshot exists, and by e2fsck on the extracted disk."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from io import FileIO
from itertools import count
from pathlib import Path
from typing import Protocol

from infra.local.demo.disk_states import DiskState
from infra.local.disks.disk_changes import read_at
from infra.local.disks.disk_image import check_filesystem, checksums
from infra.local.disks.page_blob import at_once
from infra.local.disks.vhd import MIB, PAGE_BYTES, read_footer
from infra.local.graceful_shutdown import in_thread
from shared.model.point import RecoveryPoint
from shared.model.run import Kind

type Read = Callable[[int, int], Awaitable[bytes]]
type Moved = Callable[[int], None]

ITSELF = ""
"""Passed instead of a snapshot, means the blob itself: Azurite treats an empty snapshot so."""

# Two readers keep a local Azure busy; each holds this much of every side in memory.
_CHUNK_BYTES = 8 * MIB
_READERS = 2
_HOLE_BYTES = 64 * 1024


class Readable(Protocol):
    """Something with snapshots that can be read."""

    async def size(self, snapshot: str) -> int:
        """Give a snapshot's size in bytes."""
        ...

    async def read(self, snapshot: str, start: int, end: int) -> bytes:
        """Read the bytes from `start` to `end` (exclusive) of a snapshot."""
        ...


class BrokenProofError(Exception):
    """A recovery point that is not as expected; the message says where it differs."""


def of_snapshot(blob: Readable, snapshot: str) -> Read:
    """Read a snapshot of a blob, or the blob `ITSELF`."""

    async def read(start: int, end: int) -> bytes:
        return await blob.read(snapshot, start, end)

    return read


async def require_same(size: int, read: Read, others: Mapping[str, Read], moved: Moved) -> None:
    """Compare all `size` bytes with each of the others; `moved` receives the number of bytes compared.

    Raises:
        BrokenProofError: they differ; the message names the first such byte and the other side.
    """
    found: list[tuple[int, str]] = []
    chunks = iter(range(0, size, _CHUNK_BYTES))

    async def compare() -> None:
        for start in chunks:
            end = min(size, start + _CHUNK_BYTES)
            content, *contents = await asyncio.gather(
                read(start, end), *(other(start, end) for other in others.values())
            )
            differing = [(name, other) for name, other in zip(others, contents, strict=True) if other != content]
            found.extend((start + _first_difference(content, other), name) for name, other in differing)
            moved(end - start)
            if found:  # what lies before was taken by another reader, which ends its chunk
                return

    await at_once(_READERS, compare)
    if found:
        at, name = min(found)
        raise BrokenProofError(f"differs from {name} at byte {at} (page {at // PAGE_BYTES})")


async def require_identical(
    backup: Readable, disk: Readable, point: RecoveryPoint, state: DiskState, moved: Moved
) -> None:
    """Compare a recovery point with its source snapshot and the expected image.

    Raises:
        BrokenProofError: they differ in size or content.
    """
    sizes = {
        "the recovery point": await backup.size(point.backup_snapshot),
        "its source snapshot": await disk.size(point.source_snapshot),
        "the original image": state.size,
    }
    if len(set(sizes.values())) > 1:
        raise BrokenProofError("sizes differ: " + ", ".join(f"{name} has {size} bytes" for name, size in sizes.items()))
    with FileIO(state.image) as image:
        others = {
            "its source snapshot": of_snapshot(disk, point.source_snapshot),
            "the original image": _of_file(image),
        }
        await require_same(state.size, of_snapshot(backup, point.backup_snapshot), others, moved)


async def require_size(disk: Readable, state: DiskState) -> None:
    """Compare a disk's current size with the expected one.

    Raises:
        BrokenProofError: they differ.
    """
    if (size := await disk.size(ITSELF)) != state.size:
        raise BrokenProofError(f"sizes differ: the disk has {size} bytes, the original image has {state.size} bytes")


async def require_same_file(extracted: Path, state: DiskState) -> None:
    """Compare an extracted disk with the expected image.

    Raises:
        BrokenProofError: they differ.
    """
    with FileIO(extracted) as file, FileIO(state.image) as image:
        await require_same(state.size, _of_file(file), {"the original image": _of_file(image)}, lambda _: None)


def require_only_changes(point: RecoveryPoint, state: DiskState) -> None:
    """Check that a run was incremental and copied no more than what a guest had changed.

    Raises:
        BrokenProofError: it was not, or did.
    """
    if point.kind is not Kind.INCREMENTAL:
        raise BrokenProofError(f"run was {point.kind}, not incremental: {point.reason}")
    moved, changed = point.bytes_written + point.bytes_cleared, sum(end - start for start, end, _ in state.changes)
    if moved > changed:
        raise BrokenProofError(f"run copied {moved} bytes, but only {changed} had changed")


async def extract(read: Read, size: int, target: Path, moved: Moved) -> None:
    """Write `size` bytes into a sparse file, with holes for zeros."""
    chunks = iter(range(0, size, _CHUNK_BYTES))
    with FileIO(target, "w") as file:
        file.truncate(size)

        async def write() -> None:
            for start in chunks:
                end = min(size, start + _CHUNK_BYTES)
                for at, piece in _data(await read(start, end)):
                    file.seek(start + at)
                    file.write(piece)
                moved(end - start)

        await at_once(_READERS, write)


async def require_restorable(image: Path, state: DiskState) -> str:
    """Check that an extracted disk is usable: footer, filesystem, files; return what passed.

    Raises:
        BrokenProofError: something differs from the original.
    """
    try:
        return await in_thread(lambda: _check(image, state))
    except ValueError as error:
        raise BrokenProofError(f"not a valid disk after extraction: {error}") from error


def _check(image: Path, state: DiskState) -> str:
    read_footer(image)
    if state.files is None or state.check is None:
        return "footer valid"
    check = check_filesystem(image)
    if check != state.check and (check is None or check.clean != state.check.clean):
        raise BrokenProofError(f"e2fsck says: {check.output if check else 'nothing'}")
    files = checksums(image)
    if wrong := sorted(name for name in files.keys() | state.files.keys() if files.get(name) != state.files.get(name)):
        raise BrokenProofError(f"{len(wrong)} files differ from the original, among them {wrong[0]}")
    said = "e2fsck clean" if check and check.clean else "e2fsck reports the same errors as on the disk"
    return f"footer valid; {said}; {len(files)} files match"


def _of_file(file: FileIO) -> Read:
    async def read(start: int, end: int) -> bytes:
        return read_at(file, start, end - start)

    return read


def _data(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each piece that is not all zeros, with its offset."""
    zeros = bytes(_HOLE_BYTES)
    for at in range(0, len(content), _HOLE_BYTES):
        piece = content[at : at + _HOLE_BYTES]
        if piece != zeros[: len(piece)]:
            yield at, piece


def _first_difference(one: bytes, other: bytes) -> int:
    """Return the offset of the first byte that differs."""
    page = next(at for at in count(0, PAGE_BYTES) if one[at : at + PAGE_BYTES] != other[at : at + PAGE_BYTES])
    return next(at for at in count(page) if one[at : at + 1] != other[at : at + 1])

"""What lies in a sparse file and what changed between two: extents, changes, and copies that keep the holes.

Offsets and lengths are bytes.
"""

import errno
import heapq
import os
import shutil
import sys
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from infra.local.disks.vhd import MIB, PAGE_BYTES

_BLOCK_BYTES = 4096
_CHUNK_BYTES = MIB


class Change(NamedTuple):
    """Bytes `start` to `end` (exclusive) that a guest wrote or, if `cleared`, discarded."""

    start: int
    end: int
    cleared: bool


def data_extents(path: Path, size: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the data in the first `size` bytes, in order, aligned out to 512; the rest are holes."""
    with FileIO(path) as file:
        yield from _extents(file, size)


def changes(old: Path, new: Path) -> Iterator[Change]:
    """Yield what a guest did to the disk between two states: in order, aligned to 512 bytes, none touching its like.

    Pages that differ and hold data in `new` were written. Where `old` holds data and `new` a hole they were cleared,
    so clears are as coarse as the holes of the filesystem that has the files (mostly 4 KiB).

    Raises:
        ValueError: the files differ in size, or it is no multiple of 512.
    """
    size = new.stat().st_size
    if size % PAGE_BYTES or old.stat().st_size != size:
        raise ValueError(f"{old} and {new} must be of one size, a multiple of {PAGE_BYTES}.")
    with FileIO(old) as old_file, FileIO(new) as new_file:
        yield from _coalesced(_changes(old_file, new_file, size))


def copy_sparse(source: Path, target: Path) -> None:
    """Copy a file with its holes; what was at `target` is gone.

    Raises:
        shutil.SameFileError: both are the same file.
    """
    if target.exists() and source.samefile(target):
        raise shutil.SameFileError(f"{source} and {target} are the same file")
    with FileIO(source) as reader, target.open("wb") as writer:
        size = os.fstat(reader.fileno()).st_size
        writer.truncate(size)
        for start, end in _extents(reader, size):
            writer.seek(start)
            for at in range(start, end, _CHUNK_BYTES):
                writer.write(read_at(reader, at, min(_CHUNK_BYTES, end - at)))


def read_at(file: FileIO, start: int, length: int) -> bytes:
    """Read `length` bytes from `start` on, less at the end of the file."""
    file.seek(start)
    return file.read(length)


def _extents(file: FileIO, size: int) -> Iterator[tuple[int, int]]:
    if sys.platform == "win32":  # no SEEK_DATA there: all is data
        yield from [(0, size)] if size else []
        return
    end = 0
    while end < size:
        try:
            start = os.lseek(file.fileno(), end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole is left
                return
            raise
        if start >= size:
            return
        hole = os.lseek(file.fileno(), start, os.SEEK_HOLE)
        end = min(size, -(-hole // PAGE_BYTES) * PAGE_BYTES)
        yield start // PAGE_BYTES * PAGE_BYTES, end


def _changes(old: FileIO, new: FileIO, size: int) -> Iterator[Change]:
    position, in_old, in_new = 0, False, False
    for at, of_new in heapq.merge(_edges(old, size, of_new=False), _edges(new, size, of_new=True)):
        if in_new:
            yield from _written(old, new, position, at)
        elif in_old and at > position:
            yield Change(position, at, cleared=True)
        position, in_old, in_new = at, in_old ^ (not of_new), in_new ^ of_new


def _edges(file: FileIO, size: int, *, of_new: bool) -> Iterator[tuple[int, bool]]:
    """Yield where the file passes from a hole to data and back; at 0 it is in a hole."""
    return ((edge, of_new) for extent in _extents(file, size) for edge in extent)


def _written(old: FileIO, new: FileIO, start: int, end: int) -> Iterator[Change]:
    """Yield the pages that differ: whole chunks are compared first, then blocks, then pages."""
    for chunk in range(start, end, _CHUNK_BYTES):
        length = min(_CHUNK_BYTES, end - chunk)
        before, after = read_at(old, chunk, length), read_at(new, chunk, length)
        for block in range(0, length, _BLOCK_BYTES) if before != after else ():
            if before[block : block + _BLOCK_BYTES] != after[block : block + _BLOCK_BYTES]:
                for page in range(block, min(block + _BLOCK_BYTES, length), PAGE_BYTES):
                    if before[page : page + PAGE_BYTES] != after[page : page + PAGE_BYTES]:
                        yield Change(chunk + page, chunk + page + PAGE_BYTES, cleared=False)


def _coalesced(found: Iterator[Change]) -> Iterator[Change]:
    last = next(found, None)
    if last is None:
        return
    for change in found:
        if change.start == last.end and change.cleared == last.cleared:
            last = last._replace(end=change.end)
        else:
            yield last
            last = change
    yield last

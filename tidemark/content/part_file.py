"""The file that an unfinished export writes: one process at a time, with holes where nothing is written."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from tidemark.content.errors import ExportError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

CHUNK = 4 * 1024**2
_LOCKED_AT = 2**62  # Windows keeps others from reading what is locked: a byte past the end
_BLOCK = 512  # bytes of what `st_blocks` counts, on all systems that have it


class PartFile:
    """The file of an unfinished export, which no other process has.

    Attributes:
        path: where it is.
    """

    def __init__(self, path: Path, file: FileIO) -> None:
        self.path, self._file = path, file

    @classmethod
    @contextlib.contextmanager
    def opened(cls, path: Path) -> Iterator["PartFile"]:
        """Open the file, which is made if need be, and keep others out of it; an empty one does not stay.

        Raises:
            ExportError: another process has it.
        """
        with _owned(path) as file:
            found = cls(path, file)
            try:
                yield found
            finally:
                if not file.closed and not found.length:
                    with contextlib.suppress(OSError):  # Windows deletes no open file
                        path.unlink()

    @property
    def length(self) -> int:
        """Its bytes."""
        return os.fstat(self._file.fileno()).st_size

    @property
    def bytes_on_disk(self) -> int:
        """What it takes up of its file system, as far as that can be told."""
        found = os.fstat(self._file.fileno())
        return int(getattr(found, "st_blocks", 0)) * _BLOCK

    def begin(self, length: int) -> None:
        """Forget what is in it, and make it a hole of so many bytes."""
        self._file.truncate(0)
        self._file.truncate(length)

    def write(self, start: int, content: bytes) -> None:
        """Write to a part of it."""
        self._file.seek(start)
        left = memoryview(content)
        while left:
            left = left[self._file.write(left) :]

    def read(self, start: int, end: int) -> bytes:
        """Read a part of it; what is beyond its end is left out."""
        self._file.seek(start)
        parts = list[bytes]()
        while start < end and (part := self._file.read(end - start)):
            parts.append(part)
            start += len(part)
        return b"".join(parts)

    def next_data(self, start: int, end: int) -> int:
        """Find where something may be that is not zeros, at or after the start; the end if nothing is."""
        if not hasattr(os, "SEEK_DATA"):
            return start
        try:
            return min(end, os.lseek(self._file.fileno(), start, os.SEEK_DATA))
        except OSError as error:
            return end if error.errno == errno.ENXIO else start

    def wipe(self, start: int, end: int) -> None:
        """Have a part of it read as zeros; what does already stays a hole."""
        for at in range(start, end, CHUNK):
            found = self.read(at, min(at + CHUNK, end))
            if found.count(0) != len(found):
                self.write(at, bytes(len(found)))

    def sync(self) -> None:
        """Have what is written survive a power cut."""
        os.fsync(self._file.fileno())

    def forget_cache(self) -> None:
        """Have the next reads come from the disk, not from memory, where the system can do that."""
        self.sync()
        if sys.platform == "linux":
            os.posix_fadvise(self._file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def rename(self, target: Path) -> None:
        """Give it its final name, over what has it."""
        if sys.platform == "win32":
            self._file.close()  # an open file can't be renamed there
        self.path.replace(target)


@contextlib.contextmanager
def _owned(path: Path) -> Iterator[FileIO]:
    """Open a file and lock it; what was opened may have got its final name before it was locked: then again."""
    while True:
        file = FileIO(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600), "r+")
        with file:
            try:
                _lock(file)
            except (BlockingIOError, PermissionError):
                raise ExportError(
                    f"another export is writing {path}. What to do: wait for it, or export to another file"
                ) from None
            if _is_at(path, file):
                yield file
                return


def _is_at(path: Path, file: FileIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _lock(file: FileIO) -> None:
    if sys.platform == "win32":
        file.seek(_LOCKED_AT)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

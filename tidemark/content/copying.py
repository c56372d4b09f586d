"""Copying a file out of a volume."""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple

from tidemark.content.errors import BrowseError
from tidemark.content.threads import in_thread
from tidemark.content.volumes import At, OpenVolume

_AT_ONCE = 4 * 1024 * 1024


class Copied(NamedTuple):
    """A file that was copied out.

    Attributes:
        path: the copy.
        length: its bytes.
        sha256: the SHA-256 of what was written.
    """

    path: Path
    length: int
    sha256: str


def checked_target(text: str, name: str, *, overwrite: bool) -> Path:
    """Return where a file goes: the path that is said, or under its own name into the folder that is.

    Raises:
        BrowseError: it can't go there.
    """
    path = Path(text)
    if path.is_dir():
        path /= name
    if not path.parent.is_dir():
        raise BrowseError(f"there is no folder {path.parent}. What to do: create it, or copy to another one")
    if path.exists() and not (overwrite and path.is_file()):
        raise BrowseError(f"{path} exists already. What to do: copy to another file, or say --overwrite")
    return path


async def copy_out(
    volume: OpenVolume, found: At, path: Path, *, overwrite: bool, progress: Callable[[int, int], None]
) -> Copied:
    """Copy a file, which only its owner may read then; it has another name until it is complete.

    Args:
        volume: where it is.
        found: the file.
        path: where it goes.
        overwrite: whether a file that is there may be overwritten.
        progress: told the bytes that are done, and how many there are.

    Raises:
        BrowseError: it can't be read, or not be written.
    """
    await volume.require_copyable(found.path)
    length, digest = found.entry.size or 0, hashlib.sha256()
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete_on_close=False) as file:
            for start in range(0, length, _AT_ONCE):
                content = await volume.read(found.path, start, min(_AT_ONCE, length - start))
                digest.update(content)
                await in_thread(_write, file, start, content)
                progress(start + len(content), length)
            await in_thread(_finish, file, length)
            await in_thread(_rename, Path(file.name), path, overwrite=overwrite)
    except OSError as error:
        raise BrowseError(f"can't write {path}: {error.strerror}. What to do: make room, or copy elsewhere") from error
    return Copied(path, length, digest.hexdigest())


def _write(file: IO[bytes], start: int, content: bytes) -> None:
    """Write a piece; one of zeros is left out as a hole."""
    if content.strip(b"\0"):
        file.seek(start)
        file.write(content)


def _rename(made: Path, path: Path, *, overwrite: bool) -> None:
    checked_target(str(path), path.name, overwrite=overwrite)
    made.replace(path)


def _finish(file: IO[bytes], length: int) -> None:
    file.truncate(length)
    file.flush()
    os.fsync(file.fileno())
    file.close()

"""The files of a filesystem on a disk, read by The Sleuth Kit (pytsk3), in the process of `volume_process`.

Nothing is written, and no journal is replayed. What the guest has put there is not trusted: names are made printable,
and what can't be read as it was is refused.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytsk3

from tidemark.content.entries import Entry, Kind, printable
from tidemark.content.errors import BrowseError, NoSuchPathError
from tidemark.content.place import Place

type Read = Callable[[int, int], bytes]

_TYPES = {
    **dict.fromkeys(("ext2", "ext3", "ext4"), pytsk3.TSK_FS_TYPE_EXT_DETECT),
    "NTFS": pytsk3.TSK_FS_TYPE_NTFS,
    "FAT": pytsk3.TSK_FS_TYPE_FAT_DETECT,
    "exFAT": pytsk3.TSK_FS_TYPE_EXFAT,
}
_IGNORE_CASE = frozenset({"NTFS", "FAT", "exFAT"})
_NTFS_OWN = 24  # records of the MFT that NTFS keeps for itself
_FAT_LABEL = "(Volume Label Entry)"
_MOST_LINKS = 40
_ENCRYPTED = 0x10  # TSK_FS_ATTR_ENC
_NEEDS_RECOVERY = 0x4  # of ext's incompatible features


_KINDS = {
    int(pytsk3.TSK_FS_META_TYPE_REG): Kind.FILE,
    int(pytsk3.TSK_FS_META_TYPE_DIR): Kind.FOLDER,
    int(pytsk3.TSK_FS_META_TYPE_LNK): Kind.LINK,
}


@dataclass(frozen=True, slots=True)
class Found:
    """What is at a path.

    Attributes:
        path: without links.
        entry: what it is.
        file: The Sleuth Kit's.
    """

    path: str
    entry: Entry
    file: Any


class _Image(pytsk3.Img_Info):  # type: ignore[misc]  # it has no types
    """A disk for The Sleuth Kit, which reads at least 64 KiB at a time and remembers 2 MiB of it.

    Attributes:
        error: what has kept it from being read.
    """

    def __init__(self, read: Read, size: int) -> None:
        self._read, self._size = read, size
        self.error: Exception | None = None
        super().__init__(url="", type=pytsk3.TSK_IMG_TYPE_EXTERNAL)

    def read(self, offset: int, size: int) -> bytes:
        """Read bytes."""
        try:
            return self._read(offset, size)
        except Exception as error:
            self.error = error
            raise OSError("the disk can't be read") from error

    def get_size(self) -> int:
        """Give its size."""
        return self._size

    def close(self) -> None:
        """Nothing is held open."""


class Volume:
    """A filesystem."""

    def __init__(self, read: Read, size: int, place: Place) -> None:
        """Open it.

        Args:
            read: reads so many bytes of the disk from a byte on.
            size: bytes of the disk.
            place: where the filesystem is.

        Raises:
            BrowseError: it can't be read.
            Exception: whatever `read` raises.
        """
        self._read, self._place, self._image = read, place, _Image(read, size)
        with self._errors():
            self._system = pytsk3.FS_Info(self._image, offset=place.start, type=_TYPES[place.filesystem])

    def was_in_use(self) -> bool:
        """Return whether its journal holds changes that are not seen: it was mounted when its snapshot was taken."""
        is_ext = self._place.filesystem.startswith("ext")
        superblock = self._read(self._place.start + 1024, 1024) if is_ext else bytes(1024)
        return bool(superblock[96] & _NEEDS_RECOVERY)

    def find(self, path: str) -> Found:
        """Find a file or a folder; links are followed within the filesystem.

        Raises:
            NoSuchPathError: there is none.
            BrowseError: a folder on the way can't be read.
        """
        with self._errors():
            root = self._system.open_meta(self._system.info.root_inum)
            trail, left, links = [Found("/", _entry("/", root), root)], deque(path.split("/")), 0
            while left:
                name = left.popleft()
                if name in {"", "."}:
                    continue
                if name == "..":
                    del trail[max(1, len(trail) - 1) :]
                    continue
                found = self._child(trail[-1], name)
                if found.entry.kind is not Kind.LINK:
                    trail.append(found)
                    continue
                links += 1
                if links > _MOST_LINKS:
                    raise NoSuchPathError(f"{found.path} is a link in a ring of links")
                del trail[1 if found.entry.target.startswith("/") else len(trail) :]
                left.extendleft(reversed(found.entry.target.split("/")))
            return trail[-1]

    def entries(self, folder: Found) -> list[Entry]:
        """List a folder by name.

        Raises:
            NoSuchPathError: it is no folder.
            BrowseError: it can't be read.
        """
        with self._errors():
            return sorted((_entry(name, file) for name, file in self._files(folder)), key=lambda entry: entry.name)

    def require_copyable(self, found: Found) -> None:
        """Require a file whose content is all there.

        Raises:
            NoSuchPathError: it is none.
            BrowseError: its content is elsewhere, or encrypted.
        """
        if found.entry.kind is not Kind.FILE:
            raise NoSuchPathError(f"{found.path} is not a file. What to do: name one of the files in it")
        if self._place.filesystem != "NTFS":
            return
        with self._errors():
            for attribute in found.file:
                if int(attribute.info.type) == int(pytsk3.TSK_FS_ATTR_TYPE_NTFS_REPARSE):
                    raise BrowseError(
                        f"{found.path} is a reparse point: Windows has compressed or deduplicated it, or keeps its"
                        " content elsewhere. What to do: restore the recovery point, and read the file there"
                    )
                if int(attribute.info.flags) & _ENCRYPTED:
                    raise BrowseError(
                        f"{found.path} is encrypted by Windows. What to do: restore the recovery point, and read the"
                        " file there as its owner"
                    )

    def read(self, found: Found, start: int, length: int) -> bytes:
        """Read bytes of a file.

        Raises:
            BrowseError: they can't be read.
        """
        with self._errors():
            content: bytes = found.file.read_random(start, length)
        if len(content) != length:
            raise BrowseError(f"{found.path} can't be read to its end: the filesystem may be damaged there")
        return content

    def _child(self, folder: Found, name: str) -> Found:
        """Find an entry of a folder by its name, by exactly that if there are several."""
        ignores_case = self._place.filesystem in _IGNORE_CASE
        alike = None
        for own, file in self._files(folder):
            if own == name:
                return Found(_joined(folder.path, own), _entry(own, file), file)
            if ignores_case and own.casefold() == name.casefold():
                alike = Found(_joined(folder.path, own), _entry(own, file), file)
        if alike is None:
            raise NoSuchPathError(f"there is no {name} in {folder.path} of {self._place.name}")
        return alike

    def _files(self, folder: Found) -> Iterator[tuple[str, Any]]:
        """Give the files of a folder with their names: no deleted ones, and none of the filesystem's own."""
        if folder.entry.kind is not Kind.FOLDER:
            raise NoSuchPathError(f"{folder.path} is no folder")
        for file in folder.file.as_directory():
            name, meta = file.info.name, file.info.meta
            if meta is None or not int(name.flags) & int(pytsk3.TSK_FS_NAME_FLAG_ALLOC) or name.name in {b".", b".."}:
                continue
            if int(meta.type) in {int(pytsk3.TSK_FS_META_TYPE_VIRT), int(pytsk3.TSK_FS_META_TYPE_VIRT_DIR)}:
                continue
            text = _text(name.name)
            if self._place.filesystem == "NTFS" and meta.addr < _NTFS_OWN:
                continue
            if self._place.filesystem in {"FAT", "exFAT"} and text.endswith(_FAT_LABEL):
                continue
            yield text, file

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Say what keeps the filesystem from being read; what kept the disk from being read is raised as it was."""
        try:
            yield
        except (OSError, RuntimeError) as error:  # by which of the two it says so depends on the call
            if self._image.error:
                raise self._image.error from error
            said = " ".join(str(error).partition("error: ")[2].split()) or "unknown"
            raise BrowseError(
                f"{self._place.name} can't be read ({said}). What to do: use --mount, with which your system reads it"
            ) from error


def _entry(name: str, file: Any) -> Entry:
    meta = file.info.meta
    kind = _KINDS.get(int(meta.type), Kind.OTHER)
    modified = None
    with contextlib.suppress(OverflowError, ValueError, OSError):
        modified = datetime.fromtimestamp(meta.mtime, UTC) if meta.mtime else None
    target = _text(meta.link) if kind is Kind.LINK and meta.link else ""
    return Entry(name=name, kind=kind, size=meta.size if kind is Kind.FILE else None, modified=modified, target=target)


def _text(raw: bytes) -> str:
    return printable(raw.decode("utf-8", "backslashreplace"))


def _joined(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"

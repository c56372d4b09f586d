"""What is on record beside an unfinished export: of which recovery point it is, and which windows are written."""

import contextlib
import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Self

from pydantic import TypeAdapter, ValidationError

from shared.changes.ranges import Window, windows

SMALLEST_WINDOW = 64 * 1024**2
MOST_WINDOWS = 4096
"""At most so many windows of a disk are on record, so that the record is small enough to be written each second."""


def window_length(length: int) -> int:
    """Return the bytes of a window of so long a disk."""
    return SMALLEST_WINDOW * max(1, -(-length // (SMALLEST_WINDOW * MOST_WINDOWS)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is exported, and how; what is written of another export can't be used for it.

    Attributes:
        url: the blob's URL.
        snapshot: the snapshot's time; empty for the blob itself.
        etag: its ETag.
        size: its bytes.
        file_format: the format of the file.
        length: bytes of the disk that are written.
        window: bytes of a window.
        layout: the number of the rules for what is on record, such as how the checksums of windows are made.
    """

    url: str
    snapshot: str
    etag: str
    size: int
    file_format: str
    length: int
    window: int
    layout: int = 1

    @property
    def windows(self) -> list[Window]:
        """The windows of the disk."""
        return windows(self.length, self.window)

    def window_at(self, number: int) -> Window:
        """Return the window of a number."""
        start = number * self.window
        return Window(start, min(start + self.window, self.length))

    def difference(self, other: Self) -> str:
        """Say why what was written of it can't be used for another export; empty if it can be."""
        if (self.url, self.snapshot) != (other.url, other.snapshot):
            return "it was of another recovery point"
        if (self.etag, self.size) != (other.etag, other.size):
            return "the source has changed since"
        if self != other:
            return f"it was begun as {self.file_format}, in windows of {self.window} bytes, layout {self.layout}"
        return ""


@dataclass(frozen=True, slots=True)
class State:
    """How far an export is.

    Attributes:
        source: what is exported.
        valid: the valid bytes of each window.
        done: the checksum of what was downloaded (`SparseDigest`), by the number of the window, of those on disk.
    """

    source: Source
    valid: list[int]
    done: dict[int, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """The valid bytes of all windows."""
        return sum(self.valid)

    @property
    def bytes_done(self) -> int:
        """The valid bytes of the windows that are on disk."""
        return sum(self.valid[number] for number in self.done)

    def without(self, numbers: list[int]) -> "State":
        """Forget windows."""
        return replace(self, done={number: digest for number, digest in self.done.items() if number not in numbers})

    def save(self, path: Path) -> None:
        """Write it, so that a crash leaves the old or the new one."""
        new = path.with_name(f"{path.name}.new")
        with new.open("w", encoding="utf-8") as file:
            json.dump(asdict(self), file, separators=(",", ":"))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        sync_folder(path.parent)

    @classmethod
    def load(cls, path: Path) -> "State | None":
        """Read one; None if there is none that can be read."""
        try:
            found = _STATE.validate_json(path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        count = len(found.source.windows)
        return found if len(found.valid) == count and all(0 <= number < count for number in found.done) else None


_STATE = TypeAdapter(State)


def sync_folder(folder: Path) -> None:
    """Have the names of a folder's files survive a power cut, where the system can do that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

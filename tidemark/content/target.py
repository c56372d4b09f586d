"""Where a recovery point is exported to, and what stands in the way."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from shared.model.texts import human_size
from tidemark.content.errors import ExportError
from tidemark.content.qcow2 import qemu_img

_FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})


class Format(StrEnum):
    """The format of an exported file.

    Attributes:
        VHD: the blob's bytes as they are, with the footer that makes them a VHD.
        RAW: without that footer.
        QCOW2: QEMU's, with the content of a raw file.
    """

    VHD = "vhd"
    RAW = "raw"
    QCOW2 = "qcow2"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a recovery point is exported to.

    Attributes:
        path: the file.
        file_format: its format.
        program: what makes it of a raw file; empty if it is one, or a VHD.
    """

    path: Path
    file_format: Format
    program: str

    @classmethod
    def checked(cls, path: Path, file_format: Format, *, overwrite: bool) -> "Target":
        """Find what stands in the way before anything is downloaded.

        Raises:
            ExportError: the file can't be written; the message says why.
        """
        target = cls(path, file_format, qemu_img() if file_format is Format.QCOW2 else "")
        if not path.parent.is_dir():
            raise ExportError(f"there is no folder {path.parent}. What to do: create it, or export to another one")
        if path.exists() and not path.is_file():
            raise ExportError(f"{path} is no file. What to do: export to a file")
        target.require_free(overwrite=overwrite)
        return target

    def require_free(self, *, overwrite: bool) -> None:
        """Require that the file is not there, unless it may be overwritten.

        Raises:
            ExportError: it is there.
        """
        if self.path.exists() and not overwrite:
            raise ExportError(f"{self.path} exists already. What to do: name another file, or give --overwrite")

    @property
    def part(self) -> Path:
        """The file while it is unfinished."""
        return self.path.with_name(f"{self.path.name}.part")

    @property
    def record(self) -> Path:
        """What is on record of it then."""
        return self.path.with_name(f"{self.path.name}.part.json")

    @property
    def converted(self) -> Path:
        """What is made of a raw file, until it is complete."""
        return self.path.with_name(f"{self.path.name}.part.{self.file_format}")

    def require_room(self, missing: int, total: int) -> None:
        """Require room on disk for what is not written yet; a qcow2 needs it once more.

        Raises:
            ExportError: there is less.
        """
        needed = missing + (total if self.program else 0)
        free = shutil.disk_usage(self.path.parent).free
        if needed > free:
            raise ExportError(
                f"{human_size(needed)} are to be written to {self.path.parent}, where {human_size(free)} are free. What"
                " to do: make room, or export to another disk"
            )

    @contextmanager
    def file_errors(self) -> Iterator[None]:
        """Say what is wrong with the file system.

        Raises:
            ExportError: in place of an error of the file system.
        """
        try:
            yield
        except OSError as error:
            if error.errno is None:
                raise
            raise ExportError(
                f"can't write {self.path}: {error.strerror}. What to do: {_advice(error.errno)}"
            ) from error


def _advice(number: int) -> str:
    if number in _FULL:
        return "make room, and export again, which goes on from here; or export to another disk"
    if number == errno.EFBIG:
        return "export to a file system that holds files as large as the disk; FAT32 holds 4 GiB"
    return "correct that, and export again, which goes on from here; or export to another disk"

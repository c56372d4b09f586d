"""Where a filesystem of a disk is. Pure."""

from typing import NamedTuple

from shared.model.texts import human_size

READABLE = frozenset({"ext2", "ext3", "ext4", "NTFS", "FAT", "exFAT"})
"""The filesystems whose files `tidemark.content.volume` reads."""


class Place(NamedTuple):
    """A part of a disk that may hold a filesystem.

    Attributes:
        number: of its partition; 0 for a disk without any, which is one filesystem.
        start, end: its first byte, and the first byte after it.
        filesystem: what it holds; empty if that is not known.
    """

    number: int
    start: int
    end: int
    filesystem: str

    @property
    def length(self) -> int:
        """Its length in bytes."""
        return self.end - self.start

    @property
    def name(self) -> str:
        """Its name for people."""
        what = f"partition {self.number}" if self.number else "the whole disk"
        return f"{what} ({self.filesystem or 'unknown'}, {human_size(self.length)})"

    @property
    def is_readable(self) -> bool:
        """Whether its files can be read."""
        return self.filesystem in READABLE

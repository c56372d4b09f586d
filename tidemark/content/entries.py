"""What is in a folder of a disk."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """What an entry of a folder is."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry of a folder.

    Attributes:
        name: its name; what of it is not printable is escaped.
        kind: what it is.
        size: bytes of a file; None of anything else.
        modified: when it was last written, UTC; None if that is not known.
        target: where a link leads; empty for anything else.
    """

    name: str
    kind: Kind
    size: int | None
    modified: datetime | None
    target: str


def printable(text: str) -> str:
    """Make a name printable: a guest may have put anything into it, such as codes for a terminal."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)

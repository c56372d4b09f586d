"""Orphans: snapshots that Tidemark took and no row knows. Pure functions."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.model.addresses import BlobAddress
from shared.model.disk import Disk

OLDER_THAN = timedelta(days=7)
"""What is younger may belong to something under way."""

MAX_LISTED = 2000
"""Orphans that one list has: their digests fit in a row (REST: Understanding the Table service data model)."""

_DIGEST, _HASH = 12, 16
"""Hexadecimal digits of an orphan's digest, and of a list's hash."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """A snapshot that may be an orphan.

    Attributes:
        disk: the disk that it is of, or whose backup blob it is of.
        blob: the blob; None for a source snapshot.
        snapshot: its time.
        run: the time of its recovery point.
    """

    disk: Disk
    blob: BlobAddress | None
    snapshot: str
    run: str

    @property
    def name(self) -> str:
        """Its URL."""
        return f"{self.blob or self.disk}?snapshot={self.snapshot}"

    @property
    def digest(self) -> str:
        """What stands for it on a list."""
        return hashlib.sha256(self.name.encode()).hexdigest()[:_DIGEST]


@dataclass(frozen=True, slots=True)
class Known:
    """What is on record of a disk.

    Attributes:
        base: its base snapshot.
        points: the times of its recovery points.
        is_busy: whether anything is under way with it, or it has no record of its own.
        deleted: the times of recovery points that were deleted on purpose.
    """

    base: str
    points: frozenset[str]
    is_busy: bool
    deleted: frozenset[str] = frozenset()


def is_old_enough(snapshot: str, now: datetime) -> bool:
    """Return whether a snapshot is old enough to be an orphan."""
    return now - datetime.fromisoformat(snapshot) >= OLDER_THAN


def is_orphan(found: Orphan, known: Known, now: datetime) -> bool:
    """Return whether a snapshot is an orphan; of a busy disk, or one without recovery points, none is."""
    if known.is_busy or not known.points or not is_old_enough(found.snapshot, now):
        return False
    return found.run not in known.points if found.blob else found.snapshot != known.base


def looks_lost(orphans: Sequence[Orphan], known: Known) -> bool:
    """Return whether a disk has more unknown recovery points than known ones: its rows were lost, not its snapshots."""
    unknown = [found for found in orphans if found.blob and found.run not in known.deleted]
    return len(unknown) > len(known.points)


def hash_of(digests: Iterable[str]) -> str:
    """Return the hash of a list, by which it is approved."""
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()[:_HASH]

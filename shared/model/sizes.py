"""What versions of a blob hold that no other version does, by counts of page diffs. Pure functions.

A page that was written is billed once, in however many versions it is; written again, it is another page, even with the
same content (REST: Understanding how snapshots accrue charges). A diff counts the bytes of a version that were written
since an older one. Between neighbours these counts add up to all that was ever written; what a diff across several
versions does not count of that lives in none of its two ends. So two kinds of counts, which never change, answer every
question exactly.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, pairwise
from typing import NamedTuple, Self

from shared.model.addresses import BlobAddress
from shared.model.disk import Disk
from shared.model.point import RecoveryPoint
from shared.model.run import Kind
from shared.model.times import canonical_time

DIFF_ROW_PREFIX = "diff-"

BACKUP_BLOB = "backup-blob"
"""The label of the backup blob itself, which changes, after its snapshots."""

_COPY_LABEL = "copy-"

NOTHING = "nothing"
"""The label of what comes before a blob's first version."""


class Pair(NamedTuple):
    """Two versions of a blob.

    Attributes:
        since: the older one's label, or `NOTHING`.
        version: the newer one's label.
    """

    since: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageDiff:
    """The row of a counted diff between two snapshots, or of one version against nothing. It never changes.

    Attributes:
        since, version: the labels of the two versions.
        bytes_written: bytes of the newer one that were written since the older one.
    """

    since: str
    version: str
    bytes_written: int

    @property
    def pair(self) -> Pair:
        """Its two versions."""
        return Pair(self.since, self.version)

    @property
    def row_key(self) -> str:
        """Its row in the disk's partition."""
        return f"{DIFF_ROW_PREFIX}{self.version}-{self.since}"


class Bytes(NamedTuple):
    """A number of bytes, or as much as is known of it.

    Attributes:
        at_least, at_most: the number lies between these; if they are equal, it is exact.
    """

    at_least: int
    at_most: int

    @classmethod
    def exactly(cls, number: int) -> Self:
        """Make a number that is known."""
        return cls(number, number)

    @property
    def is_exact(self) -> bool:
        """Whether the number is known."""
        return self.at_least == self.at_most

    def plus(self, other: "Bytes") -> "Bytes":
        """Add two numbers."""
        return Bytes(self.at_least + other.at_least, self.at_most + other.at_most)

    def minus(self, other: "Bytes") -> "Bytes":
        """Subtract a number that is part of this one."""
        return Bytes(max(0, self.at_least - other.at_most), max(0, self.at_most - other.at_least))

    def __str__(self) -> str:
        """Write it for people."""
        return f"{self.at_least}" if self.is_exact else f"{self.at_least} to {self.at_most}"


NO_BYTES = Bytes(0, 0)


class Held(NamedTuple):
    """A version of a blob.

    Attributes:
        label: a snapshot's time; of the blob itself, `BACKUP_BLOB` or the label of a full copy.
        size: its bytes, of which it holds those that are valid pages.
    """

    label: str
    size: int


@dataclass(frozen=True, slots=True)
class Chain:
    """All versions of one blob: its snapshots, oldest first, and last the blob itself.

    Attributes:
        blob: the blob.
        versions: its versions.
    """

    blob: BlobAddress
    versions: tuple[Held, ...]

    @property
    def labels(self) -> list[str]:
        """The labels of its versions."""
        return [held.label for held in self.versions]

    def size_of(self, label: str) -> int:
        """Return the bytes of a version."""
        return next(held.size for held in self.versions if held.label == label)

    def snapshot_of(self, label: str) -> str:
        """Return the snapshot's time of a version; empty for the blob itself."""
        return "" if label == self.versions[-1].label else label


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftDeleted:
    """A backup that was deleted, and which soft delete keeps and bills.

    Attributes:
        blob: the blob.
        snapshot: the snapshot's time; empty for a full copy.
        size: its bytes, of which it holds those that no other version does.
        deleted: when it was deleted, UTC.
        days_left: days that it is still kept.
    """

    blob: BlobAddress
    snapshot: str
    size: int
    deleted: datetime
    days_left: int


class _Stretch(NamedTuple):
    """Adjacent versions that are to be deleted, between two that stay."""

    before: str
    going: list[Held]
    after: Held | None

    @property
    def pairs(self) -> list[Pair]:
        """The pairs of neighbours from the one that stays before to the one that stays after."""
        labels = [self.before, *(held.label for held in self.going), *([self.after.label] if self.after else [])]
        return [Pair(*pair) for pair in pairwise(labels)]

    @property
    def across(self) -> Pair | None:
        """The two versions that stay."""
        return Pair(self.before, self.after.label) if self.after else None


type Known = Mapping[Pair, int]
"""Counted diffs: bytes of the newer version that were written since the older one."""


def neighbours(chain: Chain) -> list[Pair]:
    """Return each version of a chain with the one before it, oldest first."""
    return [Pair(*pair) for pair in pairwise([NOTHING, *chain.labels])]


def pairs_for(chain: Chain, going: AbstractSet[str]) -> list[Pair]:
    """Return the diffs that say exactly what is freed by deleting versions, by their labels."""
    found = [pair for stretch in _stretches(chain, going) for pair in (*stretch.pairs, stretch.across) if pair]
    return list(dict.fromkeys(found))


def freed(chain: Chain, going: AbstractSet[str], known: Known) -> Bytes:
    """Compute how many bytes no version holds any more once some are deleted.

    Args:
        chain: all versions of the blob.
        going: the labels of those that are to be deleted.
        known: counted diffs; exact with all that `pairs_for` names.
    """
    sizes = {held.label: held.size for held in chain.versions}
    found = NO_BYTES
    for stretch in _stretches(chain, going):
        counts = [_count(pair, known, sizes) for pair in stretch.pairs]
        total = _sum(counts)
        if stretch.across is None:
            found = found.plus(total)
            continue
        # What the version that stays has of its own is not freed; it shares the rest at most.
        last, held_after = counts[-1], sizes[stretch.across.version]
        across = Bytes(last.at_least, min(held_after, total.at_most))
        if (counted := known.get(stretch.across)) is not None:
            across = Bytes.exactly(counted)
        gone = total.minus(across)
        found = found.plus(Bytes(gone.at_least, max(gone.at_least, min(gone.at_most, _sum(counts[:-1]).at_most))))
    return found


def held_in_all(chain: Chain, known: Known) -> Bytes:
    """Compute how many bytes all versions of a blob hold together; exact with all pairs of neighbours."""
    sizes = {held.label: held.size for held in chain.versions}
    return _sum([_count(pair, known, sizes) for pair in neighbours(chain)])


def days_kept(found: Sequence[SoftDeleted], now: datetime) -> int | None:
    """Return for how many days soft delete keeps what is deleted, by what it keeps now; None if it keeps nothing.

    The setting itself is the account's, and no role on a container reads it.
    """
    return max(((now - kept.deleted).days + kept.days_left for kept in found), default=None)


def is_backup_of(disk: Disk, name: str) -> bool:
    """Return whether a blob of the backup container is a disk's backup blob or one of its full copies, by its name."""
    if name == disk.backup_name:
        return True
    try:
        return name == disk.full_copy_name(canonical_time(name.rpartition("/")[2]))
    except ValueError:
        return False


def label_of(point: RecoveryPoint) -> str:
    """Return the label of the version that holds a recovery point."""
    return point.backup_snapshot or f"{_COPY_LABEL}{point.time}"


def as_sealed(points: Sequence[RecoveryPoint]) -> dict[Pair, int]:
    """Return the diffs that the rows of recovery points have from their runs."""
    return {
        Pair(point.added_since or NOTHING, label_of(point)): point.added_bytes
        for point in points
        if point.added_bytes is not None
    }


def added_by_run(kind: Kind, bytes_written: int, base: str) -> tuple[int | None, str]:
    """Return what a run has added to what is held, in bytes, and since which snapshot of the backup blob.

    A resync writes pages that may be what they were; what the service counts of them, only a diff tells.
    """
    if kind is Kind.INCREMENTAL and base:
        return bytes_written, base
    return (bytes_written, "") if kind is Kind.FULL else (None, "")


def _count(pair: Pair, known: Known, sizes: Mapping[str, int]) -> Bytes:
    counted = known.get(pair)
    return Bytes(0, sizes[pair.version]) if counted is None else Bytes.exactly(counted)


def _sum(counts: Sequence[Bytes]) -> Bytes:
    total = NO_BYTES
    for count in counts:
        total = total.plus(count)
    return total


def _stretches(chain: Chain, going: AbstractSet[str]) -> Iterator[_Stretch]:
    before = NOTHING
    groups: list[tuple[bool, list[Held]]] = [
        (goes, list(group)) for goes, group in groupby(chain.versions, key=lambda held: held.label in going)
    ]
    for at, (goes, group) in enumerate(groups):
        if goes:
            yield _Stretch(before, group, groups[at + 1][1][0] if at + 1 < len(groups) else None)
        before = group[-1].label

"""What has changed between two versions of a disk: how much, in which partitions, and whether that is usual."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

from azure.core.exceptions import HttpResponseError

from shared.azure.answers import error_code
from shared.azure.blobs.refusals import OTHERS_LEASE
from shared.azure.sources.source import Reader
from shared.changes.ranges import Change, Effort, Window, coalesced, windows
from shared.content.reading import read_content
from shared.errors import DiffRefusedError
from shared.model.point import RecoveryPoint
from shared.model.unusual import is_unusual, usual_written
from shared.model.version import BlobVersion
from shared.pages.listing import LISTING_WINDOW, listed
from tidemark.content.access import Reading
from tidemark.content.attribution import Attribution, Part, counted
from tidemark.content.errors import AttachedError, ChangesError
from tidemark.content.progress import Meter, OnProgress, Stage, tell_nobody

_IN_USE = OTHERS_LEASE | {"SystemInUse"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What has changed between two versions of a disk.

    Attributes:
        newer, older: the versions.
        size, older_size: their bytes.
        written, cleared: bytes that were written, also if with what was there before, and cleared.
        ranges: the changed ranges.
        scheme: the newer one's partition table, `GPT` or `MBR`; empty if it has none.
        doubts: why the parts may be wrong: what is wrong with that table, and what of it was not read.
        parts: the disk's partitions, and what is outside them, with what has changed in each.
        usual: the bytes that a run usually writes; None if that is not known.
    """

    newer: BlobVersion
    older: BlobVersion
    size: int
    older_size: int
    written: int
    cleared: int
    ranges: int
    scheme: str
    doubts: tuple[str, ...]
    parts: tuple[Part, ...]
    usual: float | None

    @property
    def times_usual(self) -> float | None:
        """How many times what is usual was written; None if that is not known, or nothing is usual."""
        return self.written / self.usual if self.usual else None

    @property
    def is_unusual(self) -> bool:
        """Whether a run that writes so much would be told of as unusual."""
        return self.usual is not None and is_unusual(self.written, self.usual, self.size)


async def changes(
    reader: Reader,
    newer: BlobVersion,
    older: BlobVersion,
    *,
    earlier: Sequence[RecoveryPoint] = (),
    progress: OnProgress = tell_nobody,
) -> Changes:
    """Find what has changed between two versions of a disk. Nothing is written, and no snapshot is taken.

    Two recovery points are two snapshots of a backup blob. A disk itself and its base snapshot tell what the next
    backup would move.

    Args:
        reader: reads the versions.
        newer: a snapshot, or the blob itself.
        older: an older snapshot of the same blob.
        earlier: the recovery points before the newer version, oldest first: they tell what is usual.
        progress: told how much of the disk is listed.

    Raises:
        AttachedError: the newer version is a disk that is attached to a VM, and can't be listed for that.
        ChangesError: the two can't be compared; the message says why, and what to do.
        SourceGoneError: one of them no longer exists.
        ListingTimedOutError: listing even the smallest part timed out.
    """
    _require_comparable(newer, older)
    reading, effort = Reading(reader), Effort()
    with _refusals(newer, older):
        older_size = (await reader.properties(older)).size
        size = (await reader.properties(newer)).size
        content = await read_content(reading, newer, size)
        attribution = Attribution(content, size)
        meter = Meter(Stage.LIST, 0, size, progress)
        async for change in coalesced(_listed(reading, newer, older, (size, older_size), meter)):
            attribution.add(change)
            effort = effort.plus(counted(change.length, clear=change.clear))
    return Changes(
        newer=newer,
        older=older,
        size=size,
        older_size=older_size,
        written=effort.bytes_written,
        cleared=effort.bytes_cleared,
        ranges=effort.ranges,
        scheme=content.table.scheme,
        doubts=(*content.table.doubts, *(f"not read: {what}" for what in content.table.left_out)),
        parts=attribution.parts,
        usual=usual_written(earlier),
    )


async def _listed(
    reading: Reading, newer: BlobVersion, older: BlobVersion, sizes: tuple[int, int], meter: Meter
) -> AsyncIterator[Change]:
    """List the diff; of the part by which the disk has grown, all that is valid."""
    size, older_size = sizes
    both = min(size, older_size)
    parts = [(window, older) for window in windows(both, LISTING_WINDOW)]
    grown = [Window(both + start, both + end) for start, end in windows(size - both, LISTING_WINDOW)]
    for window, since in [*parts, *((window, None) for window in grown)]:
        async for change in listed(reading, newer, since, window):
            yield change
        meter.add(window.end - window.start)


def _require_comparable(newer: BlobVersion, older: BlobVersion) -> None:
    if not newer.blob.is_same_as(older.blob):
        raise ChangesError(
            f"{newer.name} and {older.name} are versions of two blobs, and what has changed is known only within one:"
            " full copies, and recovery points from before the backup container was changed, can't be compared so. What"
            " to do: choose two recovery points of one backup blob"
        )
    if not older.snapshot or (newer.snapshot and newer.snapshot < older.snapshot):
        raise ChangesError(f"{older.name} is not older than {newer.name}. What to do: swap the two")


@contextlib.contextmanager
def _refusals(newer: BlobVersion, older: BlobVersion) -> Iterator[None]:
    """Say what a refused comparison means.

    Raises:
        ChangesError: in place of the service's refusal.
    """
    try:
        yield
    except DiffRefusedError as error:
        why = (
            "the blob was copied over between the two, as a restore in place does"
            if error.overwritten
            else f"the service can't tell what has changed: {error}"
        )
        what = "compare two recovery points; the next backup rewrites the whole disk"
        advice = "choose two other recovery points" if newer.snapshot else what
        raise ChangesError(f"{newer.name} can't be compared with {older.name}: {why}. What to do: {advice}") from error
    except HttpResponseError as error:
        if newer.snapshot or error_code(error) not in _IN_USE:
            raise
        raise AttachedError(
            f"{newer.blob.url} is attached to a VM, and the service does not tell what has changed in a premium disk"
            f" that is in use ({error_code(error)}). What to do: compare two of its recovery points instead"
        ) from error

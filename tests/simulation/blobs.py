"""The blob service, page by page: disks with their write tracking, backup blobs with their leases and ETags.

A page is None where it was never written or is cleared, else a number that stands for its content; 0 is zeros.
Rules as the REST pages have them: Get Page Ranges (`prevsnapshot`), Lease Blob, Put Page, Snapshot Blob.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from shared.errors import DiffRefusedError, LeaseLostError, NotAsLeftError, SourceGoneError
from shared.names import PAGE, RUN_METADATA
from shared.ranges import Change, Window

Page = int | None
Pages = tuple[Page, ...]


def refusal(status: int, code: str) -> HttpResponseError:
    """Make the SDK's error for an answer of the service."""
    kind = {404: ResourceNotFoundError, 409: ResourceExistsError}.get(status, HttpResponseError)
    error = kind(message=code)
    error.status_code = status
    error.error_code = code  # type: ignore[attr-defined]  # as the storage SDK does
    return error


def same_content(one: Sequence[Page], other: Sequence[Page]) -> bool:
    """Tell whether two blobs read the same, every byte of them."""
    return [page or 0 for page in one] == [page or 0 for page in other]


class DiskSnapshot(NamedTuple):
    """A snapshot of a disk: its pages, when each was last touched, and the moment it was taken."""

    pages: Pages
    touched: tuple[int, ...]
    moment: int
    generation: int
    owner: str


@dataclass
class Disk:
    """A disk, as its guest writes it.

    Attributes:
        pages, touched: each page, and the moment it was last written or cleared.
        moment: counts writes.
        generation: counts the times it was overwritten by Put Blob.
        tracked: whether a diff lists all pages touched, or only those that read or are allocated differently.
        snapshots: by their times.
        held: what every snapshot held that was ever taken.
    """

    pages: list[Page]
    touched: list[int]
    tracked: bool = True
    moment: int = 0
    generation: int = 0
    snapshots: dict[str, DiskSnapshot] = field(default_factory=dict)
    held: dict[str, Pages] = field(default_factory=dict)

    def set(self, page: int, content: Page) -> None:
        """Write a page, or clear it."""
        self.moment += 1
        self.pages[page], self.touched[page] = content, self.moment

    def resize(self, size: int) -> None:
        """Cut the disk off, or add pages never written; a page cut off and added again counts as cleared."""
        self.moment += 1
        more = size - len(self.pages)
        self.pages = self.pages[:size] + [None] * more
        self.touched = self.touched[:size] + [self.moment] * more

    def put_blob(self, size: int) -> None:
        """Overwrite the disk with an empty one; its snapshots stay."""
        self.moment += 1
        self.generation += 1
        self.pages, self.touched = [None] * size, [self.moment] * size

    def snapshot(self, time: str, owner: str) -> str:
        """Take a snapshot."""
        self.moment += 1
        self.held[time] = tuple(self.pages)
        self.snapshots[time] = DiskSnapshot(tuple(self.pages), tuple(self.touched), self.moment, self.generation, owner)
        return time

    def get(self, time: str) -> DiskSnapshot:
        """Give a snapshot, if it is there."""
        if time not in self.snapshots:
            raise SourceGoneError(f"the source snapshot {time} is gone")
        return self.snapshots[time]

    def valid(self, time: str, window: Window) -> list[Change]:
        """List the allocated ranges of a window."""
        pages = self.get(time).pages
        return list(_ranges(window, len(pages), lambda at: None if pages[at] is None else "write"))

    def diff(self, time: str, previous: str, window: Window) -> list[Change]:
        """List what was written or cleared in a window between two snapshots."""
        new, old = self.get(time), self.snapshots.get(previous)
        if old is None:
            raise DiffRefusedError("PreviousSnapshotNotFound")
        if old.generation != new.generation:
            raise DiffRefusedError("BlobOverwritten")

        def change(at: int) -> str | None:
            same = at < len(old.pages) and old.pages[at] == new.pages[at]
            if new.touched[at] <= old.moment or (same and not self.tracked):
                return None
            return "clear" if new.pages[at] is None else "write"

        return list(_ranges(window, len(new.pages), change))


class BlobSnapshot(NamedTuple):
    """A snapshot of a backup blob: its pages, and its metadata."""

    pages: Pages
    metadata: Mapping[str, str]

    @property
    def run_id(self) -> str:
        """The run that took it."""
        return self.metadata[RUN_METADATA]


@dataclass
class Blob:
    """A backup blob.

    Attributes:
        pages: its pages.
        version: counts its changes; its ETag.
        lease: the id of its lease; empty where it has none.
        broken: whether its last lease was broken.
        snapshots: by their times.
    """

    pages: list[Page]
    version: int
    lease: str = ""
    broken: bool = False
    snapshots: dict[str, BlobSnapshot] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        """Its ETag."""
        return f'"{self.version}"'

    def acquire(self, lease_id: str, etag: str) -> bool:
        """Lease the blob for ever, as long as it has this ETag; False where it has somebody else's lease."""
        if etag != self.etag:
            raise NotAsLeftError("ConditionNotMet")
        if self.lease and self.lease != lease_id:
            return False
        self.lease, self.broken = lease_id, False
        return True

    def break_lease(self) -> None:
        """Break whatever lease there is."""
        if not self.lease and not self.broken:
            raise refusal(409, "LeaseNotPresentWithLeaseOperation")
        self.lease, self.broken = "", True

    def release(self, lease_id: str) -> None:
        """End a lease, if it is this one."""
        if self.lease == lease_id:
            self.lease, self.broken = "", False

    def check_lease(self, lease_id: str) -> None:
        """Refuse a write with a lease id that is not the blob's lease, or without the one that is."""
        if lease_id != self.lease:
            raise LeaseLostError("LeaseIdMismatchWithBlobOperation" if self.lease else "LeaseNotPresent")

    def put(self, piece: Change, content: Sequence[Page], lease_id: str, version: int) -> None:
        """Write or clear pages."""
        self.check_lease(lease_id)
        first, last = piece.start // PAGE, piece.end // PAGE
        if last > len(self.pages):
            raise refusal(416, "InvalidPageRange")
        self.pages[first:last] = content
        self.version = version

    def resize(self, size: int, lease_id: str, version: int) -> None:
        """Grow or shrink the blob."""
        self.check_lease(lease_id)
        self.pages = self.pages[:size] + [None] * (size - len(self.pages))
        self.version = version

    def snapshot(self, time: str, etag: str, metadata: Mapping[str, str], lease_id: str) -> str:
        """Take a snapshot, on conditions."""
        self.check_lease(lease_id)
        if etag != self.etag:
            raise refusal(412, "ConditionNotMet")
        self.snapshots[time] = BlobSnapshot(tuple(self.pages), dict(metadata))
        return time


def _ranges(window: Window, pages: int, change: Callable[[int], str | None]) -> Iterator[Change]:
    """Join the pages of a window that are alike."""
    within = range(window.start // PAGE, min(window.end // PAGE, pages))
    for kind, alike in groupby(within, key=change):
        if kind is not None:
            found = list(alike)
            yield Change(found[0] * PAGE, (found[-1] + 1) * PAGE, clear=kind == "clear")

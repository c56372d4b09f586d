"""A page blob of the service, page by page: a disk with its write tracking, a backup blob, a full copy; all alike.

A page is None where it was never written or is cleared, else a number that stands for its content; 0 is zeros.
Rules as the REST pages have them: Get Page Ranges (`prevsnapshot`), Lease Blob, Put Page, Snapshot Blob, Copy Blob.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from shared.changes.ranges import Change, Window
from shared.limits import PAGE
from tests.simulation.refusals import refusal

Page = int | None
Pages = tuple[Page, ...]

PENDING, SUCCESS, FAILED, ABORTED = "pending", "success", "failed", "aborted"


def same_content(one: Sequence[Page], other: Sequence[Page]) -> bool:
    """Tell whether two blobs read the same, every byte of them."""
    return [page or 0 for page in one] == [page or 0 for page in other]


class Snapshot(NamedTuple):
    """A snapshot: its pages, when each was last touched, the moment it was taken, its metadata and the blob's ETag.

    And how the last copy to the blob was then; empty where it had none.
    """

    pages: Pages
    touched: tuple[int, ...]
    moment: int
    generation: int
    metadata: Mapping[str, str]
    etag: str
    copy_status: str


@dataclass
class Copy:
    """The last copy to a blob.

    Attributes:
        source: the URL that is copied from.
        source_etag: the source's ETag when it began.
        content: what is copied.
        status: how it is.
        done: pages copied so far.
    """

    source: str
    source_etag: str
    content: Pages
    status: str = PENDING
    done: int = 0


@dataclass
class Blob:
    """A page blob.

    Attributes:
        pages, touched: each page, and the moment it was last written or cleared.
        number: gives a number never given before.
        metadata: its metadata.
        tracked: whether a diff lists all pages touched, or only those that read or are allocated differently.
        etag: its ETag.
        moment: counts writes.
        generation: counts the times it was overwritten by Put Blob or Copy Blob.
        lease: the id of its lease; empty where it has none.
        broken: whether its last lease was broken.
        copy: the last copy to it.
        snapshots: by their times.
    """

    pages: list[Page]
    number: Callable[[], int]
    metadata: Mapping[str, str] = field(default_factory=dict)
    tracked: bool = True
    touched: list[int] = field(default_factory=list)
    etag: str = ""
    moment: int = 0
    generation: int = 0
    lease: str = ""
    broken: bool = False
    copy: Copy | None = None
    snapshots: dict[str, Snapshot] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.touched = [0] * len(self.pages)
        self._changed()

    @property
    def is_pending(self) -> bool:
        """Whether a copy to it is under way."""
        return self.copy is not None and self.copy.status == PENDING

    def require_open(self) -> None:
        """Refuse to change a blob that is being copied to."""
        if self.is_pending:
            raise refusal(409, "PendingCopyOperation")

    def require_etag(self, etag: str | None) -> None:
        """Refuse what is asked of the blob as it was, if that is asked."""
        if etag not in (None, self.etag):
            raise refusal(412, "ConditionNotMet")

    def require_lease(self, lease_id: str | None) -> None:
        """Refuse a write with a lease id that is not the blob's lease, or without the one that is."""
        if (lease_id or "") == self.lease:
            return
        if not self.lease:
            raise refusal(412, "LeaseNotPresentWithBlobOperation")
        raise refusal(412, "LeaseIdMismatchWithBlobOperation" if lease_id else "LeaseIdMissing")

    def set(self, first: int, content: Sequence[Page]) -> None:
        """Write or clear pages, without asking for a lease."""
        if first + len(content) > len(self.pages):
            raise refusal(416, "InvalidPageRange")
        self._changed()
        for page, value in enumerate(content, first):
            self.pages[page], self.touched[page] = value, self.moment

    def put(self, piece: Change, content: Sequence[Page], lease_id: str) -> None:
        """Write or clear pages (REST: Put Page)."""
        self.require_open()
        self.require_lease(lease_id)
        self.set(piece.start // PAGE, content)

    def resize(self, size: int, lease_id: str | None) -> None:
        """Cut the blob off, or add pages never written; a page cut off and added again counts as cleared."""
        self.require_open()
        self.require_lease(lease_id)
        self._changed()
        more = size - len(self.pages)
        self.pages = self.pages[:size] + [None] * more
        self.touched = self.touched[:size] + [self.moment] * more
        self.copy = None

    def forget_copy(self) -> str:
        """Tell no more of the copy that was made to it; give its ETag then (REST: Set Blob Properties)."""
        self._changed()
        self.copy = None
        return self.etag

    def set_metadata(self, metadata: Mapping[str, str]) -> None:
        """Set all of its metadata (REST: Set Blob Metadata)."""
        self.etag, self.metadata = f'"{self.number()}"', metadata

    def put_blob(self, size: int) -> None:
        """Overwrite the blob with an empty one; its snapshots stay (REST: Put Blob)."""
        self.require_open()
        self.require_lease(None)
        self._overwrite(size)
        self.metadata, self.copy = {}, None

    def begin_copy(self, copy: Copy, metadata: Mapping[str, str], etag: str | None, lease_id: str | None) -> None:
        """Begin to copy over the blob; its snapshots stay, and nothing of the copy is seen before its end."""
        self.require_open()
        self.require_etag(etag)
        self.require_lease(lease_id)
        self._overwrite(len(copy.content))
        self.metadata, self.copy = dict(metadata), copy

    def end_copy(self, status: str) -> None:
        """End the copy that is under way; one that has not succeeded leaves an empty blob."""
        if self.copy is None or not self.is_pending:
            raise refusal(409, "NoPendingCopyOperation")
        self._overwrite(0)
        self.copy.status = status
        if status == SUCCESS:
            self.pages = list(self.copy.content)
            self.touched = [self.moment] * len(self.pages)
            self.copy.done = len(self.pages)

    def snapshot(
        self, time: str, metadata: Mapping[str, str] | None, etag: str | None = None, lease_id: str | None = None
    ) -> None:
        """Take a snapshot, on conditions; without metadata of its own it has the blob's (REST: Snapshot Blob)."""
        self.require_open()
        self.require_etag(etag)
        if lease_id:
            self.require_lease(lease_id)
        self.moment += 1
        kept = dict(self.metadata if metadata is None else metadata)
        self.snapshots[time] = self.at("")._replace(metadata=kept)

    def at(self, time: str) -> Snapshot:
        """Give a snapshot; with an empty time, the blob as it is."""
        if not time:
            pages, touched, status = tuple(self.pages), tuple(self.touched), self.copy.status if self.copy else ""
            return Snapshot(pages, touched, self.moment, self.generation, self.metadata, self.etag, status)
        if time not in self.snapshots:
            raise refusal(404, "BlobNotFound")
        return self.snapshots[time]

    def acquire(self, lease_id: str, etag: str | None = None) -> None:
        """Lease the blob for ever, on a condition."""
        self.require_open()
        self.require_etag(etag)
        if self.lease not in ("", lease_id):
            raise refusal(409, "LeaseAlreadyPresent")
        self.lease, self.broken = lease_id, False

    def change_lease(self, lease_id: str, next_lease_id: str) -> None:
        """Give the lease another id."""
        self.require_open()
        if self.lease not in (lease_id, next_lease_id) or not self.lease:
            raise refusal(409, "LeaseIdMismatchWithLeaseOperation")
        self.lease = next_lease_id

    def break_lease(self, etag: str | None = None) -> None:
        """Break whatever lease there is."""
        self.require_open()
        self.require_etag(etag)
        if not self.lease and not self.broken:
            raise refusal(409, "LeaseNotPresentWithLeaseOperation")
        self.lease, self.broken = "", True

    def release(self, lease_id: str) -> None:
        """End a lease."""
        self.require_open()
        if self.lease != lease_id:
            raise refusal(409, "LeaseIdMismatchWithLeaseOperation")
        self.lease, self.broken = "", False

    def valid(self, time: str, window: Window) -> list[Change]:
        """List the allocated ranges of a window."""
        pages = self.at(time).pages
        return list(_ranges(window, len(pages), lambda at: None if pages[at] is None else "write"))

    def diff(self, time: str, previous: str, window: Window) -> list[Change]:
        """List what was written or cleared in a window between two snapshots."""
        new, old = self.at(time), self.snapshots.get(previous)
        if time and previous > time:
            raise refusal(400, "PreviousSnapshotCannotBeNewer")
        if old is None:
            raise refusal(409, "PreviousSnapshotNotFound")
        if old.generation != new.generation:
            raise refusal(409, "BlobOverwritten")

        def change(at: int) -> str | None:
            same = at < len(old.pages) and old.pages[at] == new.pages[at]
            if new.touched[at] <= old.moment or (same and not self.tracked):
                return None
            return "clear" if new.pages[at] is None else "write"

        return list(_ranges(window, len(new.pages), change))

    def _changed(self) -> None:
        self.moment += 1
        self.etag = f'"{self.number()}"'

    def _overwrite(self, size: int) -> None:
        self._changed()
        self.generation += 1
        self.pages, self.touched = [None] * size, [self.moment] * size


def _ranges(window: Window, pages: int, change: Callable[[int], str | None]) -> Iterator[Change]:
    """Join the pages of a window that are alike; one that begins after the last page is refused."""
    if window.start >= pages * PAGE:
        raise refusal(416, "InvalidRange")
    within = range(window.start // PAGE, min(window.end // PAGE, pages))
    for kind, alike in groupby(within, key=change):
        if kind is not None:
            found = list(alike)
            yield Change(found[0] * PAGE, (found[-1] + 1) * PAGE, clear=kind == "clear")

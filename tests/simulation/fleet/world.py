"""A world of large disks: their pages are kept as extents, its messages by queue, and its clock is the loop's."""

import heapq
import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import cast

from shared.changes.ranges import Change, Window
from shared.limits import PAGE
from shared.model.addresses import BlobAddress
from shared.model.disk import page_blob
from shared.model.point import RecoveryPoint
from tests.simulation.blobs import Blob, Page, Pages, Snapshot
from tests.simulation.fleet import clock
from tests.simulation.fleet.extents import Extents
from tests.simulation.kept import QueueMessage
from tests.simulation.named import Named, disk_of
from tests.simulation.refusals import refusal
from tests.simulation.world import World


class SparseBlob(Blob):
    """A page blob that holds extents."""

    def __post_init__(self) -> None:
        self._changed()

    @property
    def extents(self) -> Extents:
        """Its pages."""
        return Extents.of(self.pages)

    def set(self, first: int, content: Sequence[Page]) -> None:
        if first + len(content) > len(self.pages):
            raise refusal(416, "InvalidPageRange")
        self._changed()
        parts = [part._replace(first=first + part.first, end=first + part.end) for part in Extents.of(content).all()]
        self.extents.lay(first, first + len(content), parts)

    def resize(self, size: int, lease_id: str | None) -> None:
        self.require_open()
        self.require_lease(lease_id)
        self._changed()
        self.pages = _as_list(self.extents.copy(size))

    def at(self, time: str) -> Snapshot:
        if time:
            return super().at(time)
        pages = cast("Pages", self.extents.copy())
        return Snapshot(pages, (), self.moment, self.generation, self.metadata, self.etag, "")

    def valid(self, time: str, window: Window) -> list[Change]:
        return list(Extents.of(self.at(time).pages).valid(window))

    def diff(self, time: str, previous: str, window: Window) -> list[Change]:
        if previous not in self.snapshots:
            raise refusal(409, "PreviousSnapshotNotFound")
        old = Extents.of(self.snapshots[previous].pages)
        return list(Extents.of(self.at(time).pages).diff(old, window))


class Queue:
    """A queue, and how many of its messages are at work."""

    def __init__(self) -> None:
        self.at_work = 0
        self._waiting: list[tuple[float, int, QueueMessage]] = []
        self._numbers = itertools.count()

    def put(self, message: QueueMessage) -> None:
        """Have a message wait until it is visible."""
        visible_at = (message.visible_at - clock.EPOCH).total_seconds()
        heapq.heappush(self._waiting, (visible_at, next(self._numbers), message))

    def take(self, most: int, at: float) -> list[QueueMessage]:
        """Take messages that are visible then, at most so many."""
        taken: list[QueueMessage] = []
        while len(taken) < most and self.is_visible(at):
            taken.append(heapq.heappop(self._waiting)[2])
        self.at_work += len(taken)
        return taken

    def is_visible(self, at: float) -> bool:
        """Tell whether a message is visible then."""
        return bool(self._waiting) and self._waiting[0][0] <= at

    @property
    def length(self) -> int:
        """How many messages it holds: those that wait, those that are not visible yet, and those at work."""
        return len(self._waiting) + self.at_work


class FleetWorld(World):
    """The world.

    Attributes:
        queues: by their names; `messages` stays empty.
    """

    def __init__(self) -> None:
        super().__init__()
        self.queues: defaultdict[str, Queue] = defaultdict(Queue)

    def sync(self) -> None:
        """Set the clock to the loop's; a snapshot's time is later than that of the one before it."""
        self.now = max(self.now, clock.now())

    def enqueue(self, queue: str, body: bytes, delay: timedelta = timedelta()) -> str:
        message = QueueMessage(queue, body, clock.now() + delay, f"message-{self.number()}")
        self.queues[queue].put(message)
        return message.id

    def holds(self, disk: Named, point: RecoveryPoint) -> bool:
        source = self.blobs[page_blob(disk_of(disk))].snapshots.get(point.time)
        backup = self.blobs[self.backup_of(disk)].snapshots[point.backup_snapshot]
        return source is None or backup.pages == source.pages

    def make(self, address: BlobAddress, size: int, metadata: Mapping[str, str]) -> Blob:
        if address in self.blobs:
            raise refusal(409, "BlobAlreadyExists")
        return self.add(address, Extents(size), metadata)

    def add(self, address: BlobAddress, extents: Extents, metadata: Mapping[str, str]) -> SparseBlob:
        """Put a blob there."""
        blob = SparseBlob(_as_list(extents), self.number, metadata)
        self.blobs[address] = blob
        return blob

    def pages(self, address: BlobAddress, snapshot: str) -> Extents:
        """Give the pages of a snapshot; with an empty one, those that the blob has now, and no copy of them."""
        blob = self.blob(address)
        return Extents.of(blob.at(snapshot).pages if snapshot else blob.pages)

    def clear(self, address: BlobAddress, piece: Change, lease_id: str) -> None:
        self.blob(address).put(piece, Extents(piece.length // PAGE), lease_id)


def _as_list(extents: Extents) -> list[Page]:
    return cast("list[Page]", extents)

"""What others do to the world meanwhile: the guest to its disk, and people to what is Tidemark's."""

import random
from collections.abc import Callable

from shared.addresses import BlobAddress
from tests.simulation.blobs import Disk
from tests.simulation.world import OWN, World

SIZES = (7, 16, 20, 29)
"""Pages of a disk."""


class Hands:
    """The guest's hand and foreign hands; the seed says which of these a history knows."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world, self._rng = world, rng
        foreign = (
            self._guest_resizes,
            self._disk_is_overwritten,
            self._user_takes_a_snapshot,
            self._other_app_takes_a_snapshot,
            self._base_snapshot_is_deleted,
            self._run_loses_its_snapshot,
            self._backup_blob_is_written,
            self._backup_blob_is_deleted,
            self._lease_is_broken,
            self._service_stops_copying,
        )
        self.foreign: list[Callable[[BlobAddress], None]] = [hand for hand in foreign if rng.random() < 0.3]

    def disk(self) -> BlobAddress:
        """Choose a disk."""
        return self._rng.choice(list(self._world.disks))

    def guest_writes(self) -> None:
        """Write, clear or revert pages of a disk, in a few places."""
        source = self._world.disks[self.disk()]
        for _ in range(self._rng.randint(1, 3)):
            first = self._rng.randrange(len(source.pages))
            how = self._rng.choice(("write", "write", "clear", "revert", "zeros"))
            for page in range(first, min(first + self._rng.randint(1, 4), len(source.pages))):
                source.set(page, self._content(source, page, how))

    def foreign_hand(self) -> None:
        """Do something that no guest does while it runs, or that nobody should do."""
        self._rng.choice(self.foreign)(self.disk())

    def _content(self, source: Disk, page: int, how: str) -> int | None:
        if how == "revert" and source.held:
            old = self._rng.choice(list(source.held.values()))
            return old[page] if page < len(old) else None
        return {"write": self._world.number(), "zeros": 0}.get(how)

    def _guest_resizes(self, disk: BlobAddress) -> None:
        self._world.disks[disk].resize(self._rng.choice(SIZES))

    def _disk_is_overwritten(self, disk: BlobAddress) -> None:
        self._world.disks[disk].put_blob(self._rng.choice(SIZES))

    def _user_takes_a_snapshot(self, disk: BlobAddress) -> None:
        self._world.foreign_snapshots.add((disk, self._world.disks[disk].snapshot(self._world.time(), "")))

    def _other_app_takes_a_snapshot(self, disk: BlobAddress) -> None:
        time = self._world.disks[disk].snapshot(self._world.time(), f"{OWN}-2")
        self._world.foreign_snapshots.add((disk, time))

    def _base_snapshot_is_deleted(self, disk: BlobAddress) -> None:
        record = self._world.record(disk)
        self._take_away(disk, record.base_snapshot if record else "")

    def _run_loses_its_snapshot(self, disk: BlobAddress) -> None:
        record = self._world.record(disk)
        self._take_away(disk, record.run.snapshot if record and record.run else "")

    def _take_away(self, disk: BlobAddress, time: str) -> None:
        if self._world.disks[disk].snapshots.pop(time, None):
            self._world.taken_away.add(time)

    def _backup_blob_is_written(self, disk: BlobAddress) -> None:
        """Write to the backup blob without a lease id, which the service refuses while there is a lease."""
        blob = self._world.blobs.get(disk)
        if blob and not blob.lease and blob.pages:
            blob.pages[self._rng.randrange(len(blob.pages))] = self._world.number()
            blob.version = self._world.number()

    def _backup_blob_is_deleted(self, disk: BlobAddress) -> None:
        """Delete the backup blob with all its snapshots, as by deleting its container, which heeds no lease."""
        if blob := self._world.blobs.pop(disk, None):
            self._world.lost |= blob.snapshots.keys()

    def _lease_is_broken(self, disk: BlobAddress) -> None:
        blob = self._world.blobs.get(disk)
        if blob and blob.lease:
            blob.break_lease()

    def _service_stops_copying(self, _: BlobAddress) -> None:
        self._world.copies_itself = not self._world.copies_itself

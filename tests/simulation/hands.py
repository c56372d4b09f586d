"""What others do to the world meanwhile: the guest to its disk, and people to what is Tidemark's."""

import contextlib
import random
from collections import Counter
from collections.abc import Callable

from azure.core.exceptions import AzureError

from shared.azure.queues import QUEUES
from shared.model.addresses import BlobAddress
from shared.model.disk import Disk, PageBlobDisk, page_blob
from shared.model.names import (
    BACKUP_METADATA,
    DISK_METADATA,
    MANAGE_QUEUE,
    OWNER_MARK,
    RESTORE_METADATA,
    TAKEN_METADATA,
    owner_lease_id,
)
from shared.model.owner import App, mark_metadata, owner_of
from tests.simulation.blobs import ABORTED, FAILED, SUCCESS, Blob, Page
from tests.simulation.managed.resources import has_footer
from tests.simulation.refusals import refusal
from tests.simulation.world import DISKS, LAB, OWN, VM, World, place_of

SIZES = (7, 16, 20, 29)
"""Pages of a disk."""

PROGRESS, ROTTEN = "progress", "rotten"
"""What may come of a copy beside its ends: it goes on, or it succeeds with something else than was copied."""

ANOTHER_APP = App("another.table.core.windows.net", "another")

NEW_DISKS = (DISKS.blob("new.vhd"), LAB.blob("new.vhd"))
"""Disks that people name to restore to."""


class Hands:
    """The guest's hand, the service's and foreign hands; the seed says which of these a history knows.

    Attributes:
        foreign: the foreign hands that this history knows.
        zeal: how likely it is that one of them does something.
        did: how often each of them, and the service's, did what could be a fault to somebody.
    """

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world, self._rng = world, rng
        self.did: Counter[str] = Counter()
        foreign = (
            self._guest_resizes,
            self._disk_is_overwritten,
            self._disk_is_deleted,
            self._disk_is_made,
            self._leased_blob_is_taken,
            self._vm_comes_or_goes,
            self._disk_gets_metadata,
            self._user_takes_a_snapshot,
            self._other_app_takes_a_snapshot,
            self._base_snapshot_is_deleted,
            self._run_loses_its_snapshot,
            self._recovery_point_is_deleted,
            self._backup_blob_is_written,
            self._backup_blob_is_deleted,
            self._lease_is_broken,
            self._source_answers_otherwise,
            self._service_wants_signatures_or_not,
            self._service_gives_up_on_long_clears_or_not,
            self._recovery_point_rots,
            self._service_begins_or_ends_to_lie,
            self._queue_begins_or_ends_to_refuse,
            self._permission_is_lost,
            self._container_is_taken_over,
        )
        share = rng.choice((0, 0.15, 0.3))
        self.foreign: list[Callable[[Disk], bool]] = [hand for hand in foreign if rng.random() < share]
        self.zeal = 0.4
        if rng.random() < 0.1:
            self.foreign, self.zeal = [self._leased_blob_is_taken], 2.0
        self._ends = rng.choice(((SUCCESS,), (*[SUCCESS] * 8, FAILED), (*[SUCCESS] * 5, FAILED, ABORTED, ROTTEN)))

    def guest_writes(self) -> None:
        """Write, clear or revert pages of a disk, in a few places."""
        there = [disk for disk in self._world.disks if not self._world.is_being_made(disk)]
        free = [disk for disk in there if self._is_free(self._world.content(disk))]
        disk = self._rng.choice(free) if free else None
        source = (disk and self._world.content(disk)) or Blob([], self._world.number)
        size = len(source.pages) - has_footer(source)  # which is nobody's to write
        for _ in range(self._rng.randint(1, 3) if size else 0):
            first = self._rng.randrange(size)
            how = self._rng.choice(("write", "write", "clear", "revert", "zeros"))
            for page in range(first, min(first + self._rng.randint(1, 4), size)):
                source.set(page, [self._content(source, page, how)])

    def foreign_hand(self) -> None:
        """Do something that no guest does while it runs, or that nobody should do; what is refused is not done."""
        disks = self._world.disks
        if disks:
            disk = self._rng.choice(disks)
            hand = self._rng.choice(self.foreign)
            with contextlib.suppress(AzureError):
                if hand(disk):
                    self._world.meddle(disk)
                self.did[_name(hand)] += 1

    def copy_goes_on(self) -> None:
        """Have one of the copies under way go on, or end as the service has it."""
        address = self._rng.choice(self._world.pending())
        blob = self._world.blobs[address]
        end = self._rng.choice((*self._ends, PROGRESS, PROGRESS))
        if end not in (SUCCESS, PROGRESS):
            self.did[f"hand: copy {end}"] += 1
        if blob.copy and end == PROGRESS:
            blob.copy.done = self._rng.randint(blob.copy.done, len(blob.copy.content))
        elif end in (FAILED, ABORTED):
            self._world.end_copy(address, end)
        else:
            self._world.end_copy(address, SUCCESS)
            if end == ROTTEN and RESTORE_METADATA in blob.metadata:
                self._rot(address, blob)

    def copy_ends_well(self) -> None:
        """Have one of the copies under way succeed, if its source is still there."""
        self._world.end_copy(self._rng.choice(self._world.pending()), SUCCESS)

    def _rot(self, address: BlobAddress, blob: Blob) -> None:
        """Have a page with data lost in a copy, or data where there was none: what a map of the pages shows."""
        pages = [at for at, page in enumerate(blob.pages) if page != 0]
        if pages:
            at = self._rng.choice(pages)
            blob.pages[at] = None if blob.pages[at] else self._world.number()
            self._world.spoil(address)

    def _is_free(self, blob: Blob | None) -> bool:
        return blob is not None and blob.lease in ("", VM) and not blob.is_pending

    def _blob(self, disk: Disk) -> Blob:
        """Give the blob that a disk is; of a managed disk, which is none, nothing is done as if refused."""
        return self._world.blobs[address_of(disk)]

    def _content(self, source: Blob, page: int, how: str) -> Page:
        if how == "revert" and source.snapshots:
            old = self._rng.choice(list(source.snapshots.values())).pages
            return old[page] if page < len(old) else None
        return {"write": self._world.number(), "zeros": 0}.get(how)

    def _guest_resizes(self, disk: Disk) -> bool:
        blob = self._blob(disk)
        blob.resize(self._rng.choice(SIZES), VM if blob.lease == VM else None)
        return True

    def _disk_is_overwritten(self, disk: Disk) -> bool:
        self._blob(disk).put_blob(self._rng.choice(SIZES))
        return True

    def _disk_gets_metadata(self, disk: Disk) -> bool:
        """Set a disk's metadata as other tools do: what the SDK can't send again, or what it can."""
        blob = self._blob(disk)
        blob.require_open()
        blob.require_lease(VM if blob.lease == VM else None)
        blob.set_metadata(self._rng.choice(({"owner": "J\xfcrgen"}, {"a": "x" * 8192}, {"for": "the-user"})))
        return True

    def _disk_is_deleted(self, disk: Disk) -> bool:
        """Delete a disk with all its snapshots, unless it is in use."""
        blob = self._blob(disk)
        blob.require_open()
        blob.require_lease(None)
        self._world.lose(page_blob(disk))
        return True

    def _disk_is_made(self, _: Disk) -> bool:
        """Make a disk where a restore may be about to make one."""
        made = self._rng.choice(NEW_DISKS)
        self._world.make(made, self._rng.choice(SIZES), {})
        self._world.meddle(made)
        return False

    def _leased_blob_is_taken(self, _: Disk) -> bool:
        """Break the lease of a disk that is being restored, or of its backup blob, and write."""
        blobs = self._world.blobs.items()
        leased = [address for address, blob in blobs if blob.lease not in ("", VM) and not blob.is_pending]
        if leased:
            address = self._rng.choice(leased)
            blob = self._world.blobs[address]
            blob.break_lease()
            blob.set(self._rng.randrange(len(blob.pages) or 1), [self._world.number()][: len(blob.pages)])
            for disk in self._world.disks:
                if PageBlobDisk(address) == disk or address == self._world.backup_of(disk):
                    self._world.meddle(disk)
        return False

    def _vm_comes_or_goes(self, disk: Disk) -> bool:
        blob = self._blob(disk)
        if blob.lease == VM:
            blob.release(VM)
        else:
            blob.acquire(VM)
        return True

    def _user_takes_a_snapshot(self, disk: Disk) -> bool:
        blob = address_of(disk)
        self._world.foreign_snapshots.add((blob, self._world.snapshot(blob, None)))
        return False

    def _other_app_takes_a_snapshot(self, disk: Disk) -> bool:
        taken = self._world.now.isoformat()
        blob = address_of(disk)
        metadata = {DISK_METADATA: disk.name, BACKUP_METADATA: f"{OWN.url}-2", TAKEN_METADATA: taken}
        self._world.foreign_snapshots.add((blob, self._world.snapshot(blob, metadata)))
        return False

    def _base_snapshot_is_deleted(self, disk: Disk) -> bool:
        record = self._world.record(disk)
        return self._take_away(disk, record.base_snapshot if record else "")

    def _run_loses_its_snapshot(self, disk: Disk) -> bool:
        record = self._world.record(disk)
        return self._take_away(disk, record.run.snapshot if record and record.run else "")

    def _take_away(self, disk: Disk, time: str) -> bool:
        return self._blob(disk).snapshots.pop(time, None) is not None

    def _recovery_point_is_deleted(self, disk: Disk) -> bool:
        """Delete a recovery point, a snapshot or a full copy; its row stays."""
        points = self._world.points_of(disk)
        if not points:
            return False
        point = self._rng.choice(points)
        place = place_of(point)
        if place in self._world.blobs and point.backup_snapshot:
            self._world.blobs[place].snapshots.pop(point.backup_snapshot, None)
            self._world.lost.add((place, point.backup_snapshot))
        elif place in self._world.blobs:
            self._world.lose(place)
        return True

    def backup_is_written(self) -> None:
        """Write to a backup blob, as nobody should."""
        if disks := self._world.disks:
            disk = self._rng.choice(disks)
            with contextlib.suppress(AzureError):
                self._backup_blob_is_written(disk)
                self._world.meddle(disk)

    def _backup_blob_is_written(self, disk: Disk) -> bool:
        """Write to the backup blob without a lease id, which the service refuses while there is a lease."""
        blob = self._world.blob(self._world.backup_of(disk))
        blob.require_open()
        blob.require_lease(None)
        if blob.pages:
            blob.set(self._rng.randrange(len(blob.pages)), [self._world.number()])
        return True

    def _backup_blob_is_deleted(self, disk: Disk) -> bool:
        """Delete the backup blob with all its snapshots, as by deleting its container, which heeds no lease."""
        if self._world.backup_of(disk) not in self._world.blobs:
            return False
        self._world.lose(self._world.backup_of(disk))
        return True

    def _lease_is_broken(self, disk: Disk) -> bool:
        self._world.blob(self._world.backup_of(disk)).break_lease()
        return True

    def _source_answers_otherwise(self, _: Disk) -> bool:
        """Have the service read what it is to copy, or be refused, for good or only now, or find it busy."""
        self._world.source_answers = self._rng.choice((200, 403, 500, 503))
        return False

    def _service_gives_up_on_long_clears_or_not(self, _: Disk) -> bool:
        self._world.longest_clear = self._rng.choice((1, 2, 3, 10**9))
        return False

    def _service_wants_signatures_or_not(self, _: Disk) -> bool:
        self._world.wants_signature = not self._world.wants_signature
        return False

    def _recovery_point_rots(self, disk: Disk) -> bool:
        """Have a page of a recovery point hold something else than was written, and nobody told.

        While it is restored that may pass: of the two copies that are made then, samples are compared.
        """
        restored = {row.recovery_point for row in self._world.restore_rows() if not row.has_ended}
        points = [
            point for point in self._world.points_of(disk) if point.backup_snapshot and point.time not in restored
        ]
        point = self._rng.choice(points) if points else None
        blob = self._world.blobs.get(place_of(point)) if point else None
        taken = blob.snapshots.get(point.backup_snapshot) if blob and point else None
        if not (point and blob and taken and taken.pages):
            return False
        at = self._rng.randrange(len(taken.pages))
        pages = (*taken.pages[:at], self._world.number(), *taken.pages[at + 1 :])
        blob.snapshots[point.backup_snapshot] = taken._replace(pages=pages)
        self._world.rotten[place_of(point), point.backup_snapshot] = self._world.now
        return True

    def _service_begins_or_ends_to_lie(self, _: Disk) -> bool:
        self._world.lies = not self._world.lies
        return False

    def _queue_begins_or_ends_to_refuse(self, _: Disk) -> bool:
        """Have a queue take no messages from the app for a while; those that are there are delivered."""
        if self._world.refusing:
            self._world.refusing.clear()
        else:
            self._world.refusing.add(self._rng.choice(QUEUES))
        return False

    def _permission_is_lost(self, _: Disk) -> bool:
        """Have the app lose all rights where somebody has it restore to: they do not come back."""
        self._world.forbidden.add(LAB)
        return False

    def _container_is_taken_over(self, _: Disk) -> bool:
        """Have another app take the backup container over, or an operator have this one take it back."""
        if self.is_anothers:
            self.take_back()
        elif mark := self._world.blobs.get(OWN.blob(OWNER_MARK)):
            mark.lease = owner_lease_id(ANOTHER_APP.storage)
            mark.set_metadata(mark_metadata(ANOTHER_APP))
            for disk in self._world.disks:
                self._world.meddle(disk)
        return False

    @property
    def is_anothers(self) -> bool:
        """Whether the backup container belongs to another app."""
        mark = self._world.blobs.get(OWN.blob(OWNER_MARK))
        return mark is not None and owner_of(mark.metadata) == ANOTHER_APP

    def take_back(self) -> None:
        """Have an operator ask the app to take its container over."""
        body = b'{"do": "takeover"}'
        self._world.intended[self._world.enqueue(MANAGE_QUEUE, body)] = body


def address_of(disk: Disk) -> BlobAddress:
    """Give the blob that a disk is; a managed disk is none, and `ManagedHands` knows what befalls it."""
    if not isinstance(disk, PageBlobDisk):
        raise refusal(404, "BlobNotFound")
    return disk.address


def _name(hand: Callable[[Disk], bool]) -> str:
    """Name what a hand does, in words."""
    return "hand: " + str(getattr(hand, "__name__", "")).strip("_").replace("_", " ")

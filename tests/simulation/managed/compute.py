"""Managed disks, their incremental snapshots and the access to these, as the service keeps them in memory.

Sources: Create an incremental snapshot for managed disks (limits, families, 4 TiB), REST: Disks and Snapshots. What
these leave open is an attribute. `tests/conformance` holds it against the local resource manager.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from shared.limits import PAGE
from shared.model.disk import ManagedDisk
from shared.model.disk_ids import DiskId
from tests.simulation.blobs import Blob, Page
from tests.simulation.managed.resources import Access, Made, Refused, Taken, WriteAccess, footer_of, prefix_of

_WINDOW = timedelta(minutes=5)


@dataclass
class Compute:
    """All managed disks.

    Attributes:
        now: the clock, UTC.
        time: gives the time of a new snapshot of a blob.
        number: gives a number never given before.
        disks: the disks, by their resource IDs.
        snapshots: the snapshots, by their resource IDs.
        granted: the access there is, by its policy.
        operations: what came of operations, by their paths.
        most_snapshots: incremental snapshots that a disk may have.
        most_in_window: how many of them may be taken of it in 5 minutes.
        most_copies: how many of them may be on their way until they can be read.
        most_accesses: snapshots of a family to which there may be access at once.
        most_private: private snapshots to which there may be access at once, by one disk access object.
        network_access: the `networkAccessPolicy` that an Azure Policy gives snapshots from now on.
        public_access: the `publicNetworkAccess` that it gives them.
        is_in_network: whether the app is in the network of the disk access object's private endpoint.
        relays_give_diffs: whether the URLs of two private snapshots give the difference between them.
        boundary: bytes across which no diff is made when a disk grows.
        block: pages of the blocks in which changes are tracked.
        shows_footer: whether lists of pages have the footer.
        gives_again: whether access that is asked for again is the same, not another one.
        merges_for: how long after a deletion the other snapshots of the disk can't be read.
        writes: the access there is to write to disks, by its policy.
        second_upload: what comes of asking for such access where there is some.
        checks_uploads: whether an upload does not end where what was uploaded is no VHD.
        rewrites_footers: whether the service writes a footer of its own at the end of an upload.
    """

    now: Callable[[], datetime] = field(repr=False)
    time: Callable[[], str] = field(repr=False)
    number: Callable[[], int] = field(repr=False)
    disks: dict[DiskId, Made] = field(default_factory=dict)
    snapshots: dict[str, Taken] = field(default_factory=dict)
    granted: dict[str, Access] = field(default_factory=dict)
    operations: dict[str, Mapping[str, str]] = field(default_factory=dict)
    most_snapshots: int = 500
    most_in_window: int = 7
    most_copies: int = 3
    most_accesses: int = 5
    most_private: int = 5
    network_access: str = "AllowAll"
    public_access: str = "Enabled"
    is_in_network: bool = False
    relays_give_diffs: bool = True
    boundary: int = 4 * 1024**4
    block: int = 1
    shows_footer: bool = True
    gives_again: bool = True
    merges_for: timedelta = timedelta()
    writes: dict[str, WriteAccess] = field(default_factory=dict)
    second_upload: Literal["same", "new", "refused"] = "same"
    checks_uploads: bool = True
    rewrites_footers: bool = False

    @property
    def usable(self) -> list[ManagedDisk]:
        """The disks that are not being uploaded."""
        return [made.disk for made in self.disks.values() if not made.upload]

    def new_id(self) -> str:
        """Give a GUID never given before."""
        return str(uuid.UUID(int=self.number()))

    def make(
        self, at: DiskId, pages: Sequence[Page], *, tracked: bool = True, tags: Mapping[str, str] | None = None
    ) -> ManagedDisk:
        """Make a disk, in place of one that has its ID: that makes it another disk."""
        content = Blob([*pages, footer_of(len(pages))], self.number, tracked=tracked)
        made = Made(ManagedDisk(at, self.new_id()), content, self.new_id(), f"md-{self.number()}", dict(tags or {}))
        if at in self.disks:
            self.end_writes(self.disks[at])
        self.disks[at] = made
        return made.disk

    def of(self, disk: ManagedDisk) -> Made:
        """Give a disk, unless it is gone or another one is in its place."""
        found = self.disks.get(disk.id)
        if found is None or found.disk != disk:
            raise not_found(disk.id.url)
        return found

    def delete(self, disk: ManagedDisk) -> None:
        """Delete a disk; its snapshots stay."""
        self.end_writes(self.of(disk))
        del self.disks[disk.id]

    def end_writes(self, made: Made) -> None:
        """End all access that writes to a disk."""
        made.writing = None
        self.writes = {policy: access for policy, access in self.writes.items() if access.made is not made}

    def write(self, disk: ManagedDisk, first: int, content: Sequence[Page]) -> None:
        """Write pages, or discard them (None), in whole blocks."""
        made = self.of(disk)
        before, end = first - first % self.block, first + len(content)
        after = min(end + -end % self.block, made.size)
        pages = made.content.pages
        rest = ([page or 0 for page in pages[before:first]], [page or 0 for page in pages[end:after]])
        made.content.set(before, [*rest[0], *content, *rest[1]])

    def resize(self, disk: ManagedDisk, size: int) -> None:
        """Grow a disk: its footer moves; its snapshots that are on their way come to nothing."""
        made = self.of(disk)
        old, content = made.size, made.content
        if size <= old:
            raise Refused(409, "OperationNotAllowed", "A disk can't be made smaller.")
        seen = content.touched[old]
        content.resize(size + 1, None)
        content.set(old, [None])
        content.set(size, [footer_of(size)])
        if not self.shows_footer:
            content.touched[old] = seen
        for taken in self.snapshots.values():
            taken.has_failed |= taken.content is content and taken.readable > self.now()

    def snapshot(self, resource: str, of: DiskId, tags: Mapping[str, str], takes: timedelta = timedelta()) -> Taken:
        """Take an incremental snapshot, or find the one that has its ID (REST: Snapshots, Create Or Update)."""
        if found := self.snapshots.get(resource.lower()):
            if found.disk.id != of:
                raise Refused(409, "PropertyChangeNotAllowed", "The source of a snapshot can't be changed.")
            found.tags = dict(tags)
            return found
        made = self.disks.get(of)
        if made is None:
            raise not_found(of.url)
        if made.upload:
            raise Refused(409, "OperationNotAllowed", "The upload into the disk must end first.")
        self._require_room(made)
        made.taken.append(self.now())
        moment = self.time()
        made.content.snapshot(moment, {})
        taken = Taken(
            resource,
            made.disk,
            made.content,
            moment,
            made.family,
            made.host,
            dict(tags),
            self.now() + takes,
            network_access=self.network_access,
            public_access=self.public_access,
        )
        self.snapshots[resource.lower()] = taken
        return taken

    def find(self, resource: str) -> Taken:
        """Give a snapshot."""
        if resource.lower() not in self.snapshots:
            raise not_found(resource)
        return self.snapshots[resource.lower()]

    def times_of(self, disk: ManagedDisk, backups: str) -> dict[str, Taken]:
        """Give the source snapshots that Tidemark asked for of a disk, for a backup container, by their times."""
        named = [taken for taken in self.snapshots.values() if taken.name.startswith(prefix_of(disk))]
        return {taken.time: taken for taken in named if taken.backups == backups}

    def delete_snapshot(self, resource: str) -> None:
        """Delete a snapshot, if it exists and there is no access to it (REST: Snapshots, Delete)."""
        found = self.snapshots.get(resource.lower())
        if found is None:
            return
        if found.access:
            raise Refused(409, "OperationNotAllowed", "There is access to the snapshot: revoke it first.")
        del self.snapshots[resource.lower()]
        del found.content.snapshots[found.moment]
        for other in self.snapshots.values():
            if other.content is found.content:
                other.merges_until = self.now() + self.merges_for

    def grant(self, resource: str, seconds: int) -> str:
        """Grant access to a snapshot; give its URL (REST: Snapshots, Grant Access)."""
        found = self.find(resource)
        if found.network_access == "DenyAll":
            raise Refused(409, "OperationNotAllowed", "The network access policy of the snapshot is DenyAll.")
        if found.has_failed or found.readable > self.now():
            raise Refused(409, "OperationNotAllowed", "The snapshot is not ready.")
        others = [taken for taken in self.snapshots.values() if taken.family == found.family and taken is not found]
        if sum(taken.access is not None for taken in others) >= self.most_accesses:
            raise Refused(409, "OperationNotAllowed", "There is access to as many snapshots of the disk as may be.")
        private = [taken for taken in self.snapshots.values() if taken.is_private and taken is not found]
        if found.is_private and sum(taken.access is not None for taken in private) >= self.most_private:
            raise Refused(409, "OperationNotAllowed", "There is access to as many private snapshots as may be.")
        if not (found.access and self.gives_again and found.access.ends > self.now()):
            secret = f"{self.number()}"
            ends = self.now() + timedelta(seconds=seconds)
            found.access = Access(found, f"si{secret}", f"s{secret}", ends, is_relay=found.is_private)
            self.granted[found.access.policy] = found.access
        return found.access.url

    def revoke(self, resource: str) -> None:
        """End all access to a snapshot (REST: Snapshots, Revoke Access)."""
        found = self.find(resource)
        found.access = None
        self.granted = {policy: access for policy, access in self.granted.items() if access.taken is not found}

    def _require_room(self, made: Made) -> None:
        of_disk = [taken for taken in self.snapshots.values() if taken.disk == made.disk]
        if len(of_disk) >= self.most_snapshots:
            raise Refused(409, "OperationNotAllowed", f"A disk can have {self.most_snapshots} incremental snapshots.")
        if sum(taken.readable > self.now() for taken in of_disk) >= self.most_copies:
            raise Refused(409, "OperationNotAllowed", f"{self.most_copies} snapshots of the disk are being copied.")
        if sum(at > self.now() - _WINDOW for at in made.taken) >= self.most_in_window:
            raise Refused(429, "OperationNotAllowed", "Too many snapshots were taken of the disk of late.")


def size_in_bytes(taken: Taken) -> int:
    """Give the bytes of the disk that a snapshot is of, without the footer."""
    return taken.size * PAGE


def not_found(resource: str) -> Refused:
    """Make the refusal for a resource that is not there."""
    return Refused(404, "ResourceNotFound", f"The resource {resource} was not found.")

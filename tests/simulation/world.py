"""The world of a history: blobs, table, queues and clock, and what has become of them."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from azure.core.exceptions import HttpResponseError

from shared.azure.sources.access_urls import AccessUrls
from shared.azure.sources.own_snapshots import is_own_snapshot
from shared.azure.sources.uploads import UploadUrls
from shared.azure.tables.index import IndexRow
from shared.azure.tables.rows import from_row
from shared.changes.ranges import Change
from shared.limits import PAGE
from shared.model.addresses import BlobAddress, ContainerAddress
from shared.model.disk import Disk, ManagedDisk, PageBlobDisk
from shared.model.inspection import Inspection
from shared.model.names import DRILL_METADATA, RESTORE_METADATA
from shared.model.point import RecoveryPoint
from shared.model.record import DiskRecord
from shared.model.restore import Restore
from shared.model.schema import is_known
from shared.model.sizes import PageDiff
from tests.simulation import limits
from tests.simulation.blobs import FAILED, SUCCESS, Blob, Pages, Snapshot, same_content
from tests.simulation.kept import Due, QueueMessage, StatusTable
from tests.simulation.managed import hosts
from tests.simulation.managed.compute import Compute
from tests.simulation.managed.resources import Refused
from tests.simulation.named import Named, disk_of
from tests.simulation.refusals import refusal

OWN = ContainerAddress.parse("https://backups.blob.core.windows.net/tidemark")
"""The backup container, which marks Tidemark's own source snapshots."""

OTHER = ContainerAddress.parse("https://elsewhere.blob.core.windows.net/tidemark")
"""Another container for backups, which the app may move to."""

BACKUPS = frozenset({OWN, OTHER})

DISKS = ContainerAddress.parse("https://disks.blob.core.windows.net/vhds")
"""The container of the disks."""

LAB = ContainerAddress.parse("https://disks.blob.core.windows.net/lab")
"""A container that no setting names, in the account of the disks."""

VM = "vm"
"""The lease of a VM that a disk is attached to."""

_NEVER = datetime.max.replace(tzinfo=UTC)
_A_CALL = timedelta(milliseconds=20)
_A_MICROSECOND = timedelta(microseconds=1)


class ProcessAccess(NamedTuple):
    """The access that a process of the app has.

    Attributes:
        reads: to snapshots.
        writes: to disks.
    """

    reads: AccessUrls
    writes: UploadUrls


@dataclass
class World:
    """All that outlives an invocation; and what was seen of it, to tell later what must be true.

    Attributes:
        blobs: all blobs, by their addresses.
        compute: all managed disks, and their snapshots.
        process: says which process of the app an invocation is in; each has access to snapshots of its own.
        processes: the access of each process.
        records: the record's entities and their ETags, by disk.
        points: recovery points, by disk and row.
        restores: the rows of restores and their ETags, by partition and row.
        inspections: the rows of inspections and their ETags, by partition and row.
        plans: the retention plans and their ETags, by disk.
        plan_of_all: the row about all plans that wait.
        tombstones: the tombstones, by disk and row.
        index: the rows of the index, by their keys.
        status: the rows of the report, by their keys.
        intents: the rows of intents and their ETags, by partition and row.
        parts: the rows of their parts: bytes compared and what differs, by partition and part.
        diffs: the rows of counted diffs, by disk and row.
        messages: the queues.
        ticks: when the timer went off, and what was due then.
        heartbeats: the ticks of which a heartbeat has told, as often as it has.
        poison: what is kept of messages that belong to no disk, by message.
        now: the clock, UTC.
        asked: the requests for restores that people have enqueued, by their messages.
        intended: the intents that operators have enqueued, by their messages.
        refusing: the queues that take no messages from the app.
        given_up: the ids that given up messages have on their poison queues.
        forbidden: the containers where the app may do nothing any more.
        source_answers: the status that the service gets where it reads what it is to copy from another account.
        longest_clear: pages of the longest clear on which the service does not give up.
        wants_signature: whether it refuses what it is to copy within an account without a signature.
        held: what every snapshot held that was ever taken, by its time.
        snapshots_of: whose snapshot each of them is.
        sealed: when each recovery point was put on record, by disk and time.
        foreign_snapshots: snapshots of a page blob that are not Tidemark's.
        lost: backup snapshots and full copies that a foreign hand has deleted or written to.
        deleted: when disks and other blobs were deleted, by a foreign hand or by the app.
        rotten: backup snapshots that do not hold any more what was written to them, and since when.
        tainted: what was restored from a recovery point that had rotted, and what was built on that.
        premium: the accounts of premium storage.
        takes: says how long a new source snapshot takes until it can be read; those of page blobs take no time.
        readable: when each of those source snapshots can be read.
        not_snapshotted: when the service has last refused a snapshot of a disk, as there are too many.
        versioned: the accounts in which blob versioning is on.
        lies: whether the service leaves out changes in the diffs it gives.
        landed: when a late call last took effect.
        dropped: the source snapshots that the app has deleted.
        meddled: when a foreign hand last did something to a disk or to its backups.
        written: what each restore has written to.
        spoiled: restores of which a copy did not succeed, or not well.
        unlucky: of each restore and inspection, how many steps in a row have met an error of the service by chance.
        calm_since: since when nothing goes wrong any more.
        violations: what was found to be wrong.
    """

    blobs: dict[BlobAddress, Blob] = field(default_factory=dict)
    records: dict[str, tuple[dict[str, Any], str]] = field(default_factory=dict)
    points: dict[str, dict[str, RecoveryPoint]] = field(default_factory=dict)
    restores: dict[tuple[str, str], tuple[dict[str, Any], str]] = field(default_factory=dict)
    inspections: dict[tuple[str, str], tuple[Inspection, str]] = field(default_factory=dict)
    intents: dict[tuple[str, str], tuple[dict[str, Any], str]] = field(default_factory=dict)
    plans: dict[str, tuple[dict[str, Any], str]] = field(default_factory=dict)
    plan_of_all: dict[str, Any] = field(default_factory=dict)
    tombstones: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    index: dict[str, IndexRow] = field(default_factory=dict)
    status: StatusTable = field(default_factory=StatusTable)
    parts: dict[str, dict[int, tuple[int, str]]] = field(default_factory=dict)
    diffs: dict[str, dict[str, PageDiff]] = field(default_factory=dict)
    messages: list[QueueMessage] = field(default_factory=list)
    ticks: dict[datetime, Due] = field(default_factory=dict)
    heartbeats: list[datetime] = field(default_factory=list)
    poison: dict[str, dict[str, str]] = field(default_factory=dict)
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    asked: dict[str, bytes] = field(default_factory=dict)
    intended: dict[str, bytes] = field(default_factory=dict)
    refusing: set[str] = field(default_factory=set)
    given_up: set[str] = field(default_factory=set)
    forbidden: set[ContainerAddress] = field(default_factory=set)
    source_answers: int = 200
    longest_clear: int = 10**9
    wants_signature: bool = False
    held: dict[str, Pages] = field(default_factory=dict)
    snapshots_of: dict[str, Disk] = field(default_factory=dict)
    sealed: dict[str, dict[str, datetime]] = field(default_factory=dict)
    foreign_snapshots: set[tuple[BlobAddress, str]] = field(default_factory=set)
    lost: set[tuple[BlobAddress, str]] = field(default_factory=set)
    deleted: dict[Disk, datetime] = field(default_factory=dict)
    rotten: dict[tuple[BlobAddress, str], datetime] = field(default_factory=dict)
    tainted: set[tuple[BlobAddress, str]] = field(default_factory=set)
    premium: set[str] = field(default_factory=set)
    takes: Callable[[], timedelta] = timedelta
    readable: dict[tuple[BlobAddress, str], datetime] = field(default_factory=dict)
    not_snapshotted: dict[Disk, datetime] = field(default_factory=dict)
    versioned: set[str] = field(default_factory=set)
    lies: bool = False
    landed: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    dropped: set[tuple[Disk, str]] = field(default_factory=set)
    meddled: dict[Disk, datetime] = field(default_factory=dict)
    written: dict[str, set[BlobAddress]] = field(default_factory=dict)
    spoiled: set[str] = field(default_factory=set)
    unlucky: Counter[str] = field(default_factory=Counter)
    calm_since: datetime = _NEVER
    violations: list[str] = field(default_factory=list)
    process: Callable[[], int] = int
    processes: dict[int, ProcessAccess] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.compute = Compute(self.clock, self.time, self.number)

    def clock(self) -> datetime:
        """Give the time, UTC."""
        return self.now

    def seconds(self) -> float:
        """Give the time in seconds since 1970."""
        return self.now.timestamp()

    def access(self) -> ProcessAccess:
        """Give the access that the process of an invocation has."""
        return self.processes.setdefault(self.process(), ProcessAccess(AccessUrls(self.seconds), {}))

    def number(self) -> int:
        """Give a number never given before: an ETag, an id, or the content of a page."""
        return next(self._numbers)

    def time(self) -> str:
        """Give the time of a new snapshot, as Azure prints it."""
        self.now += _A_MICROSECOND
        return f"{self.now:%Y-%m-%dT%H:%M:%S.%f}0Z"

    def pass_time(self, duration: timedelta) -> None:
        """Let the clock go on."""
        self.now += duration

    def call_passed(self) -> None:
        """Let the clock go on by a call."""
        self.now += _A_CALL

    def enqueue(self, queue: str, body: bytes, delay: timedelta = timedelta()) -> str:
        """Put a message on a queue; give its id."""
        limits.require_message(body)
        self.messages.append(QueueMessage(queue, body, self.now + delay, f"message-{self.number()}"))
        return self.messages[-1].id

    @property
    def disks(self) -> list[Disk]:
        """The disks that are there, and that the app can reach: what is not in the backup container."""
        blobs = [PageBlobDisk(blob) for blob in self.blobs if blob.parent not in BACKUPS | self.forbidden]
        return [*blobs, *self.compute.usable]

    def content(self, disk: Disk) -> Blob | None:
        """Give what a disk holds, that of a managed disk with its footer; None if it is gone."""
        if isinstance(disk, PageBlobDisk):
            return self.blobs.get(disk.address)
        made = [made for made in self.compute.disks.values() if made.disk == disk]
        return made[0].content if made else None

    def backup_of(self, disk: Named) -> BlobAddress:
        """Give the address of a disk's backup blob."""
        return OWN.blob(disk_of(disk).backup_name)

    def require_allowed(self, address: BlobAddress) -> None:
        """Refuse what the app may not do any more."""
        if address.parent in self.forbidden:
            raise refusal(403, "AuthorizationPermissionMismatch")

    def blob(self, address: BlobAddress) -> Blob:
        """Give a blob, if it is there and the app may reach it."""
        self.require_allowed(address)
        limits.require_blob_name(address.blob)
        if address not in self.blobs:
            raise refusal(404, "BlobNotFound")
        return self.blobs[address]

    def clear(self, address: BlobAddress, piece: Change, lease_id: str) -> None:
        """Clear pages of a blob, if they are not too many at once."""
        count = piece.length // PAGE
        if count > self.longest_clear:
            raise refusal(500, "OperationTimedOut")
        self.blob(address).put(piece, [None] * count, lease_id)

    def make(self, address: BlobAddress, size: int, metadata: Mapping[str, str]) -> Blob:
        """Create an empty blob where there is none."""
        limits.require_metadata(metadata)
        self.require_allowed(address)
        limits.require_blob_name(address.blob)
        if address in self.blobs:
            raise refusal(409, "BlobAlreadyExists")
        if address.parent not in (*BACKUPS, DISKS, LAB):
            raise refusal(404, "ContainerNotFound")
        self.blobs[address] = Blob([None] * size, self.number, dict(metadata))
        self.note_written(address, metadata)
        return self.blobs[address]

    def snapshot(
        self,
        address: BlobAddress,
        metadata: Mapping[str, str] | None,
        etag: str | None = None,
        lease: str | None = None,
    ) -> str:
        """Take a snapshot."""
        limits.require_metadata(metadata or {})
        blob, time = self.blob(address), self.time()
        if address.account in self.premium:
            self._require_premium(address, blob)
        blob.snapshot(time, metadata, etag, lease)
        self.note_snapshot(PageBlobDisk(address), time, blob.snapshots[time])
        return time

    def note_snapshot(self, disk: Disk, time: str, taken: Snapshot) -> None:
        """Remember what a disk held at a time."""
        self.held[time] = taken.pages
        self.snapshots_of[time] = disk

    def _require_premium(self, address: BlobAddress, blob: Blob) -> None:
        """Refuse a snapshot that premium storage does not take, and remember that."""
        try:
            limits.require_premium_snapshot(list(blob.snapshots), self.now)
        except HttpResponseError:
            self.not_snapshotted[PageBlobDisk(address)] = self.now
            raise

    def source(self, url: str, reader: BlobAddress | None = None) -> Snapshot:
        """Give what a URL stands for, if whoever reads it may: the same account, or by a signature."""
        if hosts.is_of_managed(url):
            return self._managed_source(url)
        path, _, query = url.partition("?")
        address, asked = BlobAddress.parse(path), parse_qs(query)
        if "sig" not in asked and not (reader and reader.account == address.account):
            raise refusal(403, "AuthenticationFailed")
        if "sig" not in asked and self.wants_signature:
            raise refusal(403, "AuthorizationPermissionMismatch")
        return self.blob(address).at(asked.get("snapshot", [""])[0])

    def _managed_source(self, url: str) -> Snapshot:
        try:
            return hosts.read(self.compute, url)
        except Refused as refused:
            raise refusal(refused.status, refused.code, url.partition("?")[0]) from None

    def end_copy(self, address: BlobAddress, status: str) -> None:
        """End a copy, as the service does, whatever the app may do; one whose source is gone or written to fails."""
        blob = self.blobs[address]
        if blob.copy and status == SUCCESS:
            try:
                taken = self.source(blob.copy.source, address)
            except Exception:  # noqa: BLE001 - whatever keeps the service from reading
                status = FAILED
            else:
                status = SUCCESS if taken.etag == blob.copy.source_etag else FAILED
        blob.end_copy(status)
        if status != SUCCESS:
            self.spoil(address)

    def kept_by_soft_delete(self, address: BlobAddress) -> None:
        """Note that the app has deleted or copied over what it made itself, with its data still in it."""
        self.violations.append(f"{address.blob} was deleted with its data in it, which soft delete keeps")

    def spoil(self, address: BlobAddress) -> None:
        """Note that a copy did not go well, of whichever restore it is."""
        metadata = self.blobs[address].metadata
        self.spoiled.add(metadata.get(RESTORE_METADATA) or metadata.get(DRILL_METADATA, ""))

    def pending(self) -> list[BlobAddress]:
        """List the blobs that are being copied to."""
        return [address for address, blob in self.blobs.items() if blob.is_pending]

    def own_snapshots(self, disk: Named, backups: ContainerAddress = OWN) -> list[str]:
        """List the source snapshots of a disk that Tidemark took for a backup container."""
        asked = disk_of(disk)
        if isinstance(asked, ManagedDisk):
            return sorted(self.compute.times_of(asked, backups.url))
        blob = self.content(asked)
        snapshots = blob.snapshots if blob else {}
        return sorted(
            time for time, taken in snapshots.items() if is_own_snapshot(asked, backups, time, taken.metadata)
        )

    def record(self, disk: Named) -> DiskRecord | None:
        """Read a disk's record."""
        found = self.records.get(disk_of(disk).key)
        return from_row(DiskRecord, found[0]) if found else None

    def points_of(self, disk: Named) -> list[RecoveryPoint]:
        """Give a disk's recovery points, oldest first."""
        return sorted(self.points.get(disk_of(disk).key, {}).values(), key=lambda point: point.time)

    def restore_rows(self) -> Iterator[Restore]:
        """Give the rows of all restores that this release can read."""
        for entity, _ in self.restores.values():
            if is_known(entity):
                yield from_row(Restore, entity)

    def is_being_made(self, disk: Disk) -> bool:
        """Tell whether a restore is making this managed disk, so that nobody uses it yet."""
        rows = self.restore_rows() if isinstance(disk, ManagedDisk) else ()
        return any(row.target == disk and not row.has_ended for row in rows)

    def meddle(self, disk: Named, at: datetime | None = None) -> None:
        """Note that a foreign hand has done something to a disk or to its backups, just now or at a time, UTC."""
        named = disk_of(disk)
        self.meddled[named] = max(at or self.now, self.meddled.get(named, at or self.now))

    def is_too_early(self, disk: BlobAddress, snapshot: str) -> bool:
        """Tell whether a source snapshot of a page blob can't be read yet."""
        return self.now < self.readable.get((disk, snapshot), self.now)

    def is_meddled(self, disk: Named, since: datetime) -> bool:
        """Tell whether a foreign hand has done something to a disk or its backups since then."""
        named = disk_of(disk)
        return named in self.meddled and self.meddled[named] >= since

    def is_spoilt(self, point: RecoveryPoint) -> bool:
        """Tell whether a recovery point is gone, or does not hold any more what was written to it."""
        place = (place_of(point), point.backup_snapshot)
        return place in self.lost | self.rotten.keys() | self.tainted

    def remove(self, address: BlobAddress) -> Blob:
        """Take a blob away."""
        self.deleted[PageBlobDisk(address)] = self.now
        return self.blobs.pop(address)

    def holds(self, disk: Named, point: RecoveryPoint) -> bool:
        """Tell whether the backup account holds what a disk held at a recovery point, if no foreign hand spoilt it."""
        if self.is_spoilt(point):
            return True
        blob = self.blobs.get(place_of(point))
        taken = blob.snapshots.get(point.backup_snapshot) if blob and point.backup_snapshot else blob
        is_same = taken is not None and same_content(taken.pages, self.held[point.time])
        return is_same and self.snapshots_of[point.time] == disk_of(disk)

    def lose(self, address: BlobAddress) -> None:
        """Delete a blob with all its snapshots, as a foreign hand does."""
        blob = self.remove(address)
        self.lost |= {(address, time) for time in ("", *blob.snapshots)}

    def note_written(self, address: BlobAddress, metadata: Mapping[str, str]) -> None:
        """Note that the restore that metadata names has written to a blob."""
        if restore := metadata.get(RESTORE_METADATA):
            self.written.setdefault(restore, set()).add(address)


def place_of(point: RecoveryPoint) -> BlobAddress:
    """Give the blob that a recovery point is in."""
    assert point.backup_blob
    return point.backup_blob

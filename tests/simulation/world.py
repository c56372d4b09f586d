"""The world of a history: disks and backup blobs, table, queues and clock; and what must be true of them."""

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.addresses import BlobAddress
from shared.names import RUN_SEPARATOR, disk_key, run_id
from shared.record import DiskRecord, RecoveryPoint
from tests.simulation.blobs import Blob, Disk, same_content

OWN = "https://backups.blob.core.windows.net/tidemark"
"""The backup container, which marks Tidemark's own source snapshots."""

_A_CALL = timedelta(milliseconds=20)
_A_MICROSECOND = timedelta(microseconds=1)


@dataclass
class QueueMessage:
    """A message on a queue; it is gone from the list while it is delivered.

    Attributes:
        queue: the queue's name.
        body: its JSON.
        visible_at: when it can be delivered, UTC.
        deliveries: how often it has been.
    """

    queue: str
    body: bytes
    visible_at: datetime
    deliveries: int = 0


@dataclass
class World:
    """All that outlives an invocation.

    Attributes:
        disks: the disks.
        blobs: the backup blobs, by their disks.
        records: the record's entities and their ETags, by disk.
        points: recovery points, by disk and row.
        plans: plan rows, by partition and row.
        messages: the queues.
        now: the clock, UTC.
        copies_itself: whether the service can copy from the source by itself.
        taken_away: source snapshots deleted by a foreign hand.
        foreign_snapshots: snapshots of a disk that are not Tidemark's.
        lost: backup snapshots that went with a backup blob that a foreign hand deleted.
        violations: what was found to be wrong.
    """

    disks: dict[BlobAddress, Disk]
    blobs: dict[BlobAddress, Blob] = field(default_factory=dict)
    records: dict[str, tuple[dict[str, Any], str]] = field(default_factory=dict)
    points: dict[str, dict[str, RecoveryPoint]] = field(default_factory=dict)
    plans: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    messages: list[QueueMessage] = field(default_factory=list)
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    copies_itself: bool = True
    taken_away: set[str] = field(default_factory=set)
    foreign_snapshots: set[tuple[BlobAddress, str]] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    violations: list[str] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def number(self) -> int:
        """Give a number never given before: an ETag, or the content of a page."""
        return next(self._numbers)

    def time(self) -> str:
        """Give the time of a new snapshot, as Azure prints it."""
        self.now += _A_MICROSECOND
        return f"{self.now:%Y-%m-%dT%H:%M:%S.%f}0Z"

    def call_passed(self) -> None:
        """Let the clock go on by a call."""
        self.now += _A_CALL

    def record(self, disk: BlobAddress) -> DiskRecord | None:
        """Read a disk's record."""
        found = self.records.get(disk_key(disk))
        return DiskRecord.from_entity(found[0]) if found else None

    def points_of(self, disk: BlobAddress) -> list[RecoveryPoint]:
        """Give a disk's recovery points, oldest first."""
        return sorted(self.points.get(disk_key(disk), {}).values(), key=lambda point: point.time)

    def delete_source_snapshot(self, disk: BlobAddress, time: str) -> None:
        """Delete a snapshot of a disk, as the app asks for it."""
        record = self.record(disk)
        if record and time == record.base_snapshot:
            self.violations.append(f"the base snapshot {time} was deleted")
        if record and record.run_of(time):
            self.violations.append(f"the open run's source snapshot {time} was deleted")
        if (disk, time) in self.foreign_snapshots:
            self.violations.append(f"the snapshot {time} was deleted, which is not Tidemark's")
        self.disks[disk].snapshots.pop(time, None)

    def seal(self, disk: BlobAddress, point: RecoveryPoint) -> None:
        """Keep a recovery point; it must be new, and hold what its source snapshot held."""
        points = self.points.setdefault(disk_key(disk), {})
        if points and point.row_key <= max(points):
            self.violations.append(f"{point.time} was sealed after {max(points)}")
        points[point.row_key] = point
        self.violations += self._wrong_with(disk, point)

    def wrong_at_rest(self) -> Iterator[str]:
        """Say what is wrong of a world where every run is over, and the last one had no trouble.

        Of that one plan rows may be left, by a duplicate message that came after the seal; the next seal deletes them.
        """
        last_runs: list[str] = []
        for disk, source in self.disks.items():
            record, blob = self.record(disk), self.blobs[disk]
            base = record.base_snapshot if record else ""
            last_runs.append(run_id(disk, base))
            own = {time for time, snapshot in source.snapshots.items() if snapshot.owner == OWN}
            if own != {base}:
                yield f"source snapshots are left: {sorted(own)}, with the base {base}"
            if blob.lease:
                yield f"the lease {blob.lease} is left"
            for point in self.points_of(disk):
                yield from self._wrong_with(disk, point)
            yield from _wrong_snapshots(disk, source, blob)
        for disk, time in self.foreign_snapshots:
            if time not in self.disks[disk].snapshots:
                yield f"the snapshot {time} is gone, which is not Tidemark's"
        for partition, rows in self.plans.items():
            if rows and partition.rpartition(RUN_SEPARATOR)[0] not in last_runs:
                yield f"rows of the plan {partition} are left: {sorted(rows)}"

    def _wrong_with(self, disk: BlobAddress, point: RecoveryPoint) -> Iterator[str]:
        if point.backup_snapshot in self.lost:
            return
        blob = self.blobs.get(disk)
        taken = blob.snapshots.get(point.backup_snapshot) if blob else None
        if taken is None:
            yield f"the recovery point {point.time} has no backup snapshot"
        elif not same_content(taken.pages, self.disks[disk].held[point.time]):
            yield f"the recovery point {point.time} ({point.kind}) is not what its source snapshot was: " + _difference(
                taken.pages, self.disks[disk].held[point.time]
            )


def _wrong_snapshots(disk: BlobAddress, source: Disk, blob: Blob) -> Iterator[str]:
    """Say what is wrong with the backup snapshots: a catalogue is to be rebuilt from them alone."""
    runs = {run_id(disk, time): pages for time, pages in source.held.items()}
    for run, count in Counter(taken.run_id for taken in blob.snapshots.values()).items():
        if count > 1:
            yield f"the run {run} has {count} backup snapshots"
    for time, taken in blob.snapshots.items():
        if not same_content(taken.pages, runs[taken.run_id]):
            yield f"the backup snapshot {time} is not what {taken.run_id} was"


def _difference(backup: Any, source: Any) -> str:
    if len(backup) != len(source):
        return f"{len(backup)} pages for {len(source)}"
    pages = [at for at, (one, other) in enumerate(zip(backup, source, strict=True)) if (one or 0) != (other or 0)]
    return f"pages {pages}, {[backup[at] for at in pages]} for {[source[at] for at in pages]}"

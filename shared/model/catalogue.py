"""Rebuilding the catalogue: which recovery points a backup container holds. Pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from shared.model.addresses import AddressError, BlobAddress
from shared.model.blob import COPY_SUCCESS, BlobState
from shared.model.disk import Disk
from shared.model.messages import RunMessage
from shared.model.names import (
    COPY_METADATA,
    DISK_METADATA,
    ETAG_METADATA,
    KIND_METADATA,
    PLAN_METADATA,
    PROFILE_METADATA,
    RUN_METADATA,
    SOURCE_SNAPSHOT_METADATA,
)
from shared.model.point import RecoveryPoint
from shared.model.record import DiskRecord
from shared.model.run import COPY_BLOB, Kind
from shared.model.times import canonical_time

REBUILT = "the catalogue was rebuilt"
"""The reason of a recovery point that a rebuild has found; of its run nothing is known but the kind."""

_OF_A_POINT = frozenset({DISK_METADATA, RUN_METADATA, SOURCE_SNAPSHOT_METADATA, KIND_METADATA})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBlob:
    """A blob of the backup container, or a snapshot of one.

    Attributes:
        blob: the blob.
        snapshot: the snapshot's time; empty for the blob itself.
        size: bytes.
        metadata: its metadata.
        copy_status: how the copy to it ended, if it was copied to.
        modified: when it was last modified, UTC.
    """

    blob: BlobAddress
    snapshot: str
    size: int
    metadata: Mapping[str, str]
    copy_status: str
    modified: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPoint:
    """A recovery point found in the backup container.

    Attributes:
        disk: the disk.
        point: the recovery point to record.
        plan: the plan of the run that made it.
        etag: the backup blob's ETag when it was taken; empty for a full copy.
    """

    disk: Disk
    point: RecoveryPoint
    plan: int
    etag: str


def point_metadata(run: RunMessage, kind: Kind, etag: str = "", profile: str = "") -> dict[str, str]:
    """Make the metadata by which a recovery point's snapshot or full copy describes itself.

    Args:
        run: the run that makes it, under its plan.
        kind: the run's kind.
        etag: the backup blob's ETag when the snapshot is taken; empty for a full copy.
        profile: what a managed disk was, beside its bytes; empty for a page blob.
    """
    about = {
        DISK_METADATA: run.disk.name,
        RUN_METADATA: run.run_id,
        SOURCE_SNAPSHOT_METADATA: run.run,
        KIND_METADATA: str(kind),
        **({PROFILE_METADATA: profile} if profile else {}),
    }
    return {**about, PLAN_METADATA: str(run.plan), ETAG_METADATA: etag} if etag else about


def found_point(stored: StoredBlob) -> FoundPoint | None:
    """Recognize a blob or a snapshot as a recovery point; None if it is not one.

    A recovery point is a snapshot of a disk's backup blob whose metadata names the disk, the run, its source snapshot
    and kind, and the backup blob's ETag; or a successful full copy with the same metadata. The backup blob itself, an
    unfinished or failed copy, and what others have put there (copying a blob copies its metadata) are not.
    """
    metadata = stored.metadata
    # Once its source is forgotten, a copy has no status any more; a failed one is empty.
    has_succeeded = stored.copy_status == COPY_SUCCESS or (stored.copy_status == "" and stored.size > 0)
    is_copy = not stored.snapshot and COPY_METADATA in metadata and has_succeeded
    is_snapshot = bool(stored.snapshot) and metadata.keys() >= {PLAN_METADATA, ETAG_METADATA}
    if not metadata.keys() >= _OF_A_POINT or not (is_copy or is_snapshot):
        return None
    try:
        disk = Disk.parse(metadata[DISK_METADATA])
        time = canonical_time(metadata[SOURCE_SNAPSHOT_METADATA])
        kind = Kind(metadata[KIND_METADATA])
        plan = int(metadata.get(PLAN_METADATA, "0"))
        sealed = datetime.fromisoformat(stored.snapshot) if is_snapshot else stored.modified
        started = datetime.fromisoformat(time)
    except (AddressError, ValueError):
        return None
    if stored.blob.blob != (disk.full_copy_name(time) if is_copy else disk.backup_name):
        return None
    point = RecoveryPoint.of_a_copy(
        time=time,
        kind=kind,
        reason=REBUILT,
        backup_blob=stored.blob,
        backup_snapshot=stored.snapshot,
        size=stored.size,
        copying=COPY_BLOB if is_copy else "",
        started=started,
        sealed=sealed,
    )
    point = replace(point, profile=metadata.get(PROFILE_METADATA, ""))
    return FoundPoint(disk=disk, point=point, plan=plan, etag=metadata.get(ETAG_METADATA, ""))


def looks_like_a_point(stored: StoredBlob) -> bool:
    """Return whether a blob or a snapshot that is not a recovery point may have been one, or was to become one."""
    return bool(stored.snapshot) or KIND_METADATA in stored.metadata


def rebuilt(
    backup_blob: BlobAddress,
    last: FoundPoint,
    blob: BlobState | None,
    *,
    adopted: bool,
    before: DiskRecord | None = None,
) -> DiskRecord:
    """Make the record of a disk that has none, or none with a backup on it, from its last recovery point.

    If the backup blob has not changed since that point, the next run is incremental; otherwise it is a resync.

    Args:
        backup_blob: the address of the disk's backup blob.
        last: its last recovery point.
        blob: the state of its backup blob; None if there is none.
        adopted: whether the disk was restored and `SOURCE_DISKS` does not name it.
        before: the record it has, if any: its ticks and errors stay.
    """
    is_as_sealed = blob is not None and blob.etag == last.etag and blob.size == last.point.size
    return replace(
        before or DiskRecord(disk=last.disk),
        backup_blob=backup_blob,
        base_snapshot=last.point.source_snapshot,
        base_size=last.point.size,
        backup_etag=last.etag,
        backup_snapshot=last.point.backup_snapshot,
        sealed_plan=last.plan,
        resync_reason="" if is_as_sealed else f"{REBUILT}, and the backup blob has changed since the last run",
        adopted=adopted,
        last_success=last.point.sealed,
        last_point=last.point.time,
    )

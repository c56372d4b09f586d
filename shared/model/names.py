"""The names that Tidemark gives to things in Azure, and the sizes that Azure gives to it."""

import hashlib
import re
import uuid

from shared.model.addresses import BlobAddress

PLAN_CHANGES_QUEUE = "plan-changes"
COPY_RANGES_QUEUE = "copy-ranges"
FINISH_BACKUP_QUEUE = "finish-backup"
RESTORE_REQUESTS_QUEUE = "restore-requests"
CONTINUE_RESTORE_QUEUE = "continue-restore"
REBUILD_CATALOGUE_QUEUE = "rebuild-catalogue"
VERIFY_QUEUE = "verify"
DRILL_QUEUE = "drill"
CONTINUE_INSPECTION_QUEUE = "continue-inspection"
COMPARE_PARTS_QUEUE = "compare-parts"
REPORT_TICK_QUEUE = "report-tick"

BACKUPS_TABLE = "backups"
PARTS_TABLE = "parts"

# Metadata of source snapshots, backup blobs and recovery points: what a catalogue can be rebuilt from.
DISK_METADATA = "tidemark_disk"
BACKUP_METADATA = "tidemark_backup"
TAKEN_METADATA = "tidemark_taken"
RUN_METADATA = "tidemark_run"
SOURCE_SNAPSHOT_METADATA = "tidemark_source_snapshot"
KIND_METADATA = "tidemark_kind"
PLAN_METADATA = "tidemark_plan"
ETAG_METADATA = "tidemark_etag"
# Of the blobs that Copy Blob makes: which restore or run they are for, and which attempt at it.
COPY_METADATA = "tidemark_copy"
RESTORE_METADATA = "tidemark_restore"
DRILL_METADATA = "tidemark_drill"

SCRATCH_PREFIX = "tidemark-drill/"
"""What the names of the scratch blobs of drills begin with, in the backup container."""

RUN_SEPARATOR = "!"
"""Stands between a disk's key, a run's time and a plan's number; no disk's key has it."""

_KEY_LENGTH = 400
_ID_UNSAFE = re.compile(r"[^A-Za-z0-9-]")
_KEY_UNSAFE = re.compile(r"[^A-Za-z0-9._|$ -]")


def backup_blob_name(disk: BlobAddress) -> str:
    """Name the backup blob of a disk in the backup container: `SOURCEACCOUNT/SOURCECONTAINER/BLOBNAME`."""
    return f"{disk.account}/{disk.container}/{disk.blob}"


def disk_key(disk: BlobAddress) -> str:
    """Name the table partition of a disk: its backup blob's name with `|` for `/`.

    A key may not hold slashes, `#`, `?` or control characters, nor be over 1 KiB (REST: Understanding the Table
    service data model): a name with anything unusual in it, or a very long one, is shortened and ends in a hash.
    """
    name = backup_blob_name(disk)
    readable = name.replace("/", "|")
    key = _KEY_UNSAFE.sub("_", readable)[:_KEY_LENGTH]
    if key == readable and "|" not in name:
        return key
    return f"{key}~{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def request_id(message_id: str, body: bytes) -> str:
    """Name what a queue message asks for, so that the same message names it again: by its id, else by what it says."""
    return _ID_UNSAFE.sub("", message_id) or str(uuid.uuid5(uuid.NAMESPACE_URL, repr(body)))


def run_id(disk: BlobAddress, source_snapshot: str) -> str:
    """Name a run: its disk's key and its source snapshot's time."""
    return f"{disk_key(disk)}{RUN_SEPARATOR}{source_snapshot}"


def full_copy_name(disk: BlobAddress, source_snapshot: str) -> str:
    """Name a full copy of a disk in the backup container: `SOURCEACCOUNT/SOURCECONTAINER/BLOBNAME/TIME`."""
    return f"{backup_blob_name(disk)}/{source_snapshot}"


def lease_id(run: str, plan: int) -> str:
    """Derive the lease id of a run's plan, the same on every retry, so that acquiring it again is harmless.

    Another plan has another one: what is left of an older plan can neither write nor take the backup blob unnoticed.
    """
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"tidemark:{run}{RUN_SEPARATOR}{plan}"))


def restore_lease_id(restore: str) -> str:
    """Derive the lease id of a restore, the same on every retry."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"tidemark:restore:{restore}"))


def scratch_name(disk: BlobAddress, drill: str) -> str:
    """Name the blob that a drill restores to in the backup container: `tidemark-drill/HASH-ID`, the hash of the disk.

    A backup blob's name has two slashes at least.
    """
    return f"{SCRATCH_PREFIX}{hashlib.sha256(disk.url.encode()).hexdigest()[:16]}-{drill}"


def restored_disk_name(blob: str, point: str) -> str:
    """Name the disk that a recovery point is restored to by default: `NAME-restored-TIME`, with `.vhd` kept at its end.

    Args:
        blob: the name of the disk that was backed up.
        point: the recovery point's time, as Azure prints it.
    """
    stem, dot, extension = blob.rpartition(".")
    has_extension = dot and stem and extension.lower() == "vhd"
    name, end = (stem, f".{extension}") if has_extension else (blob, "")
    moment = re.sub(r"[-:]", "", point.partition(".")[0])
    return f"{name}-restored-{moment}Z{end}"

"""The names of what Tidemark creates in Azure: queues, tables, metadata, leases."""

import re
import uuid

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
RETENTION_QUEUE = "retention"
MANAGE_QUEUE = "manage"

BACKUPS_TABLE = "backups"
PARTS_TABLE = "parts"

# Metadata of source snapshots, backup blobs and recovery points, from which the catalogue can be rebuilt.
DISK_METADATA = "tidemark_disk"
BACKUP_METADATA = "tidemark_backup"
TAKEN_METADATA = "tidemark_taken"
RUN_METADATA = "tidemark_run"
SOURCE_SNAPSHOT_METADATA = "tidemark_source_snapshot"
KIND_METADATA = "tidemark_kind"
PLAN_METADATA = "tidemark_plan"
ETAG_METADATA = "tidemark_etag"
PROFILE_METADATA = "tidemark_profile"
# Metadata of blobs made by Copy Blob: the run or job they are for, and the attempt.
COPY_METADATA = "tidemark_copy"
RESTORE_METADATA = "tidemark_restore"
DRILL_METADATA = "tidemark_drill"

OWNER_MARK = "tidemark-owner"
"""The blob that says which app a backup container belongs to; a backup blob's name has at least two slashes."""

# Metadata of that blob: the app's storage, its name for people, and whose the container was before.
OWNER_METADATA = "tidemark_owner"
OWNER_NAME_METADATA = "tidemark_owner_name"
OWNER_BEFORE_METADATA = "tidemark_owner_before"

SCRATCH_PREFIX = "tidemark-drill/"
"""The prefix of drills' scratch blobs in the backup container."""

RUN_SEPARATOR = "!"
"""Separates a disk's key, a run's time and a plan's number; no disk's key contains it."""

_ID_UNSAFE = re.compile(r"[^A-Za-z0-9-]")


def request_id(message_id: str, body: bytes) -> str:
    """Give a request an id that is the same on redelivery: its queue message's id, or else a hash of its body."""
    return _ID_UNSAFE.sub("", message_id) or str(uuid.uuid5(uuid.NAMESPACE_URL, repr(body)))


def lease_id(run: str, plan: int) -> str:
    """Derive the lease id of a run's plan: the same on every retry, so that acquiring it again is harmless.

    Each plan has its own, so that a leftover of an older plan can neither write to the backup blob nor lease it
    unnoticed.
    """
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"tidemark:{run}{RUN_SEPARATOR}{plan}"))


def restore_lease_id(restore: str) -> str:
    """Derive the lease id of a restore: the same on every retry."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"tidemark:restore:{restore}"))


def owner_lease_id(storage: str) -> str:
    """Derive the lease id of an app's owner mark from the storage that tells the app from others."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"tidemark:owner:{storage}"))

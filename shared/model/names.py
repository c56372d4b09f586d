"""The names that Tidemark gives to things in Azure, and the sizes that Azure gives to it."""

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

_ID_UNSAFE = re.compile(r"[^A-Za-z0-9-]")


def request_id(message_id: str, body: bytes) -> str:
    """Name what a queue message asks for, so that the same message names it again: by its id, else by what it says."""
    return _ID_UNSAFE.sub("", message_id) or str(uuid.uuid5(uuid.NAMESPACE_URL, repr(body)))


def lease_id(run: str, plan: int) -> str:
    """Derive the lease id of a run's plan, the same on every retry, so that acquiring it again is harmless.

    Another plan has another one: what is left of an older plan can neither write nor take the backup blob unnoticed.
    """
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"tidemark:{run}{RUN_SEPARATOR}{plan}"))


def restore_lease_id(restore: str) -> str:
    """Derive the lease id of a restore, the same on every retry."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"tidemark:restore:{restore}"))

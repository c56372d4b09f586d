"""Log events: one JSON object per line with a stable name and stable fields, without secrets."""

import json
import logging
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from logging import ERROR, INFO, WARNING
from typing import Self

from shared.errors import without_secrets
from shared.model.texts import truncated_to

_logger = logging.getLogger("tidemark")

_MAX_FIELD = 10_000
"""Characters of a field, with room for the longest URL of a disk.

Application Insights cuts a message at 32 Ki characters (Application Insights limits), and what is left is no JSON.
"""


class Event(StrEnum):
    """Event names and levels. They are a public contract: alerts and users' queries rely on them.

    Attributes:
        level: the `logging` level.
    """

    level: int

    def __new__(cls, name: str, level: int = INFO) -> Self:
        """Create an event with its level."""
        event = str.__new__(cls, name)
        event._value_, event.level = name, level
        return event

    # The app can't start.
    START_FAILED = "start-failed", ERROR

    # Whose the backup container is.
    CONTAINER_MARKED = "container-marked"
    CONTAINER_TAKEN_OVER = "container-taken-over", WARNING
    NOT_OWNER = "not-owner", ERROR
    OWNER_UNKNOWN = "owner-unknown", WARNING

    # A backup, in chronological order.
    BACKUP_DUE = "backup-due"
    SNAPSHOTS_TAKEN = "snapshots-taken"
    SNAPSHOT_DROPPED = "snapshot-dropped", WARNING
    RUN_OPENED = "run-opened"
    RUN_KIND = "run-kind"
    WINDOW_HALVED = "window-halved", WARNING
    CLEAR_HALVED = "clear-halved", WARNING
    BATCH_DONE = "batch-done"
    SLOWED_DOWN = "slowed-down"
    COPY_THROUGH_FUNCTION = "copy-through-function", WARNING
    LATE_WRITE_REFUSED = "late-write-refused", WARNING
    FULL_COPY_STARTED = "full-copy-started"
    FULL_COPY_DROPPED = "full-copy-dropped", WARNING
    RUN_SEALED = "run-sealed"
    VERSIONS_KEPT = "versions-kept", WARNING
    SOURCE_SNAPSHOT_DELETED = "source-snapshot-deleted"
    TICK_WAITS = "tick-waits", WARNING
    TICK_FAILED = "tick-failed", ERROR
    TICK_SUCCEEDED = "tick-succeeded"
    TICK_INCOMPLETE = "tick-incomplete", WARNING
    BACKUP_LATE = "backup-late", WARNING
    BACKUP_CAUGHT_UP = "backup-caught-up"
    DISK_UNLISTED = "disk-unlisted", ERROR
    DISK_MISSING = "disk-missing", ERROR
    DISK_RETIRED = "disk-retired"

    # What the report says of a disk.
    DISK_STATE = "disk-state"
    DISK_DROPPED = "disk-dropped"
    REPORT_FAILED = "report-failed", WARNING

    # The status page.
    PAGE_REFUSED = "page-refused", WARNING
    PAGE_FAILED = "page-failed", WARNING

    # What looks wrong, and stops nothing.
    RESYNC_AGAIN = "resync-again", WARNING
    RUN_UNUSUAL = "run-unusual", WARNING
    INSPECTION_OVERDUE = "inspection-overdue", WARNING

    # A run that is interrupted, fails or starts over.
    RUN_PLANNED_AGAIN = "run-planned-again", WARNING
    RUN_RESUMED = "run-resumed", WARNING
    RUN_BEGUN_ANEW = "run-begun-anew", WARNING
    RUN_DIFFERS = "run-differs", ERROR
    RUN_FAILED = "run-failed", ERROR
    RUN_CANCELED = "run-canceled", WARNING
    LEASE_BROKEN = "lease-broken", WARNING
    MESSAGE_DROPPED = "message-dropped"
    MESSAGE_POISONED = "message-poisoned", ERROR

    # Failed steps; the queue or the next tick retries them.
    LIST_RECORDS_FAILED = "list-records-failed", ERROR
    LIST_DISKS_FAILED = "list-disks-failed", ERROR
    SNAPSHOT_FAILED = "snapshot-failed", ERROR
    OPEN_RUN_FAILED = "open-run-failed", ERROR
    WATCH_DISK_FAILED = "watch-disk-failed", ERROR
    WATCH_RESTORES_FAILED = "watch-restores-failed", ERROR
    WATCH_INSPECTIONS_FAILED = "watch-inspections-failed", ERROR
    WATCH_INTENTS_FAILED = "watch-intents-failed", ERROR
    GIVE_UP_FAILED = "give-up-failed", ERROR
    PLAN_CHANGES_FAILED = "plan-changes-failed", ERROR
    COPY_RANGES_FAILED = "copy-ranges-failed", ERROR
    FULL_COPY_FAILED = "full-copy-failed", ERROR
    FINISH_BACKUP_FAILED = "finish-backup-failed", ERROR
    SEAL_FAILED = "seal-failed", ERROR
    DELETE_SOURCE_SNAPSHOT_FAILED = "delete-source-snapshot-failed", ERROR
    REPORT_TICK_FAILED = "report-tick-failed", ERROR
    HEARTBEAT_FAILED = "heartbeat-failed", ERROR
    CHECK_POINTS_FAILED = "check-points-failed", ERROR
    CLEAN_RETIRED_FAILED = "clean-retired-failed", WARNING
    RECORD_FAILED = "record-failed", ERROR

    # A restore: its stages, and what can happen in between.
    REQUEST_CARRIED = "request-carried", WARNING
    RESTORE_REQUESTED = "restore-requested"
    RESTORE_SAVING = "restore-saving"
    RESTORE_PROMOTING = "restore-promoting"
    RESTORE_COPYING = "restore-copying"
    RESTORE_PROVING = "restore-proving"
    RESTORE_ENDING = "restore-ending"
    RESTORE_EXPIRING = "restore-expiring"
    RESTORE_DONE = "restore-done"
    RESTORE_REFUSED = "restore-refused", WARNING
    RESTORE_FAILED = "restore-failed", ERROR
    RESTORE_COPY_STARTED = "restore-copy-started"
    RESTORE_NOT_PROVED = "restore-not-proved", ERROR
    RESTORE_STEP_FAILED = "restore-step-failed", ERROR
    RESTORE_RESUMED = "restore-resumed", WARNING
    RESTORE_DISK_MADE = "restore-disk-made"
    RESTORE_DROPPED = "restore-dropped"
    RESTORE_LEFT_OVER = "restore-left-over", WARNING
    RESTORE_DISK_FAILED = "restore-disk-failed", ERROR

    # A verify or a drill: its stages, and what can happen in between.
    VERIFY_REQUESTED = "verify-requested"
    VERIFY_COMPARING = "verify-comparing"
    VERIFY_ENDING = "verify-ending"
    VERIFY_DONE = "verify-done"
    VERIFY_FAILED = "verify-failed", ERROR
    VERIFY_REFUSED = "verify-refused", WARNING
    DRILL_REQUESTED = "drill-requested"
    DRILL_PROMOTING = "drill-promoting"
    DRILL_COMPARING = "drill-comparing"
    DRILL_ENDING = "drill-ending"
    DRILL_DOUBTFUL = "drill-doubtful", WARNING
    DRILL_DONE = "drill-done"
    DRILL_FAILED = "drill-failed", ERROR
    DRILL_REFUSED = "drill-refused", WARNING
    PART_COMPARED = "part-compared"
    PART_DIFFERS = "part-differs", ERROR
    COMPARE_PART_FAILED = "compare-part-failed", ERROR
    INSPECTION_STEP_FAILED = "inspection-step-failed", ERROR
    INSPECTION_RESUMED = "inspection-resumed", WARNING
    POINT_DAMAGED = "point-damaged", ERROR
    SCRATCH_LEFT_OVER = "scratch-left-over", WARNING

    # The retention.
    RETENTION_PLANNED = "retention-planned"
    RETENTION_WAITS = "retention-waits", WARNING
    RETENTION_HELD = "retention-held", WARNING
    RETENTION_APPROVED = "retention-approved"
    POINT_DELETED = "point-deleted"
    RETENTION_FAILED = "retention-failed", ERROR
    # An operator's intent.
    INTENT_REQUESTED = "intent-requested"
    INTENT_WAITS = "intent-waits"
    ORPHAN_DELETED = "orphan-deleted"
    INTENT_DONE = "intent-done"
    INTENT_REFUSED = "intent-refused", WARNING
    INTENT_FAILED = "intent-failed", ERROR
    INTENT_STEP_FAILED = "intent-step-failed", ERROR
    INTENT_RESUMED = "intent-resumed", WARNING

    # What recovery points hold.
    SIZE_UNKNOWN = "size-unknown"

    # Rebuilding the catalogue.
    CATALOGUE_REBUILT = "catalogue-rebuilt"
    BLOB_UNKNOWN = "blob-unknown", WARNING
    REBUILD_CATALOGUE_FAILED = "rebuild-catalogue-failed", ERROR


class Stopwatch:
    """Measures how long a step takes."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since creation, rounded to milliseconds."""
        return round(time.monotonic() - self._started, 3)


def log_event(event: Event, **fields: object) -> None:
    """Log an event at its level.

    Args:
        event: the event.
        fields: its fields: sizes in bytes, durations in seconds, times in UTC.
    """
    _logger.log(event.level, "%s", _line(event, fields))


def print_event(event: Event, **fields: object) -> None:
    """Print an event to stderr. For use outside an invocation, where the host drops log records but not stderr lines.

    The host logs them in the category `Host.Function.Console`, as errors if the line contains "error" or "fail"
    (azure-functions-host: GrpcWorkerChannel.Log, WorkerProcess.ParseErrorMessageAndLog).

    Args:
        event: the event.
        fields: its fields.
    """
    sys.stderr.write(f"{_line(event, fields)}\n")
    sys.stderr.flush()


def _line(event: Event, fields: Mapping[str, object]) -> str:
    shown = {
        name: truncated_to(value, _MAX_FIELD) if isinstance(value, str) else value for name, value in fields.items()
    }
    return without_secrets(json.dumps({"event": event, **shown}, default=_plain))


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)

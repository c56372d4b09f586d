"""Log events: one JSON object a line, with a stable name and fields. Never a secret."""

import json
import logging
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from shared.errors import without_secrets

_logger = logging.getLogger("tidemark")


class Event(StrEnum):
    """The names of the events. Alerts and people's queries stand on them: a name, once given, stays."""

    # The app does not start.
    START_FAILED = "start-failed"

    # A backup, in the order of its life.
    BACKUP_DUE = "backup-due"
    SNAPSHOTS_TAKEN = "snapshots-taken"
    SNAPSHOT_DROPPED = "snapshot-dropped"
    RUN_OPENED = "run-opened"
    RUN_KIND = "run-kind"
    WINDOW_HALVED = "window-halved"
    CLEAR_HALVED = "clear-halved"
    BATCH_DONE = "batch-done"
    SLOWED_DOWN = "slowed-down"
    COPY_THROUGH_FUNCTION = "copy-through-function"
    LATE_WRITE_REFUSED = "late-write-refused"
    FULL_COPY_STARTED = "full-copy-started"
    FULL_COPY_DROPPED = "full-copy-dropped"
    RUN_SEALED = "run-sealed"
    VERSIONS_KEPT = "versions-kept"
    SOURCE_SNAPSHOT_DELETED = "source-snapshot-deleted"
    TICK_WAITS = "tick-waits"
    TICK_FAILED = "tick-failed"
    TICK_SUCCEEDED = "tick-succeeded"
    TICK_INCOMPLETE = "tick-incomplete"
    BACKUP_LATE = "backup-late"
    BACKUP_CAUGHT_UP = "backup-caught-up"

    # A run that does not go straight on.
    RUN_PLANNED_AGAIN = "run-planned-again"
    RUN_RESUMED = "run-resumed"
    RUN_BEGUN_ANEW = "run-begun-anew"
    RUN_DIFFERS = "run-differs"
    RUN_FAILED = "run-failed"
    LEASE_BROKEN = "lease-broken"
    MESSAGE_DROPPED = "message-dropped"
    MESSAGE_POISONED = "message-poisoned"

    # Steps that have failed; the queue or the next tick tries again.
    LIST_RECORDS_FAILED = "list-records-failed"
    LIST_DISKS_FAILED = "list-disks-failed"
    SNAPSHOT_FAILED = "snapshot-failed"
    OPEN_RUN_FAILED = "open-run-failed"
    WATCH_DISK_FAILED = "watch-disk-failed"
    WATCH_RESTORES_FAILED = "watch-restores-failed"
    WATCH_INSPECTIONS_FAILED = "watch-inspections-failed"
    GIVE_UP_FAILED = "give-up-failed"
    PLAN_CHANGES_FAILED = "plan-changes-failed"
    COPY_RANGES_FAILED = "copy-ranges-failed"
    FULL_COPY_FAILED = "full-copy-failed"
    FINISH_BACKUP_FAILED = "finish-backup-failed"
    SEAL_FAILED = "seal-failed"
    DELETE_SOURCE_SNAPSHOT_FAILED = "delete-source-snapshot-failed"
    REPORT_TICK_FAILED = "report-tick-failed"
    HEARTBEAT_FAILED = "heartbeat-failed"
    RECORD_FAILED = "record-failed"

    # A restore: each state that it comes to, and what happens on the way.
    REQUEST_CARRIED = "request-carried"
    RESTORE_REQUESTED = "restore-requested"
    RESTORE_PROMOTING = "restore-promoting"
    RESTORE_COPYING = "restore-copying"
    RESTORE_PROVING = "restore-proving"
    RESTORE_DONE = "restore-done"
    RESTORE_REFUSED = "restore-refused"
    RESTORE_FAILED = "restore-failed"
    RESTORE_COPY_STARTED = "restore-copy-started"
    RESTORE_NOT_PROVED = "restore-not-proved"
    RESTORE_STEP_FAILED = "restore-step-failed"
    RESTORE_RESUMED = "restore-resumed"
    RESTORE_DROPPED = "restore-dropped"
    RESTORE_LEFT_OVER = "restore-left-over"
    RESTORE_DISK_FAILED = "restore-disk-failed"

    # A verify and a drill: each state that it comes to, and what happens on the way.
    VERIFY_REQUESTED = "verify-requested"
    VERIFY_COMPARING = "verify-comparing"
    VERIFY_ENDING = "verify-ending"
    VERIFY_DONE = "verify-done"
    VERIFY_FAILED = "verify-failed"
    VERIFY_REFUSED = "verify-refused"
    DRILL_REQUESTED = "drill-requested"
    DRILL_PROMOTING = "drill-promoting"
    DRILL_COMPARING = "drill-comparing"
    DRILL_ENDING = "drill-ending"
    DRILL_DOUBTFUL = "drill-doubtful"
    DRILL_DONE = "drill-done"
    DRILL_FAILED = "drill-failed"
    DRILL_REFUSED = "drill-refused"
    PART_COMPARED = "part-compared"
    COMPARE_PART_FAILED = "compare-part-failed"
    INSPECTION_STEP_FAILED = "inspection-step-failed"
    INSPECTION_RESUMED = "inspection-resumed"
    POINT_DAMAGED = "point-damaged"
    SCRATCH_LEFT_OVER = "scratch-left-over"

    # The catalogue, rebuilt.
    CATALOGUE_REBUILT = "catalogue-rebuilt"
    BLOB_UNKNOWN = "blob-unknown"
    REBUILD_CATALOGUE_FAILED = "rebuild-catalogue-failed"


class Stopwatch:
    """Counts the seconds of a step, for its event."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since it was made, to the millisecond."""
        return round(time.monotonic() - self._started, 3)


def log_event(event: Event, *, level: int = logging.INFO, **fields: object) -> None:
    """Log an event.

    Args:
        event: its name.
        level: one of logging's levels.
        fields: what else it says; bytes, seconds and UTC times as elsewhere.
    """
    _logger.log(level, "%s", _line(event, fields))


def print_event(event: Event, **fields: object) -> None:
    """Print an event to stderr, for outside of an invocation: the host drops what is logged there, not what is printed.

    It logs that in the category `Host.Function.Console`, as an error where the line says "error" or "fail"
    (azure-functions-host: GrpcWorkerChannel.Log, WorkerProcess.ParseErrorMessageAndLog).

    Args:
        event: its name.
        fields: what else it says.
    """
    sys.stderr.write(f"{_line(event, fields)}\n")
    sys.stderr.flush()


def _line(event: Event, fields: Mapping[str, object]) -> str:
    return without_secrets(json.dumps({"event": event, **fields}, default=_plain))


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)

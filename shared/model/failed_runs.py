"""Failing runs: when a run counts as failing, how often it is retried, and when it is abandoned. Pure functions."""

from dataclasses import replace
from datetime import datetime, timedelta

from shared.model.record import DiskRecord, run_of
from shared.model.retry_policy import is_too_long

MAX_RUN_RETRIES = 5
"""How often a failing run is retried before it is abandoned; usually once per tick."""

STUCK_AFTER = timedelta(minutes=30)
"""How long a run with an error may make no progress before a tick counts it as failing, even if it is at work."""

MAX_RESYNCS = 2
"""How often a run starts over as a resync, because its backup blob is not what it should be, before it is abandoned."""


def with_failure(record: DiskRecord, reason: str) -> DiskRecord:
    """Record why the open run fails, when a message of it was moved to a poison queue."""
    return record.with_run(replace(run_of(record), failed=reason))


def with_error(record: DiskRecord, snapshot: str, now: datetime) -> DiskRecord:
    """Record an error of the open run, if it is the run of this source snapshot."""
    run = record.run_of(snapshot)
    return (
        record.with_run(replace(run_of(record), error_at=now, trouble_since=run.trouble_since or now))
        if run
        else record
    )


def retried(record: DiskRecord, now: datetime) -> DiskRecord:
    """Record that the open run is retried, from its own source snapshot."""
    return record.with_run(
        replace(run_of(record), tries=run_of(record).tries + 1, failed="", progressed=now, replans=0)
    )


def is_failing(record: DiskRecord, now: datetime) -> bool:
    """Return whether the open run makes no progress because of its own errors, or a message of it was given up.

    A run that waits behind other disks' messages has no errors, nor has a full copy that waits for the service.
    """
    run = run_of(record)
    stands_still = run.replans > 0 or now - run.progressed >= STUCK_AFTER
    return bool(run.failed) or (stands_still and run.error_at is not None)


def should_abandon(record: DiskRecord, now: datetime) -> bool:
    """Return whether a failing run is to be abandoned; the next run is then a resync.

    It is once it was retried often enough, or, where ticks are rare, once and has failed for too long.
    """
    run = run_of(record)
    should_give_up = run.trouble_since is not None and is_too_long(run.trouble_since, now)
    return is_failing(record, now) and (run.tries >= MAX_RUN_RETRIES or (run.tries > 0 and should_give_up))

"""What becomes of a run that fails: it is tried again, so often, and then given up. Pure functions of values."""

from dataclasses import replace
from datetime import datetime, timedelta

from shared.model.patience import is_over
from shared.model.record import DiskRecord, run_of

MOST_RUN_TRIES = 5
"""How often a run that fails is tried again, at most, before it is given up: at as many ticks, as a rule."""

STANDS_STILL_AFTER = timedelta(minutes=30)
"""How long a run that has an error may come no further before it is taken to fail, though it is at work: by a tick."""

MOST_RESYNCS = 2
"""How often a run writes the whole disk anew, since its backup blob is not what it should be, before it is given up."""


def failed_for_good(record: DiskRecord, reason: str) -> DiskRecord:
    """Note why the open run fails, where the queue has given up a message of it."""
    return record.with_run(replace(run_of(record), failed=reason))


def erred(record: DiskRecord, snapshot: str, now: datetime) -> DiskRecord:
    """Note that something went wrong with the open run, if it is the one of this source snapshot."""
    run = record.run_of(snapshot)
    return (
        record.with_run(replace(run_of(record), error_at=now, trouble_since=run.trouble_since or now))
        if run
        else record
    )


def tried_again(record: DiskRecord, now: datetime) -> DiskRecord:
    """Note that the open run is tried again, from its own source snapshot."""
    return record.with_run(
        replace(run_of(record), tries=run_of(record).tries + 1, failed="", progressed=now, replans=0)
    )


def is_failing(record: DiskRecord, now: datetime) -> bool:
    """Tell whether the open run comes no further for errors of its own: by itself, or since a message was given up.

    One that waits for messages of other disks has none, and neither has a full copy that waits for the service.
    """
    run = run_of(record)
    stands_still = run.replans > 0 or now - run.progressed >= STANDS_STILL_AFTER
    return bool(run.failed) or (stands_still and run.error_at is not None)


def is_hopeless(record: DiskRecord, now: datetime) -> bool:
    """Tell whether a run that fails is given up; the next one is a resync.

    It was tried again often enough, where ticks are frequent; or once, and patience with it is over.
    """
    run = run_of(record)
    is_out_of_patience = run.trouble_since is not None and is_over(run.trouble_since, now)
    return is_failing(record, now) and (run.tries >= MOST_RUN_TRIES or (run.tries > 0 and is_out_of_patience))

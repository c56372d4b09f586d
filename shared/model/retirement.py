"""Ending a disk's backups by intent, and noting on its record that it is absent. Pure functions."""

from dataclasses import replace
from datetime import datetime, timedelta

from shared.model.absence import Absence
from shared.model.record import DiskRecord

_SETTLES_IN = timedelta(hours=1)
"""How long after a retirement a tick that had begun before, or died meanwhile, may leave a source snapshot."""

_SNAPSHOTS_DELETED = "the disk was retired, and its last source snapshot was deleted"


def with_absence(record: DiskRecord, absence: Absence, reason: str) -> DiskRecord:
    """Record how a disk is absent, or that it is back; of a retired disk nothing is recorded."""
    if record.retired and absence:
        return record
    return replace(record, absence=absence, absence_reason=reason if absence else "")


def retired(record: DiskRecord, now: datetime, *, keep_points: bool) -> DiskRecord:
    """End a disk's backups; if they have been ended already, only what is said of its recovery points may change."""
    if record.retired:
        return replace(record, retired_keep_points=keep_points)
    return replace(
        with_absence(record, Absence.NONE, ""),
        retired=now,
        retired_keep_points=keep_points,
        retired_clean=False,
        adopted=False,
        late_tick=None,
        snapshot_after=None,
    )


def unretired(record: DiskRecord) -> DiskRecord:
    """Have a retired disk backed up again."""
    return replace(record, retired=None, retired_keep_points=False, retired_clean=False)


def in_use_again(record: DiskRecord, *, is_named: bool) -> DiskRecord:
    """Record that a run opens: a retired disk is backed up again, or leaves a source snapshot once more.

    Args:
        record: the disk's record.
        is_named: whether `SOURCE_DISKS` names it by its own URL; if not, somebody asked for this one run only.
    """
    return unretired(record) if is_named else replace(record, retired_clean=False)


def is_to_clean(record: DiskRecord) -> bool:
    """Return whether a retired disk's source snapshots are to be deleted: neither a run nor a restore needs them."""
    return bool(record.retired) and not (record.retired_clean or record.run or record.restore)


def cleaned(record: DiskRecord, now: datetime) -> DiskRecord:
    """Record that a retired disk's source snapshots are deleted: if it is backed up again, that is a resync.

    They are looked for once more, by a later tick.
    """
    if not is_to_clean(record) or record.retired is None:
        return record
    reason = record.resync_reason or (_SNAPSHOTS_DELETED if record.base_snapshot else "")
    return replace(record, retired_clean=now - record.retired >= _SETTLES_IN, resync_reason=reason)


def is_left_over(record: DiskRecord, snapshot: str, now: datetime) -> bool:
    """Return whether a source snapshot of a retired disk is to be deleted: nobody is about to open a run for it.

    Args:
        record: the disk's record.
        snapshot: the snapshot's time.
        now: the time, UTC.
    """
    if not is_to_clean(record) or record.retired is None:
        return False
    taken = datetime.fromisoformat(snapshot)
    return snapshot <= record.base_snapshot or taken <= record.retired or now - taken >= _SETTLES_IN

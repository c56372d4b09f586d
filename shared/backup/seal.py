"""The seal: take the recovery point, then write its row and advance the record in one transaction."""

from dataclasses import asdict, replace
from typing import NamedTuple

from shared.azure.services import Services
from shared.azure.tables.records import RecordConflictError
from shared.backup.verify import verify_backup_blob
from shared.events import Event, log_event
from shared.model.blob import BlobState
from shared.model.catalogue import point_metadata
from shared.model.late_snapshots import should_catch_up
from shared.model.messages import FinishMessage
from shared.model.notices import versioning_notice, versions_kept
from shared.model.point import RecoveryPoint, TakenSnapshot
from shared.model.record import DiskRecord, run_of
from shared.model.run import OpenRun
from shared.model.run_steps import full_copy, recovery_point, sealed, sealed_copy
from shared.pages.copying import settle_copy
from shared.runs.clean_up import clean_up_run
from shared.runs.full_copies import full_copy_of


class Sealing(NamedTuple):
    """A run that is about to be sealed.

    Attributes:
        record: its disk's record, which says since just now that the run is being sealed.
        etag: the record's ETag: whatever changes it meanwhile keeps the run from being sealed.
        has_begun: whether an earlier invocation has begun that under the same plan, and may have taken the snapshot.
    """

    record: DiskRecord
    etag: str
    has_begun: bool


async def seal(services: Services, message: FinishMessage, sealing: Sealing) -> bool:
    """Verify a run's backup blob, take the recovery point, and advance the record to it. Idempotent.

    Returns:
        Whether the run needs no further call; False if part of the backup blob is still to be verified.

    Raises:
        MismatchError: the backup blob differs from the source snapshot.
        BlobChangedError, LeaseLostError: the backup blob was changed since the run's last write, or lost its lease.
        SourceGoneError: the source snapshot no longer exists.
    """
    # The run has written to this container, whichever it was opened in: leases and plans tell the two apart.
    record = replace(sealing.record, backup_blob=services.backups.address(message.disk))
    profile = await services.disks.profile(message.disk, message.run)
    taken = await _recovery_point(services, message, record, profile, has_begun=sealing.has_begun)
    if taken is None:
        return False
    point = replace(recovery_point(record, taken.time, services.now()), profile=profile)
    notice = _notice(services, message, record)
    next_record = replace(sealed(record, point, taken), backup_notice=notice)
    await _record(services, message, next_record, sealing.etag, point)
    return True


def _notice(services: Services, message: FinishMessage, record: DiskRecord) -> str:
    """Return, and log, the notice that the backup account keeps versions, if it does."""
    blob = services.backups.address(message.disk)
    is_versioned = services.snapshots.versioned.get(blob)
    if is_versioned:
        log_event(Event.VERSIONS_KEPT, **message.about, reason=versions_kept(blob))
    return versioning_notice(blob, is_versioned, record.backup_notice)


async def seal_copy(services: Services, message: FinishMessage, run: OpenRun, copied: BlobState) -> None:
    """Advance the record to a full copy that succeeded.

    Raises:
        BlobChangedError: the copy was changed in the meantime.
    """
    found = await services.records.get(message.disk)
    if found is None or not is_current(found[0], run):
        await services.queues.send(message)
        return
    record, etag = replace(found[0], backup_blob=services.backups.address(message.disk)), found[1]
    copy = full_copy_of(services, message, run)
    await settle_copy(services, copy, copied)
    profile = await services.disks.profile(message.disk, run.snapshot)
    point = replace(full_copy(record, copy.target, run.size, services.now()), profile=profile)
    await _record(services, message, sealed_copy(record, point), etag, point)


async def _record(
    services: Services, message: FinishMessage, record: DiskRecord, etag: str, point: RecoveryPoint
) -> None:
    try:
        await services.records.seal(message.disk, record, etag, point)
    except RecordConflictError:
        await services.queues.send(message)
        return
    told = {name: value for name, value in asdict(point).items() if name != "profile"}
    log_event(Event.RUN_SEALED, **message.about, **(told | {"backup_blob": point.backup_blob}))
    await clean_up_run(services, message, record)
    if should_catch_up(record, services.now()):
        await services.queues.send(message)  # finds the run ended, and catches the disk up


async def _recovery_point(
    services: Services, message: FinishMessage, record: DiskRecord, profile: str, *, has_begun: bool
) -> TakenSnapshot | None:
    """Return the snapshot an earlier attempt took under this plan; else verify the backup blob and take one.

    None if part of the backup blob is still to be verified.
    """
    backup, run = services.backups.address(message.disk), run_of(record)
    for taken in await services.snapshots.of_run(backup, message.run_id) if has_begun else ():
        if taken.plan == run.plan:
            return taken
    etag = await verify_backup_blob(services, message, record)
    if etag is None:
        return None
    metadata = point_metadata(message.of_plan(run.plan), run.kind, etag, profile)
    time = await services.snapshots.take(backup, etag, metadata, message.of_plan(run.plan).lease_id)
    return TakenSnapshot(time=time, plan=run.plan, etag=etag)


def is_current(record: DiskRecord, run: OpenRun) -> bool:
    """Return whether a run is still open, under the same plan."""
    current = record.run_of(run.snapshot)
    return current is not None and current.plan == run.plan

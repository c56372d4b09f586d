"""`retire`: the backups of a disk end by intent; it is neither due nor reported after that."""

from shared.azure.services import Services
from shared.errors import DiskError
from shared.events import Event, log_event
from shared.model.disk import Disk
from shared.model.intents import IntentRefusedError, RetireIntent
from shared.model.messages import FinishMessage
from shared.model.record import DiskRecord
from shared.model.restore_target import is_blank
from shared.model.retirement import retired
from shared.owner.mark import require_owner
from shared.points.versions import require_own_record
from shared.runs.abandon import abandon_run
from shared.runs.clean_retired import clean_retired


async def retire(services: Services, intent: RetireIntent) -> str:
    """End the backups of a disk: it is on record, its open run is given up, its source snapshots are deleted.

    What can't be deleted now is deleted at a later tick.

    Raises:
        NotOwnerError: the backup container is another app's.
        IntentRefusedError: SOURCE_DISKS names the disk's own URL, it has no backups, or it is being restored.
    """
    disk, keep_points = intent.disk, intent.keep_points
    await require_owner(services)
    if services.settings.names(disk):
        raise IntentRefusedError(
            f"SOURCE_DISKS names {disk.name}. What to do: remove it there first, then send the request again"
        )
    is_news = await _put_on_record(services, disk, keep_points=keep_points)
    record = await require_own_record(services, disk)
    if record and record.run:
        message = FinishMessage(disk=disk, run=record.run.snapshot)
        await abandon_run(services, message, DiskError("the disk was retired"), by_intent=True)
    left = await clean_retired(services, disk)
    if is_news:
        log_event(Event.DISK_RETIRED, disk=disk.name, keep_points=keep_points)
    points = "are kept" if keep_points else "follow the retention"
    snapshots = f"are deleted at a later tick ({left})" if left else "are deleted"
    return f"{disk.name} is retired: its recovery points {points}; its source snapshots {snapshots}"


async def _put_on_record(services: Services, disk: Disk, *, keep_points: bool) -> bool:
    """Put on a disk's record that it is retired; return whether it was not."""
    is_news = False

    def changed(record: DiskRecord) -> DiskRecord:
        nonlocal is_news
        if record.restore:
            raise IntentRefusedError(
                f"{disk.name} is being restored by {record.restore}. What to do: wait until that has ended, then send"
                " the request again"
            )
        if is_blank(record) and not record.retired:
            raise IntentRefusedError(_unknown(disk))
        is_news = record.retired is None
        return retired(record, services.now(), keep_points=keep_points)

    await require_own_record(services, disk)
    if await services.records.update(disk, changed) is None:
        raise IntentRefusedError(_unknown(disk))
    return is_news


def _unknown(disk: Disk) -> str:
    return (
        f"{disk.name} has no backups on record. What to do: check the URL; to leave it out, exclude it with ! before it"
    )

"""The steps of a restore, one per invocation: find point and target, save the target, copy, verify, adopt, expire."""

from shared.azure.services import Services
from shared.events import Event
from shared.jobs.loop import Procedure, continue_job
from shared.model.disk import ManagedDisk
from shared.model.job import PREPARING, Next, Stage
from shared.model.messages import JobMessage, RestoreMessage
from shared.model.restore import Restore
from shared.pages.copying import BlobCopy, abort_copy
from shared.restore.adopt import done_with_proof, end_restore, prove_and_adopt
from shared.restore.begin import begin_restore
from shared.restore.copying import copy_back, promote_to_backup
from shared.restore.end import abandon_cleanup, clean_up_or_abandon, is_adopted
from shared.restore.expire import expire_disk, not_deleted
from shared.restore.managed_target import discard_lost
from shared.restore.save import save_target
from shared.restore.upload import upload


async def continue_restore(services: Services, message: RestoreMessage) -> None:
    """Run the next step of a restore and enqueue the one after it.

    Raises:
        StepFailedError: the record or the queue can't be reached.
    """
    await continue_job(services, RESTORE_PROCEDURE, message)


async def _discard_lost(services: Services, message: JobMessage) -> None:
    """Delete the managed disk that a restore without a row is uploading into: nobody goes on with it."""
    for target, summary in (await services.records.disks()).items():
        if summary.restore == message.job and isinstance(target, ManagedDisk):
            await discard_lost(services, target, message.job)


async def _give_up(services: Services, restore: Restore, why: str) -> Restore:
    """End a restore whose steps have failed for too long; it is done if it has adopted its target, else failed."""
    now = services.now()
    if restore.state is Stage.EXPIRING:
        return restore.expired(not_deleted(restore, why), now)
    return done_with_proof(restore, now) if await is_adopted(services, restore) else restore.fail(why, now)


async def _copy(services: Services, restore: Restore) -> Next[Restore]:
    """Copy the recovery point to the target, whichever kind that is of."""
    return await (upload if restore.makes_managed_disk else copy_back)(services, restore)


async def _cancel(services: Services, restore: Restore) -> Next[Restore]:
    """End a restore that an operator has cancelled: its copies are aborted, and it says what it leaves."""
    if restore.state in PREPARING:
        return Next(restore.stop(restore.cancelled, services.now()))
    backup = services.backups.address(restore.known_target)
    for blob in [backup] if restore.makes_managed_disk else [backup, restore.page_blob_target.address]:
        await abort_copy(services, BlobCopy(blob, restore.mark, restore.size, restore.lease))
    return Next(await _give_up(services, restore, restore.cancelled))


RESTORE_PROCEDURE = Procedure[Restore](
    rows=lambda services: services.restores,
    steps={
        Stage.REQUESTED: begin_restore,
        Stage.SAVING: save_target,
        Stage.PROMOTING: promote_to_backup,
        Stage.COPYING: _copy,
        Stage.PROVING: prove_and_adopt,
        Stage.ENDING: end_restore,
        Stage.EXPIRING: expire_disk,
    },
    cleanup_before=frozenset({Stage.DONE}),
    cancel=_cancel,
    give_up=_give_up,
    abandon_cleanup=abandon_cleanup,
    on_ended=clean_up_or_abandon,
    on_lost=_discard_lost,
    step_failed=Event.RESTORE_STEP_FAILED,
)

"""A restore goes on, a step an invocation: find the recovery point, promote it, copy it back, prove it, adopt both."""

from shared.azure.services import Services
from shared.events import Event
from shared.jobs.loop import Procedure, continue_job
from shared.model.job import Stage
from shared.model.messages import RestoreMessage
from shared.model.restore import Restore
from shared.restore.adopt import done, end_restore, prove_and_adopt
from shared.restore.begin import begin_restore
from shared.restore.copying import copy_back, promote_to_backup
from shared.restore.end import clean_up_or_leave, is_adopted, let_go


async def continue_restore(services: Services, message: RestoreMessage) -> None:
    """Do the next step of a restore, and enqueue the one after it.

    Raises:
        StepFailedError: neither the record nor the queue can be reached.
    """
    await continue_job(services, RESTORE_PROCEDURE, message)


async def _give_up(services: Services, restore: Restore, why: str) -> Restore:
    """End a restore of which every step has gone wrong for too long; one that has adopted its target is done."""
    now = services.now()
    return done(restore, now) if await is_adopted(services, restore) else restore.fail(why, now)


RESTORE_PROCEDURE = Procedure[Restore](
    rows=lambda services: services.restores,
    steps={
        Stage.REQUESTED: begin_restore,
        Stage.PROMOTING: promote_to_backup,
        Stage.COPYING: copy_back,
        Stage.PROVING: prove_and_adopt,
        Stage.ENDING: end_restore,
    },
    cleanup_before=frozenset({Stage.DONE}),
    give_up=_give_up,
    abandon_cleanup=let_go,
    on_ended=clean_up_or_leave,
    step_failed=Event.RESTORE_STEP_FAILED,
)

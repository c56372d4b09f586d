"""Jobs whose messages appear to be lost: enqueue them again."""

from azure.core.exceptions import AzureError

from shared.azure.answers import explain
from shared.azure.services import Services
from shared.azure.tables.job_rows import JobRows
from shared.events import Event, log_event
from shared.model.inspection import Inspection
from shared.model.intent_row import IntentRow
from shared.model.restore import Restore


async def watch_jobs(services: Services) -> None:
    """Enqueue the messages of open jobs and intents whose next check is overdue."""
    await _watch(services, services.restores, Event.RESTORE_RESUMED, Event.WATCH_RESTORES_FAILED)
    await _watch(services, services.inspections, Event.INSPECTION_RESUMED, Event.WATCH_INSPECTIONS_FAILED)
    await _watch(services, services.intents, Event.INTENT_RESUMED, Event.WATCH_INTENTS_FAILED)


async def _watch[Kept: (Restore, Inspection, IntentRow)](
    services: Services, rows: JobRows[Kept], resumed: Event, failed: Event
) -> None:
    now, after = services.now(), services.settings.stalled_after
    try:
        for job in await rows.open():
            if job.is_check_overdue(now, after):
                log_event(resumed, **job.about)
                await services.queues.send(job.message)
    except AzureError as error:
        log_event(failed, reason=explain(error))

"""Asking for the retention of all disks, once a tick has ended."""

from azure.core.exceptions import AzureError

from shared.azure.answers import explain
from shared.azure.services import Services
from shared.events import Event, log_event
from shared.model.messages import RetentionMessage
from shared.retention_settings import RetentionMode


async def ask_for_retention(services: Services) -> None:
    """Enqueue a message for each disk with recovery points, unless the retention is off.

    Best effort: the outcome of the tick must not wait for it, and the next tick asks again.
    """
    if services.settings.retention_mode is RetentionMode.OFF:
        return
    try:
        for disk, summary in (await services.records.disks()).items():
            if summary.last_point:
                await services.queues.send(RetentionMessage(disk=disk))
    except AzureError as error:
        log_event(Event.RETENTION_FAILED, reason=explain(error))

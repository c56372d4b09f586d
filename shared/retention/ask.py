"""Asking for the retention of all disks, once a tick has ended."""

from shared.azure.services import Services
from shared.model.messages import RetentionMessage
from shared.retention_settings import RetentionMode


async def ask_for_retention(services: Services) -> None:
    """Enqueue a message for each disk with recovery points, unless the retention is off."""
    if services.settings.retention_mode is RetentionMode.OFF:
        return
    for disk, summary in (await services.records.disks()).items():
        if summary.last_point:
            await services.queues.send(RetentionMessage(disk=disk))

"""Queue `copy-ranges`: apply one batch of a run to the backup blob."""

import azure.functions as func

from shared.azure.services import open_services
from shared.backup.copy_ranges import copy_ranges as copy
from shared.jobs.unreadable import handle_message
from shared.model.messages import BatchMessage
from shared.model.names import COPY_RANGES_QUEUE
from shared.settings import load_settings

copy_ranges_blueprint = func.Blueprint()


@copy_ranges_blueprint.queue_trigger(arg_name="message", queue_name=COPY_RANGES_QUEUE, connection="AzureWebJobsStorage")
async def copy_ranges(message: func.QueueMessage) -> None:
    """Write the ranges that changed and clear the ranges that were cleared."""
    async with open_services(load_settings()) as services:
        await handle_message(services, COPY_RANGES_QUEUE, BatchMessage, copy, (message.get_body(), message.id or ""))

"""Queue `copy-ranges`: apply one batch of a run to the backup blob."""

import azure.functions as func

from shared.azure.services import OpenServices
from shared.backup.copy_ranges import copy_ranges as copy
from shared.jobs.unreadable import handle_message
from shared.model.messages import BatchMessage
from shared.model.names import COPY_RANGES_QUEUE


def copy_ranges_blueprint(open_services: OpenServices) -> func.Blueprint:
    """Register `copy_ranges`; `open_services` opens the services of an invocation."""
    blueprint = func.Blueprint()

    @blueprint.queue_trigger(arg_name="message", queue_name=COPY_RANGES_QUEUE, connection="AzureWebJobsStorage")
    async def copy_ranges(message: func.QueueMessage) -> None:
        """Write the ranges that changed and clear the ranges that were cleared."""
        async with open_services() as services:
            await handle_message(
                services, COPY_RANGES_QUEUE, BatchMessage, copy, (message.get_body(), message.id or "")
            )

    return blueprint

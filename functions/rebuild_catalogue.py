"""Queue `rebuild-catalogue`, for operators: rebuild lost records from the backup account."""

import azure.functions as func

from shared.azure.queues import MAX_DELIVERIES
from shared.azure.services import OpenServices
from shared.errors import StepFailedError
from shared.jobs.unreadable import keep_poisoned
from shared.model.names import REBUILD_CATALOGUE_QUEUE
from shared.points.rebuild_catalogue import rebuild_catalogue as rebuild


def rebuild_catalogue_blueprint(open_services: OpenServices) -> func.Blueprint:
    """Register `rebuild_catalogue`; `open_services` opens the services of an invocation."""
    blueprint = func.Blueprint()

    @blueprint.queue_trigger(arg_name="message", queue_name=REBUILD_CATALOGUE_QUEUE, connection="AzureWebJobsStorage")
    async def rebuild_catalogue(message: func.QueueMessage) -> None:
        """Record every recovery point in the backup container; the message's content is ignored."""
        async with open_services() as services:
            try:
                await rebuild(services)
            except StepFailedError as error:
                if (message.dequeue_count or 0) < MAX_DELIVERIES:
                    raise
                delivered = message.get_body(), message.id or ""
                await keep_poisoned(services, REBUILD_CATALOGUE_QUEUE, delivered, str(error))

    return blueprint

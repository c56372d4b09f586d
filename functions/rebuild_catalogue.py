"""Queue `rebuild-catalogue`, for operators: rebuild a lost record from the backup account."""

import azure.functions as func

from shared.azure.queues import MAX_DELIVERIES
from shared.azure.services import open_services
from shared.errors import StepFailedError
from shared.jobs.unreadable import keep_as_delivered
from shared.model.names import REBUILD_CATALOGUE_QUEUE
from shared.points.rebuild_catalogue import rebuild_catalogue as rebuild
from shared.settings import load_settings

rebuild_catalogue_blueprint = func.Blueprint()


@rebuild_catalogue_blueprint.queue_trigger(
    arg_name="message", queue_name=REBUILD_CATALOGUE_QUEUE, connection="AzureWebJobsStorage"
)
async def rebuild_catalogue(message: func.QueueMessage) -> None:
    """Put on record every recovery point that the backup container holds; any message will do."""
    async with open_services(load_settings()) as services:
        try:
            await rebuild(services)
        except StepFailedError as error:
            if (message.dequeue_count or 0) < MAX_DELIVERIES:
                raise
            given_up = message.get_body(), message.id or ""
            await keep_as_delivered(services, REBUILD_CATALOGUE_QUEUE, given_up, str(error))

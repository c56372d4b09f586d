"""Queue `rebuild-catalogue`, for operators: rebuild a lost record from the backup account."""

import azure.functions as func

from shared.azure.services import open_services
from shared.model.names import REBUILD_CATALOGUE_QUEUE
from shared.points.rebuild_catalogue import rebuild_catalogue as rebuild
from shared.settings import load_settings

rebuild_catalogue_blueprint = func.Blueprint()


@rebuild_catalogue_blueprint.queue_trigger(
    arg_name="message", queue_name=REBUILD_CATALOGUE_QUEUE, connection="AzureWebJobsStorage"
)
async def rebuild_catalogue(message: func.QueueMessage) -> None:  # noqa: ARG001 - any message will do
    """Record every recovery point in the backup container."""
    async with open_services(load_settings()) as services:
        await rebuild(services)

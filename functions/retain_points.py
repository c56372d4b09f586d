"""Queue `retention`: plan which recovery points of a disk go, and delete them once that need not be looked at."""

import azure.functions as func

from shared.azure.services import OpenServices
from shared.jobs.unreadable import handle_message
from shared.model.messages import RetentionMessage
from shared.model.names import RETENTION_QUEUE
from shared.retention.retain import retain_points as retain


def retain_points_blueprint(open_services: OpenServices) -> func.Blueprint:
    """Register `retain_points`; `open_services` opens the services of an invocation."""
    blueprint = func.Blueprint()

    @blueprint.queue_trigger(arg_name="message", queue_name=RETENTION_QUEUE, connection="AzureWebJobsStorage")
    async def retain_points(message: func.QueueMessage) -> None:
        """Plan and delete."""
        async with open_services() as services:
            await handle_message(
                services, RETENTION_QUEUE, RetentionMessage, retain, (message.get_body(), message.id or "")
            )

    return blueprint

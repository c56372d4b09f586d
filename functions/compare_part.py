"""Queue `compare-parts`: compare one part of a verify or a drill."""

import azure.functions as func

from shared.azure.services import OpenServices
from shared.inspection.compare_part import compare_part as compare
from shared.jobs.unreadable import handle_message
from shared.model.messages import PartMessage
from shared.model.names import COMPARE_PARTS_QUEUE


def compare_part_blueprint(open_services: OpenServices) -> func.Blueprint:
    """Register `compare_part`; `open_services` opens the services of an invocation."""
    blueprint = func.Blueprint()

    @blueprint.queue_trigger(arg_name="message", queue_name=COMPARE_PARTS_QUEUE, connection="AzureWebJobsStorage")
    async def compare_part(message: func.QueueMessage) -> None:
        """Compare every byte of the part."""
        async with open_services() as services:
            await handle_message(
                services, COMPARE_PARTS_QUEUE, PartMessage, compare, (message.get_body(), message.id or "")
            )

    return blueprint

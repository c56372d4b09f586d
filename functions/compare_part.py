"""Queue `compare-parts`: compare one part of a verify or a drill."""

import azure.functions as func

from shared.azure.services import open_services
from shared.inspection.compare_part import compare_part as compare
from shared.jobs.unreadable import handle_message
from shared.model.messages import PartMessage
from shared.model.names import COMPARE_PARTS_QUEUE
from shared.settings import load_settings

compare_part_blueprint = func.Blueprint()


@compare_part_blueprint.queue_trigger(
    arg_name="message", queue_name=COMPARE_PARTS_QUEUE, connection="AzureWebJobsStorage"
)
async def compare_part(message: func.QueueMessage) -> None:
    """Compare every byte of the part."""
    async with open_services(load_settings()) as services:
        await handle_message(
            services, COMPARE_PARTS_QUEUE, PartMessage, compare, (message.get_body(), message.id or "")
        )

"""Queue `continue-inspection`: do the next step of a verify or a drill."""

import azure.functions as func

from shared.messages import InspectionMessage
from shared.names import CONTINUE_INSPECTION_QUEUE
from shared.settings import load_settings
from shared.storage.services import open_services
from shared.workflows.continue_inspection import continue_inspection as step

continue_inspection_blueprint = func.Blueprint()


@continue_inspection_blueprint.queue_trigger(
    arg_name="message", queue_name=CONTINUE_INSPECTION_QUEUE, connection="AzureWebJobsStorage"
)
async def continue_inspection(message: func.QueueMessage) -> None:
    """Promote, compare or conclude; then come back for the next step."""
    async with open_services(load_settings()) as services:
        await step(services, InspectionMessage.read(message.get_body()))

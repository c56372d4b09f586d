"""Queue `continue-inspection`: perform the next step of a verify or a drill."""

import azure.functions as func

from shared.azure.services import OpenServices
from shared.inspection.steps import continue_inspection as step
from shared.jobs.unreadable import handle_message
from shared.model.messages import InspectionMessage
from shared.model.names import CONTINUE_INSPECTION_QUEUE


def continue_inspection_blueprint(open_services: OpenServices) -> func.Blueprint:
    """Register `continue_inspection`; `open_services` opens the services of an invocation."""
    blueprint = func.Blueprint()

    @blueprint.queue_trigger(arg_name="message", queue_name=CONTINUE_INSPECTION_QUEUE, connection="AzureWebJobsStorage")
    async def continue_inspection(message: func.QueueMessage) -> None:
        """Promote, compare or conclude, then enqueue the next step."""
        async with open_services() as services:
            await handle_message(
                services, CONTINUE_INSPECTION_QUEUE, InspectionMessage, step, (message.get_body(), message.id or "")
            )

    return blueprint

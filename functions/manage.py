"""Queue `manage`, for operators: carry out what they ask for, or record why it is refused."""

import azure.functions as func

from shared.azure.services import OpenServices
from shared.manage.carry_out import carry_out
from shared.model.names import MANAGE_QUEUE


def manage_blueprint(open_services: OpenServices) -> func.Blueprint:
    """Register `manage`; `open_services` opens the services of an invocation."""
    blueprint = func.Blueprint()

    @blueprint.queue_trigger(arg_name="message", queue_name=MANAGE_QUEUE, connection="AzureWebJobsStorage")
    async def manage(message: func.QueueMessage) -> None:
        """Read an operator's intent and carry it out."""
        async with open_services() as services:
            await carry_out(services, message.get_body(), message.id or "")

    return blueprint

"""Queue `manage`, for operators: carry out what they ask for, or record why it is refused."""

import azure.functions as func

from shared.azure.services import open_services
from shared.manage.carry_out import carry_out
from shared.model.names import MANAGE_QUEUE
from shared.settings import load_settings

manage_blueprint = func.Blueprint()


@manage_blueprint.queue_trigger(arg_name="message", queue_name=MANAGE_QUEUE, connection="AzureWebJobsStorage")
async def manage(message: func.QueueMessage) -> None:
    """Read an operator's intent and carry it out."""
    async with open_services(load_settings()) as services:
        await carry_out(services, message.get_body(), message.id or "")

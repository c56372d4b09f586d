"""Queue `continue-restore`: perform the next step of a restore."""

import azure.functions as func

from shared.azure.services import OpenServices
from shared.jobs.unreadable import handle_message
from shared.model.messages import RestoreMessage
from shared.model.names import CONTINUE_RESTORE_QUEUE
from shared.restore.steps import continue_restore as step


def continue_restore_blueprint(open_services: OpenServices) -> func.Blueprint:
    """Register `continue_restore`; `open_services` opens the services of an invocation."""
    blueprint = func.Blueprint()

    @blueprint.queue_trigger(arg_name="message", queue_name=CONTINUE_RESTORE_QUEUE, connection="AzureWebJobsStorage")
    async def continue_restore(message: func.QueueMessage) -> None:
        """Promote, copy back, verify or adopt, then enqueue the next step."""
        async with open_services() as services:
            await handle_message(
                services, CONTINUE_RESTORE_QUEUE, RestoreMessage, step, (message.get_body(), message.id or "")
            )

    return blueprint

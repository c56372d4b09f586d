"""Queue `continue-restore`: perform the next step of a restore."""

import azure.functions as func

from shared.azure.services import open_services
from shared.jobs.unreadable import handle_message
from shared.model.messages import RestoreMessage
from shared.model.names import CONTINUE_RESTORE_QUEUE
from shared.restore.steps import continue_restore as step
from shared.settings import load_settings

continue_restore_blueprint = func.Blueprint()


@continue_restore_blueprint.queue_trigger(
    arg_name="message", queue_name=CONTINUE_RESTORE_QUEUE, connection="AzureWebJobsStorage"
)
async def continue_restore(message: func.QueueMessage) -> None:
    """Promote, copy back, verify or adopt, then enqueue the next step."""
    async with open_services(load_settings()) as services:
        await handle_message(
            services, CONTINUE_RESTORE_QUEUE, RestoreMessage, step, (message.get_body(), message.id or "")
        )

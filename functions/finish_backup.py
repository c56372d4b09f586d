"""Queue `finish-backup`: check a run's progress, and seal it once its change list is applied."""

import azure.functions as func

from shared.azure.services import open_services
from shared.backup.finish_backup import finish_backup as finish
from shared.jobs.unreadable import handle_message
from shared.model.messages import FinishMessage
from shared.model.names import FINISH_BACKUP_QUEUE
from shared.settings import load_settings

finish_backup_blueprint = func.Blueprint()


@finish_backup_blueprint.queue_trigger(
    arg_name="message", queue_name=FINISH_BACKUP_QUEUE, connection="AzureWebJobsStorage"
)
async def finish_backup(message: func.QueueMessage) -> None:
    """Check the run's progress, and seal it once its change list is applied."""
    async with open_services(load_settings()) as services:
        await handle_message(
            services, FINISH_BACKUP_QUEUE, FinishMessage, finish, (message.get_body(), message.id or "")
        )

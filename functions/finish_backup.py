"""Queue `finish-backup`: check a run's progress, and seal it once its change list is applied."""

import azure.functions as func

from shared.azure.services import OpenServices
from shared.backup.finish_backup import finish_backup as finish
from shared.jobs.unreadable import handle_message
from shared.model.messages import FinishMessage
from shared.model.names import FINISH_BACKUP_QUEUE


def finish_backup_blueprint(open_services: OpenServices) -> func.Blueprint:
    """Register `finish_backup`; `open_services` opens the services of an invocation."""
    blueprint = func.Blueprint()

    @blueprint.queue_trigger(arg_name="message", queue_name=FINISH_BACKUP_QUEUE, connection="AzureWebJobsStorage")
    async def finish_backup(message: func.QueueMessage) -> None:
        """Check the run's progress, and seal it once its change list is applied."""
        async with open_services() as services:
            await handle_message(
                services, FINISH_BACKUP_QUEUE, FinishMessage, finish, (message.get_body(), message.id or "")
            )

    return blueprint

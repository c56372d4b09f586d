"""Queue `restore-requests`, for operators: start a restore, or record why it is refused."""

import azure.functions as func

from shared.azure.services import OpenServices
from shared.jobs.request import request_job
from shared.model.job import JobKind
from shared.model.names import RESTORE_REQUESTS_QUEUE


def restore_disk_blueprint(open_services: OpenServices) -> func.Blueprint:
    """Register `restore_disk`; `open_services` opens the services of an invocation."""
    blueprint = func.Blueprint()

    @blueprint.queue_trigger(arg_name="message", queue_name=RESTORE_REQUESTS_QUEUE, connection="AzureWebJobsStorage")
    async def restore_disk(message: func.QueueMessage) -> None:
        """Read a restore request and start the restore."""
        async with open_services() as services:
            await request_job(services, JobKind.RESTORE, message.get_body(), message.id or "")

    return blueprint

"""Queue `restore-requests`, for operators: start a restore, or record why it is refused."""

import azure.functions as func

from shared.azure.services import open_services
from shared.jobs.request import request_job
from shared.model.job import JobKind
from shared.model.names import RESTORE_REQUESTS_QUEUE
from shared.settings import load_settings

restore_disk_blueprint = func.Blueprint()


@restore_disk_blueprint.queue_trigger(
    arg_name="message", queue_name=RESTORE_REQUESTS_QUEUE, connection="AzureWebJobsStorage"
)
async def restore_disk(message: func.QueueMessage) -> None:
    """Read a restore request and start the restore."""
    async with open_services(load_settings()) as services:
        await request_job(services, JobKind.RESTORE, message.get_body(), message.id or "")

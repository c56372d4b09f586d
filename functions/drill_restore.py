"""Queue `drill`, for operators: start a drill, or record why it is refused."""

import azure.functions as func

from shared.azure.services import open_services
from shared.jobs.request import request_job
from shared.model.job import JobKind
from shared.model.names import DRILL_QUEUE
from shared.settings import load_settings

drill_restore_blueprint = func.Blueprint()


@drill_restore_blueprint.queue_trigger(arg_name="message", queue_name=DRILL_QUEUE, connection="AzureWebJobsStorage")
async def drill_restore(message: func.QueueMessage) -> None:
    """Read a drill request and start the drill."""
    async with open_services(load_settings()) as services:
        await request_job(services, JobKind.DRILL, message.get_body(), message.id or "")

"""Queue `drill`, for operators: start a drill, or record why it is refused."""

import azure.functions as func

from shared.azure.services import OpenServices
from shared.jobs.request import request_job
from shared.model.job import JobKind
from shared.model.names import DRILL_QUEUE


def drill_restore_blueprint(open_services: OpenServices) -> func.Blueprint:
    """Register `drill_restore`; `open_services` opens the services of an invocation."""
    blueprint = func.Blueprint()

    @blueprint.queue_trigger(arg_name="message", queue_name=DRILL_QUEUE, connection="AzureWebJobsStorage")
    async def drill_restore(message: func.QueueMessage) -> None:
        """Read a drill request and start the drill."""
        async with open_services() as services:
            await request_job(services, JobKind.DRILL, message.get_body(), message.id or "")

    return blueprint

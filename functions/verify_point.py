"""Queue `verify`, for operators: start a verify of a recovery point, or record why it is refused."""

import azure.functions as func

from shared.azure.services import OpenServices
from shared.jobs.request import request_job
from shared.model.job import JobKind
from shared.model.names import VERIFY_QUEUE


def verify_point_blueprint(open_services: OpenServices) -> func.Blueprint:
    """Register `verify_point`; `open_services` opens the services of an invocation."""
    blueprint = func.Blueprint()

    @blueprint.queue_trigger(arg_name="message", queue_name=VERIFY_QUEUE, connection="AzureWebJobsStorage")
    async def verify_point(message: func.QueueMessage) -> None:
        """Read a verify request and start the verify."""
        async with open_services() as services:
            await request_job(services, JobKind.VERIFY, message.get_body(), message.id or "")

    return blueprint

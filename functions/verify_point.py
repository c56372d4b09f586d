"""Queue `verify`, which people write to: open a verify of a recovery point, or put on record why not."""

import azure.functions as func

from shared.azure.services import open_services
from shared.jobs.request import request_job
from shared.model.job import JobKind
from shared.model.names import VERIFY_QUEUE
from shared.settings import load_settings

verify_point_blueprint = func.Blueprint()


@verify_point_blueprint.queue_trigger(arg_name="message", queue_name=VERIFY_QUEUE, connection="AzureWebJobsStorage")
async def verify_point(message: func.QueueMessage) -> None:
    """Read a request to verify a recovery point and start it."""
    async with open_services(load_settings()) as services:
        await request_job(services, JobKind.VERIFY, message.get_body(), message.id or "")

"""Queue `report-tick`: check whether a tick has backed up all its disks; if so, call the heartbeat."""

import azure.functions as func

from shared.azure.services import open_services
from shared.backup.report_tick import report_tick as report
from shared.jobs.unreadable import handle_message
from shared.model.messages import TickMessage
from shared.model.names import REPORT_TICK_QUEUE
from shared.settings import load_settings

report_tick_blueprint = func.Blueprint()


@report_tick_blueprint.queue_trigger(arg_name="message", queue_name=REPORT_TICK_QUEUE, connection="AzureWebJobsStorage")
async def report_tick(message: func.QueueMessage) -> None:
    """Report whether every disk has its recovery point."""
    async with open_services(load_settings()) as services:
        await handle_message(services, REPORT_TICK_QUEUE, TickMessage, report, (message.get_body(), message.id or ""))

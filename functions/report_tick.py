"""Queue `report-tick`: check whether a tick has backed up all its disks; if so, call the heartbeat."""

import azure.functions as func

from shared.azure.services import OpenServices
from shared.backup.report_tick import report_tick as report
from shared.jobs.unreadable import handle_message
from shared.model.messages import TickMessage
from shared.model.names import REPORT_TICK_QUEUE


def report_tick_blueprint(open_services: OpenServices) -> func.Blueprint:
    """Register `report_tick`; `open_services` opens the services of an invocation."""
    blueprint = func.Blueprint()

    @blueprint.queue_trigger(arg_name="message", queue_name=REPORT_TICK_QUEUE, connection="AzureWebJobsStorage")
    async def report_tick(message: func.QueueMessage) -> None:
        """Report whether every disk has its recovery point."""
        async with open_services() as services:
            await handle_message(
                services, REPORT_TICK_QUEUE, TickMessage, report, (message.get_body(), message.id or "")
            )

    return blueprint

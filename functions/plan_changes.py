"""Queue `plan-changes`: open a run, and start applying its change list."""

import azure.functions as func

from shared.azure.services import OpenServices
from shared.backup.plan_changes import plan_changes as plan
from shared.jobs.unreadable import handle_message
from shared.model.messages import PlanMessage
from shared.model.names import PLAN_CHANGES_QUEUE


def plan_changes_blueprint(open_services: OpenServices) -> func.Blueprint:
    """Register `plan_changes`; `open_services` opens the services of an invocation."""
    blueprint = func.Blueprint()

    @blueprint.queue_trigger(arg_name="message", queue_name=PLAN_CHANGES_QUEUE, connection="AzureWebJobsStorage")
    async def plan_changes(message: func.QueueMessage) -> None:
        """Prepare the backup blob, then apply the first batch."""
        async with open_services() as services:
            await handle_message(
                services, PLAN_CHANGES_QUEUE, PlanMessage, plan, (message.get_body(), message.id or "")
            )

    return blueprint

"""Queue `plan-changes`: open a run, and start applying its change list."""

import azure.functions as func

from shared.azure.services import open_services
from shared.backup.plan_changes import plan_changes as plan
from shared.jobs.unreadable import handle_message
from shared.model.messages import PlanMessage
from shared.model.names import PLAN_CHANGES_QUEUE
from shared.settings import load_settings

plan_changes_blueprint = func.Blueprint()


@plan_changes_blueprint.queue_trigger(
    arg_name="message", queue_name=PLAN_CHANGES_QUEUE, connection="AzureWebJobsStorage"
)
async def plan_changes(message: func.QueueMessage) -> None:
    """Prepare the backup blob, then apply the first batch."""
    async with open_services(load_settings()) as services:
        await handle_message(services, PLAN_CHANGES_QUEUE, PlanMessage, plan, (message.get_body(), message.id or ""))

"""Queues `…-poison`, where the host moves messages that failed too often: record the failure, and recover."""

import azure.functions as func

from shared.azure.queues import POISON_SUFFIX, QUEUES
from shared.azure.services import OpenServices
from shared.jobs.poison import report_poison


def watch_poison_blueprint(open_services: OpenServices) -> func.Blueprint:
    """Register a function for each queue; `open_services` opens the services of an invocation."""
    blueprint = func.Blueprint()
    for queue in QUEUES:
        _watch(blueprint, queue, open_services)
    return blueprint


def _watch(blueprint: func.Blueprint, queue: str, open_services: OpenServices) -> None:
    """Register the function that watches a queue's poison queue."""

    async def watch(message: func.QueueMessage) -> None:
        async with open_services() as services:
            await report_poison(services, queue, message.get_body(), message.id or "")

    watch.__name__ = f"watch_poison_{queue.replace('-', '_')}"
    on_poison = blueprint.queue_trigger(
        arg_name="message", queue_name=f"{queue}{POISON_SUFFIX}", connection="AzureWebJobsStorage"
    )
    on_poison(watch)

"""Queues `…-poison`, where the host moves messages that failed too often: record the failure, and recover."""

import azure.functions as func

from shared.azure.queues import POISON_SUFFIX, QUEUES
from shared.azure.services import open_services
from shared.jobs.poison import report_poison
from shared.settings import load_settings

watch_poison_blueprint = func.Blueprint()


def _watch(queue: str) -> None:
    """Register the function that watches a queue's poison queue."""

    async def watch(message: func.QueueMessage) -> None:
        async with open_services(load_settings()) as services:
            await report_poison(services, queue, message.get_body(), message.id or "")

    watch.__name__ = f"watch_poison_{queue.replace('-', '_')}"
    on_poison = watch_poison_blueprint.queue_trigger(
        arg_name="message", queue_name=f"{queue}{POISON_SUFFIX}", connection="AzureWebJobsStorage"
    )
    on_poison(watch)


for _queue in QUEUES:
    _watch(_queue)

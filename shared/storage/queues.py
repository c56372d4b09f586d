"""The queues between the steps of a run."""

import contextlib
from collections.abc import Mapping
from datetime import timedelta

from azure.core.exceptions import ResourceExistsError
from azure.storage.queue.aio import QueueClient

from shared.messages import BatchMessage, FinishMessage, PlanMessage, RunMessage
from shared.names import COPY_RANGES_QUEUE, FINISH_BACKUP_QUEUE, PLAN_CHANGES_QUEUE

QUEUE_OF: Mapping[type[RunMessage], str] = {
    PlanMessage: PLAN_CHANGES_QUEUE,
    BatchMessage: COPY_RANGES_QUEUE,
    FinishMessage: FINISH_BACKUP_QUEUE,
}

# A run that waits out a long outage must find its messages again; the default is 7 days. -1 is for ever.
_TIME_TO_LIVE = -1


class Queues:
    """Access to the queues."""

    def __init__(self, queues: Mapping[str, QueueClient]) -> None:
        self._queues = queues

    async def ensure(self) -> None:
        """Create the queues that are missing."""
        for queue in self._queues.values():
            with contextlib.suppress(ResourceExistsError):
                await queue.create_queue()

    async def send(self, message: RunMessage, delay: timedelta = timedelta()) -> None:
        """Enqueue a message, to be seen after `delay` (REST: Put Message). `host.json` has no encoding: plain JSON."""
        queue = self._queues[QUEUE_OF[type(message)]]
        await queue.send_message(
            message.model_dump_json(), visibility_timeout=int(delay.total_seconds()), time_to_live=_TIME_TO_LIVE
        )

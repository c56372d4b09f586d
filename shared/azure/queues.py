"""The queues between the steps of runs and jobs, and those that people write to."""

import contextlib
from collections.abc import Mapping
from datetime import timedelta

from azure.core.exceptions import ResourceExistsError
from azure.storage.queue.aio import QueueClient

from shared.model.messages import (
    BatchMessage,
    FinishMessage,
    InspectionMessage,
    IntentMessage,
    Message,
    PartMessage,
    PlanMessage,
    RestoreMessage,
    RetentionMessage,
    TickMessage,
)
from shared.model.names import (
    COMPARE_PARTS_QUEUE,
    CONTINUE_INSPECTION_QUEUE,
    CONTINUE_RESTORE_QUEUE,
    COPY_RANGES_QUEUE,
    DRILL_QUEUE,
    FINISH_BACKUP_QUEUE,
    MANAGE_QUEUE,
    PLAN_CHANGES_QUEUE,
    REBUILD_CATALOGUE_QUEUE,
    REPORT_TICK_QUEUE,
    RESTORE_REQUESTS_QUEUE,
    RETENTION_QUEUE,
    VERIFY_QUEUE,
)

QUEUE_OF: Mapping[type[Message], str] = {
    PlanMessage: PLAN_CHANGES_QUEUE,
    BatchMessage: COPY_RANGES_QUEUE,
    FinishMessage: FINISH_BACKUP_QUEUE,
    RestoreMessage: CONTINUE_RESTORE_QUEUE,
    InspectionMessage: CONTINUE_INSPECTION_QUEUE,
    PartMessage: COMPARE_PARTS_QUEUE,
    TickMessage: REPORT_TICK_QUEUE,
    RetentionMessage: RETENTION_QUEUE,
    IntentMessage: MANAGE_QUEUE,
}

QUEUES = (*QUEUE_OF.values(), RESTORE_REQUESTS_QUEUE, REBUILD_CATALOGUE_QUEUE, VERIFY_QUEUE, DRILL_QUEUE)
"""All queues: those between steps, and those that people write to."""

MAX_DELIVERIES = 5
"""How often the Functions host delivers a message that fails: `maxDequeueCount` in `host.json`."""

POISON_SUFFIX = "-poison"
"""The suffix of the queue to which the Functions host moves a message that failed too often."""

# A run that waits out a long outage must find its messages again; the default is 7 days, and -1 means forever.
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

    async def send(self, message: Message, delay: timedelta = timedelta()) -> None:
        """Enqueue a message, visible after `delay` (REST: Put Message), as plain JSON: `host.json` sets no encoding."""
        queue = self._queues[QUEUE_OF[type(message)]]
        await queue.send_message(
            message.body, visibility_timeout=int(delay.total_seconds()), time_to_live=_TIME_TO_LIVE
        )

    async def is_any_waiting(self, kind: type[Message]) -> bool:
        """Tell whether a message of a kind is visible and waiting (REST: Peek Messages); delayed ones don't count."""
        return bool(await self._queues[QUEUE_OF[kind]].peek_messages(max_messages=1))

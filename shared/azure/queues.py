"""The queues between the steps of runs and jobs, and those that people write to."""

import contextlib
from collections.abc import Mapping
from datetime import timedelta

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue.aio import QueueClient, QueueServiceClient

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
    """Access to the queues, whose names in the account may begin with a prefix."""

    def __init__(self, service: QueueServiceClient, prefix: str = "") -> None:
        self._service, self._prefix = service, prefix

    async def ensure(self) -> None:
        """Create the queues that are missing: one call, if there are none (REST: List Queues)."""
        there = {queue.name async for queue in self._service.list_queues(name_starts_with=self._prefix or None)}
        for queue in map(self._named, QUEUES):
            if queue.queue_name not in there:
                await _create(queue)

    async def send(self, message: Message, delay: timedelta = timedelta()) -> None:
        """Enqueue a message, visible after `delay` (REST: Put Message), as plain JSON: `host.json` sets no encoding.

        A queue that somebody has deleted is made again.
        """
        queue, body, seconds = self._of(type(message)), message.body, int(delay.total_seconds())
        try:
            await queue.send_message(body, visibility_timeout=seconds, time_to_live=_TIME_TO_LIVE)
        except ResourceNotFoundError:
            await _create(queue)
            await queue.send_message(body, visibility_timeout=seconds, time_to_live=_TIME_TO_LIVE)

    async def is_any_waiting(self, kind: type[Message]) -> bool:
        """Tell whether a message of a kind is visible and waiting (REST: Peek Messages); delayed ones don't count."""
        try:
            return bool(await self._of(kind).peek_messages(max_messages=1))
        except ResourceNotFoundError:  # somebody has deleted the queue
            return False

    def _of(self, kind: type[Message]) -> QueueClient:
        return self._named(QUEUE_OF[kind])

    def _named(self, queue: str) -> QueueClient:
        return self._service.get_queue_client(f"{self._prefix}{queue}")


async def _create(queue: QueueClient) -> None:
    with contextlib.suppress(ResourceExistsError):
        await queue.create_queue()

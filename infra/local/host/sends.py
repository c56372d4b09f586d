"""What this process puts on queues, seen as it is sent: the listener of that queue need not poll to find it."""

import asyncio
import contextlib
import functools
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

# A message is visible again a little after the time it was hidden for.
_LATE_SECONDS = 0.02


class Sends:
    """Calls back when a message that this process has sent, or let go, can be received.

    On one machine many polls slow all else down. What others send is not seen: polls find it.
    """

    def __init__(self) -> None:
        self._callbacks: dict[str, list[Callable[[], None]]] = defaultdict(list)

    def call_back(self, queue: str, callback: Callable[[], None]) -> None:
        """Have `callback` called at each message of a queue of this name."""
        self._callbacks[queue].append(callback)

    def tell(self, queue: str, hidden: float) -> None:
        """Say that a message of a queue is to be received after so many seconds."""
        loop = asyncio.get_running_loop()
        for callback in self._callbacks[queue]:
            if hidden > 0:
                loop.call_later(hidden + _LATE_SECONDS, callback)
            else:
                callback()

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """See what is sent by the SDK's client until the block ends."""
        send = QueueClient.send_message

        @functools.wraps(send)
        async def send_and_tell(client: QueueClient, content: Any, **options: Any) -> QueueMessage:
            sent = await send(client, content, **options)
            self.tell(client.queue_name, options.get("visibility_timeout") or 0)
            return sent

        QueueClient.send_message = send_and_tell  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            QueueClient.send_message = send  # type: ignore[method-assign]

"""Notifying a queue's listener of messages that this process sends, so that it need not wait for the next poll."""

import asyncio
import contextlib
import functools
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

# A message becomes visible a little later than its visibility timeout says.
_LATE_SECONDS = 0.02


class Sends:
    """Calls back when a message that this process has sent or released can be received.

    On one machine, many polls slow down the rest. Messages that other processes send are found by polling.
    """

    def __init__(self) -> None:
        self._callbacks: dict[str, list[Callable[[], None]]] = defaultdict(list)

    def add_callback(self, queue: str, callback: Callable[[], None]) -> None:
        """Call `callback` at each message of the queue with this name."""
        self._callbacks[queue].append(callback)

    def notify(self, queue: str, hidden: float) -> None:
        """Call back for a message of a queue that is hidden for so many seconds."""
        loop = asyncio.get_running_loop()
        for callback in self._callbacks[queue]:
            if hidden > 0:
                loop.call_later(hidden + _LATE_SECONDS, callback)
            else:
                callback()

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Watch what the SDK's client sends until the block ends."""
        send = QueueClient.send_message

        @functools.wraps(send)
        async def send_and_notify(client: QueueClient, content: Any, **options: Any) -> QueueMessage:
            sent = await send(client, content, **options)
            self.notify(client.queue_name, options.get("visibility_timeout") or 0)
            return sent

        QueueClient.send_message = send_and_notify  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            QueueClient.send_message = send  # type: ignore[method-assign]

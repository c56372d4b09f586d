"""The queue trigger's listener: runs each message at least once; one that keeps failing goes to the poison queue."""

import asyncio
import base64
import json
import logging
import uuid
from datetime import UTC, datetime

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from infra.local.host.bindings import Function, QueueTrigger
from infra.local.host.invocations import Invocations
from infra.local.host.message_lease import MessageLease
from infra.local.host.protos import TypedData
from infra.local.host.sends import Sends
from infra.local.host.settings import QueueOptions
from infra.local.host.waiting import happens_within

START_WAIT_SECONDS = 1.0
SHORTEST_WAIT_SECONDS = 0.1
POISON_SUFFIX = "-poison"
POISON_WAIT_FACTOR = 10
"""How much less often a poison queue is polled: on one machine, many polls of empty queues slow down the rest."""

_log = logging.getLogger("host")


class QueueListener:
    """Receives the messages of one queue and runs one function on each.

    As in the Functions host's queue extension, a batch is fetched whenever no more than `refill_at` messages are
    running, so at most `batch_size + refill_at` run concurrently. A failed message becomes visible again after
    `visibility_timeout`, and is moved to QUEUE-poison once it has been received `max_dequeue_count` times.
    """

    def __init__(
        self,
        function: Function,
        trigger: QueueTrigger,
        service: QueueServiceClient,
        options: QueueOptions,
        invocations: Invocations,
        *,
        sends: Sends,
        message_lease: int,
    ) -> None:
        self._function = function
        self._queue: QueueClient = service.get_queue_client(trigger.queue)
        self._poison: QueueClient = service.get_queue_client(trigger.queue + POISON_SUFFIX)
        self._options = options
        self._invocations = invocations
        self._message_lease = message_lease
        self._handling = 0
        self._stopped = False
        self._wake = asyncio.Event()
        self._longest_wait = options.max_polling_interval.total_seconds()
        if trigger.queue.endswith(POISON_SUFFIX):
            self._longest_wait *= POISON_WAIT_FACTOR
        self._sends = sends
        sends.add_callback(trigger.queue, self._wake.set)

    async def listen(self) -> None:
        """Receive messages and start the function on them until `stop` is called.

        After a poll that did not fill a batch it waits, each time twice as long. One that finds what another process
        sent makes the next wait the shortest. What this process sends is received at once, and changes no wait.
        """
        wait, was_woken = START_WAIT_SECONDS, False
        while not self._stopped:
            self._wake.clear()
            if self._handling > self._options.refill_at:
                await self._wake.wait()
                continue
            messages = await self._receive()
            for message in messages:
                self._handling += 1
                self._invocations.begin(self._handle(message)).add_done_callback(self._handled)
            if messages and not was_woken:
                wait = SHORTEST_WAIT_SECONDS
            if len(messages) < self._options.batch_size:
                wait = min(wait, self._longest_wait)
                was_woken = await happens_within(self._wake, wait)
                wait = wait if was_woken else 2 * wait

    def stop(self) -> None:
        """Stop receiving messages."""
        self._stopped = True
        self._wake.set()

    async def start_by_admin(self, body: str) -> None:
        """Run the function on a message that is in no queue; a failure is only logged."""
        metadata = {
            "QueueTrigger": TypedData(string=body),
            "DequeueCount": TypedData(json="0"),
            "Id": TypedData(string=str(uuid.uuid4())),
            "InsertionTime": _json_time(datetime.now(UTC)),
        }
        await self._invocations.run(self._function, TypedData(string=body), metadata, reason="admin")

    async def _receive(self) -> list[QueueMessage]:
        size = self._options.batch_size
        pages = self._queue.receive_messages(
            messages_per_page=size, max_messages=size, visibility_timeout=self._message_lease
        ).by_page()
        try:
            # One page only: the SDK would go on until the queue is empty, and lose all messages received to one error.
            return [message async for message in await anext(pages)]
        except (ResourceNotFoundError, StopAsyncIteration):
            return []
        except AzureError as error:
            _log.warning("queue-receive-failed queue=%s error=%s", self._queue.queue_name, json.dumps(str(error)))
            return []

    async def _handle(self, message: QueueMessage) -> None:
        lease = MessageLease(self._queue, message, self._message_lease)
        received = message.dequeue_count or 0
        try:
            body = decode(message.content or "", self._options.message_encoding)
            if body is None or received > self._options.max_dequeue_count:
                await self._move_to_poison(message, lease)
                return
            async with lease.kept():
                succeeded = await self._run(message, body, lease)
            if succeeded:
                await lease.delete()
            elif received >= self._options.max_dequeue_count:
                await self._move_to_poison(message, lease)
            else:
                await lease.release(self._options.visibility_timeout)
                self._sends.notify(self._queue.queue_name, self._options.visibility_timeout.total_seconds())
        except AzureError as error:
            _log.warning(
                "message-left queue=%s message=%s error=%s", self._queue.queue_name, message.id, json.dumps(str(error))
            )

    async def _run(self, message: QueueMessage, body: str, lease: MessageLease) -> bool:
        metadata = {
            "QueueTrigger": TypedData(string=body),
            "DequeueCount": TypedData(json=str(message.dequeue_count)),
            "ExpirationTime": _json_time(message.expires_on),
            "Id": TypedData(string=message.id),
            "InsertionTime": _json_time(message.inserted_on),
            "NextVisibleTime": _json_time(message.next_visible_on),
            "PopReceipt": TypedData(string=lease.pop_receipt),
        }
        reason = f"queue {self._queue.queue_name} message={message.id} dequeue={message.dequeue_count}"
        return await self._invocations.run(self._function, TypedData(string=body), metadata, reason=reason)

    async def _move_to_poison(self, message: QueueMessage, lease: MessageLease) -> None:
        """Copy the message, still encoded, to the poison queue, and delete it."""
        _log.warning(
            "message-poisoned queue=%s message=%s dequeue=%s poison=%s",
            self._queue.queue_name,
            message.id,
            message.dequeue_count,
            self._poison.queue_name,
        )
        try:
            await self._poison.send_message(message.content or "")
        except ResourceNotFoundError:
            await _create(self._poison)
            await self._poison.send_message(message.content or "")
        await lease.delete()

    def _handled(self, _task: asyncio.Task[None]) -> None:
        self._handling -= 1
        if self._handling == self._options.refill_at:
            self._wake.set()


def decode(text: str, encoding: str) -> str | None:
    """Decode a message's text by host.json's `messageEncoding`; None if it is not so encoded."""
    if encoding == "none":
        return text
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        return None


async def _create(queue: QueueClient) -> None:
    try:
        await queue.create_queue()
    except ResourceExistsError:
        _log.debug("queue-exists queue=%s", queue.queue_name)


def _json_time(moment: datetime | None) -> TypedData:
    return TypedData(json=json.dumps((moment or datetime.max.replace(tzinfo=UTC)).isoformat()))

"""The lease of a received message, which keeps it invisible to others while its function runs."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from infra.local.host.waiting import happens_within

# Update Message, Delete Message (REST): another receiver has the message, or it no longer exists.
_LOST = {"MessageNotFound", "PopReceiptMismatch", "QueueNotFound"}
_SHORTEST_WAIT_SECONDS = 0.5

_log = logging.getLogger("host")


class MessageLease:
    """The right to delete a message, valid for `seconds` after each renewal, which changes the pop receipt."""

    def __init__(self, queue: QueueClient, message: QueueMessage, seconds: int) -> None:
        self._queue = queue
        self._id = message.id
        self._seconds = seconds
        self.pop_receipt = message.pop_receipt or ""

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Renew the lease at half its time until the block ends."""
        ended = asyncio.Event()
        renewals = asyncio.create_task(self._renew_until(ended))
        try:
            yield
        finally:
            # Not cancelled: a renewal under way may already have changed the receipt.
            ended.set()
            await renewals

    async def delete(self) -> None:
        """Delete the message, unless another receiver has it."""
        with self._unless_lost():
            await self._queue.delete_message(self._id, self.pop_receipt)

    async def release(self, after: timedelta) -> None:
        """Make the message visible again after a while, with its text unchanged."""
        with self._unless_lost():
            await self._update(int(after.total_seconds()))

    async def _renew_until(self, ended: asyncio.Event) -> None:
        wait = self._seconds / 2
        while not await happens_within(ended, wait):
            try:
                await self._update(self._seconds)
                wait = self._seconds / 2
            except AzureError as error:
                _log.warning(
                    "message-not-renewed queue=%s message=%s error=%s",
                    self._queue.queue_name,
                    self._id,
                    json.dumps(str(error)),
                )
                if _lost(error):
                    return
                wait = max(wait / 2, _SHORTEST_WAIT_SECONDS)

    async def _update(self, seconds: int) -> None:
        updated = await self._queue.update_message(self._id, self.pop_receipt, visibility_timeout=seconds)
        self.pop_receipt = updated.pop_receipt or ""

    @contextlib.contextmanager
    def _unless_lost(self) -> Iterator[None]:
        try:
            yield
        except HttpResponseError as error:
            if not _lost(error):
                raise
            _log.warning("message-lost queue=%s message=%s", self._queue.queue_name, self._id)


def _lost(error: AzureError) -> bool:
    return getattr(error, "error_code", None) in _LOST

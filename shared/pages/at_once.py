"""Running many calls, a few at a time."""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self


class AtOnce:
    """Runs calls concurrently, up to a limit; the first error cancels the others and is raised."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._running: set[asyncio.Task[object]] = set()
        self._error: BaseException | None = None
        self._ended = asyncio.Event()

    async def start(self, call: Coroutine[Any, Any, object]) -> None:
        """Start a call, and wait until another one may start."""
        task = asyncio.create_task(call)
        self._running.add(task)
        task.add_done_callback(self._end)
        await self._until_fewer_than(self._limit)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await self._until_fewer_than(1)
        finally:
            running = list(self._running)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _until_fewer_than(self, count: int) -> None:
        """Wait until fewer calls run, by their own news of their end: to ask each of them would take long."""
        while self._error is None and len(self._running) >= count:
            self._ended.clear()
            await self._ended.wait()
        if self._error is not None:
            raise self._error

    def _end(self, task: asyncio.Task[object]) -> None:
        self._running.discard(task)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        self._error = self._error or error
        self._ended.set()

"""Running many calls, a few at a time."""

import asyncio
from collections.abc import Coroutine, Iterable
from types import TracebackType
from typing import Any, Self


class AtOnce:
    """Runs calls concurrently, up to a limit; the first error cancels the others and is raised."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._running: set[asyncio.Task[object]] = set()

    async def start(self, call: Coroutine[Any, Any, object]) -> None:
        """Start a call, and wait until another one may start."""
        self._running.add(asyncio.create_task(call))
        self._remove(task for task in self._running if task.done())
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
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def _until_fewer_than(self, count: int) -> None:
        while len(self._running) >= count:
            done, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            self._remove(done)

    def _remove(self, tasks: Iterable[asyncio.Task[object]]) -> None:
        """Remove finished tasks; raise the first error among them."""
        done = list(tasks)
        self._running.difference_update(done)
        errors = [error for task in done if (error := task.exception())]
        if errors:
            raise errors[0]

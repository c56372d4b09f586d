"""A few calls under way at once, however many there are to make."""

import asyncio
from collections.abc import Coroutine, Iterable
from types import TracebackType
from typing import Any, Self


class AtOnce:
    """Makes calls, at most so many at once; the first that fails ends the others, and what it raised is raised."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._under_way: set[asyncio.Task[object]] = set()

    async def start(self, call: Coroutine[Any, Any, object]) -> None:
        """Start a call, and wait until there is room for another."""
        self._under_way.add(asyncio.create_task(call))
        self._take(task for task in self._under_way if task.done())
        await self._until_fewer_than(self._most)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await self._until_fewer_than(1)
        finally:
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _until_fewer_than(self, most: int) -> None:
        while len(self._under_way) >= most:
            done, _ = await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
            self._take(done)

    def _take(self, tasks: Iterable[asyncio.Task[object]]) -> None:
        """Take tasks that are done out of those under way; raise what the first that failed has raised."""
        done = list(tasks)
        self._under_way.difference_update(done)
        errors = [error for task in done if (error := task.exception())]
        if errors:
            raise errors[0]

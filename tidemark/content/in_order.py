"""Making several calls at once, and taking their results in order."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine
from typing import Any


async def in_order[Item, Result](
    items: AsyncIterable[Item], call: Callable[[Item], Coroutine[Any, Any, Result]], at_once: int
) -> AsyncGenerator[tuple[Item, Result]]:
    """Give each item with its result; no more results than `at_once` are held or under way, that one included."""
    waiting = deque[tuple[Item, asyncio.Task[Result]]]()
    try:
        async for item in items:
            waiting.append((item, asyncio.create_task(call(item))))
            if len(waiting) >= at_once:
                yield await _first(waiting)
        while waiting:
            yield await _first(waiting)
    finally:
        for _, task in waiting:
            task.cancel()
        await asyncio.gather(*(task for _, task in waiting), return_exceptions=True)


async def _first[Item, Result](waiting: deque[tuple[Item, asyncio.Task[Result]]]) -> tuple[Item, Result]:
    item, task = waiting[0]
    result = await task
    waiting.popleft()
    return item, result

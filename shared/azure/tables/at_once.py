"""Many rows, some at a time: a table of hundreds must not take as many round trips one after the other."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from itertools import batched

AT_ONCE = 16
"""Rows read or written concurrently."""


async def each[Row, Found](rows: Iterable[Row], step: Callable[[Row], Awaitable[Found | None]]) -> list[Found]:
    """Do a step for each row, some concurrently; return what they found, and raise what the first of them raised."""
    found: list[Found] = []
    for batch in batched(rows, AT_ONCE, strict=False):
        for result in await asyncio.gather(*map(step, batch), return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
            if result is not None:
                found.append(result)
    return found

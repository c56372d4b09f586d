"""Calling what blocks, such as the file system, without blocking the event loop."""

import asyncio
import contextlib
from collections.abc import Callable


async def in_thread[**Arguments, Result](
    call: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> Result:
    """Make a call in a thread; a cancelled caller waits for its end, so that no file is closed under it."""
    running = asyncio.ensure_future(asyncio.to_thread(call, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([running])
        if not running.cancelled():
            running.exception()
        raise

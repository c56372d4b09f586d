"""How a program in a terminal ends: at Ctrl-C or SIGTERM it is cancelled once, and cleans up in peace."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from typing import Any


def run_until_stopped(main: Coroutine[Any, Any, int], *, when_stopped: int) -> int:
    """Run a program and give its exit code; `when_stopped` if Ctrl-C or SIGTERM ended it.

    Only the first signal cancels it: a second one in the middle of the clean-up would leave processes running.
    """

    async def watched() -> int:
        task = asyncio.create_task(main)
        stopped = False

        def stop() -> None:
            nonlocal stopped
            if not stopped:
                stopped = True
                task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        try:
            return await task
        except asyncio.CancelledError:
            if not stopped:
                raise
            return when_stopped

    return asyncio.run(watched())


async def in_thread[Result](work: Callable[[], Result]) -> Result:
    """Do blocking work in a thread; when cancelled, wait for its end, so that its files can be removed."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        with contextlib.suppress(Exception):
            await task
        raise

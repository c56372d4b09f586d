"""A step that is tried for many disks at once: one disk's error is its own, and one that is slow holds up no other."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from types import TracebackType
from typing import NamedTuple, Self

from shared.model.disk import Disk

WAIT_FOR_SLOW = timedelta(seconds=5)
"""What comes first for all disks waits no longer than this for news of any: an account that is down takes minutes."""


class Tried[Result](NamedTuple):
    """What came of a step.

    Attributes:
        done: the results of the disks for which it succeeded.
        errors: the errors of those for which it failed.
    """

    done: dict[Disk, Result]
    errors: dict[Disk, Exception]


class Tries[Result]:
    """A step that is being tried for disks concurrently; what has not ended at the end of the block is cancelled."""

    def __init__(self, disks: Iterable[Disk], step: Callable[[Disk], Awaitable[Result]]) -> None:
        self._tasks = {disk: asyncio.ensure_future(step(disk)) for disk in disks}
        self._running, self._heard = len(self._tasks), asyncio.Event()
        for task in self._tasks.values():
            task.add_done_callback(self._hear)

    def _hear(self, _: asyncio.Future[Result]) -> None:
        self._running -= 1
        self._heard.set()

    @property
    def pending(self) -> set[Disk]:
        """The disks of which nothing has come yet, or was not asked for."""
        return set(self._tasks)

    async def ended(self, quiet_for: timedelta | None = None) -> Tried[Result]:
        """Give what has come of the disks that are pending, once all have ended, or none has for a while."""
        with contextlib.suppress(TimeoutError):
            while self._running:
                self._heard.clear()
                async with asyncio.timeout(None if quiet_for is None else quiet_for.total_seconds()):
                    await self._heard.wait()
        tried = Tried[Result]({}, {})
        for disk in [disk for disk, task in self._tasks.items() if task.done()]:
            task = self._tasks.pop(disk)
            error = task.exception()
            if error is None:
                tried.done[disk] = task.result()
            elif isinstance(error, Exception):
                tried.errors[disk] = error
            else:
                raise error
        return tried

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


async def tried_for_each[Result](disks: Iterable[Disk], step: Callable[[Disk], Awaitable[Result]]) -> Tried[Result]:
    """Try a step for all disks until each has ended."""
    async with Tries(disks, step) as tries:
        return await tries.ended()

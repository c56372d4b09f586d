"""A step that is tried for many disks at once: one disk's error is its own, and one that is slow holds up no other."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from types import TracebackType
from typing import NamedTuple, Self

from shared.model.disk import Disk


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

    @property
    def pending(self) -> set[Disk]:
        """The disks of which nothing has come yet, or was not asked for."""
        return set(self._tasks)

    async def ended(self, within: timedelta | None = None) -> Tried[Result]:
        """Give what has come of the disks that are pending, when all have ended, or else after a while."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=None if within is None else within.total_seconds())
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

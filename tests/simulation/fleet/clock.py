"""Virtual time: an event loop that never waits. When nothing can run, its clock jumps to the next timer."""

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""When the clock of a loop starts."""


class NothingToWaitForError(AssertionError):
    """All tasks wait, and no timer is set: none of them would ever go on."""


class _Jumping(selectors.SelectSelector):
    """Watches no file, and has the clock jump by what it is to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise NothingToWaitForError
        self.seconds += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop of virtual time."""

    def __init__(self) -> None:
        self._clock = _Jumping()
        super().__init__(self._clock)

    def time(self) -> float:
        """Give the seconds since the loop was made."""
        return self._clock.seconds

    def call_exception_handler(self, context: Mapping[str, Any]) -> None:
        """Take nothing for harmless: what fails unseen fails the simulation."""
        raise context.get("exception") or AssertionError(context["message"])


def now() -> datetime:
    """Give the time of the running loop, UTC."""
    return EPOCH + timedelta(seconds=asyncio.get_running_loop().time())


def run[Result](work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine in a loop of virtual time, to its end."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)

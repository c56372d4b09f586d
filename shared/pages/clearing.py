"""Clearing ranges: a clear that times out in the service is retried in halves."""

from collections.abc import Awaitable, Callable
from functools import partial

from azure.core.exceptions import AzureError

from shared.azure.answers import is_timeout
from shared.changes.ranges import Change, Window, halves
from shared.errors import TidemarkError
from shared.events import Event, log_event
from shared.limits import MAX_CLEAR
from shared.pages.paced import Paced

SMALLEST_CLEAR = 4 * 1024**2
"""Bytes below which a clear that times out is no longer halved: the limit of one write request."""


class _ClearTimedOutError(TidemarkError):
    """A clear timed out in the service: it may succeed in parts."""


class Clearing:
    """The clears of one invocation, which share the pace of its writes."""

    def __init__(self, pace: Paced, clear: Callable[[Change], Awaitable[None]]) -> None:
        self._pace = pace
        self._clear = clear
        self._longest = MAX_CLEAR

    async def apply(self, piece: Change) -> None:
        """Clear a piece; if it times out, in halves; later pieces are then no longer than these.

        Raises:
            AzureError: a clear was refused, or the smallest possible clear kept timing out.
        """
        pending = [piece]
        while pending:
            part = pending.pop()
            if part.length > self._longest:
                pending += reversed(_halved(part))
                continue
            try:
                await self._pace.call(partial(self._request, part))
            except _ClearTimedOutError:
                self._longest = max(SMALLEST_CLEAR, min(self._longest, part.length // 2))
                log_event(Event.CLEAR_HALVED, start=part.start, end=part.end)
                pending.append(part)

    async def _request(self, part: Change) -> None:
        try:
            await self._clear(part)
        except AzureError as error:
            if part.length <= SMALLEST_CLEAR or not is_timeout(error):
                raise
            raise _ClearTimedOutError from error


def _halved(part: Change) -> list[Change]:
    parts = halves(Window(part.start, part.end)) or ()
    return [Change(half.start, half.end, clear=True) for half in parts]

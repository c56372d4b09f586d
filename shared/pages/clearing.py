"""Clearing ranges, however long the service takes for one: where it gives up on a request, on in halves."""

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
"""Bytes up to which a clear that times out is not halved any more: what one request may write as well."""


class _GaveUpError(TidemarkError):
    """The service has given up on a clear: it may succeed in parts."""


class Clearing:
    """The clears of one invocation, at a pace that they share with its writes."""

    def __init__(self, pace: Paced, clear: Callable[[Change], Awaitable[None]]) -> None:
        self._pace = pace
        self._clear = clear
        self._longest = MAX_CLEAR

    async def apply(self, piece: Change) -> None:
        """Clear a piece; where the service gives up on it, in halves, and no later piece in one longer than these.

        Raises:
            AzureError: it was refused; or the service gave up on the smallest part there is, as often as it was asked.
        """
        pending = [piece]
        while pending:
            part = pending.pop()
            if part.length > self._longest:
                pending += reversed(_halved(part))
                continue
            try:
                await self._pace.call(partial(self._ask, part))
            except _GaveUpError:
                self._longest = max(SMALLEST_CLEAR, min(self._longest, part.length // 2))
                log_event(Event.CLEAR_HALVED, start=part.start, end=part.end)
                pending.append(part)

    async def _ask(self, part: Change) -> None:
        try:
            await self._clear(part)
        except AzureError as error:
            if part.length <= SMALLEST_CLEAR or not is_timeout(error):
                raise
            raise _GaveUpError from error


def _halved(part: Change) -> list[Change]:
    parts = halves(Window(part.start, part.end)) or ()
    return [Change(half.start, half.end, clear=True) for half in parts]

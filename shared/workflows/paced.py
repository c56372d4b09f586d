"""Requests made at the pace that the service takes them: a refusal of one slows down all that share the pace."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from azure.core.exceptions import AzureError

from shared.errors import is_busy, is_passing, refuses_source
from shared.events import Event, log_event
from shared.pace import Pace, slowed, sped_up
from shared.storage.services import Services

BUSY_FOR = timedelta(minutes=5)
"""How long a request is refused by a busy service before it is left to another invocation."""

REFUSED_FOR = timedelta(seconds=7)
"""How long a copy is refused for its source before that is taken to last, where the answer says that it may pass.

By then it was asked four times: at once, and after 1, 3 and 7 seconds.
"""

MOST_TRIES = 4
"""How often a request is made that fails otherwise, with an error that passes."""


class Paced:
    """Makes requests at a pace of their own, which they share."""

    def __init__(self, services: Services, most: int, *, refused_for: timedelta = REFUSED_FOR) -> None:
        self._services = services
        self._most = most
        self._refused_for = refused_for
        self._pace = Pace(most)
        self._under_way = 0
        self._room = asyncio.Condition()
        self._slowed_at = services.now()
        self._goes_on_at = self._slowed_at

    async def call[Result](self, request: Callable[[], Awaitable[Result]]) -> Result:
        """Make a request, again and again where the service is busy; give what it gives.

        Raises:
            AzureError: the service was busy for too long, the source of a copy was refused for too long, or the error
                is none that passes.
        """
        began, tries = self._services.now(), 0
        while True:
            made_at = await self._wait_for_room()
            try:
                result = await request()
            except AzureError as error:
                tries += not is_busy(error)
                if not is_passing(error) or self._is_over(error, self._services.now() - began, tries):
                    raise
                self._slow_down(made_at)
            else:
                self._pace = sped_up(self._pace, self._most)
                return result
            finally:
                await self._leave()

    def _is_over(self, error: AzureError, waited: timedelta, tries: int) -> bool:
        """Tell whether an error that passes has not passed for so long that it is not waited for any more."""
        if refuses_source(error):
            return waited >= min(self._refused_for, BUSY_FOR) and tries > 1
        return waited >= BUSY_FOR or tries >= MOST_TRIES

    async def _wait_for_room(self) -> datetime:
        """Wait until this request may be made; give the time."""
        async with self._room:
            await self._room.wait_for(lambda: self._under_way < self._pace.at_once)
            self._under_way += 1
        while (pause := self._goes_on_at - self._services.now()) > timedelta():
            await self._services.sleep(pause)
        return self._services.now()

    async def _leave(self) -> None:
        self._under_way -= 1
        async with self._room:
            self._room.notify_all()

    def _slow_down(self, made_at: datetime) -> None:
        """Slow all down; but of the requests that were under way together only one counts."""
        if made_at < self._slowed_at:
            return
        now = self._services.now()
        self._slowed_at, self._goes_on_at = now, now + self._pace.pause
        self._pace = slowed(self._pace)
        log_event(Event.SLOWED_DOWN, at_once=self._pace.at_once, pause_seconds=self._pace.pause.total_seconds())

"""Requests made at the pace that the service takes them: a refusal of one slows down all that share the pace."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from azure.core.exceptions import AzureError

from shared.azure.answers import is_busy, is_transient, refuses_source
from shared.azure.services import Services
from shared.changes.pace import FASTEST, begun_at, blob_seconds, is_late, slowed, sped_up
from shared.events import Event, log_event

BUSY_FOR = timedelta(minutes=5)
"""How long a request is refused by a busy service before it is left to another invocation."""

SOURCE_REFUSED_FOR = timedelta(seconds=7)
"""How long a copy is refused for its source before that is taken to last, where the answer says that it may pass.

By then it was asked five times: at once, and after 0.5, 1.5, 3.5 and 7.5 seconds.
"""

MOST_REQUEST_TRIES = 4
"""How often a request is made that fails otherwise, with an error that passes."""

_BEHIND = timedelta(seconds=0.03)  # what a sleep that took too long may be caught up with
_LATE_AT_ONCE, _LATE_SHARE = 2, 4
_SHORTEST = 0.001
_FORGETS = 1.02  # one request that was quick by chance is forgotten after some that were not
_A_FEW = 8  # requests that are sent before it is known how long one takes


@dataclass(eq=False)
class _Request:
    """A request that has room: it waits for its turn, then it is under way."""

    size: int
    made_at: datetime | None = None


class Paced:
    """Makes requests at a pace of their own, which they share."""

    def __init__(
        self,
        services: Services,
        most: int,
        *,
        rate: float = FASTEST,
        busy_for: timedelta | None = None,
        refused_for: timedelta = SOURCE_REFUSED_FOR,
    ) -> None:
        """Make one.

        Args:
            services: the services.
            most: requests that may be under way at once, whatever the service takes.
            rate: the rate to begin at, as `shared.changes.pace.Pace` has it.
            busy_for: how long a busy service may refuse a request; `BUSY_FOR` where it is not said.
            refused_for: how long a copy may be refused for its source.
        """
        self._services = services
        self._most = most
        self._busy_for = BUSY_FOR if busy_for is None else min(busy_for, BUSY_FOR)
        self._refused_for = refused_for
        self._pace = begun_at(rate)
        self._under_way: set[_Request] = set()
        self._quickest: dict[int, float] = {}
        self._in_time: dict[int, datetime] = {}
        self._waiting = 0
        self._is_closed = False
        self._room = asyncio.Condition()
        self._gate = asyncio.Lock()
        self._slowed_at = self._goes_on_at = self._next_at = services.now()

    @property
    def rate(self) -> float:
        """The rate that it has come to."""
        return self._pace.rate

    async def until_none_waits(self) -> None:
        """Wait until every request that was asked for is under way: so that no more are thought of than can be made."""
        await asyncio.sleep(0)  # one that was just started waits from its first step on
        async with self._room:
            await self._room.wait_for(lambda: self._waiting == 0 or self._is_closed)

    async def close(self) -> None:
        """Have nobody wait any more before more requests are thought of: one has failed."""
        self._is_closed = True
        await self._tell()

    async def call[Result](self, request: Callable[[], Awaitable[Result]], length: int = 0) -> Result:
        """Make a request, again and again where the service is busy; give what it gives.

        Args:
            request: makes it.
            length: bytes that it reads or writes.

        Raises:
            AzureError: the service was busy for too long since it was first asked, the source of a copy was refused for
                too long, or the error is none that passes.
        """
        seconds, first_made_at, tries = blob_seconds(length), None, 0
        while True:
            mine = _Request(length.bit_length())
            try:
                made_at = await self._turn_of(mine, seconds)
                first_made_at = first_made_at or made_at
                try:
                    result = await request()
                except AzureError as error:
                    tries += not is_busy(error)
                    if not is_transient(error) or self._is_over(error, self._services.now() - first_made_at, tries):
                        raise
                    self._slow_down(made_at)
                else:
                    self._note(mine, made_at, seconds)
                    return result
            finally:
                self._under_way.discard(mine)
                await self._tell()

    def _is_over(self, error: AzureError, waited: timedelta, tries: int) -> bool:
        """Return whether an error that passes has not passed for so long that it is not waited for any more."""
        if refuses_source(error):
            return waited >= min(self._refused_for, self._busy_for) and tries > 1
        return waited >= self._busy_for or tries >= MOST_REQUEST_TRIES

    async def _turn_of(self, mine: _Request, seconds: float) -> datetime:
        """Wait until a request may be made that uses up so many seconds of its blob; give the time."""
        self._waiting += 1
        try:
            async with self._room:
                await self._room.wait_for(self._has_room)
                self._under_way.add(mine)
            async with self._gate:  # one after another: all that were refused together must not be made together again
                while (pause := max(self._next_at, self._goes_on_at) - self._services.now()) > timedelta():
                    await self._services.sleep(pause)
                at = max(self._next_at, self._services.now() - _BEHIND)
                self._next_at = at + timedelta(seconds=seconds / self._pace.rate)
        finally:
            self._waiting -= 1
        await self._tell()
        mine.made_at = self._services.now()
        return mine.made_at

    def _has_room(self) -> bool:
        """Return whether one more request may be under way: not where those that are have to wait for the service."""
        now, unknown, late = self._services.now(), 0, 0
        for request in self._under_way:
            quickest = self._quickest.get(request.size)
            unknown += quickest is None
            made_at = request.made_at or now
            # One that hangs while younger ones are answered tells nothing of the service.
            has_service_wait = made_at >= self._in_time.get(request.size, made_at)
            age = (now - made_at).total_seconds()
            late += quickest is not None and has_service_wait and is_late(age, quickest)
        under_way = len(self._under_way)
        return under_way < self._most and unknown < _A_FEW and late < max(_LATE_AT_ONCE, under_way // _LATE_SHARE)

    def _note(self, mine: _Request, made_at: datetime, seconds: float) -> None:
        """Note that a request went well, and how long it took."""
        took = max(_SHORTEST, (self._services.now() - made_at).total_seconds())  # a clock may go back
        if not is_late(took, self._quickest.get(mine.size, took)):
            self._in_time[mine.size] = max(made_at, self._in_time.get(mine.size, made_at))
        self._quickest[mine.size] = min(took, _FORGETS * self._quickest.get(mine.size, took))
        self._pace = sped_up(self._pace, seconds)

    async def _tell(self) -> None:
        async with self._room:
            self._room.notify_all()

    def _slow_down(self, made_at: datetime) -> None:
        """Slow all down; but of the requests that were under way together only one counts."""
        if made_at < self._slowed_at:
            return
        now = self._services.now()
        self._slowed_at, self._goes_on_at = now, now + self._pace.pause
        self._pace = slowed(self._pace)
        log_event(Event.SLOWED_DOWN, rate=round(self._pace.rate, 3), pause_seconds=self._pace.pause.total_seconds())

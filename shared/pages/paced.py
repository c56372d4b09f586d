"""Making requests at the pace the service accepts: a refusal slows down all requests that share the pace."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from azure.core.exceptions import AzureError

from shared.azure.answers import is_busy, is_transient, refuses_source
from shared.azure.sources.source import ReadServices
from shared.changes.pace import FASTEST, begun_at, blob_seconds, is_late, slowed, sped_up
from shared.events import Event, log_event

BUSY_FOR = timedelta(minutes=5)
"""How long a busy service may refuse a request before it is left to another invocation."""

SOURCE_REFUSED_FOR = timedelta(seconds=7)
"""How long a transient refusal of a copy's source may last before it counts as permanent.

By then the copy was requested five times: immediately, and after 0.5, 1.5, 3.5 and 7.5 seconds.
"""

MAX_REQUEST_TRIES = 4
"""How often a request is tried that fails with any other transient error."""

_MAX_CATCH_UP = timedelta(seconds=0.03)  # how much of an overlong sleep is made up for
_MAX_LATE, _LATE_SHARE = 2, 4  # how many requests under way may be late, or which part of them: one in four
_MIN_SECONDS = 0.001
_QUICKEST_GROWTH = 1.02  # per request, so that one that was quick by chance is forgotten in time
_MAX_UNKNOWN = 8  # requests that are sent before it is known how long one takes


@dataclass(eq=False)
class _Request:
    """A request that counts against the limit: it waits for its turn, then it is under way."""

    size: int
    made_at: datetime | None = None


class Paced:
    """Makes requests that share a pace."""

    def __init__(
        self,
        services: ReadServices,
        limit: int,
        *,
        rate: float = FASTEST,
        busy_for: timedelta | None = None,
        refused_for: timedelta = SOURCE_REFUSED_FOR,
    ) -> None:
        """Begin at a rate.

        Args:
            services: the services.
            limit: the most requests under way at once, even if the service accepts more.
            rate: the rate to begin at, in the unit of `shared.changes.pace.Pace`.
            busy_for: how long a busy service may refuse a request; at most and by default `BUSY_FOR`.
            refused_for: how long a copy's source may be refused with a transient error.
        """
        self._services = services
        self._limit = limit
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
        self._slowed_at = self._resumes_at = self._next_at = services.now()

    @property
    def rate(self) -> float:
        """The current rate."""
        return self._pace.rate

    async def until_none_waits(self) -> None:
        """Wait until every request called so far is under way, so that callers prepare no more than can be sent."""
        await asyncio.sleep(0)  # a call that was just created counts as waiting from its first step
        async with self._room:
            await self._room.wait_for(lambda: self._waiting == 0 or self._is_closed)

    async def close(self) -> None:
        """Release all who wait in `until_none_waits`, because a request has failed."""
        self._is_closed = True
        await self._notify()

    async def call[Result](self, request: Callable[[], Awaitable[Result]], length: int = 0) -> Result:
        """Make a request, retrying transient errors, and return its result.

        Args:
            request: makes the request.
            length: bytes that it reads or writes.

        Raises:
            AzureError: the service was busy for too long, refused the source of a copy for too long, or failed with a
                permanent error.
        """
        seconds, first_made_at, tries = blob_seconds(length), None, 0
        while True:
            mine = _Request(length.bit_length())
            try:
                made_at = await self._wait_for_turn(mine, seconds)
                first_made_at = first_made_at or made_at
                try:
                    result = await request()
                except AzureError as error:
                    tries += not is_busy(error)
                    if not is_transient(error) or self._should_give_up(
                        error, self._services.now() - first_made_at, tries
                    ):
                        raise
                    self._slow_down(made_at)
                else:
                    self._record_success(mine, made_at, seconds)
                    return result
            finally:
                self._under_way.discard(mine)
                await self._notify()

    def _should_give_up(self, error: AzureError, waited: timedelta, tries: int) -> bool:
        """Return whether a transient error has lasted too long to retry the request once more."""
        if refuses_source(error):
            return waited >= min(self._refused_for, self._busy_for) and tries > 1
        return waited >= self._busy_for or tries >= MAX_REQUEST_TRIES

    async def _wait_for_turn(self, mine: _Request, seconds: float) -> datetime:
        """Wait until a request that uses up so many seconds of its blob may be made; return the time."""
        self._waiting += 1
        try:
            async with self._room:
                await self._room.wait_for(self._has_room)
                self._under_way.add(mine)
            async with self._gate:  # one at a time: requests refused together must not be retried together
                while (pause := max(self._next_at, self._resumes_at) - self._services.now()) > timedelta():
                    await self._services.sleep(pause)
                at = max(self._next_at, self._services.now() - _MAX_CATCH_UP)
                self._next_at = at + timedelta(seconds=seconds / self._pace.rate)
        finally:
            self._waiting -= 1
        await self._notify()
        mine.made_at = self._services.now()
        return mine.made_at

    def _has_room(self) -> bool:
        """Return whether one more request may be sent: not while the service keeps those under way waiting."""
        now, unknown, late = self._services.now(), 0, 0
        for request in self._under_way:
            quickest = self._quickest.get(request.size)
            unknown += quickest is None
            made_at = request.made_at or now
            # One that hangs while younger ones are answered says nothing about the service.
            has_service_wait = made_at >= self._in_time.get(request.size, made_at)
            age = (now - made_at).total_seconds()
            late += quickest is not None and has_service_wait and is_late(age, quickest)
        under_way = len(self._under_way)
        return under_way < self._limit and unknown < _MAX_UNKNOWN and late < max(_MAX_LATE, under_way // _LATE_SHARE)

    def _record_success(self, mine: _Request, made_at: datetime, seconds: float) -> None:
        """Record that a request succeeded, and how long it took."""
        took = max(_MIN_SECONDS, (self._services.now() - made_at).total_seconds())  # a clock may go back
        if not is_late(took, self._quickest.get(mine.size, took)):
            self._in_time[mine.size] = max(made_at, self._in_time.get(mine.size, made_at))
        self._quickest[mine.size] = min(took, _QUICKEST_GROWTH * self._quickest.get(mine.size, took))
        self._pace = sped_up(self._pace, seconds)

    async def _notify(self) -> None:
        async with self._room:
            self._room.notify_all()

    def _slow_down(self, made_at: datetime) -> None:
        """Slow down all requests; of those refused together only one counts."""
        if made_at < self._slowed_at:
            return
        now = self._services.now()
        self._slowed_at, self._resumes_at = now, now + self._pace.pause
        self._pace = slowed(self._pace)
        log_event(Event.SLOWED_DOWN, rate=round(self._pace.rate, 3), pause_seconds=self._pace.pause.total_seconds())

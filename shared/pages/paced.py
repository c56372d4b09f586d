"""Making requests at the pace the service accepts: a refusal slows down all requests that share the pace."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from azure.core.exceptions import AzureError

from shared.azure.answers import is_busy, is_transient, refuses_source
from shared.azure.sources.source import ReadServices
from shared.changes.pace import DOCUMENTED, begun_at, blob_seconds, is_late, pause_of, slowed, sped_up
from shared.events import Event, log_event
from shared.limits import BYTES_PER_SECOND, REQUESTS_PER_SECOND

BUSY_FOR = timedelta(minutes=5)
"""How long a busy service may refuse a request before it is left to another invocation."""

SOURCE_REFUSED_FOR = timedelta(seconds=7)
"""How long a transient refusal of a copy's source may last before it counts as permanent.

By then the copy was requested five times: immediately, and after 0.5, 1.5, 3.5 and 7.5 seconds.
"""

MAX_REQUEST_TRIES = 4
"""How often a request is tried that fails with any other transient error."""

_SHORTEST_SLEEP = timedelta(seconds=0.01)  # to sleep for each of 500 requests a second costs as much as to make them
_MAX_CATCH_UP = timedelta(seconds=0.03)  # how much of an overlong sleep is made up for
_MAX_LATE, _LATE_SHARE = 2, 4  # how many requests under way may be late, or which part of them: one in four
_MIN_SECONDS = 0.001
_QUICKEST_GROWTH = 1.02  # per request, so that one that was quick by chance is forgotten in time
_MAX_UNKNOWN = 8  # requests that are sent before it is known how long one takes
_AHEAD = 1.0  # seconds of the blob that may wait: while one request waits for its bytes, smaller ones pass it
_SERVED_IN, _SERVED_AT_LEAST = timedelta(seconds=1), 16  # what was served of late: in so long, and so many requests


@dataclass(eq=False)
class _Request:
    """A request that counts against the limit: it waits for its turn, then it is under way."""

    size: int
    made_at: datetime | None = None


class _Lane:
    """The requests that use up one of the blob's limits, one after another: of requests, or of bytes.

    Attributes:
        next_at: when there is room for the next one.
        turn: whoever holds it is next.
    """

    def __init__(self, now: datetime) -> None:
        self.next_at = now
        self.turn = asyncio.Lock()

    def charge(self, at: datetime, seconds: float) -> None:
        """Take what a request uses up of this limit."""
        self.next_at = max(self.next_at, at) + timedelta(seconds=seconds)


class _Served:
    """What has succeeded of late."""

    def __init__(self) -> None:
        self._lately: deque[tuple[datetime, int]] = deque()

    def add(self, at: datetime, length: int) -> None:
        lately = self._lately
        lately.append((at, length))
        while len(lately) > _SERVED_AT_LEAST and lately[0][0] < at - _SERVED_IN:
            lately.popleft()

    def rate(self, now: datetime) -> float | None:
        """Give the rate; None if too little has succeeded."""
        lately = self._lately
        if len(lately) < _SERVED_AT_LEAST:
            return None
        seconds = max(_MIN_SECONDS, (now - lately[0][0]).total_seconds())
        requests, length = len(lately) - 1, sum(length for _, length in lately) - lately[0][1]
        return max(requests / REQUESTS_PER_SECOND, length / BYTES_PER_SECOND) / seconds


class Paced:
    """Makes requests that share a pace."""

    def __init__(
        self,
        services: ReadServices,
        limit: int,
        *,
        rate: float = DOCUMENTED,
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
        self._waiting = 0.0
        self._is_closed = False
        self._changed = asyncio.Event()
        self._slowed_at = self._resumes_at = services.now()
        self._lanes = _Lane(self._slowed_at), _Lane(self._slowed_at)
        self._served = _Served()

    @property
    def rate(self) -> float:
        """The current rate."""
        return self._pace.rate

    async def until_few_wait(self) -> None:
        """Wait until little of what was called so far waits, so that callers prepare not much more than can be sent."""
        await asyncio.sleep(0)  # a call that was just created counts as waiting from its first step
        await self._until(lambda: self._waiting < _AHEAD or self._is_closed)

    def close(self) -> None:
        """Release all who wait in `until_few_wait`, because a request has failed."""
        self._is_closed = True
        self._changed.set()

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._changed.clear()
            await self._changed.wait()

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
                made_at = await self._wait_for_turn(mine, seconds, length)
                first_made_at = first_made_at or made_at
                try:
                    result = await request()
                except AzureError as error:
                    tries += not is_busy(error)
                    if not is_transient(error) or self._should_give_up(
                        error, self._services.now() - first_made_at, tries
                    ):
                        raise
                    self._slow_down(made_at, is_busy=is_busy(error))
                else:
                    self._record_success(mine, made_at, seconds, length)
                    return result
            finally:
                self._under_way.discard(mine)
                self._changed.set()

    def _should_give_up(self, error: AzureError, waited: timedelta, tries: int) -> bool:
        """Return whether a transient error has lasted too long to retry the request once more."""
        if refuses_source(error):
            return waited >= min(self._refused_for, self._busy_for) and tries > 1
        return waited >= self._busy_for or tries >= MAX_REQUEST_TRIES

    async def _wait_for_turn(self, mine: _Request, seconds: float, length: int) -> datetime:
        """Wait until a request that uses up so much of its blob may be made; return the time.

        It waits for the one limit that it uses up more of, and takes of both.
        """
        requests, of_bytes = self._lanes
        mine_is = of_bytes if length / BYTES_PER_SECOND > 1 / REQUESTS_PER_SECOND else requests
        self._waiting += seconds
        try:
            async with mine_is.turn:  # one at a time: requests refused together must not be retried together
                await self._until(self._has_room)
                self._under_way.add(mine)
                while (pause := max(mine_is.next_at, self._resumes_at) - self._services.now()) > timedelta():
                    await self._services.sleep(max(pause, _SHORTEST_SLEEP))
                now = self._services.now()
                requests.charge(now - _MAX_CATCH_UP, 1 / REQUESTS_PER_SECOND / self._pace.rate)
                of_bytes.charge(now - _MAX_CATCH_UP, length / BYTES_PER_SECOND / self._pace.rate)
        finally:
            self._waiting -= seconds
        self._changed.set()
        mine.made_at = now
        return now

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

    def _record_success(self, mine: _Request, made_at: datetime, seconds: float, length: int) -> None:
        """Record that a request succeeded, and how long it took."""
        now = self._services.now()
        self._served.add(now, length)
        took = max(_MIN_SECONDS, (now - made_at).total_seconds())  # a clock may go back
        if not is_late(took, self._quickest.get(mine.size, took)):
            self._in_time[mine.size] = max(made_at, self._in_time.get(mine.size, made_at))
        self._quickest[mine.size] = min(took, _QUICKEST_GROWTH * self._quickest.get(mine.size, took))
        self._pace = sped_up(self._pace, seconds)

    def _slow_down(self, made_at: datetime, *, is_busy: bool) -> None:
        """Slow down all requests; of those refused together only one counts."""
        if made_at < self._slowed_at:
            return
        now = self._services.now()
        pause = pause_of(self._pace, is_busy=is_busy)
        self._slowed_at, self._resumes_at = now, now + pause
        self._pace = slowed(self._pace, self._served.rate(now))
        log_event(Event.SLOWED_DOWN, rate=round(self._pace.rate, 3), pause_seconds=pause.total_seconds())

"""The model of the storage service: how long a request takes, what one page blob takes, and what it says to the rest.

A page blob takes 500 requests and 60 MiB a second (Scalability targets for Blob storage). How the service counts them
is not documented: here it is by a bucket that fills at that rate, or second by second.
"""

import asyncio
import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import NamedTuple

from azure.core.exceptions import AzureError

from shared.model.addresses import BlobAddress
from tests.simulation.calls import CURRENT, Calls, Invocation
from tests.simulation.refusals import refusal

MIB = 1024**2


class Moved(NamedTuple):
    """What a call is about that a blob's limits count.

    Attributes:
        blob: the blob.
        length: the bytes that are moved.
        is_read: whether they come through the function, by a request that the SDK has little to do with.
    """

    blob: BlobAddress
    length: int
    is_read: bool = False


MOVED: ContextVar[Moved | None] = ContextVar("MOVED", default=None)
"""What the next call is about; None for one that no blob's limits count."""

_ANSWERS_WITHIN = 30.0
"""Seconds after which the service gives up on a request that it delays (REST: 500 OperationTimedOut)."""

_BACKLOG = 0.005


@dataclass(frozen=True)
class Service:
    """What the service is like.

    Attributes:
        requests, bytes: what one page blob takes a second.
        burst: for how many seconds of that it takes them at once.
        by_window: whether it counts anew every `burst` seconds instead.
        delays: whether it delays what is beyond that, instead of refusing it.
        account_bytes: what all backup blobs take together a second; 0 for no limit.
        latency: seconds that a request takes that moves no pages.
        bandwidth: bytes a second of one request.
        jitter: the part of both by which they vary, 0 to 1.
        cpu, read_cpu: seconds of an instance's only core that a request of the SDK takes, and one that reads pages.
    """

    requests: float = 500
    bytes: float = 60 * MIB
    burst: float = 0.5
    by_window: bool = False
    delays: bool = False
    account_bytes: float = 0
    latency: float = 0.02
    bandwidth: float = 100 * MIB
    jitter: float = 0.3
    cpu: float = 0.0018
    read_cpu: float = 0.0008

    def share_of(self, length: int) -> float:
        """Give the seconds of a blob's limits that a request uses up."""
        return max(1 / self.requests, length / self.bytes)


class Instance:
    """An instance of the app: one core, which its invocations share.

    Attributes:
        free_at: when its core is free, in seconds of the loop's clock.
    """

    def __init__(self) -> None:
        self.free_at = 0.0

    def work(self, seconds: float) -> float:
        """Have the core do something; give how many seconds it is till it begins with it."""
        at = asyncio.get_running_loop().time()
        begins = max(at, self.free_at)
        self.free_at = begins + seconds
        return begins - at


@dataclass(eq=False, kw_only=True)
class OnInstance(Invocation):
    """An invocation on an instance."""

    instance: Instance


class _Bucket:
    """What is taken at a steady rate; `burst` seconds of it at once."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst, self._full_until = rate, burst, 0.0
        self._window, self._taken = 0, 0.0

    def wait(self, at: float, amount: float) -> float:
        """Give how many seconds it is till there is room for an amount; one that is larger than it needs it empty."""
        backlog = max(self._full_until - at, 0.0)
        return max(0.0, backlog - max(0.0, self._burst - amount / self._rate))

    def take(self, at: float, amount: float) -> None:
        self._full_until = max(self._full_until, at) + amount / self._rate


class _Window(_Bucket):
    """What is taken at once in each window of time, up to the rate."""

    def wait(self, at: float, amount: float) -> float:
        window = math.floor(at / self._burst)
        taken = self._taken if window == self._window else 0.0
        return 0.0 if taken + amount <= self._rate * self._burst else (window + 1) * self._burst - at

    def take(self, at: float, amount: float) -> None:
        window = math.floor(at / self._burst)
        self._taken = amount + (self._taken if window == self._window else 0.0)
        self._window = window


class _Limits:
    """The limits of one blob."""

    def __init__(self, service: Service, account: _Bucket | None) -> None:
        kind = _Window if service.by_window else _Bucket
        self._buckets = (kind(service.requests, service.burst), kind(service.bytes, service.burst))
        self._account = account

    def wait(self, at: float, length: int) -> float:
        return max(bucket.wait(at, amount) for bucket, amount in self._amounts(length))

    def take(self, at: float, length: int) -> None:
        for bucket, amount in self._amounts(length):
            bucket.take(at, amount)

    def _amounts(self, length: int) -> list[tuple[_Bucket, int]]:
        amounts = list(zip(self._buckets, (1, length), strict=True))
        return [*amounts, (self._account, length)] if self._account and length else amounts


class TimedCalls(Calls):
    """Calls to a service that take their time, and that a blob's limits may refuse.

    Attributes:
        made, refused: requests of each blob that its limits count, and how many of them were refused.
    """

    def __init__(self, service: Service, rng: random.Random, passed: Callable[[], None]) -> None:
        super().__init__(rng, passed, (), rate=0)
        self.service = service
        self.made: Counter[BlobAddress] = Counter()
        self.refused: Counter[BlobAddress] = Counter()
        account = _Bucket(service.account_bytes, service.burst) if service.account_bytes else None
        self._limits: dict[BlobAddress, _Limits] = defaultdict(lambda: _Limits(service, account))

    def gives_up(self) -> bool:
        return False

    async def _call[Result](self, effect: Callable[[], Result], fates: object) -> Result:  # noqa: ARG002 - none
        invocation, loop = CURRENT.get(), asyncio.get_running_loop()
        if not isinstance(invocation, OnInstance) or invocation.dead:
            raise asyncio.CancelledError
        moved = MOVED.get()
        cpu = self.service.read_cpu if moved and moved.is_read else self.service.cpu
        busy = invocation.instance.work(cpu)
        if busy > _BACKLOG:
            await asyncio.sleep(busy)
        vary = 1 + self.service.jitter * self.rng.uniform(-1, 1)
        seconds, error = cpu + self.service.latency * vary, None
        if moved:
            more, error = self._at(moved.blob, moved.length, loop.time() + seconds)
            seconds += more + (0 if error else moved.length / self.service.bandwidth * vary)
        await asyncio.sleep(seconds)
        if error:
            raise error
        self.passed()
        return effect()

    def _at(self, blob: BlobAddress, length: int, at: float) -> tuple[float, AzureError | None]:
        """Hold a request against its blob's limits: how many seconds it waits there, and what it is refused with."""
        limits = self._limits[blob]
        wait = limits.wait(at, length)
        self.made[blob] += 1
        if wait and not self.service.delays:
            self.refused[blob] += 1
            return 0.0, refusal(503, "ServerBusy")
        if wait > _ANSWERS_WITHIN:
            return _ANSWERS_WITHIN, refusal(500, "OperationTimedOut")
        limits.take(at + wait, length)
        return wait, None

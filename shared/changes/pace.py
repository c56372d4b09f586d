"""The request rate of one page blob: at its limits, lower after each refusal, higher again while requests succeed.

A page blob accepts 500 requests and 60 MiB a second from all clients together, and answers 503 ServerBusy beyond that
(Scalability targets for Blob storage; REST: Blob service error codes). So the cost of a request is counted in seconds
of its blob: the time for which it uses up one of these limits. Pure functions of values.
"""

from datetime import timedelta
from typing import NamedTuple

from shared.limits import BYTES_PER_SECOND, REQUESTS_PER_SECOND

FASTEST = 0.96
"""Seconds of a blob that requests may use up per second: below 1, as clocks differ and requests arrive unevenly."""

SLOWEST = 0.01

SHORTEST_PAUSE = timedelta(seconds=0.5)
LONGEST_PAUSE = timedelta(seconds=30)

_CALM = 5.0  # seconds without a refusal, after which the next one means that the limit was found, not overshot
_FOUND, _OVERSHOT = 0.92, 0.7  # the factor on the rate in either case
_NEAR, _BEYOND = 0.92, 1.05  # times the rate refused last: between these the rate grows slowly
_STEADY, _UP = 0.001, 0.02  # added per second: near that rate, and well beyond it
_CATCHING_UP = 0.1  # of the distance to that rate, added per second

_LATE_SECONDS, _LATE_FACTOR = 0.2, 3.0


def blob_seconds(length: int) -> float:
    """Return the cost of a request in seconds of its blob.

    Args:
        length: bytes that it reads or writes; 0 for one that clears.
    """
    return max(1 / REQUESTS_PER_SECOND, length / BYTES_PER_SECOND)


class Pace(NamedTuple):
    """A pace.

    Attributes:
        rate: seconds of the blob that requests may use up per second.
        refused_at: the rate at which the service last refused a request.
        pause: how long no request is made after the next refusal.
        calm: seconds of work since the last refusal.
    """

    rate: float = FASTEST
    refused_at: float = FASTEST
    pause: timedelta = SHORTEST_PAUSE
    calm: float = 0.0


def begun_at(rate: float) -> Pace:
    """Begin at a rate, within the limits."""
    chosen = min(max(rate, SLOWEST), FASTEST)
    return Pace(chosen, refused_at=chosen)


def slowed(pace: Pace) -> Pace:
    """Slow down after a refusal: a little if it was calm before; else a lot, and pause twice as long after the next."""
    is_found = pace.calm >= _CALM
    rate = max(SLOWEST, pace.rate * (_FOUND if is_found else _OVERSHOT))
    pause = SHORTEST_PAUSE if is_found else min(2 * pace.pause, LONGEST_PAUSE)
    return Pace(rate, refused_at=pace.rate, pause=pause)


def sped_up(pace: Pace, seconds: float) -> Pace:
    """Speed up after a request that used up so many seconds of the blob and succeeded.

    The nearer the rate is to the one refused last, the slower it grows: for the last bit it takes a minute, so that few
    requests are refused.
    """
    took = seconds / pace.rate
    missing = _NEAR * pace.refused_at - pace.rate
    if missing > 0:
        faster = missing * min(1.0, _CATCHING_UP * took) + _STEADY * took
    else:
        faster = took * (_UP if pace.rate > _BEYOND * pace.refused_at else _STEADY)
    calm = pace.calm + took
    pause = SHORTEST_PAUSE if calm >= _CALM else pace.pause
    return Pace(min(FASTEST, pace.rate + faster), pace.refused_at, pause, calm)


def is_late(age: float, quickest: float) -> bool:
    """Return whether a request takes so long that the service must be queueing it, so that no more should be sent.

    Args:
        age: seconds since it was sent.
        quickest: seconds that the quickest request of its size took.
    """
    return age > _LATE_FACTOR * quickest + _LATE_SECONDS

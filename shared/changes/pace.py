"""How fast requests go to one page blob: at its limits, slower after each refusal, faster again while all goes well.

A page blob takes 500 requests and 60 MiB a second, whoever makes them, and says 503 ServerBusy to the rest (Scalability
targets for Blob storage; REST: Blob service error codes). So a request is counted in seconds of its blob: the part of a
second that the limits leave no other request for. Pure functions of values.
"""

from datetime import timedelta
from typing import NamedTuple

from shared.limits import BYTES_PER_SECOND, REQUESTS_PER_SECOND

FASTEST = 0.96
"""Seconds of a blob that requests may use up in a second: two clocks differ, and requests arrive unevenly."""

SLOWEST = 0.01

SHORTEST_PAUSE = timedelta(seconds=0.5)
LONGEST_PAUSE = timedelta(seconds=30)

_CALM = 5.0  # seconds without a refusal, after which another one is a limit that was found, not one that was missed
_FOUND, _MISSED = 0.92, 0.7  # what is left of the rate after either
_NEAR, _BEYOND = 0.92, 1.05  # of the rate that was refused last: where it goes up slowly
_STEADY, _UP = 0.001, 0.02  # what is added in a second: near that rate, and far beyond it
_CATCHING_UP = 0.1  # the share of what is missing to that rate, a second

_PRECAUTION, _PATIENT = 0.2, 3.0


def blob_seconds(length: int) -> float:
    """Return the seconds of its blob that a request uses up.

    Args:
        length: bytes that it reads or writes; 0 for one that clears.
    """
    return max(1 / REQUESTS_PER_SECOND, length / BYTES_PER_SECOND)


class Pace(NamedTuple):
    """A pace.

    Attributes:
        rate: seconds of the blob that requests may use up in a second.
        refused_at: the rate at which the service last refused one.
        pause: how long nobody makes a request after the next refusal.
        calm: seconds of work since the last refusal.
    """

    rate: float = FASTEST
    refused_at: float = FASTEST
    pause: timedelta = SHORTEST_PAUSE
    calm: float = 0.0


def begun_at(rate: float) -> Pace:
    """Begin at the rate that was left off at; or as fast as may be, where it is none."""
    chosen = min(max(rate, SLOWEST), FASTEST)
    return Pace(chosen, refused_at=chosen)


def slowed(pace: Pace) -> Pace:
    """Go slower after a refusal: a little after a calm time; else much, and pause twice as long after the next."""
    is_found = pace.calm >= _CALM
    rate = max(SLOWEST, pace.rate * (_FOUND if is_found else _MISSED))
    pause = SHORTEST_PAUSE if is_found else min(2 * pace.pause, LONGEST_PAUSE)
    return Pace(rate, refused_at=pace.rate, pause=pause)


def sped_up(pace: Pace, seconds: float) -> Pace:
    """Note that a request went well that uses up so many seconds of the blob; go faster, the less so the nearer.

    Near the rate that was refused last it takes a minute to get there, so that few requests are refused.
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
    """Return whether a request takes so long that the service has it wait: others must not be sent after it.

    Args:
        age: seconds since it was made.
        quickest: seconds that the quickest of its size took.
    """
    return age > _PATIENT * quickest + _PRECAUTION

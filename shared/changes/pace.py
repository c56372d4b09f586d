"""The request rate of one page blob: at its limits, lower after each refusal, higher again while requests succeed.

A page blob accepts 500 requests and 60 MiB a second from all clients together, and answers 503 ServerBusy beyond that
(Scalability targets for Blob storage; REST: Blob service error codes). A blob of a premium account takes more, and one
that others use at the same time leaves less. So requests begin at what is documented, and then go by what is refused:
the rate is counted in blobs, as documented, of which they use up the requests or the bytes. Pure functions of values.
"""

import math
from datetime import timedelta
from typing import NamedTuple

from shared.limits import BYTES_PER_SECOND, REQUESTS_PER_SECOND

DOCUMENTED = 0.96
"""The rate to begin at: below 1, as clocks differ and requests arrive unevenly."""

SLOWEST, FASTEST = 0.01, 64.0

SHORTEST_PAUSE = timedelta(seconds=0.125)
LONGEST_PAUSE = timedelta(seconds=30)
_FAILED = 4  # times as long is the pause after a request that failed otherwise than by a limit

_CALM = 0.25  # seconds without a refusal, after which the next one means that the limit was found, not overshot
_FOUND, _OVERSHOT = 0.96, 0.6  # the factor on what was served till then; on the rate, where that is not known
_SHARED = 0.85  # below this, others use the blob too, or it takes less than is documented
_STEADY = 0.03  # added per second to a share of a blob, so that shares become equal
_DOUBLES = 1.5  # seconds in which the rate doubles while a higher limit is looked for
_PATIENCE, _PATIENCE_OF_SHARE, _MOST_PATIENCE = 10.0, 0.5, 60.0  # seconds without a refusal before that is done

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
        rate: blobs, as documented, whose limits requests may use up.
        refused_at: the rate at which the service last refused a request; infinite if it never did.
        pause: how long no request is made after the next refusal.
        calm: seconds of work since the last refusal.
        patience: seconds of it after which to look for a higher limit.
    """

    rate: float = DOCUMENTED
    refused_at: float = math.inf
    pause: timedelta = SHORTEST_PAUSE
    calm: float = 0.0
    patience: float = _PATIENCE


def begun_at(rate: float) -> Pace:
    """Begin at a rate."""
    return Pace(min(max(rate, SLOWEST), FASTEST))


def slowed(pace: Pace, served: float | None = None) -> Pace:
    """Slow down after a refusal: a little if it was calm before; else a lot, and pause twice as long after the next.

    Args:
        pace: the pace.
        served: the rate at which requests succeeded of late; None if that is not known.
    """
    if pace.calm < _CALM or served is None:
        pause = min(2 * pace.pause, LONGEST_PAUSE)
        return Pace(
            max(SLOWEST, _OVERSHOT * pace.rate), min(pace.rate, pace.refused_at), pause, 0.0, _PATIENCE_OF_SHARE
        )
    limit = min(served, pace.rate)
    is_known = _SHARED * pace.refused_at <= limit <= pace.refused_at / _SHARED
    is_documented = _SHARED <= limit <= 1 / _SHARED
    patience = min(2 * pace.patience, _MOST_PATIENCE) if is_known or is_documented else _PATIENCE_OF_SHARE
    rate = min(DOCUMENTED, pace.rate) if is_documented else max(SLOWEST, _FOUND * limit)
    return Pace(rate, limit, SHORTEST_PAUSE, 0.0, patience)


def pause_of(pace: Pace, *, is_busy: bool) -> timedelta:
    """Return how long to make no request after one was refused because the service is busy, or failed otherwise."""
    return min(pace.pause * (1 if is_busy else _FAILED), LONGEST_PAUSE)


def sped_up(pace: Pace, seconds: float) -> Pace:
    """Speed up after a request that used up so many seconds of the blob and succeeded."""
    took = seconds / pace.rate
    calm = pace.calm + took
    if calm > pace.patience:
        rate = pace.rate * 2 ** (took / _DOUBLES)
    elif pace.patience <= _PATIENCE_OF_SHARE:
        rate = pace.rate + _STEADY * took
    else:
        rate = pace.rate
    return pace._replace(rate=min(FASTEST, rate), pause=SHORTEST_PAUSE if calm >= _CALM else pace.pause, calm=calm)


def is_late(age: float, quickest: float) -> bool:
    """Return whether a request takes so long that the service must be queueing it, so that no more should be sent.

    Args:
        age: seconds since it was sent.
        quickest: seconds that the quickest request of its size took.
    """
    return age > _LATE_FACTOR * quickest + _LATE_SECONDS

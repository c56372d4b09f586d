"""How fast the writers of one batch go: the service's refusals slow them all down, and what goes well speeds them up.

A page blob takes 500 requests and 60 MiB a second, whoever makes them, and says 503 ServerBusy to the rest (Scalability
targets for Blob storage; REST: Blob service error codes). Pure functions of values.
"""

from datetime import timedelta
from typing import NamedTuple

SHORTEST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(seconds=30)


class Pace(NamedTuple):
    """A pace.

    Attributes:
        at_once: requests that may be under way at once.
        pause: how long nobody makes a request after a refusal.
        went_well: requests since the pace last changed.
    """

    at_once: int
    pause: timedelta = SHORTEST_PAUSE
    went_well: int = 0


def slowed(pace: Pace) -> Pace:
    """Go half as fast after a refusal, and pause twice as long after the next."""
    return Pace(max(1, pace.at_once // 2), min(2 * pace.pause, LONGEST_PAUSE))


def sped_up(pace: Pace, most: int) -> Pace:
    """Note that a request went well; after two rounds of them, one more may be under way."""
    if pace.went_well + 1 < 2 * pace.at_once:
        return pace._replace(went_well=pace.went_well + 1)
    return Pace(min(most, pace.at_once + 1), max(pace.pause / 2, SHORTEST_PAUSE))

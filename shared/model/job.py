"""How long work under way may go wrong before it ends: one patience for all kinds of it. Pure functions of values."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, Self

from shared.model.texts import Text

PATIENCE = timedelta(days=1)
"""How long every step of a restore, a verify or a drill may go wrong before it fails, and lets its disk go.

Longer than an outage that its owner mends the next morning, and no longer than a disk may go without a backup unseen.
"""

LONGEST_CHECK_DELAY = timedelta(seconds=60)
SHORTEST_CHECK_DELAY = timedelta(seconds=1)

FEWEST_FAILURES = 5
"""How many steps in a row must have gone wrong as well: they may have been a day apart, where a message was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is kept of work that a message steps forward, and that may go wrong on its way.

    Attributes:
        last_error, last_error_at: what went wrong last, and when, UTC; it stays when the work goes on.
        trouble_since, failures: since when every step goes wrong, UTC, and how many have; None while steps go well.
        requested, checked, ended: when it was asked for, last looked at, and ended, UTC.
    """

    last_error: Text = ""
    last_error_at: datetime | None = None
    trouble_since: datetime | None = None
    failures: int = 0
    requested: datetime
    checked: datetime
    ended: datetime | None = None

    @property
    def is_untouched(self) -> bool:
        """Whether nobody has looked at it since it was asked for."""
        return self.ended is None and self.checked == self.requested

    def in_trouble(self, reason: str, now: datetime) -> Self:
        """Note that a step has gone wrong, and why."""
        return replace(
            self,
            trouble_since=self.trouble_since or now,
            failures=self.failures + 1,
            last_error=reason,
            last_error_at=now,
            checked=now,
        )

    def out_of_trouble(self) -> Self:
        """Note that a step has gone well."""
        return replace(self, trouble_since=None, failures=0)

    def is_out_of_patience(self, now: datetime) -> bool:
        """Tell whether every step has gone wrong for so long that the work is to end."""
        is_long = self.trouble_since is not None and is_over(self.trouble_since, now)
        return is_long and self.failures >= FEWEST_FAILURES

    def is_to_be_left(self, now: datetime) -> bool:
        """Tell whether what has ended could not be cleaned up after for so long that it is left as it is."""
        since = self.trouble_since or self.ended
        return since is not None and is_over(since, now)


def out_of_patience(work: Work) -> str:
    """Say why work ends that is out of patience."""
    return f"every step has gone wrong since {work.trouble_since:%Y-%m-%dT%H:%M:%SZ}: {work.last_error}"


def is_over(since: datetime, now: datetime) -> bool:
    """Tell whether patience is over with what has gone wrong since then."""
    return now - since >= PATIENCE


class Watched(Protocol):
    """An open run or restore: its own message looks at it, again and again."""

    @property
    def checked(self) -> datetime:
        """When it was last looked at, UTC."""


def is_unwatched(watched: Watched, now: datetime, after: timedelta) -> bool:
    """Tell whether an open run or restore was not looked at for so long that its message must be taken for lost."""
    return now - watched.checked >= after


def check_delay(since: datetime, now: datetime) -> timedelta:
    """Say when to look again at what is under way: soon at what is young, rarely at what takes long."""
    return min(max((now - since) / 10, SHORTEST_CHECK_DELAY), LONGEST_CHECK_DELAY)

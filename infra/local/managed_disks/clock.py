"""The clock by which rates are counted and SASs expire; a test can move it on."""

from datetime import UTC, datetime, timedelta


class Clock:
    """The time, and what a test has added to it."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        """Return the time (UTC)."""
        return datetime.now(UTC) + self._ahead

    def advance(self, by: timedelta) -> None:
        """Move the clock on."""
        self._ahead += by

    def reset(self) -> None:
        """Go by the machine's clock again."""
        self._ahead = timedelta()

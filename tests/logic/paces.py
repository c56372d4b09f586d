"""A pace whose clock advances only during sleeps, and errors of the service."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from azure.core.exceptions import HttpResponseError

from shared.pages.paced import Paced

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Clock:
    """The services that a pace needs: a clock that advances only during sleeps."""

    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> datetime:
        return self.time

    async def sleep(self, duration: timedelta) -> None:
        self.time += duration

    @property
    def seconds(self) -> float:
        return (self.time - NOON).total_seconds()


def refused(status: int, code: str = "CannotVerifyCopySource") -> HttpResponseError:
    error = HttpResponseError(code)
    error.status_code, error.error_code = status, code  # type: ignore[attr-defined]
    return error


def paced(clock: Clock, most: int = 8, **options: Any) -> Paced:
    services: Any = SimpleNamespace(now=clock.now, sleep=clock.sleep)
    return Paced(services, most, **options)

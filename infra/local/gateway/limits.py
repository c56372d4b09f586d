"""Limits per blob and second that tests can set: beyond them the answer is 503 ServerBusy."""

import time
from collections import deque
from dataclasses import dataclass, field

from .faults import Fault
from .operations import Request
from .ranges import requested_range

_A_SECOND = 1.0
_MOVE_NOTHING = ("Clear Pages", "Get Page Ranges")
_BUSY = Fault(refuse=(503, "ServerBusy", "Operations per second is over the account limit."))


@dataclass(slots=True)
class Limit:
    """The limit of one blob, for all clients together (Scalability targets for Blob storage).

    Attributes:
        requests: the most requests in any second.
        length: the most bytes that these may read or write.
    """

    requests: int
    length: int
    _taken: deque[tuple[float, int]] = field(default_factory=deque)

    def takes(self, request: Request, now: float) -> bool:
        """Count a request if it is within the limit; return whether it is.

        Args:
            request: the request.
            now: the time in seconds, by any clock.
        """
        while self._taken and self._taken[0][0] <= now - _A_SECOND:
            self._taken.popleft()
        length = _length(request)
        is_beyond = len(self._taken) >= self.requests or length + sum(each for _, each in self._taken) > self.length
        if not is_beyond:
            self._taken.append((now, length))
        return not is_beyond


class Limits:
    """The limits that are set, by blob path."""

    def __init__(self) -> None:
        self._limits: dict[str, Limit] = {}

    def set(self, path: str, *, requests: int, length: int) -> None:
        """Limit the blob at a decoded path, "/account/container/blob"."""
        self._limits[path] = Limit(requests, length)

    def clear(self) -> None:
        """End all limits."""
        self._limits.clear()

    def strike(self, request: Request) -> Fault | None:
        """Return the fault for a request beyond its blob's limit; None for one within."""
        limit = self._limits.get(request.path)
        return None if limit is None or limit.takes(request, time.monotonic()) else _BUSY


def _length(request: Request) -> int:
    """Return how many bytes a request reads or writes; a clear and a list move none, however long their range."""
    start, end = requested_range(request.headers) or (0, None)
    return 0 if end is None or request.operation in _MOVE_NOTHING else end - start

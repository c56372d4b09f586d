"""Operations that go on after their request was answered (Azure Resource Manager, "Track asynchronous operations").

The addresses and answers are those that azure-cli recorded (test_snapshot_access): Azure-AsyncOperation gives the
status, with the result in `properties.output`; Location gives 202 until the result itself.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .clock import Clock
from .progress import Progress
from .shapes import written
from .store import new_id

Output = Callable[[], dict[str, Any] | None]
"""Gives the result of an operation that has succeeded; None if it has none."""


@dataclass(eq=False, slots=True)
class Operation:
    """An operation under way.

    Attributes:
        id: its id.
        scope: the id of its subscription, "/subscriptions/…".
        location: its region.
        started: when it began (UTC).
        progress: how far it is.
        output: gives its result.
        ended: when it was first seen to have ended (UTC).
    """

    scope: str
    location: str
    started: datetime
    progress: Progress
    output: Output
    id: str = field(default_factory=new_id)
    ended: datetime | None = None

    def path(self, api_version: str) -> str:
        """Return the path and query at which its status is."""
        where = f"{self.scope}/providers/Microsoft.Compute/locations/{self.location}/DiskOperations/{self.id}"
        return f"{where}?p={self.id}&api-version={api_version}"

    def status(self, clock: Clock) -> dict[str, Any]:
        """Look at it; return its status."""
        started = {"startTime": written(self.started)}
        if not self.progress.look():
            return {**started, "status": "InProgress", "name": self.id}
        self.ended = self.ended or clock.now()
        ended = {**started, "endTime": written(self.ended)}
        if self.progress.failure:
            return {**ended, "status": "Failed", "error": self.progress.failure.error, "name": self.id}
        output = self.output()
        result = {} if output is None else {"properties": {"output": output}}
        return {**ended, "status": "Succeeded", **result, "name": self.id}


class Operations:
    """All operations, by id."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._operations: dict[str, Operation] = {}

    def begin(self, subscription: str, location: str, progress: Progress, output: Output) -> Operation:
        """Note an operation."""
        begun = Operation(f"/subscriptions/{subscription}", location, self._clock.now(), progress, output)
        self._operations[begun.id] = begun
        return begun

    def get(self, wanted: str) -> Operation | None:
        """Return an operation; None if there is none of this id."""
        return self._operations.get(wanted)

    def release(self) -> None:
        """End all that are under way."""
        for operation in list(self._operations.values()):
            operation.progress.release()

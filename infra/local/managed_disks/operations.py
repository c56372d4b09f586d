"""Operations that go on after their request was answered (Azure Resource Manager, "Track asynchronous operations").

The addresses and answers are those that azure-cli recorded (test_snapshot_access, test_vm_disk_upload):
Azure-AsyncOperation gives the status, with the result in `properties.output`; Location the result itself. That it gives
202 before is what the resource manager documents.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .clock import Clock
from .progress import Progress
from .shapes import written
from .store import new_id

_PARTITION = new_id()
# Of the recorded lengths: a time, a certificate, a signature and a hash.
_SIGNATURE = f"&t=638348572813941099&c={'MIIHHjCC' * 311}&s={'X5E4RfIb' * 43}&h={'Z9QQEra9' * 5}iaE"

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

    def target(self, api_version: str, *, is_monitor: bool = False) -> str:
        """Return the path and query at which its status is or, for the Location, its result: signed, and long."""
        where = f"{self.scope}/providers/Microsoft.Compute/locations/{self.location}/DiskOperations/{self.id}"
        monitor = "&monitor=true" if is_monitor else ""
        return f"{where}?p={_PARTITION}{monitor}&api-version={api_version}{_SIGNATURE}"

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

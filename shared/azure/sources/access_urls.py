"""Access to snapshots of managed disks: URLs that read one snapshot. They are secrets, and kept in memory only.

To be granted access takes seconds, and a family of snapshots has room for five at a time, so the URL is kept for the
process, as tokens are.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from shared.azure.resource_manager import ResourceManager
from shared.errors import SourceGoneError
from shared.limits import MAX_ACCESS

_ENDS_BEFORE = timedelta(minutes=5)
"""How long before its end a URL is used no more."""


class AccessBusyError(HttpResponseError):
    """Access is refused for now: other tools have as much of it as there is. Waiting helps, as with a busy service."""

    def __init__(self, resource: str) -> None:
        super().__init__(
            f"no access to the snapshot {resource} for now: Azure allows it to five snapshots of a disk at once,"
            " whoever has it. What to do: nothing, if other tools are done with theirs soon; Tidemark needs two"
        )
        self.status_code = HTTPStatus.TOO_MANY_REQUESTS


class AccessUrls:
    """The URLs that a process has."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._urls: dict[tuple[str, str], tuple[str, float]] = {}

    async def get(self, manager: ResourceManager, resource: str, lifetime: timedelta, *, fresh: bool = False) -> str:
        """Give the URL that reads a snapshot, and will for so long (REST: Snapshots, Grant Access).

        Args:
            manager: asks for it.
            resource: the snapshot's resource ID.
            lifetime: how long it must be valid, if it is not longer than the service allows.
            fresh: whether the last one was refused.

        Raises:
            AccessBusyError: there is none for now.
            SourceGoneError: the snapshot no longer exists.
        """
        key, seconds = (manager.url, resource), min(lifetime, MAX_ACCESS).total_seconds()
        url, ends = self._urls.get(key, ("", 0.0))
        if url and not fresh and self._now() < ends - _ENDS_BEFORE.total_seconds():
            return url
        asked = {"access": "Read", "durationInSeconds": int(seconds)}
        try:
            answer = await manager.act(f"{resource}/beginGetAccess", asked)
        except ResourceNotFoundError as error:
            raise SourceGoneError(f"the snapshot {resource} no longer exists") from error
        except HttpResponseError as error:
            if error.status_code == HTTPStatus.CONFLICT:
                raise AccessBusyError(resource) from error
            raise
        granted = str(answer.get("accessSAS") or "")
        self._urls[key] = granted, self._now() + seconds
        return granted

    async def end(self, manager: ResourceManager, resource: str) -> None:
        """End the access to a snapshot, if there is any; else it can't be deleted (REST: Snapshots, Revoke Access)."""
        self._urls.pop((manager.url, resource), None)
        try:
            await manager.act(f"{resource}/endGetAccess")
        except ResourceNotFoundError:
            return


OF_PROCESS = AccessUrls()

"""Access to snapshots of managed disks: URLs that read one snapshot. They are secrets, and kept in memory only.

To be granted access takes seconds, and a family of snapshots has room for five at a time, so the URL is kept for the
process, as tokens are.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError, ServiceResponseError

from shared.azure.answers import explain
from shared.azure.resource_manager import ResourceManager
from shared.errors import SourceGoneError
from shared.limits import MAX_ACCESS

_GIVEN_FOR = timedelta(hours=3, minutes=55)
"""How long after it was granted a URL is given again: so much less than what is asked may be left of its life."""


class AccessUrls:
    """The URLs that read snapshots, as a process has them."""

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
            HttpResponseError: among others, there is none for now; waiting helps, as with a busy service.
            SourceGoneError: the snapshot no longer exists.
        """
        key, seconds = (manager.url, resource), min(lifetime, MAX_ACCESS).total_seconds()
        url, ends = self._urls.get(key, ("", 0.0))
        if url and not fresh and ends - self._now() > seconds - _GIVEN_FOR.total_seconds():
            return url
        asked = {"access": "Read", "durationInSeconds": int(seconds)}
        try:
            answer = await manager.act(f"{resource}/beginGetAccess", asked)
        except ResourceNotFoundError as error:
            raise SourceGoneError(f"the snapshot {resource} no longer exists") from error
        except HttpResponseError as error:
            if error.status_code == HTTPStatus.CONFLICT:
                raise _busy(resource, error) from error
            raise
        granted = answer.get("accessSAS")
        if not granted:
            raise ServiceResponseError(f"Azure gave access to the snapshot {resource}, but no URL")
        self._urls[key] = str(granted), self._now() + seconds
        return str(granted)

    async def end(self, manager: ResourceManager, resource: str) -> None:
        """End the access to a snapshot, if there is any; else it can't be deleted (REST: Snapshots, Revoke Access)."""
        self._urls.pop((manager.url, resource), None)
        try:
            await manager.act(f"{resource}/endGetAccess")
        except ResourceNotFoundError:
            return


def _busy(resource: str, refused: HttpResponseError) -> HttpResponseError:
    """Make the error for access that is refused for now, most often as other tools have as much as there is."""
    error = HttpResponseError(
        f"no access to the snapshot {resource} for now: {explain(refused).rstrip('.')}. What to do: nothing, if it"
        " passes: Azure allows access to five snapshots of a disk at once, and to five private ones by one disk access,"
        " whoever has it, and Tidemark needs two"
    )
    error.status_code = HTTPStatus.TOO_MANY_REQUESTS
    return error

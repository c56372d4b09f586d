"""The managed disks and snapshots that a run makes, each with the run's name and tag."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from azure.core import AsyncPipelineClient
from azure.core.pipeline.policies import (
    AsyncBearerTokenCredentialPolicy,
    AsyncHTTPPolicy,
    AsyncRetryPolicy,
    CustomHookPolicy,
    SansIOHTTPPolicy,
)

from infra.local.disks.vhd import make_footer
from shared.azure.app_identity import AppIdentity
from shared.azure.resource_manager import Client, ResourceManager
from shared.limits import FOOTER
from tests.conformance.real.managed.place import BLOCK, SKU, DiskPlace, DiskScale
from tests.conformance.real.managed.urls import Opened, require_good
from tests.conformance.real.verdicts import NotSettledError

TAG = "tidemark-run"
"""The tag of all disks and snapshots of a run; its value is the run's name."""

_ACCESS_SECONDS = 7200
_COMPLETE = 100.0
_SKU = {"name": SKU}
_OPEN_TO_ALL = {"networkAccessPolicy": "AllowAll", "publicNetworkAccess": "Enabled"}
_CREATED = 1_767_225_600  # Unix time in the footers that are uploaded (2026-01-01, UTC)


@dataclass(slots=True)
class ManagedGround:
    """The managed disks of an open run. A disk or a snapshot is named by its resource ID.

    Attributes:
        run: the run's name.
        place: where they are made.
        manager: Azure Resource Manager.
        http: reaches the URLs that are granted.
        scale: how large the probes are.
        made: what was asked to be made so far, whether it was or not.
    """

    run: str
    place: DiskPlace
    manager: ResourceManager
    http: Client
    scale: DiskScale
    made: list[str]
    _shared: dict[str, str] = field(default_factory=dict)
    _opened: dict[str, Opened] = field(default_factory=dict)

    async def empty(self, what: str, gib: int = 0, network: Mapping[str, str] | None = None) -> str:
        """Make an empty disk, or have it grow (REST: Disks, Create Or Update)."""
        asked = {"creationData": {"createOption": "Empty"}, "diskSizeGB": gib or self.scale.gib, **(network or {})}
        return await self._make("disks", what, {"sku": _SKU, "properties": asked})

    async def upload(self, what: str, size: int) -> str:
        """Make a disk that waits for an upload of so many bytes and a footer."""
        creation = {"createOption": "Upload", "uploadSizeBytes": size + FOOTER}
        return await self._make("disks", what, {"sku": _SKU, "properties": {"creationData": creation}})

    async def snapshot(self, what: str, disk: str, *, is_open: bool = True) -> str:
        """Take an incremental snapshot of a disk, with the network policy that the app asks for, or with none."""
        creation = {"createOption": "Copy", "sourceResourceId": disk}
        asked = {"creationData": creation, "incremental": True, **(_OPEN_TO_ALL if is_open else {})}
        return await self._make("snapshots", what, {"properties": asked})

    async def properties(self, path: str) -> dict[str, Any]:
        """Read the properties of a disk or a snapshot; {} if there is none."""
        found = await self.manager.find(path)
        return dict(found["properties"]) if found else {}

    async def grant(self, path: str, access: str = "Read") -> Opened:
        """Have access granted (REST: Snapshots or Disks, Grant Access).

        Raises:
            HttpResponseError: it is refused.
        """
        asked = {"access": access, "durationInSeconds": _ACCESS_SECONDS}
        granted = await self.manager.act(f"{path}/beginGetAccess", asked)
        return Opened(self.http, str(granted["accessSAS"]))

    async def end(self, path: str) -> None:
        """End all access to a disk or a snapshot (REST: Revoke Access)."""
        await self.manager.act(f"{path}/endGetAccess")

    async def opened(self, path: str) -> Opened:
        """Give the URL of a snapshot, which all probes share."""
        if path not in self._opened:
            self._opened[path] = await self.grant(path)
        return self._opened[path]

    async def uploaded(self, number: int = 1) -> str:
        """Give the first, or a later, snapshot of the disk that is uploaded once for all probes: single blocks."""
        what = f"uploaded-{number}"
        if what not in self._shared:
            if "uploaded" not in self._shared:
                self._shared["uploaded"] = await self._upload_fragments()
            self._shared[what] = await self.snapshot(what, self._shared["uploaded"])
        return self._shared[what]

    async def wait(self, condition: Callable[[], Awaitable[bool]]) -> bool:
        """Wait for a condition; tell whether it came about in time."""
        return await waited(condition, self.scale.wait_seconds, self.scale.poll_seconds)

    async def _upload_fragments(self) -> str:
        disk = await self.upload("uploaded", self.scale.size)
        url, turns = await self.grant(disk, "Write"), asyncio.Semaphore(self.scale.at_once)

        async def put(start: int, content: bytes) -> None:
            async with turns:
                require_good(await url.write(start, content))

        async with asyncio.TaskGroup() as writing:
            for number in range(self.scale.fragments):
                writing.create_task(put(number * self.scale.apart, block(number)))
            writing.create_task(put(self.scale.size, footer(self.scale.size)))
        await self.end(disk)
        return disk

    async def _make(self, kind: str, what: str, body: dict[str, Any]) -> str:
        path = f"{self.place.group.compute}/{kind}/{self.run}-{what}"
        self.made.append(path)
        await self.manager.put(path, {"location": self.place.region, "tags": {TAG: self.run}, **body})

        async def is_there() -> bool:
            found = await self.properties(path)
            is_copied = float(found.get("completionPercent", _COMPLETE)) >= _COMPLETE
            return found.get("provisioningState") == "Succeeded" and is_copied

        if not await self.wait(is_there):
            raise NotSettledError(f"{what} was not ready within {self.scale.wait_seconds:g} s")
        return path


@contextlib.asynccontextmanager
async def open_disks(
    run: str, place: DiskPlace, scale: DiskScale, made: list[str], hooks: tuple[dict[str, Any], dict[str, Any]]
) -> AsyncIterator[ManagedGround]:
    """Open the clients of a run.

    Args:
        run: the run's name.
        place: where the disks are made.
        scale: how large the probes are.
        made: is told each disk and snapshot before it is made.
        hooks: hear the requests to Azure Resource Manager, and those to URLs that were granted.
    """
    arm, storage = hooks
    async with open_manager(place, arm) as manager:
        policies: list[AsyncHTTPPolicy[Any, Any] | SansIOHTTPPolicy[Any, Any]]
        policies = [AsyncRetryPolicy(retry_total=3), CustomHookPolicy(**storage)]
        async with AsyncPipelineClient[Any, Any](base_url="", policies=policies, **place.options) as http:
            yield ManagedGround(run, place, manager, http, scale, made)


@contextlib.asynccontextmanager
async def open_manager(place: DiskPlace, hooks: dict[str, Any] | None = None) -> AsyncIterator[ResourceManager]:
    """Open a client of Azure Resource Manager, by the identity."""
    credential = place.credential or AppIdentity(None)
    policies: list[AsyncHTTPPolicy[Any, Any] | SansIOHTTPPolicy[Any, Any]] = [
        AsyncRetryPolicy(retry_total=4),
        AsyncBearerTokenCredentialPolicy(credential, f"{place.url}/.default"),
        CustomHookPolicy(**(hooks or {})),
    ]
    async with AsyncPipelineClient[Any, Any](base_url=place.url, policies=policies, **place.options) as client:

        async def opened() -> Client:
            return client

        yield ResourceManager(opened, place.url)


async def waited(condition: Callable[[], Awaitable[bool]], seconds: float, every: float) -> bool:
    """Wait for a condition; tell whether it came about in time."""
    for _ in range(max(1, int(seconds / every))):
        if await condition():
            return True
        await asyncio.sleep(every)
    return False


def block(number: int) -> bytes:
    """Make the content of a block of the disk that is uploaded: 4 KiB, unlike those beside it, and never zeros."""
    return bytes([number % 251 + 1]) * BLOCK


def footer(size: int) -> bytes:
    """Make the footer of a VHD of so many bytes."""
    return make_footer(size, uuid.uuid5(uuid.NAMESPACE_OID, str(size)), _CREATED)

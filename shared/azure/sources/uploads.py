"""Uploads into new managed disks: how a restore makes one (Upload a VHD to Azure).

A disk is made for the upload, then written to by a URL, and is usable once the access by that URL has ended. The URL is
a secret and kept in memory only. It takes no lease and no condition, so nothing is ever uploaded into a disk twice:
whoever starts over deletes the disk, which ends the URL with it, and makes another one.
"""

import asyncio
import contextlib
from collections.abc import MutableMapping
from datetime import timedelta
from http import HTTPStatus
from typing import Protocol

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError, ServiceResponseError
from azure.core.rest import HttpRequest

from shared.azure.answers import error_code, explain, refuses_source
from shared.azure.blobs.refusals import page_copy_errors
from shared.azure.connections import PACED, Connections
from shared.azure.resource_manager import ResourceManager
from shared.azure.sources.disk_shapes import disk_to_upload, found_disk
from shared.changes.ranges import Change
from shared.errors import UploadLostError
from shared.model.disk import ManagedDisk
from shared.model.disk_ids import DiskId
from shared.model.disk_profile import DiskProfile
from shared.model.upload import FoundDisk

_UPLOADS_FOR = timedelta(days=7)
"""How long a URL is asked for: a second request may give the same URL, no longer valid than the first.

8 TiB take 40 hours at 60 MiB/s, and twice that through the function. It is ended as soon as all is written.
"""

_NO_PLACE = frozenset({"ResourceGroupNotFound", "SubscriptionNotFound"})
"""The codes of Azure Resource Manager where not just the disk is missing, but what it would be in."""

type UploadUrls = MutableMapping[tuple[str, str, str], str]
"""The URLs that write to disks, as a process has them: by resource manager, resource ID and unique ID."""


class Uploads(Protocol):
    """Access to the managed disks that restores make. A disk is named with its unique ID once it has one."""

    async def find(self, disk_id: DiskId) -> FoundDisk | None:
        """Get the disk that has an ID; None if there is none."""
        ...

    async def require_permitted(self, disk_id: DiskId) -> None:
        """Require that the app may make a disk of this ID, as far as that can be told without making one.

        Raises:
            HttpResponseError: it may not.
        """
        ...

    async def create(self, disk_id: DiskId, size: int, profile: DiskProfile, mark: str) -> None:
        """Have a disk made for an upload of so many bytes, footer included; to ask again is harmless.

        It may take a while until `find` gives its unique ID.

        Raises:
            UploadLostError: another disk has this ID by now; it is left as it is.
        """
        ...

    async def put_from_url(self, disk: ManagedDisk, piece: Change, source_url: str) -> None:
        """Have the service copy at most 4 MiB into a disk (REST: Put Page From URL).

        Raises:
            SourceUnreachableError: the service can't copy from this source.
            UploadLostError: no URL is to be had that writes to the disk.
        """
        ...

    async def write(self, disk: ManagedDisk, piece: Change, content: bytes) -> None:
        """Write at most 4 MiB into a disk (REST: Put Page).

        Raises:
            UploadLostError: no URL is to be had that writes to the disk.
        """
        ...

    async def finish(self, disk: ManagedDisk) -> None:
        """End the upload into a disk: from then on it can be used, and not be uploaded into again.

        Raises:
            HttpResponseError: what was uploaded is no disk, among others.
        """
        ...

    async def discard(self, disk: ManagedDisk) -> None:
        """End the access to a disk, and delete it, if it exists; another one of its ID is left alone.

        Raises:
            AzureError: it is not deleted yet, or can't be.
        """
        ...


class ManagedUploads(Uploads):
    """Uploads by Azure Resource Manager."""

    def __init__(
        self,
        connections: Connections,
        manager: ResourceManager,
        storage_api_version: str,
        urls: UploadUrls,
    ) -> None:
        """Take what is needed.

        Args:
            connections: the connections.
            manager: makes and deletes disks, and gives the URLs.
            storage_api_version: the version of the requests that write.
            urls: the URLs that the process has.
        """
        self._connections, self._manager, self._version, self._urls = connections, manager, storage_api_version, urls
        self._asking = asyncio.Lock()

    async def find(self, disk_id: DiskId) -> FoundDisk | None:
        """Get the disk that has an ID (REST: Disks, Get)."""
        found = await self._manager.find(disk_id.url)
        return found_disk(found) if found else None

    async def require_permitted(self, disk_id: DiskId) -> None:
        """Require the role, by ending an access that there is not: Azure looks at the role first.

        Raises:
            HttpResponseError: the role is missing, or the resource group.
        """
        try:
            await self._manager.act(f"{disk_id.url}/endGetAccess")
        except ResourceNotFoundError as error:
            if error_code(error) in _NO_PLACE:
                raise

    async def create(self, disk_id: DiskId, size: int, profile: DiskProfile, mark: str) -> None:
        """Have a disk made for an upload (REST: Disks, Create Or Update).

        That would change a disk that is there, and Azure takes no condition. So whether there is one is looked at right
        before: the caller may have hung since it did.
        """
        found = await self.find(disk_id)
        if found is None:
            await self._manager.put(disk_id.url, disk_to_upload(size, profile, mark))
        elif found.mark != mark:
            raise UploadLostError(f"another disk has the ID {disk_id} by now")

    async def put_from_url(self, disk: ManagedDisk, piece: Change, source_url: str) -> None:
        """Have the service copy into a disk (REST: Put Page From URL)."""
        at = f"bytes={piece.start}-{piece.end - 1}"
        with page_copy_errors():
            await self._put(disk, {"x-ms-range": at, "x-ms-source-range": at, "x-ms-copy-source": source_url})

    async def write(self, disk: ManagedDisk, piece: Change, content: bytes) -> None:
        """Write into a disk (REST: Put Page)."""
        await self._put(disk, {"x-ms-range": f"bytes={piece.start}-{piece.end - 1}"}, content)

    async def finish(self, disk: ManagedDisk) -> None:
        """End the upload into a disk (REST: Disks, Revoke Access)."""
        await self._manager.act(f"{disk.id.url}/endGetAccess")
        self._urls.pop(self._key(disk), None)

    async def discard(self, disk: ManagedDisk) -> None:
        """Delete a disk: first the access to it must end, however that ends its upload (REST: Disks, Delete).

        Azure takes no condition. So whose disk it is is looked at right before: somebody may have been faster.
        """
        if not await self._is_there(disk):
            return
        with contextlib.suppress(HttpResponseError):
            await self.finish(disk)
        if await self._is_there(disk):
            await self._manager.delete(disk.id.url, until_gone=True)

    async def _is_there(self, disk: ManagedDisk) -> bool:
        found = await self.find(disk.id)
        if found and found.unique_id and not disk.unique_id:
            raise ServiceResponseError(f"{disk.id} has just been made, so that it must be looked at again")
        return found is not None and found.unique_id == disk.unique_id

    async def _put(self, disk: ManagedDisk, headers: dict[str, str], content: bytes = b"") -> None:
        url = await self._url(disk)
        try:
            await self._send(url, headers, content)
        except HttpResponseError as error:
            if error.status_code != HTTPStatus.FORBIDDEN or refuses_source(error):
                raise
            renewed = await self._url(disk, refused=url)
            if renewed == url:
                raise UploadLostError(f"the access that writes to {disk.id} was ended: {explain(error)}") from None
            await self._send(renewed, headers, content)

    async def _send(self, url: str, headers: dict[str, str], content: bytes) -> None:
        own = {"x-ms-version": self._version, "x-ms-page-write": "update", "Content-Length": str(len(content))}
        # The URL is used as it was given: to parse it and put it together again may break its signature.
        request = HttpRequest("PUT", f"{url}&comp=page", headers={**own, **headers}, content=content)
        answer = await (await self._connections.http()).send_request(request, **PACED)
        if answer.status_code != HTTPStatus.CREATED:
            refused = HttpResponseError("can't write to a disk that is uploaded", response=answer)
            refused.error_code = answer.headers.get("x-ms-error-code", "")  # type: ignore[attr-defined]  # as the SDK
            raise refused

    async def _url(self, disk: ManagedDisk, *, refused: str = "") -> str:
        """Give the URL that writes to a disk (REST: Disks, Grant Access).

        Args:
            disk: the disk.
            refused: the URL that was refused.

        Raises:
            UploadLostError: there is access already, by a URL that another process has; or the upload has ended; or
                another disk has the ID.
        """
        async with self._asking:
            known = self._urls.get(self._key(disk), "")
            if known and known != refused:
                return known
            asked = {"access": "Write", "durationInSeconds": int(_UPLOADS_FOR.total_seconds())}
            try:
                answer = await self._manager.act(f"{disk.id.url}/beginGetAccess", asked)
            except ResourceNotFoundError:
                raise UploadLostError(f"{disk.id} no longer exists") from None
            except HttpResponseError as error:
                if error.status_code != HTTPStatus.CONFLICT:
                    raise
                raise UploadLostError(f"no access that writes to {disk.id} is to be had: {explain(error)}") from None
            url = str(answer.get("accessSAS") or "")
            if not url:
                raise UploadLostError(f"Azure gave access that writes to {disk.id}, but no URL")
            # It was asked for by the ID, which by now another disk may have, of another restore even.
            if not await self._is_there(disk):
                raise UploadLostError(f"another disk has the ID {disk.id} by now")
            self._urls[self._key(disk)] = url
            return url

    def _key(self, disk: ManagedDisk) -> tuple[str, str, str]:
        return self._manager.url, disk.id.url, disk.unique_id

"""Blobs that are copied to: looked at, emptied and deleted."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobProperties, BlobType
from azure.storage.blob.aio import BlobClient

from shared.azure.answers import error_code, explain
from shared.azure.connections import Connections
from shared.errors import NotAsLeftError, TargetLeasedError
from shared.model.addresses import BlobAddress
from shared.model.names import COPY_METADATA, COPY_SUCCESS

_ATTACHED = frozenset({"SystemInUse", "LeaseAlreadyPresent", "LeaseIsBreakingAndCannotBeAcquired"})


@dataclass(frozen=True, slots=True)
class CopyTarget:
    """A blob that is copied to, as it stands.

    Attributes:
        size: bytes.
        etag: its ETag.
        is_page_blob: whether it is a page blob.
        leased: whether it is under a lease, whosever it is.
        metadata: its metadata.
        copy_status: `pending`, `success`, `aborted` or `failed`; empty where it was never copied to.
        copy_said: what the service says of a copy that did not succeed.
        bytes_done, bytes_total: how far the copy is.
    """

    size: int
    etag: str
    is_page_blob: bool
    leased: bool
    metadata: Mapping[str, str]
    copy_status: str
    copy_said: str
    bytes_done: int
    bytes_total: int

    def is_marked(self, mark: str) -> bool:
        """Tell whether its copy, be it done or not, is the one with this mark."""
        return self.metadata.get(COPY_METADATA) == mark

    def has_succeeded(self, mark: str, size: int) -> bool:
        """Tell whether the copy with this mark has succeeded; once its source is forgotten, no status says so."""
        return self.is_marked(mark) and self.copy_status in {COPY_SUCCESS, ""} and self.size == size


class Targets:
    """Access to blobs that are copied to."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def look(self, blob: BlobAddress) -> CopyTarget | None:
        """Look at a blob and at the copy to it (REST: Get Blob Properties); None where there is none.

        Raises:
            TargetLeasedError: it is a premium disk that is attached to a VM.
        """
        client = await self._client(blob)
        try:
            return _as_target(await client.get_blob_properties())
        except ResourceNotFoundError:
            return None
        except ResourceExistsError as error:
            raise attached(blob, error) from error

    async def empty(self, blob: BlobAddress, found: CopyTarget, lease_id: str | None = None) -> str:
        """Cut off all pages of a blob that has no snapshots, as long as it is as it was found; give its ETag then.

        One request, whatever its length (REST: Set Blob Properties, `x-ms-blob-content-length`). Pages that go so soft
        delete does not keep, as it does those of a blob that is deleted or copied over. Where it is refused, the ETag
        is the one that was found: what is to be done next on its condition is refused as well, or goes on.
        """
        client = await self._client(blob)
        if not found.size or await self._has_snapshots(blob):
            return found.etag
        try:
            answer = await client.resize_blob(
                0, etag=found.etag, match_condition=MatchConditions.IfNotModified, lease=lease_id
            )
        except HttpResponseError as error:
            if error.status_code is None or error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            if error.status_code != HTTPStatus.PRECONDITION_FAILED:
                return found.etag
            now = await self.look(blob)  # the request may have been sent twice, and refused the second time
            is_done = now is not None and (now.size, now.copy_status, now.metadata) == (0, "", found.metadata)
            return now.etag if now and is_done else found.etag
        return str(answer["etag"])

    async def _has_snapshots(self, blob: BlobAddress) -> bool:
        service = await self._connections.blob_service(blob.service_url, blob.account)
        listed = service.get_container_client(blob.container).list_blobs(blob.blob, include=["snapshots"])
        return any([found.name == blob.blob and bool(found.snapshot) async for found in listed])

    async def delete(self, blob: BlobAddress, etag: str, lease_id: str | None = None) -> None:
        """Delete a blob that has no snapshots, as long as it has this ETag; one that is gone is fine.

        Raises:
            NotAsLeftError: it has another ETag or lease by now, or has snapshots.
        """
        client = await self._client(blob)
        leased: dict[str, Any] = {"lease": lease_id} if lease_id else {}
        try:
            await client.delete_blob(etag=etag, match_condition=MatchConditions.IfNotModified, **leased)
        except ResourceNotFoundError:
            return
        except HttpResponseError as error:
            if error.status_code == HTTPStatus.PRECONDITION_FAILED and not await client.exists():
                return  # a condition on what is gone is refused, too
            if error.status_code in {HTTPStatus.PRECONDITION_FAILED, HTTPStatus.CONFLICT}:
                raise NotAsLeftError(f"{blob.url} is left as it is: {explain(error)}") from error
            raise

    async def _client(self, blob: BlobAddress) -> BlobClient:
        service = await self._connections.blob_service(blob.service_url, blob.account)
        return service.get_blob_client(blob.container, blob.blob)


def _as_target(found: BlobProperties) -> CopyTarget:
    done, _, total = str(found.copy.progress or "0/0").partition("/")
    return CopyTarget(
        size=found.size,
        etag=str(found.etag),
        is_page_blob=found.blob_type == BlobType.PAGEBLOB,
        leased=found.lease.state in {"leased", "breaking"},
        metadata=found.metadata or {},
        copy_status=found.copy.status or "",
        copy_said=found.copy.status_description or "",
        bytes_done=int(done),
        bytes_total=int(total),
    )


def attached(blob: BlobAddress, error: ResourceExistsError) -> Exception:
    """Tell apart a disk that is in use.

    Raises:
        ResourceExistsError: it is something else.
    """
    if error_code(error) not in _ATTACHED:
        raise error
    return TargetLeasedError(blob.url, error_code(error))

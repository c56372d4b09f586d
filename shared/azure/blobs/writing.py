"""Writing page blobs, backup blobs and restored disks alike: create, resize, write, clear, empty, delete."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from shared.azure.answers import explain
from shared.azure.blobs.reading import blob_state
from shared.azure.blobs.refusals import change_errors, page_copy_errors
from shared.azure.blobs.snapshots import listed_snapshots
from shared.azure.connections import NOT_RETRIED, PACED, Connections
from shared.changes.ranges import Change
from shared.errors import BlobChangedError
from shared.model.addresses import BlobAddress
from shared.model.blob import BlobState


class BlobWriter:
    """Write access to blobs. Every page write carries the lease id of its run or restore."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def create(self, blob: BlobAddress, size: int, metadata: Mapping[str, str]) -> str:
        """Create an empty page blob if there is none (REST: Put Blob); give its ETag.

        Raises:
            BlobChangedError: there is one by now.
        """
        client = await self._connections.blob(blob)
        try:
            made = await client.create_page_blob(
                size, metadata=dict(metadata), match_condition=MatchConditions.IfMissing
            )
        except ResourceExistsError as error:
            raise BlobChangedError(f"{blob.url} has just been created by something else: {explain(error)}") from error
        return str(made["etag"])

    async def set_metadata(self, blob: BlobAddress, metadata: Mapping[str, str], etag: str, lease_id: str) -> None:
        """Replace a blob's metadata (REST: Set Blob Metadata), provided that it has this ETag and lease.

        Raises:
            LeaseLostError: it is not under this lease.
            BlobChangedError: it has another ETag, or no longer exists.
        """
        client = await self._connections.blob(blob)
        with change_errors(blob):
            await client.set_blob_metadata(
                dict(metadata), etag=etag, match_condition=MatchConditions.IfNotModified, lease=lease_id
            )

    async def resize(self, blob: BlobAddress, size: int, lease_id: str) -> None:
        """Grow or shrink a blob (REST: Set Blob Properties); new pages read as zeros.

        Raises:
            LeaseLostError: it is not under this lease.
            BlobChangedError: it no longer exists.
        """
        client = await self._connections.blob(blob)
        with change_errors(blob):
            await client.resize_blob(size, lease=lease_id)

    async def put_from_url(self, blob: BlobAddress, piece: Change, source_url: str, lease_id: str) -> None:
        """Have the service copy at most 4 MiB from a source snapshot (REST: Put Page From URL).

        Raises:
            SourceUnreachableError: the service can't copy from this source.
            AzureError: among others, the source is busy, or refuses what it may allow later.
            LeaseLostError: the blob is not under this lease.
            BlobChangedError: it no longer exists.
        """
        at = _range(piece)
        asked = {"x-ms-page-write": "update", "x-ms-range": at, "x-ms-lease-id": lease_id}
        source = {"x-ms-copy-source": source_url, "x-ms-source-range": at}
        tried = await self._connections.direct.put_page(blob, {**asked, **source})
        if tried.body is not None:
            return
        client = await self._connections.blob(blob)
        with change_errors(blob), page_copy_errors():
            await client.upload_pages_from_url(
                source_url, piece.start, piece.length, piece.start, lease=lease_id, **PACED, **tried.rest
            )

    async def write(self, blob: BlobAddress, piece: Change, content: bytes, lease_id: str) -> None:
        """Write at most 4 MiB (REST: Put Page).

        Raises:
            LeaseLostError: the blob is not under this lease.
            BlobChangedError: it no longer exists.
        """
        asked = {"x-ms-page-write": "update", "x-ms-range": _range(piece), "x-ms-lease-id": lease_id}
        tried = await self._connections.direct.put_page(blob, asked, content)
        if tried.body is not None:
            return
        client = await self._connections.blob(blob)
        with change_errors(blob):
            await client.upload_page(content, piece.start, piece.length, lease=lease_id, **PACED, **tried.rest)

    async def clear(self, blob: BlobAddress, piece: Change, lease_id: str) -> None:
        """Clear a range with one request (REST: Put Page, `x-ms-page-write: clear`).

        Raises:
            LeaseLostError: the blob is not under this lease.
            BlobChangedError: it no longer exists.
        """
        asked = {"x-ms-page-write": "clear", "x-ms-range": _range(piece), "x-ms-lease-id": lease_id}
        tried = await self._connections.direct.put_page(blob, asked)
        if tried.body is not None:
            return
        client = await self._connections.blob(blob)
        with change_errors(blob):
            await client.clear_page(piece.start, piece.length, lease=lease_id, **NOT_RETRIED, **tried.rest)

    async def empty(self, blob: BlobAddress, found: BlobState, lease_id: str | None = None) -> str:
        """Resize a blob without snapshots to zero, provided that it has not changed; give its ETag then.

        It takes one request, whatever the blob's size (REST: Set Blob Properties, `x-ms-blob-content-length`). Soft
        delete does not keep pages dropped this way, as it keeps those of a blob that is deleted or copied over. If the
        service refuses, the ETag is the old one, and the next conditional request decides.
        """
        client = await self._connections.blob(blob)
        if not found.size or [taken async for taken in listed_snapshots(self._connections, blob)]:
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
            now = await blob_state(client)  # the SDK may have sent the request twice, and the second was refused
            is_done = now is not None and (now.size, now.copy_status, now.metadata) == (0, "", found.metadata)
            return now.etag if now and is_done else found.etag
        return str(answer["etag"])

    async def delete(self, blob: BlobAddress, etag: str, lease_id: str | None = None) -> None:
        """Delete a blob without snapshots, provided that it has this ETag; it is fine if it no longer exists.

        Raises:
            BlobChangedError: it has another ETag or lease by now, or has snapshots.
        """
        client = await self._connections.blob(blob)
        leased: dict[str, Any] = {"lease": lease_id} if lease_id else {}
        try:
            await client.delete_blob(etag=etag, match_condition=MatchConditions.IfNotModified, **leased)
        except ResourceNotFoundError:
            return
        except HttpResponseError as error:
            if error.status_code == HTTPStatus.PRECONDITION_FAILED and not await client.exists():
                return  # a condition on a blob that no longer exists is refused, too
            if error.status_code in {HTTPStatus.PRECONDITION_FAILED, HTTPStatus.CONFLICT}:
                raise BlobChangedError(f"{blob.url} was not deleted: {explain(error)}") from error
            raise


def _range(piece: Change) -> str:
    return f"bytes={piece.start}-{piece.end - 1}"

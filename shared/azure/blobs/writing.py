"""Writing page blobs, backup blobs and restored disks alike: made, resized, written, emptied and deleted."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from shared.azure.answers import explain
from shared.azure.blobs.reading import look
from shared.azure.blobs.refusals import as_left, copying_pages
from shared.azure.blobs.snapshots import listed_snapshots
from shared.azure.connections import NOT_RETRIED, PACED, Connections
from shared.changes.ranges import Change
from shared.errors import NotAsLeftError
from shared.model.addresses import BlobAddress
from shared.model.blob import BlobState


class BlobWriter:
    """Access to what is written. Every write of pages carries the lease id of the run or restore that it is for."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def create(self, blob: BlobAddress, size: int, metadata: Mapping[str, str]) -> str:
        """Create an empty page blob where there is none (REST: Put Blob); give its ETag.

        Raises:
            NotAsLeftError: there is one by now.
        """
        client = await self._connections.blob(blob)
        try:
            made = await client.create_page_blob(
                size, metadata=dict(metadata), match_condition=MatchConditions.IfMissing
            )
        except ResourceExistsError as error:
            raise NotAsLeftError(f"{blob.url} was not there, and is there now: {explain(error)}") from error
        return str(made["etag"])

    async def resize(self, blob: BlobAddress, size: int, lease_id: str) -> None:
        """Grow or shrink a blob (REST: Set Blob Properties); what is new reads as zeros.

        Raises:
            LeaseLostError: it is not under this lease.
            NotAsLeftError: it is gone.
        """
        client = await self._connections.blob(blob)
        with as_left(blob):
            await client.resize_blob(size, lease=lease_id)

    async def put_from_url(self, blob: BlobAddress, piece: Change, source_url: str, lease_id: str) -> None:
        """Have the service copy at most 4 MiB from a source snapshot (REST: Put Page From URL).

        Raises:
            SourceUnreachableError: the service can't do that with this source.
            AzureError: among others, the source is busy, or refuses what it may allow later.
            LeaseLostError: the blob is not under this lease.
            NotAsLeftError: it is gone.
        """
        client = await self._connections.blob(blob)
        with as_left(blob), copying_pages():
            await client.upload_pages_from_url(
                source_url, piece.start, piece.length, piece.start, lease=lease_id, **PACED
            )

    async def write(self, blob: BlobAddress, piece: Change, content: bytes, lease_id: str) -> None:
        """Write at most 4 MiB (REST: Put Page).

        Raises:
            LeaseLostError: the blob is not under this lease.
            NotAsLeftError: it is gone.
        """
        client = await self._connections.blob(blob)
        with as_left(blob):
            await client.upload_page(content, piece.start, piece.length, lease=lease_id, **PACED)

    async def clear(self, blob: BlobAddress, piece: Change, lease_id: str) -> None:
        """Clear a range with one request (REST: Put Page, `x-ms-page-write: clear`).

        Raises:
            LeaseLostError: the blob is not under this lease.
            NotAsLeftError: it is gone.
        """
        client = await self._connections.blob(blob)
        with as_left(blob):
            await client.clear_page(piece.start, piece.length, lease=lease_id, **NOT_RETRIED)

    async def empty(self, blob: BlobAddress, found: BlobState, lease_id: str | None = None) -> str:
        """Cut off all pages of a blob that has no snapshots, as long as it is as it was found; give its ETag then.

        One request, whatever its length (REST: Set Blob Properties, `x-ms-blob-content-length`). Pages that go so soft
        delete does not keep, as it does those of a blob that is deleted or copied over. Where it is refused, the ETag
        is the one that was found: what is to be done next on its condition is refused as well, or goes on.
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
            now = await look(client)  # the request may have been sent twice, and refused the second time
            is_done = now is not None and (now.size, now.copy_status, now.metadata) == (0, "", found.metadata)
            return now.etag if now and is_done else found.etag
        return str(answer["etag"])

    async def delete(self, blob: BlobAddress, etag: str, lease_id: str | None = None) -> None:
        """Delete a blob that has no snapshots, as long as it has this ETag; one that is gone is fine.

        Raises:
            NotAsLeftError: it has another ETag or lease by now, or has snapshots.
        """
        client = await self._connections.blob(blob)
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

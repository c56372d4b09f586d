"""Server-side copies of whole page blobs: Copy Blob is asynchronous, best effort, and may take days."""

from collections.abc import Mapping
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobProperties, ContentSettings

from shared.azure.answers import error_code
from shared.azure.blobs.refusals import blob_copy_errors, change_errors
from shared.azure.connections import PACED, Connections
from shared.model.addresses import BlobAddress
from shared.model.blob import COPY_PENDING
from shared.model.fitness import sendable


class BlobCopies:
    """Access to Copy Blob, which makes full copies, promoted recovery points and restored disks."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def start(
        self,
        blob: BlobAddress,
        source_url: str,
        metadata: Mapping[str, str],
        *,
        etag: str | None,
        lease_id: str | None = None,
    ) -> None:
        """Start copying a page blob over another (REST: Copy Blob), provided that it has this ETag.

        Args:
            blob: the destination; its snapshots stay.
            source_url: the source; signed, if it is in another account.
            metadata: the copy's metadata, including its mark.
            etag: the destination's ETag as last seen; None if it did not exist.
            lease_id: the infinite lease it is under.

        Raises:
            CopyRefusedError: the service can't read the source; an error that may pass is an AzureError.
            LeaseLostError: the blob is not under this lease.
        """
        conditions: dict[str, Any] = {"match_condition": MatchConditions.IfMissing}
        if etag:
            conditions = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        if lease_id:
            conditions["destination_lease"] = lease_id
        client = await self._connections.blob(blob)
        with blob_copy_errors(blob):
            await client.start_copy_from_url(source_url, metadata=dict(metadata), **conditions, **PACED)

    async def abort(self, blob: BlobAddress, lease_id: str | None = None) -> None:
        """Abort the pending copy to a blob, if there is one (REST: Abort Copy Blob); that leaves the blob empty.

        Raises:
            LeaseLostError: it is under another lease.
        """
        client = await self._connections.blob(blob)
        try:
            copy = (await client.get_blob_properties()).copy
            if copy.status != COPY_PENDING:
                return
            with change_errors(blob):
                await client.abort_copy(str(copy.id), **({"lease": lease_id} if lease_id else {}))
        except ResourceNotFoundError:
            return
        except HttpResponseError as error:
            if error_code(error) != "NoPendingCopyOperation":
                raise

    async def forget_source(self, blob: BlobAddress, etag: str, lease_id: str | None = None) -> str:
        """Erase the source URL from a copy that has succeeded; give the blob's new ETag.

        Otherwise anyone who can read the blob's properties sees the signed URL while the signature is valid. Set Blob
        Properties erases it (REST: Get Blob Properties, `x-ms-copy-source`).

        Raises:
            BlobChangedError: it has another ETag, or is not under this lease.
        """
        client = await self._connections.blob(blob)
        options: dict[str, Any] = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        if lease_id:
            options["lease"] = lease_id
        found = await client.get_blob_properties()
        with change_errors(blob):
            answer = await client.set_http_headers(_settings_of(found), **options)
        return str(answer["etag"])


def _settings_of(found: BlobProperties) -> ContentSettings:
    """Give the properties for a blob to keep: those that can be sent."""
    return ContentSettings(**sendable(vars(found.content_settings)))

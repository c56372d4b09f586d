"""Whole page blobs copied by the service: Copy Blob, which is asynchronous, best effort, and may take days."""

from collections.abc import Mapping
from typing import Any

from azure.core import MatchConditions
from azure.storage.blob import BlobProperties, ContentSettings

from shared.azure.blobs.refusals import as_left, copying_over
from shared.azure.connections import PACED, Connections
from shared.model.addresses import BlobAddress
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
        """Have the service copy a page blob over another (REST: Copy Blob), as long as that has this ETag.

        Args:
            blob: what is copied to; its snapshots stay.
            source_url: what is copied; signed, where it is in another account.
            metadata: what the copy's metadata is to be, its mark among them.
            etag: the ETag of the blob as it was found; None where there was none.
            lease_id: the infinite lease that it is under.

        Raises:
            CopyRefusedError: the service does not read the source; where that may pass, it is an AzureError.
            LeaseLostError: the blob is not under this lease.
        """
        conditions: dict[str, Any] = {"match_condition": MatchConditions.IfMissing}
        if etag:
            conditions = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        if lease_id:
            conditions["destination_lease"] = lease_id
        client = await self._connections.blob(blob)
        with copying_over(blob):
            await client.start_copy_from_url(source_url, metadata=dict(metadata), **conditions, **PACED)

    async def forget_source(self, blob: BlobAddress, etag: str, lease_id: str | None = None) -> str:
        """Have a copy that has succeeded say no more where it is from; give its ETag then.

        Else whoever may look at the blob reads the signed URL, for as long as the signature lives. Set Blob Properties
        ends that (REST: Get Blob Properties, `x-ms-copy-source`).

        Raises:
            NotAsLeftError: it has another ETag, or is not under this lease.
        """
        client = await self._connections.blob(blob)
        options: dict[str, Any] = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        if lease_id:
            options["lease"] = lease_id
        found = await client.get_blob_properties()
        with as_left(blob):
            answer = await client.set_http_headers(_settings_of(found), **options)
        return str(answer["etag"])


def _settings_of(found: BlobProperties) -> ContentSettings:
    """Give the properties that a blob keeps: those that can be sent."""
    return ContentSettings(**sendable(vars(found.content_settings)))

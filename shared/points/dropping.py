"""Deleting blobs that are no longer needed, emptied first: soft delete would otherwise bill a whole disk."""

from shared.azure.services import Services
from shared.model.addresses import BlobAddress
from shared.model.blob import BlobState


async def drop(services: Services, blob: BlobAddress, found: BlobState, lease_id: str | None = None) -> None:
    """Empty and delete a blob if unchanged, so that soft delete retains none of its content. Idempotent.

    Raises:
        BlobChangedError: its ETag or lease has changed, or it has snapshots.
    """
    etag = await services.blobs.empty(blob, found, lease_id)
    await services.blobs.delete(blob, etag, lease_id)

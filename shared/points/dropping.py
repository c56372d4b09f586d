"""What was made and is not wanted any more is deleted, and its pages before it: soft delete would bill a whole disk."""

from shared.azure.services import Services
from shared.model.addresses import BlobAddress
from shared.model.blob import BlobState


async def drop(services: Services, blob: BlobAddress, found: BlobState, lease_id: str | None = None) -> None:
    """Delete a blob as it was found, so that soft delete keeps nothing of its content. Repeating it is harmless.

    Raises:
        BlobChangedError: it has another ETag or lease by now, or has snapshots.
    """
    etag = await services.blobs.empty(blob, found, lease_id)
    await services.blobs.delete(blob, etag, lease_id)

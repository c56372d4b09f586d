"""What the backup container holds: a list of all its blobs and their snapshots."""

from collections.abc import AsyncIterator

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobProperties

from shared.azure.connections import Connections
from shared.model.addresses import ContainerAddress
from shared.model.catalogue import StoredBlob
from shared.model.names import SCRATCH_PREFIX


class Catalogue:
    """Access to the list of the backup container."""

    def __init__(self, connections: Connections, container: ContainerAddress) -> None:
        self._connections = connections
        self._container = container

    async def blobs(self) -> AsyncIterator[StoredBlob]:
        """List all blobs and snapshots, in order of the blobs' names (REST: List Blobs)."""
        service = await self._connections.blob_service(self._container.service_url, self._container.account)
        container = service.get_container_client(self._container.container)
        async for found in container.list_blobs(include=["snapshots", "metadata", "copy"]):
            yield self._stored(found)

    async def scratch(self) -> list[StoredBlob]:
        """List the scratch blobs of drills (REST: List Blobs, `prefix`)."""
        service = await self._connections.blob_service(self._container.service_url, self._container.account)
        container = service.get_container_client(self._container.container)
        found = container.list_blobs(name_starts_with=SCRATCH_PREFIX, include=["metadata", "copy"])
        try:
            return [self._stored(blob) async for blob in found]
        except ResourceNotFoundError:
            return []  # no container yet

    def _stored(self, found: BlobProperties) -> StoredBlob:
        return StoredBlob(
            url=self._container.blob(found.name).url,
            snapshot=found.snapshot or "",
            size=found.size,
            metadata=found.metadata or {},
            copy_status=found.copy.status or "",
            modified=found.last_modified,
        )

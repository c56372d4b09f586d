"""The backup container: the addresses of a disk's backups, and the list of all blobs and snapshots in it."""

from collections.abc import AsyncIterator, Awaitable, Callable

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobProperties

from shared.azure.answers import error_code
from shared.azure.connections import Connections
from shared.model.addresses import BlobAddress, ContainerAddress
from shared.model.catalogue import StoredBlob
from shared.model.disk import Disk
from shared.model.names import SCRATCH_PREFIX
from shared.model.sizes import SoftDeleted, is_backup_of


class BackupContainer:
    """Access to the backup container."""

    def __init__(self, connections: Connections, container: ContainerAddress) -> None:
        self._connections = connections
        self._container = container

    def address(self, disk: Disk) -> BlobAddress:
        """Give the address of a disk's backup blob."""
        return self._container.blob(disk.backup_name)

    def full_copy_address(self, disk: Disk, source_snapshot: str) -> BlobAddress:
        """Give the address of a full copy of a disk."""
        return self._container.blob(disk.full_copy_name(source_snapshot))

    async def ensure(self) -> None:
        """Create the container if it is missing (REST: Create Container)."""
        container = await self._connections.container(self._container)
        try:
            await container.create_container()
        except ResourceExistsError as error:
            if error_code(error) != "ContainerAlreadyExists":
                raise

    async def ensured[Result](self, make: Callable[[], Awaitable[Result]]) -> Result:
        """Make a blob in the container; if the service says that the container is missing, create it first."""
        try:
            return await make()
        except ResourceNotFoundError as error:
            if error_code(error) != "ContainerNotFound":
                raise
        await self.ensure()
        return await make()

    async def blobs(self, old: ContainerAddress | None = None) -> AsyncIterator[StoredBlob]:
        """List all blobs and snapshots, ordered by blob name (REST: List Blobs).

        Args:
            old: the container to list, if it is not the backup container but the one before it.
        """
        listed = old or self._container
        container = await self._connections.container(listed)
        async for found in container.list_blobs(include=["snapshots", "metadata", "copy"]):
            yield _stored(listed, found)

    async def of(self, disk: Disk) -> list[StoredBlob]:
        """List a disk's backup blob, its snapshots and its full copies (REST: List Blobs, `prefix`)."""
        container, name = await self._connections.container(self._container), disk.backup_name
        listed = container.list_blobs(name_starts_with=name, include=["snapshots", "metadata", "copy"])
        try:
            return [_stored(self._container, found) async for found in listed if is_backup_of(disk, found.name)]
        except ResourceNotFoundError:
            return []  # no container yet

    async def scratch(self) -> list[StoredBlob]:
        """List the scratch blobs of drills (REST: List Blobs, `prefix`)."""
        container = await self._connections.container(self._container)
        found = container.list_blobs(name_starts_with=SCRATCH_PREFIX, include=["metadata", "copy"])
        try:
            return [_stored(self._container, blob) async for blob in found]
        except ResourceNotFoundError:
            return []  # no container yet

    async def soft_deleted(self, disk: Disk) -> list[SoftDeleted]:
        """List what soft delete keeps of a disk's deleted backups (REST: List Blobs, `include=deleted`)."""
        container = await self._connections.container(self._container)
        listed = container.list_blobs(name_starts_with=disk.backup_name, include=["deleted", "snapshots"])
        try:
            return [
                SoftDeleted(
                    blob=self._container.blob(found.name),
                    snapshot=found.snapshot or "",
                    size=found.size,
                    deleted=found.deleted_time,
                    days_left=found.remaining_retention_days or 0,
                )
                async for found in listed
                if found.deleted and found.deleted_time and is_backup_of(disk, found.name)
            ]
        except ResourceNotFoundError:
            return []  # no container yet


def _stored(container: ContainerAddress, found: BlobProperties) -> StoredBlob:
    return StoredBlob(
        blob=container.blob(found.name),
        snapshot=found.snapshot or "",
        size=found.size,
        metadata=found.metadata or {},
        copy_status=found.copy.status or "",
        modified=found.last_modified,
    )

"""The backup blobs: created, leased, written and snapshotted. Every write carries the run's lease id."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from http import HTTPStatus

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobProperties
from azure.storage.blob.aio import BlobClient, BlobLeaseClient

from shared.azure.answers import error_code, explain, is_lease_error, is_passing, refuses_source
from shared.azure.blobs.copying import release
from shared.azure.connections import NOT_RETRIED, PACED, Connections
from shared.changes.ranges import Change
from shared.errors import LeaseLostError, NotAsLeftError, OtherDiskError, SourceUnreachableError
from shared.model.addresses import BlobAddress, ContainerAddress, is_url_of_another
from shared.model.names import (
    DISK_METADATA,
    ETAG_METADATA,
    PLAN_METADATA,
    RUN_METADATA,
    backup_blob_name,
    full_copy_name,
)
from shared.model.point import TakenSnapshot
from shared.model.run_steps import BackupBlob

_OTHERS_LEASE = frozenset({"LeaseAlreadyPresent", "LeaseIsBreakingAndCannotBeAcquired"})


class BackupBlobs:
    """Access to the backup container.

    Attributes:
        versioned: of the disks whose backup blob was snapshotted, whether the service keeps a version beside it.
    """

    def __init__(self, connections: Connections, container: ContainerAddress) -> None:
        self._connections = connections
        self._container = container
        self.versioned: dict[BlobAddress, bool] = {}

    def address(self, disk: BlobAddress) -> BlobAddress:
        """Give the address of a disk's backup blob."""
        return self._container.blob(backup_blob_name(disk))

    def full_copy_address(self, disk: BlobAddress, source_snapshot: str) -> BlobAddress:
        """Give the address of a full copy of a disk."""
        return self._container.blob(full_copy_name(disk, source_snapshot))

    async def look(self, disk: BlobAddress) -> BackupBlob | None:
        """Look at a disk's backup blob (REST: Get Blob Properties); None where there is none.

        Raises:
            OtherDiskError: it is that of another disk.
        """
        blob = await self._blob(disk)
        try:
            found = await blob.get_blob_properties()
        except ResourceNotFoundError:
            return None
        require_own(disk, found.metadata or {})
        return BackupBlob(
            size=found.size,
            etag=found.etag,
            leased=found.lease.state == "leased",
        )

    async def create(self, disk: BlobAddress, size: int, metadata: Mapping[str, str]) -> str:
        """Create an empty backup blob (REST: Put Blob), and its container if need be; give its ETag.

        Raises:
            NotAsLeftError: there is one by now.
        """
        blob = await self._blob(disk)
        try:
            made = await blob.create_page_blob(size, metadata=dict(metadata), match_condition=MatchConditions.IfMissing)
        except ResourceExistsError as error:
            raise NotAsLeftError(
                f"the backup blob of {disk.url} was missing, and is there now: {explain(error)}"
            ) from error
        except ResourceNotFoundError as error:
            if error_code(error) != "ContainerNotFound":
                raise
            await self.ensure_container()
            return await self.create(disk, size, metadata)
        return str(made["etag"])

    async def ensure_container(self) -> None:
        """Create the backup container if it is missing."""
        service = await self._connections.blob_service(self._container.service_url, self._container.account)
        try:
            await service.create_container(self._container.container)
        except ResourceExistsError as error:
            if error_code(error) != "ContainerAlreadyExists":
                raise

    async def renew_lease(self, disk: BlobAddress, lease_id: str) -> bool:
        """Tell whether the backup blob is there and under this lease (REST: Lease Blob, renew)."""
        lease = BlobLeaseClient(await self._blob(disk), lease_id)
        try:
            await lease.renew()
        except (ResourceExistsError, ResourceNotFoundError):
            return False
        return True

    async def change_lease(self, disk: BlobAddress, lease_id: str, next_lease_id: str) -> None:
        """Give the lease another id, at one stroke (REST: Lease Blob, change); if it is not this one, leave it."""
        lease = BlobLeaseClient(await self._blob(disk), lease_id)
        with contextlib.suppress(ResourceExistsError, ResourceNotFoundError):
            await lease.change(next_lease_id)

    async def acquire_lease(self, disk: BlobAddress, lease_id: str, etag: str) -> bool:
        """Put the backup blob under an infinite lease with this id, as long as it has this ETag (REST: Lease Blob).

        Only the disk's open run may ask: a lease of another run is broken, so that its late writes are refused.

        Returns:
            Whether a lease of somebody else was broken.

        Raises:
            NotAsLeftError: the backup blob has another ETag.
        """
        lease = BlobLeaseClient(await self._blob(disk), lease_id)
        try:
            with _as_left(disk):
                await lease.acquire(lease_duration=-1, etag=etag, match_condition=MatchConditions.IfNotModified)
        except ResourceExistsError as error:
            if error_code(error) not in _OTHERS_LEASE:
                raise
            await lease.break_lease(lease_break_period=0, etag=etag, match_condition=MatchConditions.IfNotModified)
        else:
            return False
        await self.acquire_lease(disk, lease_id, etag)
        return True

    async def release_lease(self, disk: BlobAddress, lease_id: str) -> None:
        """End a run's lease; one that has ended already is fine."""
        await release(BlobLeaseClient(await self._blob(disk), lease_id))

    async def resize(self, disk: BlobAddress, size: int, lease_id: str) -> None:
        """Grow or shrink the backup blob (REST: Set Blob Properties); what is new reads as zeros."""
        blob = await self._blob(disk)
        with _as_left(disk):
            await blob.resize_blob(size, lease=lease_id)

    async def copy(self, disk: BlobAddress, piece: Change, source_url: str, lease_id: str) -> None:
        """Have the service copy at most 4 MiB from a source snapshot (REST: Put Page From URL).

        Raises:
            SourceUnreachableError: the service can't do that with this source.
            AzureError: among others, the source is busy, or refuses what it may allow later.
            LeaseLostError: the backup blob is not under the run's lease.
        """
        blob = await self._blob(disk)
        with _as_left(disk):
            try:
                await blob.upload_pages_from_url(
                    source_url, piece.start, piece.length, piece.start, lease=lease_id, **PACED
                )
            except HttpResponseError as error:
                is_refused = refuses_source(error) and not is_passing(error)
                if is_refused or error.status_code == HTTPStatus.NOT_IMPLEMENTED:
                    # The answer may repeat the source's URL, signature and all.
                    raise SourceUnreachableError(explain(error)) from None
                raise

    async def write(self, disk: BlobAddress, piece: Change, content: bytes, lease_id: str) -> None:
        """Write at most 4 MiB (REST: Put Page).

        Raises:
            LeaseLostError: the backup blob is not under the run's lease.
        """
        blob = await self._blob(disk)
        with _as_left(disk):
            await blob.upload_page(content, piece.start, piece.length, lease=lease_id, **PACED)

    async def clear(self, disk: BlobAddress, piece: Change, lease_id: str) -> None:
        """Clear a range with one request (REST: Put Page, `x-ms-page-write: clear`).

        Raises:
            LeaseLostError: the backup blob is not under the run's lease.
        """
        blob = await self._blob(disk)
        with _as_left(disk):
            await blob.clear_page(piece.start, piece.length, lease=lease_id, **NOT_RETRIED)

    async def snapshots(self, disk: BlobAddress, run_id: str) -> list[TakenSnapshot]:
        """List the snapshots of the backup blob that a run has taken, oldest first (REST: List Blobs)."""
        taken = [
            TakenSnapshot(time=str(blob.snapshot), plan=int(metadata[PLAN_METADATA]), etag=metadata[ETAG_METADATA])
            async for blob in self._snapshots(disk)
            if _is_taken_by(run_id, metadata := blob.metadata or {})
        ]
        return sorted(taken, key=lambda snapshot: snapshot.time)

    async def snapshot_times(self, disk: BlobAddress) -> set[str]:
        """List the times of all snapshots of the backup blob, whosever they are."""
        return {str(blob.snapshot) async for blob in self._snapshots(disk)}

    async def _snapshots(self, disk: BlobAddress) -> AsyncIterator[BlobProperties]:
        service = await self._connections.blob_service(self._container.service_url, self._container.account)
        name = backup_blob_name(disk)
        container = service.get_container_client(self._container.container)
        async for blob in container.list_blobs(name_starts_with=name, include=["snapshots", "metadata"]):
            if blob.name == name and blob.snapshot:
                yield blob

    async def snapshot(self, disk: BlobAddress, etag: str, metadata: Mapping[str, str], lease_id: str) -> str:
        """Snapshot the backup blob as long as it has this ETag and the run's lease; give the snapshot's time.

        Raises:
            LeaseLostError: the backup blob is not under the run's lease.
        """
        blob = await self._blob(disk)
        with _as_left(disk):
            answer = await blob.create_snapshot(
                dict(metadata), etag=etag, match_condition=MatchConditions.IfNotModified, lease=lease_id
            )
        self.versioned[disk] = bool(answer.get("version_id"))
        return str(answer["snapshot"])

    async def delete_snapshot(self, disk: BlobAddress, snapshot: str) -> None:
        """Delete one snapshot of the backup blob; one that is gone is fine."""
        blob = await self._blob(disk, snapshot)
        with contextlib.suppress(ResourceNotFoundError):
            await blob.delete_blob()

    async def _blob(self, disk: BlobAddress, snapshot: str | None = None) -> BlobClient:
        address = self.address(disk)
        service = await self._connections.blob_service(address.service_url, address.account)
        return service.get_blob_client(address.container, address.blob, snapshot=snapshot)


def require_own(disk: BlobAddress, metadata: Mapping[str, str]) -> None:
    """See to it that a backup blob is a disk's own, if its metadata says whose it is.

    Raises:
        OtherDiskError: it is that of a disk of the same account, container and name on another service.
    """
    of_disk = metadata.get(DISK_METADATA, disk.url)
    if is_url_of_another(disk, of_disk):
        raise OtherDiskError(
            f"the backup blob of {disk.url} is that of another disk, {of_disk}. What to do: set BACKUP_CONTAINER to"
            " another container"
        )


def _is_taken_by(run_id: str, metadata: Mapping[str, str]) -> bool:
    return metadata.get(RUN_METADATA) == run_id and metadata.keys() >= {PLAN_METADATA, ETAG_METADATA}


@contextlib.contextmanager
def _as_left(disk: BlobAddress) -> Iterator[None]:
    """Tell apart what a write is refused for when the backup blob is not as the run has left it."""
    try:
        yield
    except HttpResponseError as error:
        if is_lease_error(error):
            raise LeaseLostError(
                f"the backup blob of {disk.url} is not under this run's lease: {explain(error)}"
            ) from error
        if error_code(error) in {"BlobNotFound", "ContainerNotFound"}:
            raise NotAsLeftError(f"the backup blob of {disk.url} is gone; the run makes it anew") from error
        if error.status_code == HTTPStatus.PRECONDITION_FAILED:
            raise NotAsLeftError(f"the backup blob of {disk.url} was written to just now: {explain(error)}") from error
        raise

"""Leases keep others out of a blob: a run's out of its backup blob, a restore's out of the pair that it writes.

They are infinite, and their ids derived from the run or the restore: acquiring one again is harmless.
"""

import contextlib

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob.aio import BlobLeaseClient

from shared.azure.answers import error_code, explain
from shared.azure.blobs.refusals import OTHERS_LEASE, as_left, attached
from shared.azure.connections import Connections
from shared.errors import LeaseLostError
from shared.model.addresses import BlobAddress


class BlobLeases:
    """Access to the leases of blobs (REST: Lease Blob)."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def acquire(self, blob: BlobAddress, lease_id: str, etag: str) -> None:
        """Put a blob under this lease, as long as it has this ETag; nobody else's is broken.

        One that comes late, when the blob is somebody's again, is refused.

        Raises:
            TargetLeasedError: it is under somebody else's, as a disk that is attached to a VM is.
            NotAsLeftError: it has another ETag, or is gone.
        """
        try:
            await self._acquire(blob, lease_id, etag)
        except ResourceExistsError as error:
            raise attached(blob, error) from error

    async def take(self, blob: BlobAddress, lease_id: str, etag: str) -> bool:
        """Put a backup blob under this lease, as long as it has this ETag, and break whatever other one it is under.

        Only the disk's open run or restore may ask: late writes of another are to be refused.

        Returns:
            Whether a lease of somebody else was broken.

        Raises:
            NotAsLeftError: it has another ETag, or is gone.
        """
        try:
            await self._acquire(blob, lease_id, etag)
        except ResourceExistsError as error:
            if error_code(error) not in OTHERS_LEASE:
                raise
        else:
            return False
        await self._break(blob, etag)
        await self.take(blob, lease_id, etag)
        return True

    async def renew(self, blob: BlobAddress, lease_id: str) -> bool:
        """Tell whether a blob is there, and has been under this lease all the time."""
        try:
            await self.require(blob, lease_id)
        except LeaseLostError:
            return False
        return True

    async def require(self, blob: BlobAddress, lease_id: str) -> None:
        """See to it that a blob has been under this lease all the time.

        Raises:
            LeaseLostError: it has not: others may have written to it.
        """
        lease = await self._lease(blob, lease_id)
        try:
            await lease.renew()
        except (ResourceExistsError, ResourceNotFoundError) as error:
            raise LeaseLostError(f"{blob.url} is under another lease, or none: {explain(error)}") from error

    async def change(self, blob: BlobAddress, lease_id: str, next_lease_id: str) -> None:
        """Give the lease another id, at one stroke; if it is not this one, leave it."""
        lease = await self._lease(blob, lease_id)
        with contextlib.suppress(ResourceExistsError, ResourceNotFoundError):
            await lease.change(next_lease_id)

    async def release(self, blob: BlobAddress, lease_id: str) -> None:
        """End a lease; one that has ended already is fine, and so is a blob that is gone.

        Raises:
            ResourceExistsError: a copy to the blob is under way.
        """
        lease = await self._lease(blob, lease_id)
        try:
            await lease.release()
        except ResourceNotFoundError:
            return
        except ResourceExistsError as error:
            if error_code(error) == "PendingCopyOperation":
                raise

    async def _acquire(self, blob: BlobAddress, lease_id: str, etag: str) -> None:
        lease = await self._lease(blob, lease_id)
        with as_left(blob):
            await lease.acquire(lease_duration=-1, etag=etag, match_condition=MatchConditions.IfNotModified)

    async def _break(self, blob: BlobAddress, etag: str) -> None:
        lease = await self._lease(blob)
        with as_left(blob):
            await lease.break_lease(lease_break_period=0, etag=etag, match_condition=MatchConditions.IfNotModified)

    async def _lease(self, blob: BlobAddress, lease_id: str | None = None) -> BlobLeaseClient:
        return BlobLeaseClient(await self._connections.blob(blob), lease_id)

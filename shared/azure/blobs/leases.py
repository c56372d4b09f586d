"""Leases keep others from writing to a blob: a run leases its backup blob, a restore the two blobs it writes.

They are infinite, and their ids derive from the run or restore, so acquiring one again is harmless.
"""

import contextlib

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob.aio import BlobLeaseClient

from shared.azure.answers import error_code, explain
from shared.azure.blobs.refusals import OTHERS_LEASE, change_errors, in_use_error
from shared.azure.connections import Connections
from shared.errors import LeaseLostError
from shared.model.addresses import BlobAddress


class BlobLeases:
    """Access to the leases of blobs (REST: Lease Blob)."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def acquire(self, blob: BlobAddress, lease_id: str, etag: str) -> None:
        """Lease a blob, provided that it has this ETag; somebody else's lease is not broken.

        A late request, for a blob that somebody has taken since, is refused.

        Raises:
            TargetLeasedError: it is under another lease, as a disk attached to a VM is.
            BlobChangedError: it has another ETag, or no longer exists.
        """
        try:
            await self._acquire(blob, lease_id, etag)
        except ResourceExistsError as error:
            raise in_use_error(blob, error) from error

    async def take(self, blob: BlobAddress, lease_id: str, etag: str) -> bool:
        """Lease a backup blob, provided that it has this ETag, and break any other lease on it.

        Only for the disk's open run or restore, so that late writes of any other are refused.

        Returns:
            Whether another lease was broken.

        Raises:
            BlobChangedError: it has another ETag, or no longer exists.
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
        """Tell whether a blob exists and has been under this lease all the time."""
        try:
            await self.require(blob, lease_id)
        except LeaseLostError:
            return False
        return True

    async def require(self, blob: BlobAddress, lease_id: str) -> None:
        """Require that a blob has been under this lease all the time.

        Raises:
            LeaseLostError: it has not, so others may have written to it.
        """
        lease = await self._lease(blob, lease_id)
        try:
            await lease.renew()
        except (ResourceExistsError, ResourceNotFoundError) as error:
            raise LeaseLostError(f"the lease on {blob.url} was lost: {explain(error)}") from error

    async def change(self, blob: BlobAddress, lease_id: str, next_lease_id: str) -> None:
        """Change the lease's id atomically; leave any other lease alone."""
        lease = await self._lease(blob, lease_id)
        with contextlib.suppress(ResourceExistsError, ResourceNotFoundError):
            await lease.change(next_lease_id)

    async def release(self, blob: BlobAddress, lease_id: str) -> None:
        """Release a lease; it is fine if the lease has ended or the blob no longer exists.

        Raises:
            ResourceExistsError: a copy to the blob is in progress.
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
        with change_errors(blob):
            await lease.acquire(lease_duration=-1, etag=etag, match_condition=MatchConditions.IfNotModified)

    async def _break(self, blob: BlobAddress, etag: str) -> None:
        lease = await self._lease(blob)
        with change_errors(blob):
            await lease.break_lease(lease_break_period=0, etag=etag, match_condition=MatchConditions.IfNotModified)

    async def _lease(self, blob: BlobAddress, lease_id: str | None = None) -> BlobLeaseClient:
        return BlobLeaseClient(await self._connections.blob(blob), lease_id)

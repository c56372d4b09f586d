"""The leases of blobs, as the workflows see them, on top of the world; who breaks whose is decided by the real ones."""

import contextlib

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

from shared.azure.answers import error_code
from shared.azure.blobs.leases import BlobLeases
from shared.azure.blobs.refusals import change_errors
from shared.errors import LeaseLostError
from shared.model.addresses import BlobAddress
from tests.simulation.calls import Calls
from tests.simulation.world import World


class SimulatedLeases(BlobLeases):
    """The leases of blobs."""

    def __init__(self, world: World, calls: Calls) -> None:
        self._world, self._calls = world, calls

    async def require(self, blob: BlobAddress, lease_id: str) -> None:
        def effect() -> bool:
            self._world.require_allowed(blob)
            found = self._world.blobs.get(blob)
            return found is not None and found.lease == lease_id and not found.is_pending

        if not await self._calls.read(effect):
            raise LeaseLostError(f"the lease on {blob.url} was lost")

    async def change(self, blob: BlobAddress, lease_id: str, next_lease_id: str) -> None:
        with contextlib.suppress(ResourceExistsError, ResourceNotFoundError):
            await self._calls.change(lambda: self._world.blob(blob).change_lease(lease_id, next_lease_id))

    async def release(self, blob: BlobAddress, lease_id: str) -> None:
        try:
            await self._calls.change(lambda: self._world.blob(blob).release(lease_id))
        except ResourceNotFoundError:
            return
        except ResourceExistsError as error:
            if error_code(error) == "PendingCopyOperation":
                raise

    async def _acquire(self, blob: BlobAddress, lease_id: str, etag: str) -> None:
        with change_errors(blob):
            await self._calls.change(lambda: self._world.blob(blob).acquire(lease_id, etag))

    async def _break(self, blob: BlobAddress, etag: str) -> None:
        with change_errors(blob):
            await self._calls.change(lambda: self._world.blob(blob).break_lease(etag))

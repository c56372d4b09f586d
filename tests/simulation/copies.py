"""Copy Blob, as the workflows see it, on top of the world: it begins, and ends when the seed says so."""

from collections.abc import Mapping
from http import HTTPStatus

from azure.core.exceptions import HttpResponseError

from shared.azure.blobs.copying import BlobCopies
from shared.azure.blobs.refusals import blob_copy_errors, change_errors
from shared.model.addresses import BlobAddress
from shared.model.names import DRILL_METADATA
from tests.simulation import claims, limits
from tests.simulation.blobs import ABORTED, Blob, Copy
from tests.simulation.calls import Calls
from tests.simulation.managed.hosts import is_of_managed, is_relay
from tests.simulation.refusals import refusal
from tests.simulation.world import BACKUPS, World


class SimulatedCopies(BlobCopies):
    """Copy Blob."""

    def __init__(self, world: World, calls: Calls) -> None:
        self._world, self._calls = world, calls

    async def start(
        self,
        blob: BlobAddress,
        source_url: str,
        metadata: Mapping[str, str],
        *,
        etag: str | None,
        lease_id: str | None = None,
    ) -> None:
        with blob_copy_errors(blob):
            await self._calls.change(lambda: self._start(blob, source_url, metadata, etag, lease_id))

    async def abort(self, blob: BlobAddress, lease_id: str | None = None) -> None:
        def effect() -> None:
            found = self._world.blobs.get(blob)
            if found and found.is_pending:
                found.require_lease(lease_id)
                self._world.end_copy(blob, ABORTED)

        await self._calls.read(lambda: None)  # its properties
        with change_errors(blob):
            await self._calls.change(effect)

    async def forget_source(self, blob: BlobAddress, etag: str, lease_id: str | None = None) -> str:
        def effect() -> str:
            found = self._world.blob(blob)
            found.require_open()
            found.require_etag(etag)
            found.require_lease(lease_id)
            return found.forget_copy()

        await self._calls.read(lambda: self._world.blob(blob))  # its properties are kept
        with change_errors(blob):
            return await self._calls.change(effect)

    def _start(
        self, blob: BlobAddress, source_url: str, metadata: Mapping[str, str], etag: str | None, lease_id: str | None
    ) -> None:
        world = self._world
        limits.require_metadata(metadata)
        world.require_allowed(blob)
        limits.require_blob_name(blob.blob)
        if blob in world.blobs and etag is None:
            raise refusal(409, "BlobAlreadyExists")
        if blob not in world.blobs and etag is not None:
            raise refusal(412, "ConditionNotMet")
        if is_relay(source_url):
            raise refusal(409, "CopySourceCannotBeIncrementalCopyBlob")
        try:
            taken = world.source(source_url, blob)
        except HttpResponseError as error:
            raise refusal(error.status_code or 403, "CannotVerifyCopySource") from error
        crosses = is_of_managed(source_url) or BlobAddress.parse(source_url.partition("?")[0]).account != blob.account
        if crosses and blob.parent not in BACKUPS and world.source_answers != HTTPStatus.OK:
            raise refusal(world.source_answers, "CannotVerifyCopySource")
        copy = Copy(source_url, taken.etag, taken.pages)
        target = world.blobs[blob] if etag else Blob([], world.number)
        before = target.at("")
        target.require_etag(etag)
        if before.metadata.get(DRILL_METADATA) and any(page is not None for page in target.pages):
            world.kept_by_soft_delete(blob)
        target.begin_copy(copy, metadata or taken.metadata, etag, lease_id)
        world.blobs[blob] = target
        claims.copied_over(world, blob, metadata, before)

"""Copy Blob, as the workflows see it, on top of the world: it begins, and ends when the seed says so."""

from collections.abc import Callable, Mapping
from http import HTTPStatus

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from shared.azure.answers import error_code, is_lease_error, is_passing, refuses_source
from shared.azure.blobs.copying import Copies
from shared.azure.blobs.targets import CopyTarget
from shared.changes.ranges import Change
from shared.errors import CopyRefusedError, NotAsLeftError, TargetLeasedError
from shared.model.addresses import BlobAddress
from shared.model.names import DRILL_METADATA, PAGE
from tests.simulation import claims, limits
from tests.simulation.blobs import FAILED, Blob, Copy
from tests.simulation.calls import Calls
from tests.simulation.refusals import refusal
from tests.simulation.world import OWN, World

_FASTER = ("PendingCopyOperation", "BlobAlreadyExists", "ConditionNotMet")


class SimulatedCopies(Copies):
    """The blobs that Copy Blob makes."""

    def __init__(self, world: World, calls: Calls) -> None:
        self._world, self._calls = world, calls

    async def look(self, blob: BlobAddress) -> CopyTarget | None:
        def effect() -> CopyTarget | None:
            self._world.require_allowed(blob)
            limits.require_blob_name(blob.blob)
            return _as_target(self._world.blobs[blob]) if blob in self._world.blobs else None

        return await self._calls.read(effect)

    async def create(self, blob: BlobAddress, size: int, metadata: Mapping[str, str]) -> str:
        try:
            return await self._calls.change(lambda: self._world.make(blob, size // PAGE, metadata).etag)
        except ResourceExistsError as error:
            raise NotAsLeftError(f"{blob.url} was not there, and is there now") from error

    async def acquire_lease(self, blob: BlobAddress, lease_id: str, etag: str) -> None:
        try:
            await self._calls.change(lambda: self._world.blob(blob).acquire(lease_id, etag))
        except ResourceExistsError as error:
            if error_code(error) == "LeaseAlreadyPresent":
                raise TargetLeasedError(blob.url) from error
            raise
        except HttpResponseError as error:
            if error.status_code in {404, 412}:
                raise NotAsLeftError(f"{blob.url} is not as it was a moment ago") from error
            raise

    async def renew_lease(self, blob: BlobAddress, lease_id: str) -> None:
        def effect() -> bool:
            self._world.require_allowed(blob)
            found = self._world.blobs.get(blob)
            return found is not None and found.lease == lease_id and not found.is_pending

        if not await self._calls.read(effect):
            raise NotAsLeftError(f"{blob.url} is not under this restore's lease")

    async def release_lease(self, blob: BlobAddress, lease_id: str) -> None:
        try:
            await self._calls.change(lambda: self._world.blob(blob).release(lease_id))
        except ResourceNotFoundError:
            return
        except ResourceExistsError as error:
            if error_code(error) == "PendingCopyOperation":
                raise

    async def start(
        self,
        blob: BlobAddress,
        source_url: str,
        metadata: Mapping[str, str],
        *,
        etag: str | None,
        lease_id: str | None = None,
    ) -> None:
        try:
            await self._calls.change(lambda: self._start(blob, source_url, metadata, etag, lease_id))
        except HttpResponseError as error:
            if error_code(error) in _FASTER:
                return
            if is_lease_error(error):
                raise NotAsLeftError(f"{blob.url} is not under this restore's lease") from error
            if refuses_source(error) and not is_passing(error):
                raise CopyRefusedError(f"the service can't copy to {blob.url}") from None
            raise

    async def resize(self, blob: BlobAddress, size: int, lease_id: str) -> None:
        await self._carry(blob, lease_id, lambda found: found.resize(size // PAGE, lease_id))

    async def write(self, blob: BlobAddress, piece: Change, content: bytes, lease_id: str) -> None:
        pages = [int.from_bytes(content[at : at + PAGE], "big") for at in range(0, piece.length, PAGE)]
        await self._carry(blob, lease_id, lambda found: found.put(piece, pages, lease_id))

    async def clear(self, blob: BlobAddress, piece: Change, lease_id: str) -> None:
        await self._carry(blob, lease_id, lambda _: self._world.clear(blob, piece, lease_id))

    async def forget_source(self, blob: BlobAddress, etag: str, lease_id: str | None = None) -> str:
        def effect() -> str:
            found = self._world.blob(blob)
            found.require_open()
            found.require_etag(etag)
            found.require_lease(lease_id)
            return found.forget_copy()

        try:
            return await self._calls.change(effect)
        except HttpResponseError as error:
            if error.status_code == 412:
                raise NotAsLeftError(f"{blob.url} was written to just now") from error
            raise

    async def empty(self, blob: BlobAddress, found: CopyTarget, lease_id: str | None = None) -> str:
        def effect() -> str:
            there = self._world.blob(blob)
            there.require_etag(found.etag)
            there.resize(0, lease_id)
            return there.etag

        def has_snapshots() -> bool:
            return blob in self._world.blobs and bool(self._world.blobs[blob].snapshots)

        if not found.size or await self._calls.read(has_snapshots):
            return found.etag
        try:
            return await self._calls.change(effect)
        except HttpResponseError as error:
            if error.status_code is None or error.status_code >= 500:
                raise
            if error.status_code != 412:
                return found.etag
            now = await self.look(blob)
            is_done = now is not None and (now.size, now.copy_status, now.metadata) == (0, "", found.metadata)
            return now.etag if now and is_done else found.etag

    async def delete(self, blob: BlobAddress, etag: str, lease_id: str | None = None) -> None:
        def effect() -> None:
            found = self._world.blob(blob)
            found.require_open()
            found.require_etag(etag)
            found.require_lease(lease_id)
            if found.snapshots:
                raise refusal(409, "SnapshotsPresent")
            if any(page is not None for page in found.pages):
                self._world.kept_by_soft_delete(blob)
            self._world.remove(blob)

        try:
            await self._calls.change(effect)
        except ResourceNotFoundError:
            return
        except HttpResponseError as error:
            if error.status_code in {409, 412}:
                raise NotAsLeftError(f"{blob.url} is left as it is: {error}") from error
            raise

    async def _carry(self, blob: BlobAddress, lease_id: str, effect: Callable[[Blob], None]) -> None:
        def on_blob() -> None:
            effect(self._world.blob(blob))
            claims.carried_to(self._world, blob, lease_id)

        try:
            await self._calls.change(on_blob)
        except HttpResponseError as error:
            if is_lease_error(error):
                raise NotAsLeftError(f"{blob.url} is not under this restore's lease") from error
            raise

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
        try:
            taken = world.source(source_url, blob)
        except HttpResponseError as error:
            raise refusal(error.status_code or 403, "CannotVerifyCopySource") from error
        crosses = BlobAddress.parse(source_url.partition("?")[0]).account != blob.account
        if crosses and blob.parent != OWN and world.source_answers != HTTPStatus.OK:
            raise refusal(world.source_answers, "CannotVerifyCopySource")
        copy = Copy(source_url, taken.etag, taken.pages)
        target = world.blobs[blob] if etag else Blob([], world.number)
        before = target.metadata
        target.require_etag(etag)
        if before.get(DRILL_METADATA) and any(page is not None for page in target.pages):
            world.kept_by_soft_delete(blob)
        target.begin_copy(copy, metadata or taken.metadata, etag, lease_id)
        world.blobs[blob] = target
        claims.copied_over(world, blob, metadata, before)


def _as_target(blob: Blob) -> CopyTarget:
    copy = blob.copy
    return CopyTarget(
        size=len(blob.pages) * PAGE,
        etag=blob.etag,
        is_page_blob=True,
        leased=bool(blob.lease),
        metadata=blob.metadata,
        copy_status=copy.status if copy else "",
        copy_said='500 InternalServerError "Copy failed."' if copy and copy.status == FAILED else "",
        bytes_done=copy.done * PAGE if copy else 0,
        bytes_total=len(copy.content) * PAGE if copy else 0,
    )

"""Writing page blobs, as the workflows see it, on top of the world: backup blobs and restored disks."""

from collections.abc import Callable, Mapping
from http import HTTPStatus

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from shared.azure.blobs.refusals import change_errors, page_copy_errors
from shared.azure.blobs.writing import BlobWriter
from shared.changes.ranges import Change
from shared.errors import BlobChangedError
from shared.limits import PAGE
from shared.model.addresses import BlobAddress
from shared.model.blob import BlobState
from tests.simulation import claims, limits
from tests.simulation.blobs import Blob, Page
from tests.simulation.calls import Calls
from tests.simulation.managed import hosts
from tests.simulation.reading import state_of
from tests.simulation.refusals import refusal
from tests.simulation.retention_rows import is_on_its_way, require_on_its_way
from tests.simulation.world import BACKUPS, World


class SimulatedWriter(BlobWriter):
    """What is written."""

    def __init__(self, world: World, calls: Calls) -> None:
        self._world, self._calls = world, calls

    async def create(self, blob: BlobAddress, size: int, metadata: Mapping[str, str]) -> str:
        try:
            return await self._calls.change(lambda: self._world.make(blob, size // PAGE, metadata).etag)
        except ResourceExistsError as error:
            raise BlobChangedError(f"{blob.url} has just been created by something else") from error

    async def set_metadata(self, blob: BlobAddress, metadata: Mapping[str, str], etag: str, lease_id: str) -> None:
        def effect() -> None:
            found = self._world.blob(blob)
            found.require_open()
            found.require_etag(etag)
            found.require_lease(lease_id)
            limits.require_metadata(metadata)
            found.set_metadata(dict(metadata))

        with change_errors(blob):
            await self._calls.change(effect)

    async def resize(self, blob: BlobAddress, size: int, lease_id: str) -> None:
        await self._write(blob, lease_id, lambda found: found.resize(size // PAGE, lease_id))

    async def put_from_url(self, blob: BlobAddress, piece: Change, source_url: str, lease_id: str) -> None:
        def effect(found: Blob) -> None:
            found.require_lease(lease_id)
            found.put(piece, source_pages(self._world, source_url, piece), lease_id)

        with page_copy_errors():
            await self._write(blob, lease_id, effect)

    async def write(self, blob: BlobAddress, piece: Change, content: bytes, lease_id: str) -> None:
        pages = [int.from_bytes(content[at : at + PAGE], "big") for at in range(0, piece.length, PAGE)]
        await self._write(blob, lease_id, lambda found: found.put(piece, pages, lease_id))

    async def clear(self, blob: BlobAddress, piece: Change, lease_id: str) -> None:
        await self._write(blob, lease_id, lambda _: self._world.clear(blob, piece, lease_id))

    async def empty(self, blob: BlobAddress, found: BlobState, lease_id: str | None = None) -> str:
        def effect() -> str:
            there = self._world.blob(blob)
            there.require_etag(found.etag)
            before = there.at("")
            there.resize(0, lease_id)
            claims.emptied(self._world, blob, before)
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
            now = await self._calls.read(lambda: state_of(self._world.blobs.get(blob)))
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
            if any(page is not None for page in found.pages) and not is_on_its_way(self._world, blob):
                self._world.kept_by_soft_delete(blob)
            require_on_its_way(self._world, blob, "")
            self._world.remove(blob)

        try:
            await self._calls.change(effect)
        except ResourceNotFoundError:
            return
        except HttpResponseError as error:
            if error.status_code in {409, 412}:
                raise BlobChangedError(f"{blob.url} was not deleted: {error}") from error
            raise

    async def _write(self, blob: BlobAddress, lease_id: str, effect: Callable[[Blob], None]) -> None:
        def on_blob() -> None:
            before = self._world.blob(blob).at("")
            effect(self._world.blob(blob))
            if blob.parent not in BACKUPS:
                claims.carried_to(self._world, blob, lease_id, before)

        with change_errors(blob):
            await self._calls.change(on_blob)


def source_pages(world: World, source_url: str, piece: Change) -> list[Page]:
    """Read what the service is to copy, if it can; what was never written is zeros."""
    if world.source_answers != HTTPStatus.OK:
        raise refusal(world.source_answers, "CannotVerifyCopySource")
    if hosts.is_relay(source_url):
        raise refusal(409, "CopySourceCannotBeIncrementalCopyBlob")
    try:
        taken = world.source(source_url)
    except HttpResponseError as error:
        raise refusal(error.status_code or 403, "CannotVerifyCopySource") from error
    found = taken.pages[piece.start // PAGE : piece.end // PAGE]
    if len(found) * PAGE != piece.length:
        raise refusal(416, "InvalidRange")
    return [page or 0 for page in found]

"""The backup blobs, and the list of what the backup container holds, on top of the world."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from http import HTTPStatus

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from shared.azure.answers import error_code, is_lease_error, is_passing, refuses_source
from shared.azure.blobs.backup_blobs import BackupBlobs, require_own
from shared.azure.blobs.backup_container import Catalogue
from shared.changes.ranges import Change
from shared.errors import LeaseLostError, NotAsLeftError, SourceUnreachableError
from shared.limits import PAGE
from shared.model.addresses import BlobAddress
from shared.model.catalogue import StoredBlob
from shared.model.names import DRILL_METADATA, ETAG_METADATA, PLAN_METADATA, RUN_METADATA
from shared.model.point import TakenSnapshot
from shared.model.run_steps import BackupBlob
from tests.simulation.blobs import Blob, Page
from tests.simulation.calls import Calls
from tests.simulation.refusals import refusal
from tests.simulation.world import OWN, World


class SimulatedBackups(BackupBlobs):
    """The backup blobs; what names them is the real one."""

    def __init__(self, world: World, calls: Calls) -> None:
        self._world, self._calls, self._container = world, calls, OWN
        self.versioned = {}

    async def look(self, disk: BlobAddress) -> BackupBlob | None:
        def effect() -> BackupBlob | None:
            blob = self._world.blobs.get(self.address(disk))
            require_own(disk, blob.metadata if blob else {})
            return BackupBlob(size=len(blob.pages) * PAGE, etag=blob.etag, leased=bool(blob.lease)) if blob else None

        return await self._calls.read(effect)

    async def create(self, disk: BlobAddress, size: int, metadata: Mapping[str, str]) -> str:
        address = self.address(disk)
        try:
            return await self._calls.change(lambda: self._world.make(address, size // PAGE, metadata).etag)
        except ResourceExistsError as error:
            raise NotAsLeftError(f"the backup blob of {disk.url} was missing, and is there now") from error

    async def ensure_container(self) -> None:
        await self._calls.change(lambda: None)

    async def renew_lease(self, disk: BlobAddress, lease_id: str) -> bool:
        def effect() -> bool:
            blob = self._world.blobs.get(self.address(disk))
            return blob is not None and blob.lease == lease_id and not blob.is_pending

        return await self._calls.read(effect)

    async def change_lease(self, disk: BlobAddress, lease_id: str, next_lease_id: str) -> None:
        with contextlib.suppress(ResourceExistsError, ResourceNotFoundError):
            await self._change(disk, lambda blob: blob.change_lease(lease_id, next_lease_id))

    async def acquire_lease(self, disk: BlobAddress, lease_id: str, etag: str) -> bool:
        try:
            with _as_left(disk):
                await self._change(disk, lambda blob: blob.acquire(lease_id, etag))
        except ResourceExistsError as error:
            if error_code(error) != "LeaseAlreadyPresent":
                raise
            await self._change(disk, lambda blob: blob.break_lease(etag))
        else:
            return False
        await self.acquire_lease(disk, lease_id, etag)
        return True

    async def release_lease(self, disk: BlobAddress, lease_id: str) -> None:
        try:
            await self._change(disk, lambda blob: blob.release(lease_id))
        except ResourceNotFoundError:
            return
        except ResourceExistsError as error:
            if error_code(error) == "PendingCopyOperation":
                raise

    async def resize(self, disk: BlobAddress, size: int, lease_id: str) -> None:
        with _as_left(disk):
            await self._change(disk, lambda blob: blob.resize(size // PAGE, lease_id))

    async def copy(self, disk: BlobAddress, piece: Change, source_url: str, lease_id: str) -> None:
        def effect(blob: Blob) -> None:
            blob.require_lease(lease_id)
            blob.put(piece, self._source(source_url, piece), lease_id)

        with _as_left(disk):
            try:
                await self._change(disk, effect)
            except HttpResponseError as error:
                if refuses_source(error) and not is_passing(error):
                    raise SourceUnreachableError("CannotVerifyCopySource") from None
                raise

    async def write(self, disk: BlobAddress, piece: Change, content: bytes, lease_id: str) -> None:
        pages = [int.from_bytes(content[at : at + PAGE], "big") for at in range(0, piece.length, PAGE)]
        with _as_left(disk):
            await self._change(disk, lambda blob: blob.put(piece, pages, lease_id))

    async def clear(self, disk: BlobAddress, piece: Change, lease_id: str) -> None:
        with _as_left(disk):
            await self._calls.change(lambda: self._world.clear(self.address(disk), piece, lease_id))

    async def snapshots(self, disk: BlobAddress, run_id: str) -> list[TakenSnapshot]:
        def effect() -> list[TakenSnapshot]:
            blob = self._world.blobs.get(self.address(disk))
            return [
                TakenSnapshot(time=time, plan=int(taken.metadata[PLAN_METADATA]), etag=taken.metadata[ETAG_METADATA])
                for time, taken in sorted(blob.snapshots.items() if blob else ())
                if taken.metadata.get(RUN_METADATA) == run_id
                and taken.metadata.keys() >= {PLAN_METADATA, ETAG_METADATA}
            ]

        return await self._calls.read(effect)

    async def snapshot_times(self, disk: BlobAddress) -> set[str]:
        times = await self._calls.read(lambda: self._world.backup_times(disk))
        # A list may leave something out; what it is said to be is no proof.
        return set(sorted(times)[1:]) if self._calls.gives_up() else times

    async def snapshot(self, disk: BlobAddress, etag: str, metadata: Mapping[str, str], lease_id: str) -> str:
        address = self.address(disk)
        with _as_left(disk):
            taken = await self._calls.change(lambda: self._world.snapshot(address, metadata, etag, lease_id))
        self.versioned[disk] = address.account in self._world.versioned
        return taken

    async def delete_snapshot(self, disk: BlobAddress, snapshot: str) -> None:
        with contextlib.suppress(ResourceNotFoundError):
            await self._change(disk, lambda blob: blob.snapshots.pop(snapshot, None))

    async def _change[Result](self, disk: BlobAddress, effect: Callable[[Blob], Result]) -> Result:
        return await self._calls.change(lambda: effect(self._world.blob(self.address(disk))))

    def _source(self, source_url: str, piece: Change) -> list[Page]:
        """Read what the service is to copy, if it can; what was never written is zeros."""
        if self._world.source_answers != HTTPStatus.OK:
            raise refusal(self._world.source_answers, "CannotVerifyCopySource")
        try:
            taken = self._world.source(source_url)
        except HttpResponseError as error:
            raise refusal(error.status_code or 403, "CannotVerifyCopySource") from error
        found = taken.pages[piece.start // PAGE : piece.end // PAGE]
        if len(found) * PAGE != piece.length:
            raise refusal(416, "InvalidRange")
        return [page or 0 for page in found]


class SimulatedCatalogue(Catalogue):
    """What the backup container holds."""

    def __init__(self, world: World, calls: Calls) -> None:
        self._world, self._calls = world, calls

    async def blobs(self) -> AsyncIterator[StoredBlob]:
        for found in await self._calls.read(lambda: list(self._all())):
            yield found

    async def scratch(self) -> list[StoredBlob]:
        return await self._calls.read(lambda: [found for found in self._all() if DRILL_METADATA in found.metadata])

    def _all(self) -> Iterator[StoredBlob]:
        for address in sorted(self._world.blobs):
            blob = self._world.blobs[address]
            for time in (*sorted(blob.snapshots), "") if address.parent == OWN else ():
                yield StoredBlob(
                    url=address.url,
                    snapshot=time,
                    size=len(blob.at(time).pages) * PAGE,
                    metadata=blob.at(time).metadata,
                    copy_status=blob.at(time).copy_status,
                    modified=self._world.now,
                )


@contextlib.contextmanager
def _as_left(disk: BlobAddress) -> Iterator[None]:
    """Tell apart what a write is refused for, as `shared.azure.blobs.backup_blobs` does."""
    try:
        yield
    except HttpResponseError as error:
        if is_lease_error(error):
            raise LeaseLostError(str(error)) from error
        if error_code(error) == "BlobNotFound":
            raise NotAsLeftError(f"the backup blob of {disk.url} is gone; the run makes it anew") from error
        if error.status_code == 412:
            raise NotAsLeftError(f"the backup blob of {disk.url} was written to just now") from error
        raise

"""The services of an invocation, as the workflows see them, on top of the world: disks and backup blobs, all in all."""

from collections.abc import AsyncIterator, Callable, Mapping

from azure.core.exceptions import HttpResponseError, ServiceResponseError

from shared.addresses import BlobAddress
from shared.decisions import BackupBlob, TakenSnapshot
from shared.errors import ListingTimedOutError, NotAsLeftError, SourceGoneError, SourceUnreachableError
from shared.names import ETAG_METADATA, PAGE, PLAN_METADATA
from shared.ranges import Change, Window
from shared.settings import Settings, SourceDisk
from shared.storage.backup_blobs import BackupBlobs
from shared.storage.services import Services
from shared.storage.source_disks import SourceDisks, SourceSnapshot
from tests.simulation.blobs import Blob, Page, refusal
from tests.simulation.calls import Calls
from tests.simulation.tables import SimulatedPlans, SimulatedQueues, SimulatedRecords
from tests.simulation.world import OWN, World

SETTINGS = {
    "backup_schedule": "0 0 */12 * * *",
    "source_disks": "https://disks.blob.core.windows.net/vhds/*.vhd",
    "backup_container": OWN,
    "run_stalled_after_seconds": 1800,
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
}


def simulated(world: World, calls: Calls) -> Services:
    """Bundle the simulated services."""
    return Services(
        settings=Settings.model_validate(SETTINGS),
        disks=SimulatedDisks(world, calls),
        backups=SimulatedBackups(world, calls),
        records=SimulatedRecords(world, calls),
        plans=SimulatedPlans(world, calls),
        queues=SimulatedQueues(world, calls),
        now=lambda: world.now,
    )


class SimulatedDisks(SourceDisks):
    """The disks."""

    def __init__(self, world: World, calls: Calls) -> None:
        self._world, self._calls = world, calls

    async def matching(self, pattern: SourceDisk) -> list[BlobAddress]:
        return await self._calls.read(lambda: [disk for disk in self._world.disks if pattern.matches(disk.blob)])

    async def take_snapshot(self, disk: BlobAddress) -> str:
        return await self._calls.change(lambda: self._world.disks[disk].snapshot(self._world.time(), OWN))

    async def snapshot_properties(self, disk: BlobAddress, snapshot: str) -> SourceSnapshot:
        taken = await self._calls.read(lambda: self._world.disks[disk].get(snapshot))
        return SourceSnapshot(len(taken.pages) * PAGE, is_page_blob=True)

    async def own_snapshots(self, disk: BlobAddress) -> list[str]:
        snapshots = self._world.disks[disk].snapshots
        return await self._calls.read(lambda: sorted(time for time, taken in snapshots.items() if taken.owner == OWN))

    async def delete_snapshot(self, disk: BlobAddress, snapshot: str) -> None:
        await self._calls.change(lambda: self._world.delete_source_snapshot(disk, snapshot))

    async def changes(
        self, disk: BlobAddress, snapshot: str, previous: str | None, window: Window
    ) -> AsyncIterator[Change]:
        source = self._world.disks[disk]
        try:
            listed = await self._calls.read(
                lambda: source.diff(snapshot, previous, window) if previous else source.valid(snapshot, window)
            )
        except ServiceResponseError as error:
            raise ListingTimedOutError(str(error)) from error
        except HttpResponseError as error:
            if error.status_code == 500:
                raise ListingTimedOutError(str(error)) from error
            raise
        for change in listed:
            if self._calls.gives_up():
                raise ListingTimedOutError("OperationTimedOut")
            yield change

    async def signed_url(self, disk: BlobAddress, snapshot: str) -> str:
        return await self._calls.read(lambda: f"{disk.url}?snapshot={snapshot}")

    async def read(self, signed_url: str, piece: Change) -> bytes:
        found = await self._calls.read(lambda: _source(self._world, signed_url, piece))
        if found is None:
            raise SourceGoneError("the source snapshot is gone")
        return b"".join((page or 0).to_bytes(PAGE, "big") for page in found)


class SimulatedBackups(BackupBlobs):
    """The backup blobs."""

    def __init__(self, world: World, calls: Calls) -> None:
        self._world, self._calls = world, calls

    async def look(self, disk: BlobAddress) -> BackupBlob | None:
        def effect() -> BackupBlob | None:
            blob = self._world.blobs.get(disk)
            if blob is None:
                return None
            return BackupBlob(size=len(blob.pages) * PAGE, etag=blob.etag, leased=bool(blob.lease))

        return await self._calls.read(effect)

    async def create(self, disk: BlobAddress, size: int, metadata: Mapping[str, str]) -> str:  # noqa: ARG002 - not kept
        def effect() -> str:
            if disk in self._world.blobs:
                raise NotAsLeftError("BlobAlreadyExists")
            made = Blob([None] * (size // PAGE), self._world.number())
            self._world.blobs[disk] = made
            return made.etag

        return await self._calls.change(effect)

    async def renew_lease(self, disk: BlobAddress, lease_id: str) -> bool:
        return await self._calls.read(lambda: disk in self._world.blobs and self._world.blobs[disk].lease == lease_id)

    async def change_lease(self, disk: BlobAddress, lease_id: str, next_lease_id: str) -> None:
        def effect() -> None:
            blob = self._world.blobs.get(disk)
            if blob and blob.lease in (lease_id, next_lease_id):
                blob.lease = next_lease_id

        await self._calls.change(effect)

    async def acquire_lease(self, disk: BlobAddress, lease_id: str, etag: str) -> bool:
        if await self._change(disk, lambda blob: blob.acquire(lease_id, etag)):
            return False
        await self._change(disk, Blob.break_lease)
        if not await self._change(disk, lambda blob: blob.acquire(lease_id, etag)):
            raise refusal(409, "LeaseAlreadyPresent")
        return True

    async def release_lease(self, disk: BlobAddress, lease_id: str) -> None:
        def effect() -> None:
            if blob := self._world.blobs.get(disk):
                blob.release(lease_id)

        await self._calls.change(effect)

    async def resize(self, disk: BlobAddress, size: int, lease_id: str) -> None:
        await self._change(disk, lambda blob: blob.resize(size // PAGE, lease_id, self._world.number()))

    async def copy(self, disk: BlobAddress, piece: Change, source_url: str, lease_id: str) -> None:
        def effect(blob: Blob) -> None:
            blob.check_lease(lease_id)
            content = _source(self._world, source_url, piece) if self._world.copies_itself else None
            if content is None:
                raise SourceUnreachableError("CannotVerifyCopySource")
            blob.put(piece, content, lease_id, self._world.number())

        await self._change(disk, effect)

    async def write(self, disk: BlobAddress, piece: Change, content: bytes, lease_id: str) -> None:
        pages = [int.from_bytes(content[at : at + PAGE], "big") for at in range(0, piece.length, PAGE)]
        await self._change(disk, lambda blob: blob.put(piece, pages, lease_id, self._world.number()))

    async def clear(self, disk: BlobAddress, piece: Change, lease_id: str) -> None:
        empty = [None] * (piece.length // PAGE)
        await self._change(disk, lambda blob: blob.put(piece, empty, lease_id, self._world.number()))

    async def snapshots(self, disk: BlobAddress, run_id: str) -> list[TakenSnapshot]:
        def effect() -> list[TakenSnapshot]:
            taken = self._world.blobs[disk].snapshots if disk in self._world.blobs else {}
            return [
                TakenSnapshot(
                    time=time, plan=int(snapshot.metadata[PLAN_METADATA]), etag=snapshot.metadata[ETAG_METADATA]
                )
                for time, snapshot in sorted(taken.items())
                if snapshot.run_id == run_id
            ]

        return await self._calls.read(effect)

    async def snapshot(self, disk: BlobAddress, etag: str, metadata: Mapping[str, str], lease_id: str) -> str:
        return await self._change(disk, lambda blob: blob.snapshot(self._world.time(), etag, metadata, lease_id))

    async def delete_snapshot(self, disk: BlobAddress, snapshot: str) -> None:
        def effect() -> None:
            if blob := self._world.blobs.get(disk):
                blob.snapshots.pop(snapshot, None)

        await self._calls.change(effect)

    async def _change[Result](self, disk: BlobAddress, effect: Callable[[Blob], Result]) -> Result:
        def on_blob() -> Result:
            if disk not in self._world.blobs:
                raise refusal(404, "BlobNotFound")
            return effect(self._world.blobs[disk])

        return await self._calls.change(on_blob)


def _source(world: World, signed_url: str, piece: Change) -> list[Page] | None:
    url, _, snapshot = signed_url.partition("?snapshot=")
    taken = world.disks[BlobAddress.parse(url)].snapshots.get(snapshot)
    return list(taken.pages[piece.start // PAGE : piece.end // PAGE]) if taken else None

"""The backup container, and the snapshots of backup blobs, on top of the world."""

import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

from azure.core.exceptions import ResourceNotFoundError

from shared.azure.blobs.backup_container import BackupContainer
from shared.azure.blobs.refusals import change_errors
from shared.azure.blobs.snapshots import BlobSnapshots, is_taken_by
from shared.limits import PAGE
from shared.model.addresses import BlobAddress, ContainerAddress
from shared.model.catalogue import StoredBlob
from shared.model.disk import Disk
from shared.model.names import DRILL_METADATA, ETAG_METADATA, PLAN_METADATA
from shared.model.point import TakenSnapshot
from shared.model.sizes import SoftDeleted, is_backup_of
from shared.model.version import BlobVersion
from tests.simulation.calls import Calls
from tests.simulation.retention_rows import require_on_its_way
from tests.simulation.world import World


class SimulatedSnapshots(BlobSnapshots):
    """The snapshots of backup blobs."""

    def __init__(self, world: World, calls: Calls) -> None:
        self._world, self._calls = world, calls
        self.versioned = {}

    async def take(self, blob: BlobAddress, etag: str, metadata: Mapping[str, str], lease_id: str) -> str:
        with change_errors(blob):
            taken = await self._calls.change(lambda: self._world.snapshot(blob, metadata, etag, lease_id))
        self.versioned[blob] = blob.account in self._world.versioned
        return taken

    async def of_run(self, blob: BlobAddress, run_id: str) -> list[TakenSnapshot]:
        def effect() -> list[TakenSnapshot]:
            found = self._world.blobs.get(blob)
            return [
                TakenSnapshot(time=time, plan=int(taken.metadata[PLAN_METADATA]), etag=taken.metadata[ETAG_METADATA])
                for time, taken in sorted(found.snapshots.items() if found else ())
                if is_taken_by(run_id, taken.metadata)
            ]

        return await self._calls.read(effect)

    async def versions(self, blob: BlobAddress) -> dict[BlobVersion, Mapping[str, str]]:
        def effect() -> dict[BlobVersion, Mapping[str, str]]:
            self._world.require_allowed(blob)
            found = self._world.blobs.get(blob)
            copies = [
                at for at in self._world.blobs if at.blob.startswith(f"{blob.blob}/") and at.parent == blob.parent
            ]
            taken = {
                BlobVersion(blob, time): taken.metadata for time, taken in (found.snapshots if found else {}).items()
            }
            return taken | {BlobVersion(at): self._world.blobs[at].metadata for at in copies}

        versions = await self._calls.read(effect)
        # A list may leave something out; what it is said to be is no proof.
        left_out = min(self._on_record(blob, versions), key=str, default=None) if self._calls.gives_up() else None
        return {version: metadata for version, metadata in versions.items() if version != left_out}

    def _on_record(self, blob: BlobAddress, versions: Iterable[BlobVersion]) -> set[BlobVersion]:
        """Tell which versions are recovery points: of others, only the list knows."""
        known = {
            (point.backup_blob or blob, point.backup_snapshot)
            for points in self._world.points.values()
            for point in points.values()
        }
        return {version for version in versions if (version.blob, version.snapshot) in known}

    async def sizes(self, blob: BlobAddress) -> dict[str, int]:
        def effect() -> dict[str, int]:
            found = self._world.blobs.get(blob)
            return {time: len(taken.pages) * PAGE for time, taken in (found.snapshots if found else {}).items()}

        return await self._calls.read(effect)

    async def delete(self, blob: BlobAddress, snapshot: str) -> None:
        def effect() -> None:
            self._world.blob(blob).snapshots.pop(snapshot, None)
            require_on_its_way(self._world, blob, snapshot)

        with contextlib.suppress(ResourceNotFoundError):
            await self._calls.change(effect)


class SimulatedContainer(BackupContainer):
    """The backup container; what names its blobs is the real one."""

    def __init__(self, world: World, calls: Calls, container: ContainerAddress) -> None:
        self._world, self._calls, self._container = world, calls, container

    async def ensure(self) -> None:
        await self._calls.change(lambda: None)

    async def blobs(self, old: ContainerAddress | None = None) -> AsyncIterator[StoredBlob]:
        for found in await self._calls.read(lambda: list(self._all(old or self._container))):
            yield found

    async def of(self, disk: Disk) -> list[StoredBlob]:
        return await self._calls.read(
            lambda: [found for found in self._all(self._container) if is_backup_of(disk, found.blob.blob)]
        )

    async def scratch(self) -> list[StoredBlob]:
        return await self._calls.read(
            lambda: [found for found in self._all(self._container) if DRILL_METADATA in found.metadata]
        )

    async def soft_deleted(self, disk: Disk) -> list[SoftDeleted]:  # noqa: ARG002 - as on Azurite, which keeps nothing
        return await self._calls.read(list)

    def _all(self, container: ContainerAddress) -> Iterator[StoredBlob]:
        for address in sorted(self._world.blobs):
            blob = self._world.blobs[address]
            for time in (*sorted(blob.snapshots), "") if address.parent == container else ():
                yield StoredBlob(
                    blob=address,
                    snapshot=time,
                    size=len(blob.at(time).pages) * PAGE,
                    metadata=blob.at(time).metadata,
                    copy_status=blob.at(time).copy_status,
                    modified=self._world.now,
                )

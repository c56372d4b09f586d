"""The snapshots of backup blobs: each is a recovery point, or the leftover of a crash."""

import contextlib
from collections.abc import AsyncIterator, Mapping

from azure.core import MatchConditions
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobProperties

from shared.azure.blobs.refusals import change_errors
from shared.azure.connections import Connections
from shared.model.addresses import BlobAddress
from shared.model.names import ETAG_METADATA, PLAN_METADATA, RUN_METADATA
from shared.model.point import TakenSnapshot
from shared.model.version import BlobVersion


class BlobSnapshots:
    """Access to the snapshots of backup blobs.

    Attributes:
        versioned: for each blob snapshotted, whether the service also created a version.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self.versioned: dict[BlobAddress, bool] = {}

    async def take(self, blob: BlobAddress, etag: str, metadata: Mapping[str, str], lease_id: str) -> str:
        """Snapshot a blob, provided that it has this ETag and lease (REST: Snapshot Blob); give the snapshot's time.

        Raises:
            LeaseLostError: it is not under this lease.
            BlobChangedError: it has another ETag, or no longer exists.
        """
        client = await self._connections.blob(blob)
        with change_errors(blob):
            answer = await client.create_snapshot(
                dict(metadata), etag=etag, match_condition=MatchConditions.IfNotModified, lease=lease_id
            )
        self.versioned[blob] = bool(answer.get("version_id"))
        return str(answer["snapshot"])

    async def of_run(self, blob: BlobAddress, run_id: str) -> list[TakenSnapshot]:
        """List the snapshots of a backup blob that a run has taken, oldest first (REST: List Blobs)."""
        taken = [
            TakenSnapshot(time=str(found.snapshot), plan=int(metadata[PLAN_METADATA]), etag=metadata[ETAG_METADATA])
            async for found in listed_snapshots(self._connections, blob)
            if is_taken_by(run_id, metadata := found.metadata or {})
        ]
        return sorted(taken, key=lambda snapshot: snapshot.time)

    async def versions(self, blob: BlobAddress) -> dict[BlobVersion, Mapping[str, str]]:
        """List the snapshots of a backup blob, whoever took them, and the full copies below it (REST: List Blobs).

        Returns:
            Their metadata.
        """
        container = await self._connections.container(blob.parent)
        found = container.list_blobs(name_starts_with=blob.blob, include=["snapshots", "metadata"])
        try:
            return {
                BlobVersion(blob.parent.blob(one.name), one.snapshot or ""): one.metadata or {}
                async for one in found
                if (one.name == blob.blob if one.snapshot else one.name.startswith(f"{blob.blob}/"))
            }
        except ResourceNotFoundError:
            return {}  # no container any more

    async def sizes(self, blob: BlobAddress) -> dict[str, int]:
        """List the bytes of all snapshots of a blob, by their times, whoever took them."""
        return {str(found.snapshot): int(found.size) async for found in listed_snapshots(self._connections, blob)}

    async def delete(self, blob: BlobAddress, snapshot: str) -> None:
        """Delete one snapshot, if it exists. Never with `x-ms-delete-snapshots`, which deletes other people's too."""
        client = await self._connections.blob(blob, snapshot)
        with contextlib.suppress(ResourceNotFoundError):
            await client.delete_blob()


async def listed_snapshots(connections: Connections, blob: BlobAddress) -> AsyncIterator[BlobProperties]:
    """List the snapshots of one blob (REST: List Blobs, `prefix`, `include=snapshots`)."""
    container = await connections.container(blob.parent)
    async for found in container.list_blobs(name_starts_with=blob.blob, include=["snapshots", "metadata"]):
        if found.name == blob.blob and found.snapshot:
            yield found


def is_taken_by(run_id: str, metadata: Mapping[str, str]) -> bool:
    """Tell by its metadata whether a snapshot of a backup blob is the recovery point of a run."""
    return metadata.get(RUN_METADATA) == run_id and metadata.keys() >= {PLAN_METADATA, ETAG_METADATA}

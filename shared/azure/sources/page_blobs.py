"""The disks and Tidemark's snapshots of them. Only a restore that was asked for writes to a disk."""

import contextlib
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobType

from shared.azure.answers import explain
from shared.azure.connections import Connections
from shared.azure.sources.own_snapshots import is_own_snapshot
from shared.errors import NotAsLeftError
from shared.model.addresses import BlobAddress
from shared.model.names import BACKUP_METADATA, DISK_METADATA, TAKEN_METADATA
from shared.settings import Settings, SourceDisk


class SourceDisks:
    """Access to the disks.

    Attributes:
        versioned: of the disks that were snapshotted, whether the service keeps a version beside it.
    """

    def __init__(self, connections: Connections, settings: Settings) -> None:
        self._connections = connections
        self.versioned: dict[BlobAddress, bool] = {}
        self._backup = settings.container.url

    async def matching(self, pattern: SourceDisk) -> list[BlobAddress]:
        """List the page blobs that match a pattern (REST: List Blobs); what is none of these is no disk."""
        container = pattern.address.parent
        prefix = pattern.address.blob.partition("*")[0]
        client = await self._connections.container(container)
        found = client.list_blobs(name_starts_with=prefix)
        names = [blob.name async for blob in found if blob.blob_type == BlobType.PAGEBLOB]
        return [container.blob(name) for name in names if pattern.matches(name)]

    async def is_page_blob(self, disk: BlobAddress) -> bool:
        """Tell whether a blob that is there is a page blob, from its container's list (REST: List Blobs).

        The blob itself is not asked, as nothing but its snapshots ever is; one that is not there may be one.
        """
        client = await self._connections.container(disk.parent)
        async for blob in client.list_blobs(name_starts_with=disk.blob, results_per_page=1):
            return blob.name != disk.blob or blob.blob_type == BlobType.PAGEBLOB
        return True

    async def take_snapshot(self, disk: BlobAddress, etag: str | None = None) -> str:
        """Snapshot a disk, leased or not, and give the snapshot's time (REST: Snapshot Blob).

        Args:
            disk: the disk.
            etag: the ETag that it must have; None for any.

        Raises:
            NotAsLeftError: it has another ETag.
        """
        blob = await self._connections.blob(disk)
        taken = datetime.now(UTC).isoformat()
        metadata = {DISK_METADATA: disk.url, BACKUP_METADATA: self._backup, TAKEN_METADATA: taken}
        unchanged: dict[str, Any] = {"etag": etag, "match_condition": MatchConditions.IfNotModified} if etag else {}
        try:
            answer = await blob.create_snapshot(metadata=metadata, **unchanged)
        except HttpResponseError as error:
            if etag and error.status_code == HTTPStatus.PRECONDITION_FAILED:
                raise NotAsLeftError(f"{disk.url} was written to just now: {explain(error)}") from error
            raise
        self.versioned[disk] = bool(answer.get("version_id"))
        return str(answer["snapshot"])

    async def own_snapshots(self, disk: BlobAddress) -> list[str]:
        """List the times of the source snapshots that were taken for this backup container, oldest first."""
        client = await self._connections.container(disk.parent)
        found = client.list_blobs(name_starts_with=disk.blob, include=["snapshots", "metadata"])
        return sorted(
            [
                blob.snapshot
                async for blob in found
                if blob.name == disk.blob
                and blob.snapshot
                and is_own_snapshot(disk, self._backup, blob.snapshot, blob.metadata or {})
            ]
        )

    async def delete_snapshot(self, disk: BlobAddress, snapshot: str) -> None:
        """Delete one source snapshot; one that is gone is fine. Never by `x-ms-delete-snapshots`: it takes others'."""
        blob = await self._connections.blob(disk, snapshot)
        with contextlib.suppress(ResourceNotFoundError):
            await blob.delete_blob()

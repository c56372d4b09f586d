"""Disks that are page blobs, and Tidemark's snapshots of them. Only a requested restore writes to a disk."""

import contextlib
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobType

from shared.azure.answers import explain
from shared.azure.blobs.reading import blob_state
from shared.azure.connections import Connections
from shared.azure.sources.own_snapshots import is_own_snapshot
from shared.azure.sources.source import Source
from shared.errors import BlobChangedError
from shared.model.addresses import BlobAddress, ContainerAddress
from shared.model.disk import Disk, PageBlobDisk, page_blob
from shared.model.fitness import not_a_page_blob
from shared.model.names import BACKUP_METADATA, DISK_METADATA, TAKEN_METADATA
from shared.model.notices import versions_kept
from shared.model.version import BlobVersion
from shared.settings import Settings
from shared.source_disks import SourceDisk


class PageBlobSource(Source):
    """Access to disks that are page blobs, and to their snapshots."""

    def __init__(self, connections: Connections, settings: Settings) -> None:
        self._connections, self._settings = connections, settings
        self._backups, self._all_backups = settings.container, settings.backup_containers
        # For each disk snapshotted, whether the service also created a version.
        self._versioned: dict[Disk, bool] = {}

    async def find(self, pattern: SourceDisk) -> list[Disk]:
        """List the page blobs that match a pattern (REST: List Blobs); other blobs and backups are not disks."""
        if not isinstance(pattern.address, BlobAddress):
            return []
        container = pattern.address.parent
        prefix = pattern.address.blob.partition("*")[0]
        client = await self._connections.container(container)
        found = client.list_blobs(name_starts_with=prefix)
        names = [blob.name async for blob in found if blob.blob_type == BlobType.PAGEBLOB]
        if any(container.is_same_as(backups) for backups in self._all_backups):
            return []
        return [disk for name in names if pattern.covers(disk := PageBlobDisk(container.blob(name)))]

    async def problem(self, disk: Disk) -> str:
        """Say that a blob is not a page blob, by its container's list (REST: List Blobs).

        The blob itself is never read, only its snapshots are.
        """
        address = page_blob(disk)
        client = await self._connections.container(address.parent)
        async for blob in client.list_blobs(name_starts_with=address.blob, results_per_page=1):
            is_disk = blob.name != address.blob or blob.blob_type == BlobType.PAGEBLOB
            return "" if is_disk else not_a_page_blob(disk, self._settings.how_to_exclude(disk))
        return ""

    async def exists(self, disk: Disk) -> bool:
        """Tell whether the blob exists (REST: Get Blob Properties)."""
        try:
            return await blob_state(await self._connections.blob(page_blob(disk))) is not None
        except ResourceExistsError:
            return True  # a premium disk attached to a VM

    async def take_snapshot(self, disk: Disk, etag: str | None = None) -> str:
        """Snapshot a disk, leased or not, and give the snapshot's time (REST: Snapshot Blob).

        Args:
            disk: the disk.
            etag: the ETag it must have; None for any.

        Raises:
            BlobChangedError: it has another ETag.
        """
        blob = await self._connections.blob(page_blob(disk))
        taken = datetime.now(UTC).isoformat()
        metadata = {DISK_METADATA: disk.name, BACKUP_METADATA: self._backups.url, TAKEN_METADATA: taken}
        unchanged: dict[str, Any] = {"etag": etag, "match_condition": MatchConditions.IfNotModified} if etag else {}
        try:
            answer = await blob.create_snapshot(metadata=metadata, **unchanged)
        except HttpResponseError as error:
            if etag and error.status_code == HTTPStatus.PRECONDITION_FAILED:
                raise BlobChangedError(f"{disk.name} has just been changed: {explain(error)}") from error
            raise
        self._versioned[disk] = bool(answer.get("version_id"))
        return str(answer["snapshot"])

    async def pending(self, disk: Disk, snapshot: str) -> str:  # noqa: ARG002 - the same for all
        """Say nothing: a snapshot of a blob can be read at once."""
        return ""

    async def own_snapshots(self, disk: Disk, old: ContainerAddress | None = None) -> list[str]:
        """List the times of the source snapshots taken for the backup container, or the one before, oldest first."""
        address = page_blob(disk)
        client = await self._connections.container(address.parent)
        found = client.list_blobs(name_starts_with=address.blob, include=["snapshots", "metadata"])
        return sorted(
            [
                blob.snapshot
                async for blob in found
                if blob.name == address.blob
                and blob.snapshot
                and is_own_snapshot(disk, old or self._backups, blob.snapshot, blob.metadata or {})
            ]
        )

    async def delete_snapshot(self, disk: Disk, snapshot: str) -> None:
        """Delete one source snapshot, if it exists.

        Never with `x-ms-delete-snapshots`, which deletes other people's too.
        """
        blob = await self._connections.blob(page_blob(disk), snapshot)
        with contextlib.suppress(ResourceNotFoundError):
            await blob.delete_blob()

    async def let_go(self, disk: Disk, snapshot: str) -> None:
        """Nothing: any number of signatures may read a blob."""

    async def profile(self, disk: Disk, snapshot: str) -> str:  # noqa: ARG002 - the same for all
        """Say nothing: a page blob is its bytes."""
        return ""

    def version(self, disk: Disk, snapshot: str) -> BlobVersion:
        """Give the source snapshot of a time, to read or copy."""
        return BlobVersion(page_blob(disk), snapshot)

    def notice(self, disk: Disk) -> str | None:
        """Warn if its account keeps versions, which cost; None if it was not snapshotted just now."""
        if disk not in self._versioned:
            return None
        return versions_kept(page_blob(disk)) if self._versioned[disk] else ""

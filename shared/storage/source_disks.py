"""The disks: their snapshots, changes and pages. Only snapshots are read; a disk itself is never written."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from urllib.parse import quote

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError, ServiceResponseError
from azure.core.rest import HttpRequest
from azure.storage.blob import BlobSasPermissions, BlobType, generate_blob_sas
from azure.storage.blob.aio import BlobClient, ContainerClient

from shared.addresses import BlobAddress
from shared.decisions import is_own_snapshot
from shared.errors import DiffRefusedError, ListingTimedOutError, SourceGoneError, explain, refuses_diff
from shared.names import BACKUP_METADATA, DISK_METADATA, TAKEN_METADATA
from shared.ranges import Change, Window
from shared.settings import Settings, SourceDisk
from shared.storage.connections import RETRY_ONCE, Connections

RANGES_PER_REQUEST = 10_000
"""The most that Get Page Ranges lists in one answer (REST: Get Page Ranges, maxresults)."""

_SAS_BEFORE = timedelta(minutes=15)
_SAS_AFTER = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class SourceSnapshot:
    """A source snapshot.

    Attributes:
        size: bytes.
        is_page_blob: whether it is a page blob at all.
    """

    size: int
    is_page_blob: bool


class SourceDisks:
    """Access to the disks."""

    def __init__(self, connections: Connections, settings: Settings) -> None:
        self._connections = connections
        self._backup = settings.container.url
        self._version = settings.storage_api_version

    async def matching(self, pattern: SourceDisk) -> list[BlobAddress]:
        """List the blobs that match a pattern (REST: List Blobs)."""
        container = pattern.address.parent
        prefix = pattern.address.blob.partition("*")[0]
        client = await self._container(pattern.address)
        names = [blob.name async for blob in client.list_blobs(name_starts_with=prefix)]
        return [container.blob(name) for name in names if pattern.matches(name)]

    async def take_snapshot(self, disk: BlobAddress) -> str:
        """Snapshot a disk, leased or not, and give the snapshot's time (REST: Snapshot Blob)."""
        blob = await self._blob(disk)
        taken = datetime.now(UTC).isoformat()
        metadata = {DISK_METADATA: disk.url, BACKUP_METADATA: self._backup, TAKEN_METADATA: taken}
        return str((await blob.create_snapshot(metadata=metadata))["snapshot"])

    async def snapshot_properties(self, disk: BlobAddress, snapshot: str) -> SourceSnapshot:
        """Look at a source snapshot (REST: Get Blob Properties).

        Raises:
            SourceGoneError: there is no such snapshot.
        """
        blob = await self._blob(disk, snapshot)
        try:
            properties = await blob.get_blob_properties()
        except ResourceNotFoundError as error:
            raise _gone(disk, snapshot) from error
        return SourceSnapshot(properties.size, properties.blob_type == BlobType.PAGEBLOB)

    async def own_snapshots(self, disk: BlobAddress) -> list[str]:
        """List the times of the source snapshots that were taken for this backup container, oldest first."""
        client = await self._container(disk)
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
        blob = await self._blob(disk, snapshot)
        with contextlib.suppress(ResourceNotFoundError):
            await blob.delete_blob()

    async def changes(
        self, disk: BlobAddress, snapshot: str, previous: str | None, window: Window
    ) -> AsyncIterator[Change]:
        """List what changed in a window since the previous source snapshot; where there is none, all that is valid.

        Follows the paging to its end (REST: Get Page Ranges, `prevsnapshot`, `marker`, `maxresults`).

        Raises:
            DiffRefusedError: the service does not give this diff.
            ListingTimedOutError: the service gave up; what was given so far holds.
            SourceGoneError: the source snapshot is gone.
        """
        blob = await self._blob(disk, snapshot)
        listed = blob.list_page_ranges(
            offset=window.start,
            length=window.end - window.start,
            previous_snapshot=previous,
            results_per_page=RANGES_PER_REQUEST,
            **RETRY_ONCE,
        )
        try:
            async for page_range in listed:
                yield Change(int(page_range.start or 0), int(page_range.end or 0) + 1, page_range.cleared)
        except ResourceNotFoundError as error:
            raise _gone(disk, snapshot) from error
        except ServiceResponseError as error:
            raise ListingTimedOutError(explain(error)) from error
        except HttpResponseError as error:
            if previous and refuses_diff(error):
                raise DiffRefusedError(explain(error)) from error
            if error.status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
                raise ListingTimedOutError(explain(error)) from error
            raise

    async def signed_url(self, disk: BlobAddress, snapshot: str) -> str:
        """Mint a URL that reads one source snapshot and nothing else, for hours. It is a secret: it is never kept.

        By key a service SAS; by identity a user delegation SAS (REST: Create a user delegation SAS).
        """
        now = datetime.now(UTC)
        start, expiry = now - _SAS_BEFORE, now + _SAS_AFTER
        key = self._connections.account_key(disk.account)
        delegation = None
        if key is None:
            service = await self._connections.blob_service(disk.service_url, disk.account)
            delegation = await service.get_user_delegation_key(start, expiry)
        sas = generate_blob_sas(
            disk.account,
            disk.container,
            disk.blob,
            snapshot=snapshot,
            account_key=key,
            user_delegation_key=delegation,
            permission=BlobSasPermissions(read=True),
            start=start,
            expiry=expiry,
        )
        return f"{disk.url}?snapshot={quote(snapshot, safe='')}&{sas}"

    async def read(self, signed_url: str, piece: Change) -> bytes:
        """Read a range of at most 4 MiB of a source snapshot with one request (REST: Get Blob).

        The SDK's download asks for the page ranges of the whole blob each time, and fills with zeros by that list.

        Raises:
            SourceGoneError: the source snapshot is gone.
            HttpResponseError: the service refused.
        """
        http = await self._connections.http()
        headers = {"x-ms-version": self._version, "x-ms-range": f"bytes={piece.start}-{piece.end - 1}"}
        answer = await http.send_request(HttpRequest("GET", signed_url, headers=headers))
        body = answer.content
        if answer.status_code == HTTPStatus.NOT_FOUND:
            raise SourceGoneError("the source snapshot is gone")
        if answer.status_code != HTTPStatus.PARTIAL_CONTENT or len(body) != piece.length:
            code = answer.headers.get("x-ms-error-code", "")
            raise HttpResponseError(f"reading the source snapshot: {answer.status_code} {code}, {len(body)} bytes")
        return bytes(body)

    async def _blob(self, disk: BlobAddress, snapshot: str | None = None) -> BlobClient:
        service = await self._connections.blob_service(disk.service_url, disk.account)
        return service.get_blob_client(disk.container, disk.blob, snapshot=snapshot)

    async def _container(self, disk: BlobAddress) -> ContainerClient:
        service = await self._connections.blob_service(disk.service_url, disk.account)
        return service.get_container_client(disk.container)


def _gone(disk: BlobAddress, snapshot: str) -> SourceGoneError:
    return SourceGoneError(f"the source snapshot {snapshot} of {disk.url} is gone")

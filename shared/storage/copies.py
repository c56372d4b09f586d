"""Whole page blobs copied by the service: Copy Blob, which is asynchronous, best effort, and may take days."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobProperties, BlobType, ContentSettings
from azure.storage.blob.aio import BlobClient, BlobLeaseClient

from shared.addresses import BlobAddress
from shared.disk_limits import sendable
from shared.errors import CopyRefusedError, NotAsLeftError, TargetLeasedError, error_code, explain, is_lease_error
from shared.names import COPY_METADATA, COPY_SUCCESS
from shared.ranges import Change
from shared.storage.connections import PACED, Connections

_ATTACHED = frozenset({"SystemInUse", "LeaseAlreadyPresent", "LeaseIsBreakingAndCannotBeAcquired"})
_SOURCE_REFUSED = frozenset({"CannotVerifyCopySource", "InvalidHeaderValue"})
# Another request was faster: how its copy goes is to be looked at.
_FASTER = frozenset({"PendingCopyOperation", "BlobAlreadyExists", "ConditionNotMet", "TargetConditionNotMet"})


@dataclass(frozen=True, slots=True)
class CopyTarget:
    """A blob that is copied to, as it stands.

    Attributes:
        size: bytes.
        etag: its ETag.
        is_page_blob: whether it is a page blob.
        leased: whether it is under a lease, whosever it is.
        metadata: its metadata.
        copy_status: `pending`, `success`, `aborted` or `failed`; empty where it was never copied to.
        copy_said: what the service says of a copy that did not succeed.
        bytes_done, bytes_total: how far the copy is.
    """

    size: int
    etag: str
    is_page_blob: bool
    leased: bool
    metadata: Mapping[str, str]
    copy_status: str
    copy_said: str
    bytes_done: int
    bytes_total: int

    def is_marked(self, mark: str) -> bool:
        """Tell whether its copy, be it done or not, is the one with this mark."""
        return self.metadata.get(COPY_METADATA) == mark

    def has_succeeded(self, mark: str, size: int) -> bool:
        """Tell whether the copy with this mark has succeeded; once its source is forgotten, no status says so."""
        return self.is_marked(mark) and self.copy_status in {COPY_SUCCESS, ""} and self.size == size


class Copies:
    """Access to the blobs that Copy Blob makes: full copies, promoted recovery points, restored disks."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def look(self, blob: BlobAddress) -> CopyTarget | None:
        """Look at a blob and at the copy to it (REST: Get Blob Properties); None where there is none.

        Raises:
            TargetLeasedError: it is a premium disk that is attached to a VM.
        """
        client = await self._client(blob)
        try:
            return _as_target(await client.get_blob_properties())
        except ResourceNotFoundError:
            return None
        except ResourceExistsError as error:
            raise _attached(blob, error) from error

    async def create(self, blob: BlobAddress, size: int, metadata: Mapping[str, str]) -> str:
        """Create an empty page blob where there is none (REST: Put Blob); give its ETag.

        Raises:
            NotAsLeftError: there is one by now.
        """
        client = await self._client(blob)
        try:
            made = await client.create_page_blob(
                size, metadata=dict(metadata), match_condition=MatchConditions.IfMissing
            )
        except ResourceExistsError as error:
            raise NotAsLeftError(f"{blob.url} was not there, and is there now: {explain(error)}") from error
        return str(made["etag"])

    async def acquire_lease(self, blob: BlobAddress, lease_id: str, etag: str) -> None:
        """Put a blob under an infinite lease (REST: Lease Blob), as long as it has this ETag.

        Acquiring it again is harmless; and one that comes late, when the blob is somebody's again, is refused.

        Raises:
            TargetLeasedError: it is under somebody else's, as a disk that is attached to a VM is.
            NotAsLeftError: it has another ETag, or is gone.
        """
        lease = BlobLeaseClient(await self._client(blob), lease_id)
        try:
            await lease.acquire(lease_duration=-1, etag=etag, match_condition=MatchConditions.IfNotModified)
        except ResourceExistsError as error:
            raise _attached(blob, error) from error
        except HttpResponseError as error:
            if error.status_code in {HTTPStatus.PRECONDITION_FAILED, HTTPStatus.NOT_FOUND}:
                raise NotAsLeftError(f"{blob.url} is not as it was a moment ago: {explain(error)}") from error
            raise

    async def renew_lease(self, blob: BlobAddress, lease_id: str) -> None:
        """See to it that a blob has been under this lease all the time (REST: Lease Blob, renew).

        Raises:
            NotAsLeftError: it has not: others may have written to it.
        """
        lease = BlobLeaseClient(await self._client(blob), lease_id)
        try:
            await lease.renew()
        except (ResourceExistsError, ResourceNotFoundError) as error:
            raise NotAsLeftError(f"{blob.url} is not under this restore's lease: {explain(error)}") from error

    async def release_lease(self, blob: BlobAddress, lease_id: str) -> None:
        """End a lease; one that has ended already is fine, and so is a blob that is gone."""
        await release(BlobLeaseClient(await self._client(blob), lease_id))

    async def start(
        self,
        blob: BlobAddress,
        source_url: str,
        metadata: Mapping[str, str],
        *,
        etag: str | None,
        lease_id: str | None = None,
    ) -> None:
        """Have the service copy a page blob over another (REST: Copy Blob), as long as that has this ETag.

        Args:
            blob: what is copied to; its snapshots stay.
            source_url: what is copied; signed, where it is in another account.
            metadata: what the copy's metadata is to be, its mark among them.
            etag: the ETag of the blob as it was found; None where there was none.
            lease_id: the infinite lease that it is under.

        Raises:
            CopyRefusedError: the service does not read the source.
            NotAsLeftError: the blob is not under this lease.
        """
        conditions: dict[str, Any] = {"match_condition": MatchConditions.IfMissing}
        if etag:
            conditions = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        if lease_id:
            conditions["destination_lease"] = lease_id
        client = await self._client(blob)
        try:
            with _leased(blob):
                await client.start_copy_from_url(source_url, metadata=dict(metadata), **conditions)
        except HttpResponseError as error:
            if error_code(error) in _FASTER:
                return
            if error_code(error) in _SOURCE_REFUSED:
                # The answer may repeat the source's URL, signature and all.
                raise CopyRefusedError(f"the service can't copy to {blob.url}: {explain(error)}") from None
            raise

    async def resize(self, blob: BlobAddress, size: int, lease_id: str) -> None:
        """Grow or shrink a blob (REST: Set Blob Properties); what is new reads as zeros.

        Raises:
            NotAsLeftError: it is not under this lease.
        """
        client = await self._client(blob)
        with _leased(blob):
            await client.resize_blob(size, lease=lease_id)

    async def write(self, blob: BlobAddress, piece: Change, content: bytes, lease_id: str) -> None:
        """Write at most 4 MiB (REST: Put Page).

        Raises:
            NotAsLeftError: the blob is not under this lease.
        """
        client = await self._client(blob)
        with _leased(blob):
            await client.upload_page(content, piece.start, piece.length, lease=lease_id, **PACED)

    async def clear(self, blob: BlobAddress, piece: Change, lease_id: str) -> None:
        """Clear a range of any length (REST: Put Page, `x-ms-page-write: clear`).

        Raises:
            NotAsLeftError: the blob is not under this lease.
        """
        client = await self._client(blob)
        with _leased(blob):
            await client.clear_page(piece.start, piece.length, lease=lease_id, **PACED)

    async def forget_source(self, blob: BlobAddress, etag: str, lease_id: str | None = None) -> str:
        """Have a copy that has succeeded say no more where it is from; give its ETag then.

        Else whoever may look at the blob reads the signed URL, for as long as the signature lives. Set Blob Properties
        ends that (REST: Get Blob Properties, `x-ms-copy-source`).

        Raises:
            NotAsLeftError: it has another ETag, or is not under this lease.
        """
        client = await self._client(blob)
        options: dict[str, Any] = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        if lease_id:
            options["lease"] = lease_id
        found = await client.get_blob_properties()
        try:
            with _leased(blob):
                answer = await client.set_http_headers(_settings_of(found), **options)
        except HttpResponseError as error:
            if error.status_code == HTTPStatus.PRECONDITION_FAILED:
                raise NotAsLeftError(f"{blob.url} was written to just now: {explain(error)}") from error
            raise
        return str(answer["etag"])

    async def delete(self, blob: BlobAddress, etag: str, lease_id: str | None = None) -> None:
        """Delete a blob that has no snapshots, as long as it has this ETag; one that is gone is fine.

        Raises:
            NotAsLeftError: it has another ETag or lease by now, or has snapshots.
        """
        client = await self._client(blob)
        leased: dict[str, Any] = {"lease": lease_id} if lease_id else {}
        try:
            await client.delete_blob(etag=etag, match_condition=MatchConditions.IfNotModified, **leased)
        except ResourceNotFoundError:
            return
        except HttpResponseError as error:
            if error.status_code == HTTPStatus.PRECONDITION_FAILED and not await client.exists():
                return  # a condition on what is gone is refused, too
            if error.status_code in {HTTPStatus.PRECONDITION_FAILED, HTTPStatus.CONFLICT}:
                raise NotAsLeftError(f"{blob.url} is left as it is: {explain(error)}") from error
            raise

    async def _client(self, blob: BlobAddress) -> BlobClient:
        service = await self._connections.blob_service(blob.service_url, blob.account)
        return service.get_blob_client(blob.container, blob.blob)


async def release(lease: BlobLeaseClient) -> None:
    """End a lease; one that has ended already is fine, and so is a blob that is gone.

    Raises:
        ResourceExistsError: a copy to the blob is under way.
    """
    try:
        await lease.release()
    except ResourceNotFoundError:
        return
    except ResourceExistsError as error:
        if error_code(error) == "PendingCopyOperation":
            raise


@contextlib.contextmanager
def _leased(blob: BlobAddress) -> Iterator[None]:
    """Tell apart what a write is refused for when the blob is not under the restore's lease any more."""
    try:
        yield
    except HttpResponseError as error:
        if is_lease_error(error):
            raise NotAsLeftError(f"{blob.url} is not under this restore's lease: {explain(error)}") from error
        raise


def _settings_of(found: BlobProperties) -> ContentSettings:
    """Give the properties that a blob keeps: those that can be sent."""
    return ContentSettings(**sendable(vars(found.content_settings)))


def _as_target(found: BlobProperties) -> CopyTarget:
    done, _, total = str(found.copy.progress or "0/0").partition("/")
    return CopyTarget(
        size=found.size,
        etag=str(found.etag),
        is_page_blob=found.blob_type == BlobType.PAGEBLOB,
        leased=found.lease.state in {"leased", "breaking"},
        metadata=found.metadata or {},
        copy_status=found.copy.status or "",
        copy_said=found.copy.status_description or "",
        bytes_done=int(done),
        bytes_total=int(total),
    )


def _attached(blob: BlobAddress, error: ResourceExistsError) -> Exception:
    """Tell apart a disk that is in use.

    Raises:
        ResourceExistsError: it is something else.
    """
    if error_code(error) not in _ATTACHED:
        raise error
    return TargetLeasedError(blob.url, error_code(error))

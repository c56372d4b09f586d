"""Whole page blobs copied by the service: Copy Blob, which is asynchronous, best effort, and may take days."""

import contextlib
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobProperties, ContentSettings
from azure.storage.blob.aio import BlobLeaseClient

from shared.azure.answers import error_code, explain, is_lease_error, is_passing, refuses_source
from shared.azure.blobs.targets import Targets, attached
from shared.azure.connections import NOT_RETRIED, PACED
from shared.changes.ranges import Change
from shared.errors import CopyRefusedError, NotAsLeftError
from shared.model.addresses import BlobAddress
from shared.model.fitness import sendable

# Another request was faster: how its copy goes is to be looked at.
_FASTER = frozenset({"PendingCopyOperation", "BlobAlreadyExists", "ConditionNotMet", "TargetConditionNotMet"})


class Copies(Targets):
    """Access to the blobs that Copy Blob makes: full copies, promoted recovery points, restored disks."""

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
            raise attached(blob, error) from error
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
            CopyRefusedError: the service does not read the source; where that may pass, it is an AzureError.
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
                await client.start_copy_from_url(source_url, metadata=dict(metadata), **conditions, **PACED)
        except HttpResponseError as error:
            if error_code(error) in _FASTER:
                return
            if refuses_source(error) and not is_passing(error):
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
        """Clear a range with one request (REST: Put Page, `x-ms-page-write: clear`).

        Raises:
            NotAsLeftError: the blob is not under this lease.
        """
        client = await self._client(blob)
        with _leased(blob):
            await client.clear_page(piece.start, piece.length, lease=lease_id, **NOT_RETRIED)

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

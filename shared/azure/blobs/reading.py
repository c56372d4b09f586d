"""Read-only access to page blobs and their snapshots, disks and backups alike: size, page ranges, content."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    IncompleteReadError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.storage.blob import BlobType, UserDelegationKey
from azure.storage.blob.aio import BlobClient

from shared.azure.answers import diff_refused, explain, is_timeout, refuses_diff
from shared.azure.blobs.refusals import in_use_error
from shared.azure.connections import NOT_RETRIED, RETRY_ONCE, Connections
from shared.azure.delegation_keys import SIGNED_BEFORE
from shared.azure.signatures import Signed, sign_by_delegation, sign_by_key
from shared.azure.sources.source import READ_URL_LIFETIME, Reader
from shared.changes.ranges import Change, Window
from shared.errors import ListingTimedOutError, SourceGoneError, not_found
from shared.limits import RANGES_PER_REQUEST
from shared.model.addresses import BlobAddress
from shared.model.blob import BlobState
from shared.model.version import Version, blob_version


class BlobReader(Reader):
    """Access to blobs and their snapshots."""

    def __init__(self, connections: Connections, storage_api_version: str) -> None:
        self._connections = connections
        self._version = storage_api_version

    async def find(self, blob: BlobAddress) -> BlobState | None:
        """Get the state of a blob and of the copy to it (REST: Get Blob Properties); None if there is none.

        Raises:
            TargetLeasedError: it is a premium disk attached to a VM.
        """
        try:
            return await blob_state(await self._connections.blob(blob))
        except ResourceExistsError as error:
            raise in_use_error(blob, error) from error

    async def properties(self, version: Version) -> BlobState:
        """Get the state of a blob or a snapshot (REST: Get Blob Properties).

        Raises:
            SourceGoneError: it does not exist.
        """
        asked = blob_version(version)
        found = await blob_state(await self._connections.blob(asked.blob, asked.snapshot))
        if found is None:
            raise SourceGoneError(not_found(asked.blob.url, asked.snapshot))
        return found

    async def changes(self, version: Version, since: Version | None, window: Window) -> AsyncIterator[Change]:
        """List what changed in a window since an older snapshot, or without one all valid ranges.

        Follows the paging to its end (REST: Get Page Ranges, `prevsnapshot`, `marker`, `maxresults`).

        Raises:
            DiffRefusedError: the service refuses this diff.
            ListingTimedOutError: the listing timed out; what was listed so far is valid.
            SourceGoneError: the snapshot no longer exists.
        """
        asked, previous = blob_version(version), blob_version(since).snapshot if since else None
        client = await self._connections.blob(asked.blob, asked.snapshot)
        listed = client.list_page_ranges(
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
            raise SourceGoneError(not_found(asked.blob.url, asked.snapshot)) from error
        except AzureError as error:
            if isinstance(error, HttpResponseError) and previous and refuses_diff(error):
                raise diff_refused(error) from error
            if is_timeout(error):
                raise ListingTimedOutError(
                    f"listing the page ranges of {asked.blob.url} timed out: {explain(error)}"
                ) from error
            raise

    async def signed_url(
        self, version: Version, lifetime: timedelta = READ_URL_LIFETIME, *, fresh_key: bool = False
    ) -> str:
        """Mint a short-lived URL that reads only one blob or snapshot. It is a secret, and never stored.

        With a key, a service SAS; by identity, a user delegation SAS (REST: Create a user delegation SAS). It has the
        same version as its key and the requests.

        Args:
            version: the snapshot, or the blob itself.
            lifetime: how long it is valid.
            fresh_key: whether to use a new delegation key, in case the last one was revoked.
        """
        asked, now = blob_version(version), datetime.now(UTC)
        blob = asked.blob
        signed = Signed(blob, asked.snapshot, now - SIGNED_BEFORE, now + lifetime, self._version)
        if fresh_key:
            self._connections.delegation_keys.forget(blob.service_url)
        if key := self._connections.account_key(blob.account):
            sas = sign_by_key(signed, key)
        else:
            sas = sign_by_delegation(signed, await self._delegation_key(blob, now, signed.expiry))
        return f"{asked.name}{'&' if asked.snapshot else '?'}{sas}"

    async def read(self, signed_url: str, piece: Change) -> bytes:
        """Read a range of at most 4 MiB with one request, as it is stored (REST: Get Blob).

        A Content-Encoding that some tool has set is not decoded. The SDK's download would decode it, and would list
        the page ranges of the whole blob on each call and zero-fill by that list.

        Raises:
            SourceGoneError: the blob or the snapshot no longer exists.
            AzureError: the service refused, or the response was truncated, which is transient.
        """
        headers = {
            "x-ms-version": self._version,
            "x-ms-range": f"bytes={piece.start}-{piece.end - 1}",
            "Accept-Encoding": "identity",
        }
        tried = await self._connections.direct.get(signed_url, headers, piece.length)
        if tried.body is not None:
            return tried.body
        http = await self._connections.http()
        request = HttpRequest("GET", signed_url, headers=headers)
        answer = await http.send_request(request, stream=True, **NOT_RETRIED, **tried.rest)
        async with answer:
            body = b"".join([chunk async for chunk in answer.iter_raw()])
        if answer.status_code != HTTPStatus.PARTIAL_CONTENT:
            raise _refused(answer, signed_url, piece)
        if len(body) != piece.length:
            raise _cut_short(answer, signed_url, piece, len(body))
        return body

    async def _delegation_key(self, blob: BlobAddress, now: datetime, expiry: datetime) -> UserDelegationKey:
        service = await self._connections.blob_service(blob.service_url, blob.account)
        return await self._connections.delegation_keys.get(service, blob.service_url, now, expiry)


async def blob_state(client: BlobClient) -> BlobState | None:
    """Get the state of a blob or a snapshot (REST: Get Blob Properties); None if there is none."""
    try:
        found = await client.get_blob_properties()
    except ResourceNotFoundError:
        return None
    done, _, total = str(found.copy.progress or "0/0").partition("/")
    return BlobState(
        size=found.size,
        etag=str(found.etag),
        is_page_blob=found.blob_type == BlobType.PAGEBLOB,
        leased=found.lease.state in {"leased", "breaking"},
        metadata=found.metadata or {},
        copy_status=found.copy.status or "",
        copy_description=found.copy.status_description or "",
        bytes_done=int(done),
        bytes_total=int(total),
    )


def _refused(answer: AsyncHttpResponse, signed_url: str, piece: Change) -> Exception:
    """Make the error for a refused read, with the service's code, as the SDK does."""
    url = signed_url.partition("?")[0]
    if answer.status_code == HTTPStatus.NOT_FOUND:
        return SourceGoneError(f"{url}, or the snapshot of it to read, no longer exists")
    refused = HttpResponseError(f"can't read {piece.described} of {url}", response=answer)
    refused.error_code = answer.headers.get("x-ms-error-code", "")  # type: ignore[attr-defined]  # as the SDK does
    return refused


def _cut_short(answer: AsyncHttpResponse, signed_url: str, piece: Change, length: int) -> Exception:
    """Make the error for a body shorter than the range: transient, unless the service announced a shorter range."""
    said = f"requested {piece.described} of {signed_url.partition('?')[0]}, and received {length} bytes"
    given = answer.headers.get("Content-Range", "")
    if not given or given.startswith(f"bytes {piece.start}-{piece.end - 1}/"):
        return IncompleteReadError(f"{said}: the response was truncated")
    return HttpResponseError(f"{said}: {given}", response=answer)

"""Reading snapshots of managed disks: size, page ranges, and URLs to copy from.

As a blob, a snapshot is the disk's bytes and a VHD footer of 512 bytes.
"""

import contextlib
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError, ServiceResponseError
from azure.core.rest import HttpRequest

from shared.azure.answers import diff_refused, error_code, explain, is_busy, is_timeout, refuses_diff
from shared.azure.connections import RETRY_ONCE, Connections
from shared.azure.resource_manager import ResourceManager
from shared.azure.sources.access_urls import AccessUrls
from shared.azure.sources.disk_shapes import is_private
from shared.azure.sources.source import READ_URL_LIFETIME, Reader
from shared.changes.ranges import Change, Window
from shared.errors import DiffRefusedError, ListingTimedOutError, SourceGoneError
from shared.limits import FOOTER, RANGES_PER_REQUEST
from shared.model.addresses import BlobAddress
from shared.model.blob import BlobState
from shared.model.version import SnapshotVersion, Version, snapshot_version

DIFF_BOUNDARY = 4 * 1024**4
"""Bytes across which no diff is made when a disk grows (Create an incremental snapshot for managed disks)."""

_REFUSALS = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
"""How the difference between private snapshots may be refused; which it is, is not documented."""


class ManagedReader(Reader):
    """Access to the content of snapshots of managed disks."""

    def __init__(
        self,
        connections: Connections,
        manager: ResourceManager,
        reader: Reader,
        storage_api_version: str,
        access: AccessUrls,
    ) -> None:
        """Take what is needed.

        Args:
            connections: the connections.
            manager: finds the snapshots, and asks for access.
            reader: reads signed URLs, whatever they are of.
            storage_api_version: the version of requests for page ranges.
            access: the URLs that the process has.
        """
        self._connections, self._manager, self._reader, self._access = connections, manager, reader, access
        self._version = storage_api_version
        self._found: dict[str, dict[str, Any]] = {}

    async def find(self, blob: BlobAddress) -> BlobState | None:
        """Get the state of a blob, which is no managed disk."""
        return await self._reader.find(blob)

    async def properties(self, version: Version) -> BlobState:
        """Get the state of a snapshot, as of a blob (REST: Snapshots, Get).

        Raises:
            SourceGoneError: it does not exist.
        """
        asked = snapshot_version(version)
        self._found.pop(asked.resource, None)
        return BlobState(size=_size(await self._properties(asked)), etag="")

    async def changes(self, version: Version, since: Version | None, window: Window) -> AsyncIterator[Change]:
        """List what changed in a window since an older snapshot, or without one all valid ranges.

        The footer is listed always, as written, and if the disk has grown, the place where it was: whether the service
        lists them is not documented. Follows the paging to its end (REST: Get Page Ranges,
        `x-ms-previous-snapshot-url`).

        Raises:
            DiffRefusedError: the service refuses this diff, or it could not be trusted.
            ListingTimedOutError: the listing timed out; what was listed so far is valid.
            SourceGoneError: the snapshot no longer exists.
        """
        asked, older = snapshot_version(version), snapshot_version(since) if since else None
        size = _size(await self._properties(asked))
        if older:
            await self._require_diff(asked, older)
            size = _size(await self._properties(older))
        footer = Change(size - FOOTER, size, clear=False)
        pending = [footer] if window.start <= footer.start < window.end else []
        async for change in self._listed(asked, older, window):
            if pending and footer.start < change.start:
                yield pending.pop()
            is_over_it = bool(pending) and change.start <= footer.start < change.end
            if is_over_it:
                pending.clear()
            for part in _around(change, footer) if is_over_it and change.clear else [change]:
                yield part
        for left in pending:
            yield left

    async def signed_url(
        self, version: Version, lifetime: timedelta = READ_URL_LIFETIME, *, fresh_key: bool = False
    ) -> str:
        """Give the URL that reads only this snapshot (REST: Snapshots, Grant Access). It is a secret, and never stored.

        Args:
            version: the snapshot.
            lifetime: how long it is valid.
            fresh_key: whether the last one was refused.
        """
        return await self._access.get(self._manager, snapshot_version(version).resource, lifetime, fresh=fresh_key)

    async def read(self, signed_url: str, piece: Change) -> bytes:
        """Read a range, as of any signed URL."""
        return await self._reader.read(signed_url, piece)

    async def _url_of_base(self, older: SnapshotVersion, newer: SnapshotVersion, *, fresh: bool) -> str:
        """Give the URL of the base. Of private snapshots, the newer one is let go of if there is none for the base.

        Else five disks with one disk access, each with access to one snapshot, would wait for one another for hours.
        """
        try:
            return await self.signed_url(older, fresh_key=fresh)
        except SourceGoneError as error:
            raise DiffRefusedError(f"the service has no base for the diff: {error}") from None
        except HttpResponseError as error:
            if is_busy(error) and is_private(await self._properties(newer)):
                with contextlib.suppress(AzureError):
                    await self._access.end(self._manager, newer.resource)
            raise

    async def _properties(self, version: SnapshotVersion) -> dict[str, Any]:
        if version.resource not in self._found:
            found = await self._manager.find(version.resource)
            if found is None:
                raise SourceGoneError(f"the snapshot {version.resource} no longer exists")
            if "diskSizeBytes" not in found["properties"]:
                raise ServiceResponseError(f"Azure is still making the snapshot {version.resource}")
            self._found[version.resource] = found["properties"]
        return self._found[version.resource]

    async def _require_diff(self, newer: SnapshotVersion, older: SnapshotVersion) -> None:
        """Require that a diff is one that the service promises to be right.

        Raises:
            DiffRefusedError: it is not.
        """
        other = await self._properties(newer)
        try:
            one = await self._properties(older)
        except SourceGoneError as error:
            raise DiffRefusedError(f"the service has no base for the diff: {error}") from None
        families = {str(found.get("incrementalSnapshotFamilyId") or "") for found in (one, other)}
        if len(families) > 1:
            raise DiffRefusedError("the snapshots are of two families, and Azure tells no difference between them")
        before, after = int(one["diskSizeBytes"]), int(other["diskSizeBytes"])
        if before != after and before <= DIFF_BOUNDARY <= after:
            raise DiffRefusedError("the disk has grown across 4 TiB, and Azure tells no difference across that")

    async def _listed(
        self, version: SnapshotVersion, older: SnapshotVersion | None, window: Window
    ) -> AsyncIterator[Change]:
        marker = ""
        while True:
            changes, marker = await self._page(version, older, window, marker)
            for change in changes:
                yield change
            if not marker:
                return

    async def _page(
        self, version: SnapshotVersion, older: SnapshotVersion | None, window: Window, marker: str
    ) -> tuple[Sequence[Change], str]:
        """List a page of ranges, and what to ask the next by.

        Whether private snapshots give a difference is not documented: if they are listed, but their difference is not,
        it is refused.
        """
        try:
            return await self._renewed(version, older, window, marker)
        except HttpResponseError as error:
            is_refused = older is not None and error.status_code in _REFUSALS
            if older is None or not is_refused or not await self._is_any_private(version, older):
                raise
            said = f"{error_code(error)} ({error.status_code})"
        await self._renewed(version, None, window, "")
        raise DiffRefusedError(
            f"the service gives no difference between these private snapshots: {said}. What to do: exempt the resource"
            " group from the Azure Policy that makes snapshots private, or else each run rewrites the whole disk"
        )

    async def _is_any_private(self, version: SnapshotVersion, older: SnapshotVersion) -> bool:
        """Tell whether a snapshot is private by now: a policy may have made it so since it was first looked at."""
        self._found.clear()
        await self._require_diff(version, older)
        return any([is_private(await self._properties(found)) for found in (version, older)])

    async def _renewed(
        self, version: SnapshotVersion, older: SnapshotVersion | None, window: Window, marker: str
    ) -> tuple[Sequence[Change], str]:
        """List a page; access that was refused is asked for anew, once."""
        try:
            return await self._request(version, older, window, marker, fresh=False)
        except HttpResponseError as error:
            if error.status_code != HTTPStatus.FORBIDDEN:
                raise
        return await self._request(version, older, window, marker, fresh=True)

    async def _request(
        self, version: SnapshotVersion, older: SnapshotVersion | None, window: Window, marker: str, *, fresh: bool
    ) -> tuple[Sequence[Change], str]:
        query = {"comp": "pagelist", "maxresults": str(RANGES_PER_REQUEST), **({"marker": marker} if marker else {})}
        url = await self.signed_url(version, fresh_key=fresh)
        headers = {"x-ms-version": self._version, "x-ms-range": f"bytes={window.start}-{window.end - 1}"}
        if older:
            headers["x-ms-previous-snapshot-url"] = await self._url_of_base(older, version, fresh=fresh)
        http = await self._connections.http()
        # The URL is used as it was given: to parse it and put it together again may lose its snapshot.
        request = HttpRequest("GET", f"{url}&{urlencode(query)}", headers=headers)
        try:
            answer = await http.send_request(request, **RETRY_ONCE)
        except AzureError as error:  # it may name the URL, and the host logs causes
            if is_timeout(error):
                raise _timed_out(version, error) from None
            raise ServiceRequestError(f"can't list the page ranges of {version.resource}: {explain(error)}") from None
        if answer.status_code == HTTPStatus.OK:
            return read_page_list(answer.text())
        if answer.status_code == HTTPStatus.NOT_FOUND:
            self._found.clear()
            await self._properties(version)  # if it is this one that is gone
            if older:
                await self._require_diff(version, older)
        at = url.partition("?")[0]
        refused = HttpResponseError(f"can't list the page ranges of {version.resource} at {at}", response=answer)
        refused.error_code = answer.headers.get("x-ms-error-code", "")  # type: ignore[attr-defined]  # as the SDK does
        if older and refuses_diff(refused):
            raise diff_refused(refused)
        if is_timeout(refused):
            raise _timed_out(version, refused)
        if refused.status_code == HTTPStatus.CONFLICT:
            # No condition was sent, and a snapshot does not change: Azure may be moving its data (Azure SDK for .NET,
            # ManagedDiskFixture), which passes.
            refused.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        raise refused


def _timed_out(version: SnapshotVersion, error: AzureError) -> ListingTimedOutError:
    return ListingTimedOutError(f"listing the page ranges of {version.resource} timed out: {explain(error)}")


def _around(cleared: Change, footer: Change) -> list[Change]:
    """Cut a range that is cleared around the footer, which is written whatever the service says of it."""
    before, after = Change(cleared.start, footer.start, clear=True), Change(footer.end, cleared.end, clear=True)
    return [part for part in (before, footer, after) if part.start < part.end]


def _size(properties: dict[str, Any]) -> int:
    """Return the bytes of a snapshot as a blob."""
    return int(properties["diskSizeBytes"]) + FOOTER


def read_page_list(text: str) -> tuple[Sequence[Change], str]:
    """Read a list of ranges, in order, and the marker of the next page; the last has none (REST: Get Page Ranges)."""
    page = ET.fromstring(text)  # noqa: S314 - of the service itself, and its parser expands no entity
    changes = [
        Change(int(found.findtext("Start", "")), int(found.findtext("End", "")) + 1, found.tag == "ClearRange")
        for found in page
        if found.tag in {"PageRange", "ClearRange"}
    ]
    return changes, page.findtext("NextMarker") or ""

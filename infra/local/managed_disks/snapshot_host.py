"""The storage hosts of managed disks (`md-…`, `md-impexp-…`), as accounts of the gateway.

What a SAS allows there: azure-storage-azcopy (downloader-blob.go, sender-pageBlobFromURL.go) and the live recordings
of azure-sdk-for-net's ManagedDiskTests. Statuses and codes of refusals that neither has are guesses, marked [guess].
"""

import codecs
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import format_datetime
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from multidict import CIMultiDict, CIMultiDictProxy

from infra.local.disks.vhd import FOOTER_BYTES
from infra.local.gateway.answers import ServiceError, source_error
from infra.local.gateway.http_server import parse_request
from infra.local.gateway.operations import Request, blob_operation
from infra.local.gateway.page_ranges import PREVIOUS_SNAPSHOT_URL
from infra.local.gateway.upstream import Call, Upstream

from .access import Access
from .resources import Resource, Snapshot
from .store import Granted, Store

_READS = frozenset({"Get Blob", "Get Blob Properties", "Get Page Ranges"})
_WRITES = frozenset({"Put Page", "Put Page From URL"})
_CONDITIONS = ("if-", "x-ms-if-", "x-ms-lease-", "content-md5")
_PASSED_ON = ("comp", "marker", "maxresults", "timeout")
_REFUSED = 400
_DECLARATION = b'<?xml version="1.0" encoding="utf-8"?>'
_FOUR_TIB = 4 * 1024**4
_DIFF_SINCE = "2019-07-07"
_RELAY = "/relaycor"
_SOURCE_IS_NO_SNAPSHOT = "Source blob of a copy operation cannot be non-snapshot incremental copy blob."

CheckToken = Callable[[str | None, Resource, bool], None]
"""Requires that an Authorization header may download (or, if True, upload) a resource's data."""


class SnapshotHost:
    """Answers for the accounts of managed disks."""

    def __init__(self, store: Store, check_token: CheckToken) -> None:
        self._store = store
        self._check_token = check_token

    def serves(self, request: Request) -> bool:
        """Return whether a request is for an account of managed disks."""
        return request.path.startswith("/md-")

    def refuse_as_source(self, request: Request) -> None:
        """Refuse to copy from what is no snapshot by its URL.

        azure-storage-azcopy#2547 and #2573: a SAS that lost its `snapshot=`, and the relay of a private snapshot.

        Raises:
            ServiceError: CopySourceCannotBeIncrementalCopyBlob.
        """
        if ("impexp" not in request.path and "snapshot" not in request.query) or request.path.endswith(_RELAY):
            raise ServiceError(409, "CopySourceCannotBeIncrementalCopyBlob", _SOURCE_IS_NO_SNAPSHOT)

    def with_source(self, call: Call, upstream: Upstream) -> Call | None:
        """Return a Copy Blob with the blob behind as its source; None if its source is no managed disk's.

        Raises:
            ServiceError: CannotVerifyCopySource, CopySourceCannotBeIncrementalCopyBlob.
        """
        url = call.request.headers["x-ms-copy-source"]
        source = parse_request("GET", urlsplit(url)._replace(scheme="", netloc="").geturl(), {}, blob_operation)
        if not self.serves(source):
            return None
        self.refuse_as_source(source)
        try:
            behind = self.admit(Call(source, source.path, CIMultiDictProxy(CIMultiDict()), b""), upstream)
        except ServiceError as error:
            raise source_error(error.status, error.code) from error
        parts = urlsplit(url)
        headers = CIMultiDict(call.headers)
        headers.popall("Authorization", None)
        headers["x-ms-copy-source"] = f"{parts.scheme}://{parts.netloc}{behind.target}"
        return replace(call, target=upstream.owners_target(call.raw_path), headers=CIMultiDictProxy(headers))

    def show(self, request: Request, status: int, headers: CIMultiDict[str], body: bytes) -> bytes:
        """Give an answer the recorded form: the marks of an incremental copy, and XML that begins with a BOM.

        Other than an ordinary account of the gateway it has no NextMarker where nothing follows.
        """
        granted = self._store.granted.get(request.query.get("si", ""))
        is_content = request.operation in ("Get Blob", "Get Blob Properties") and status < _REFUSED
        if is_content and granted and isinstance(granted.resource, Snapshot):
            headers.update(_copied(granted.resource))
        if body and headers.get("Content-Type", "").startswith("application/xml"):
            xml = body.removeprefix(_DECLARATION).replace(b"<NextMarker/>", b"")
            return codecs.BOM_UTF8 + _DECLARATION + b"\n" + xml if xml != body else codecs.BOM_UTF8 + body
        return body

    def admit(self, call: Call, upstream: Upstream) -> Call:
        """Return a request in the form to pass on, for the blob behind.

        Raises:
            ServiceError: AuthenticationFailed, AuthorizationFailure, AuthorizationPermissionMismatch, and what the
                behaviour and the state of the disk forbid.
        """
        request = call.request
        granted = self._granted(request.path, request.query)
        access, resource = granted
        self._check_network(access, resource)
        if resource.data_access_auth_mode == "AzureActiveDirectory":
            self._check_token(request.headers.get("authorization"), resource, access.writes)
        self._check_operation(request, access)
        self._check_merging(resource)
        query = {name: request.query[name] for name in _PASSED_ON if name in request.query}
        if access.snapshot:
            query["snapshot"] = access.snapshot
        if PREVIOUS_SNAPSHOT_URL in request.headers:
            query["prevsnapshot"] = self._previous(request, granted)
        return _for_the_blob(call, access.blob, query, upstream)

    def _granted(self, path: str, query: Mapping[str, str]) -> Granted:
        granted = self._store.granted.get(query.get("si", ""))
        if granted is None or granted.access.is_revoked:
            raise _unauthenticated("SAS identifier cannot be found for specified signed identifier")
        if not granted.access.is_of(path, query):
            raise _unauthenticated("Signature did not match.")
        if granted.access.expires_at <= self._store.clock.now():
            raise _unauthenticated("Signature not valid in the specified time frame")
        return granted

    def _check_network(self, access: Access, resource: Resource) -> None:
        is_public = resource.public_network_access == "Enabled" and not access.is_relay
        if not is_public and not self._store.behaviour.is_in_private_network:
            raise ServiceError(403, "AuthorizationFailure", "This request is not authorized to perform this operation.")

    def _check_operation(self, request: Request, access: Access) -> None:
        """Require that it is one of the few operations, without conditions and leases on an upload (AzCopy)."""
        if request.operation not in self._permitted(access):
            message = "This request is not authorized to perform this operation using this permission."
            raise ServiceError(403, "AuthorizationPermissionMismatch", message)
        if "prevsnapshot" in request.query:
            # azure-sdk-for-java#28066: only the header names the previous snapshot.
            details = {"QueryParameterName": "prevsnapshot", "QueryParameterValue": request.query["prevsnapshot"]}
            message = "Value for one of the query parameters specified in the request URI is invalid."
            raise ServiceError(400, "InvalidQueryParameterValue", message, details=details)
        refused = _CONDITIONS if access.writes or not self._store.behaviour.takes_conditions else ()
        for name in request.headers:
            if name.startswith(refused):
                raise _unsupported(name)

    def _permitted(self, access: Access) -> frozenset[str]:
        if not access.writes:
            return _READS
        return (_READS if self._store.behaviour.uploads_are_readable else _READS - {"Get Blob"}) | _WRITES

    def _check_merging(self, resource: Resource) -> None:
        if isinstance(resource, Snapshot) and resource.merging_reads > 0:
            resource.merging_reads -= 1
            message = "The snapshot can't be read while data of a deleted one merges into it."
            raise ServiceError(409, "SnapshotOperationInProgress", message)  # [guess]

    def _previous(self, request: Request, granted: Granted) -> str:
        """Return the snapshot that the header with a previous snapshot's URL names.

        Raises:
            ServiceError: UnsupportedHeader, InvalidHeaderValue, AuthenticationFailed,
                PreviousSnapshotOperationNotSupported.
        """
        version = request.headers.get("x-ms-version", "")
        if request.operation != "Get Page Ranges" or version < _DIFF_SINCE or not granted.access.snapshot:
            raise _unsupported(PREVIOUS_SNAPSHOT_URL)
        parts = urlsplit(request.headers[PREVIOUS_SNAPSHOT_URL])
        path = unquote(parts.path)
        relayed = granted.access.is_relay and path.endswith(_RELAY) and self._store.behaviour.relays_give_diffs
        if path != request.path and not relayed:
            # Its own value would put a signature on record.
            details = {"HeaderName": PREVIOUS_SNAPSHOT_URL}
            message = "The value for one of the HTTP headers is not in the correct format."
            raise ServiceError(400, "InvalidHeaderValue", message, details=details)  # [guess]
        older, newer = self._granted(path, dict(parse_qsl(parts.query))).resource, granted.resource
        assert isinstance(older, Snapshot) and isinstance(newer, Snapshot)  # noqa: PT018, S101 - each by its SAS
        crosses = older.size != newer.size and max(older.size, newer.size) >= _FOUR_TIB >= min(older.size, newer.size)
        if older.family != newer.family or crosses:
            # disks-incremental-snapshots: one family; not across a resize over 4 TiB. The code is a [guess].
            message = "Differential Get Page Ranges is not supported on the previous snapshot."
            raise ServiceError(409, "PreviousSnapshotOperationNotSupported", message)
        return older.time


def _copied(snapshot: Snapshot) -> dict[str, str]:
    """Return what marks an incremental snapshot's blob: it is an incremental copy of the disk's."""
    length = snapshot.size + FOOTER_BYTES
    return {
        "x-ms-incremental-copy": "true",
        "x-ms-copy-status": "success",
        "x-ms-copy-id": snapshot.unique_id,
        "x-ms-copy-progress": f"{length}/{length}",
        "x-ms-copy-completion-time": format_datetime(snapshot.created, usegmt=True),
        "x-ms-copy-destination-snapshot": snapshot.time,
        "x-ms-meta-PIRTag": "1",
    }


def _for_the_blob(call: Call, blob: str, query: Mapping[str, str], upstream: Upstream) -> Call:
    target = upstream.owners_target(blob, urlencode(query))
    dropped = ("authorization", PREVIOUS_SNAPSHOT_URL)
    headers = CIMultiDict((name, value) for name, value in call.headers.items() if name.lower() not in dropped)
    request = replace(
        call.request,
        path=blob,
        query=dict(parse_qsl(target.partition("?")[2])),
        headers={name: value for name, value in call.request.headers.items() if name not in dropped},
    )
    return Call(request, target, CIMultiDictProxy(headers), call.body)


def _unauthenticated(why: str) -> ServiceError:
    message = (
        "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly"
    )
    details = {"AuthenticationErrorDetail": why}
    return ServiceError(403, "AuthenticationFailed", f"{message} including the signature.", details=details)


def _unsupported(header: str) -> ServiceError:
    message = "One of the HTTP headers specified in the request is not supported."
    return ServiceError(400, "UnsupportedHeader", message, details={"HeaderName": header})

"""Put Page From URL: the gateway reads the source and writes the pages, as the service would.

Azurite gets the client's request first: a 501 means that the client may write there. The source is then read with only
the rights that its URL carries (a SAS), and the pages are put with the client's lease id and conditions, which Azurite
enforces.
"""

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from multidict import CIMultiDict

from .answers import (
    MAX_SOURCE_URL,
    Answer,
    ServiceError,
    invalid_header,
    invalid_page_range,
    source_error,
    too_large,
)
from .mutations import MAX_WRITE_BYTES, Mutations
from .ranges import PAGE_BYTES, requested_range
from .upstream import Call, Upstream
from .write_log import WriteLog

_OK, _PARTIAL, _BAD_REQUEST, _RANGE_REFUSED, _FAILED, _NOT_IMPLEMENTED = 200, 206, 400, 416, 500, 501
_CONDITION_FAILED = (304, 412)
_CARRIED_OVER = frozenset({"x-ms-version", "x-ms-client-request-id", "x-ms-lease-id", "x-ms-range", "range"})
_CARRIED_OVER_PREFIXES = ("if-", "x-ms-if-")
ReadSource = Callable[[str, CIMultiDict[str]], Awaitable[Answer]]
"""Reads a target (path and query) with only the rights in it and in the headers."""

_SOURCE_CHECKSUMS = {"x-ms-source-content-md5": "Content-MD5", "x-ms-source-content-crc64": "x-ms-content-crc64"}


async def put_page_from_url(
    upstream: Upstream,
    mutations: Mutations,
    call: Call,
    log: WriteLog,
    read: ReadSource,
    *,
    refused: ServiceError | None = None,
    spoil: bool = False,
) -> Answer:
    """Answer a Put Page From URL.

    Args:
        upstream: Azurite.
        mutations: makes the write itself.
        call: the client's request.
        log: the destination's write log.
        read: reads the source.
        refused: the error of reading the source, for a fault.
        spoil: whether to write other bytes than the source's, for a fault.

    Raises:
        ServiceError: InvalidPageRange, RequestBodyTooLarge, InvalidHeaderValue, CannotVerifyCopySource (with the
            source's status), InvalidRange if the source ends before the range.
    """
    answer = await upstream.forward(call)
    authorized = answer.status == _NOT_IMPLEMENTED
    if answer.status in (_BAD_REQUEST, _FAILED) and "x-ms-error-code" not in answer.headers:
        # Azurite has authorized the client but could not read a header, or knows no SAS permission for this operation.
        # With such a SAS, putting the pages shows whether it is permitted.
        authorized = answer.status == _FAILED and "sig" in call.request.query
    elif not authorized:
        return answer
    start, end = _destination(call)
    source_start, source_end = _source_range(call, end - start)
    if not authorized:
        return answer
    if refused is not None:
        raise refused
    body = await _read_source(upstream, read, call, source_start, source_end)
    if spoil:
        body = b"spoilt!!" * (len(body) // 8)
    return await mutations.write_pages(call, log, (start, end), lambda: _put(upstream, call, body))


def _destination(call: Call) -> tuple[int, int]:
    headers = call.request.headers
    if call.body:
        raise invalid_header("Content-Length", str(len(call.body)))
    if headers.get("x-ms-page-write", "").lower() != "update":
        raise invalid_header("x-ms-page-write", headers.get("x-ms-page-write", ""))
    if all(name in headers for name in _SOURCE_CHECKSUMS):
        raise invalid_header("x-ms-source-content-crc64", headers["x-ms-source-content-crc64"])
    start, end = requested_range(headers) or (0, None)
    if end is None or start % PAGE_BYTES or end % PAGE_BYTES:
        raise invalid_page_range()
    if end - start > MAX_WRITE_BYTES:
        raise too_large(MAX_WRITE_BYTES)
    return start, end


def _source_range(call: Call, length: int) -> tuple[int, int]:
    start, end = requested_range(call.request.headers, name="x-ms-source-range") or (0, None)
    if end is None or end - start != length:
        raise invalid_header("x-ms-source-range", call.request.headers.get("x-ms-source-range", ""))
    return start, end


async def _read_source(upstream: Upstream, read_source: ReadSource, call: Call, start: int, end: int) -> bytes:
    """Read the source with its URL's own authorisation, or with the Bearer token given for it."""
    headers = call.request.headers
    url = headers["x-ms-copy-source"]
    if len(url) > MAX_SOURCE_URL or not url.isascii() or " " in url:
        raise invalid_header("x-ms-copy-source", url)
    parts = urlsplit(url)
    if parts.netloc not in upstream.hosts:
        raise source_error(404, "ResourceNotFound", "Only blobs of this local Azure can be a copy source.")
    read = CIMultiDict({"x-ms-range": f"bytes={start}-{end - 1}", "x-ms-version": headers.get("x-ms-version", "")})
    if token := headers.get("x-ms-copy-source-authorization"):
        if not token.startswith("Bearer "):
            raise invalid_header("x-ms-copy-source-authorization", "")
        read["Authorization"] = token
    for name, value in headers.items():
        if name.startswith("x-ms-source-if-"):
            read[name.removeprefix("x-ms-source-")] = value
    source = await read_source(f"{parts.path}?{parts.query}", read)
    _check_source(source, end - start)
    return source.body


def _check_source(source: Answer, length: int) -> None:
    if source.status in _CONDITION_FAILED:
        message = "The source condition specified using HTTP conditional header(s) is not met."
        raise ServiceError(412, "SourceConditionNotMet", message)
    if source.status not in (_OK, _PARTIAL, _RANGE_REFUSED):
        raise source_error(source.status, source.headers.get("x-ms-error-code", "AuthenticationFailed"))
    if source.status == _RANGE_REFUSED or len(source.body) != length:
        raise ServiceError(416, "InvalidRange", "The range specified is invalid for the current size of the resource.")


async def _put(upstream: Upstream, call: Call, body: bytes) -> Answer:
    headers = _put_headers(call.request.headers)
    query = call.target.partition("?")[2]
    if "sig" in call.request.query:
        return await upstream.send("PUT", f"{call.raw_path}?{query}", headers, body)
    token = call.request.headers.get("authorization", "")
    if token.startswith("Bearer "):
        headers["Authorization"] = token
        return await upstream.send("PUT", f"{call.raw_path}?{query}", headers, body)
    return await upstream.as_owner("PUT", call.raw_path, query="comp=page", headers=headers, body=body)


def _put_headers(headers: Mapping[str, str]) -> CIMultiDict[str]:
    kept = CIMultiDict({"x-ms-page-write": "update"})
    for name, value in headers.items():
        if name in _CARRIED_OVER or name.startswith(_CARRIED_OVER_PREFIXES):
            kept[name] = value
        elif name in _SOURCE_CHECKSUMS:
            kept[_SOURCE_CHECKSUMS[name]] = value
    return kept

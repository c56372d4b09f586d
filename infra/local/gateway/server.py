"""The gateway's server: reads a request, applies any fault ordered for it, and answers it by its operation."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

from infra.local.azurite import Account
from infra.local.identity.certificates import Certificates

from .answers import Answer, ServiceError
from .authorization import Authorizer
from .blob_versioning import name_version
from .copy_blob import Copies
from .deletions import Deletions
from .faults import Fault, Faults
from .http_server import Accepted, close_midway, drop_connection, parse_request, read_request, serve
from .interceptor import Interceptor
from .limits import Limits
from .managed_disk_host import ManagedDiskHost, copy_blob, show_as_managed_disk
from .mutations import EXCLUSIVE_MUTATIONS, PAGE_WRITES, UNLOGGED_MUTATIONS, Mutations
from .operations import Request, blob_operation
from .page_ranges import PageRanges, RangeSource
from .platform_blobs import PlatformBlobs
from .put_page_from_url import put_page_from_url
from .service_versions import require_version
from .upstream import Call, Upstream, connect, end_to_end
from .write_log import WriteLog, WriteLogs

_CREATED, _REFUSED = 201, 400


class Gateway:
    """A running gateway.

    Attributes:
        url: its address, "http://127.0.0.1:PORT"; an account's blobs are at `url`/ACCOUNT.
        requests: the requests so far, in order of arrival.
        faults: the faults ordered.
        limits: limits per blob and second, if any are set.
        copies: the copies, some of which may be held pending.
        interceptor: called before and after each call takes effect, if there is one.
        deletions: what soft delete would keep of what was deleted or overwritten.
        versioned: the accounts with blob versioning enabled.
        newest_version: the newest service version supported; empty for any.
        managed_disks: answers for the accounts of managed disks, if there are any.
        platform_blobs: page blobs that no client owns.
        accepted: the connections so far.
    """

    def __init__(self, upstream: Upstream, url: str, authorizer: Authorizer | None = None) -> None:
        self.url = url
        self.requests: list[Request] = []
        self.faults = Faults()
        self.accepted = Accepted()
        self.limits = Limits()
        self.copies = Copies(upstream, url)
        self.interceptor: Interceptor | None = None
        self.versioned: set[str] = set()
        self.newest_version = ""
        self.managed_disks: ManagedDiskHost | None = None
        self._upstream = upstream
        self._authorizer = authorizer
        self._logs = WriteLogs()
        self.platform_blobs = PlatformBlobs(upstream, self._logs)
        self.deletions = Deletions(upstream)
        self._mutations = Mutations(upstream, self.copies, self.deletions)
        self._page_ranges = PageRanges(upstream)

    def pretend_ranges(self, path: str, ranges: RangeSource | None) -> None:
        """Answer Get Page Ranges of an existing blob and its snapshots, diff or not, from a function.

        Args:
            path: the decoded path, "/account/container/blob".
            ranges: returns the ranges (start, end exclusive, cleared) that overlap a window (start, end exclusive), in
                order; it is called once per page and read no further than that page. None ends this.
        """
        self._page_ranges.pretend(path, ranges)

    def leave_out(self, path: str, start: int, end: int, *, only_diffs: bool = True) -> None:
        """Leave a part of a blob out of Get Page Ranges of it and its snapshots, as a faulty service would.

        Args:
            path: the decoded path, "/account/container/blob".
            start: the first byte left out.
            end: the first byte after it; equal to `start` ends this.
            only_diffs: whether only diffs are wrong, and lists of all valid ranges are right.
        """
        self._page_ranges.leave_out(path, start, end, only_diffs=only_diffs)

    async def handle(self, incoming: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        request = read_request(incoming, blob_operation)
        call = Call(request, incoming.raw_path, incoming.headers, b"")
        if _is_azurites_own(request):
            return await self._stream(incoming, call)
        self.requests.append(request)
        try:
            call.body = await incoming.content.read()
        except (ConnectionError, web.RequestPayloadError):
            # The client disconnected, or sent less than it announced: nobody waits for an answer.
            return drop_connection(incoming)
        request.bytes_in = len(call.body)
        if self.interceptor and self.interceptor.before("blob", request):
            return drop_connection(incoming)
        return await self._apply_fault(incoming, call)

    async def _apply_fault(self, incoming: web.BaseRequest, call: Call) -> web.StreamResponse:
        """Answer a request, or apply the fault ordered for it."""
        request, interceptor = call.request, self.interceptor
        fault = self.limits.strike(request) or self.faults.strike(request) or Fault()
        await _hold(fault)
        if fault.cut == "before":
            return drop_connection(incoming)
        if request.operation == "Get Blob" and fault.refuse is None and fault.cut != "after":
            if interceptor and interceptor.after(request):
                return drop_connection(incoming)
            return await self._stream(incoming, call, midway=fault.cut == "midway")
        try:
            answer = await self._answer(call, fault)
        except ServiceError as error:
            answer = error.answer()
        except (aiohttp.ClientError, TimeoutError) as error:
            answer = ServiceError(500, "InternalError", f"Azurite did not answer: {error!r}").answer()
        if fault.cut == "after" or (interceptor and interceptor.after(request)):
            return drop_connection(incoming)
        return self._respond(call, answer)

    async def _answer(self, call: Call, fault: Fault) -> Answer:
        if fault.refuse is not None:
            raise ServiceError(*fault.refuse)
        if fault.skip:
            return Answer(_CREATED)
        call = await self._authorize(call)
        answer = await self._do(call, fault)
        if call.account in self.versioned:
            name_version(call, answer)
        if self._authorizer:
            self._authorizer.note_issued_key(call, answer)
        return answer

    async def _authorize(self, call: Call) -> Call:
        """Return a request in the form to pass on.

        Raises:
            ServiceError: it is not authorized, or its service version is not supported.
        """
        if self.newest_version:
            require_version(call.request, self.newest_version)
        if self.managed_disks and self.managed_disks.serves(call.request):
            return self.managed_disks.admit(call, self._upstream)
        return await self._authorizer.authorize("blob", call, self._upstream) if self._authorizer else call

    async def _read_source(self, target: str, headers: CIMultiDict[str]) -> Answer:
        """Read the source of a Put Page From URL with only the rights in its URL and headers.

        Raises:
            ServiceError: it can't be a source.
        """
        request = parse_request("GET", target, headers, blob_operation)
        if self.managed_disks and self.managed_disks.serves(request):
            self.managed_disks.refuse_as_source(request)
        try:
            call = await self._authorize(Call(request, target, CIMultiDictProxy(headers), b""))
        except ServiceError as error:
            return error.answer()
        return await self._upstream.forward(call)

    async def _do(self, call: Call, fault: Fault) -> Answer:
        operation, log = call.request.operation, self._logs.of(call.request.path)
        if operation in PAGE_WRITES:
            return await self._mutations.put_page(call, log)
        if operation == "Put Page From URL":
            return await put_page_from_url(
                self._upstream,
                self._mutations,
                call,
                log,
                self._read_source,
                refused=fault.source_error,
                spoil=fault.spoil,
            )
        if operation == "Get Page Ranges":
            return await self._page_ranges.answer(call, log)
        if operation == "Copy Blob" and (refused := fault.source_error):
            raise refused
        if operation == "Copy Blob" and self.managed_disks:
            return await copy_blob(self.managed_disks, call, log, self._upstream, self._mutations)
        if operation in EXCLUSIVE_MUTATIONS:
            return await self._mutations.exclusive(call, log)
        return await self._pass_on(call, log)

    async def _pass_on(self, call: Call, log: WriteLog) -> Answer:
        operation, path = call.request.operation, call.request.path
        if operation in UNLOGGED_MUTATIONS:
            return await self._mutations.unlogged(call, log)
        if operation == "Abort Copy Blob":
            return await self.copies.abort(call, log)
        if operation == "Get Blob Properties":
            # Ending a pending copy takes several calls to Azurite: in between it would look like a success.
            async with log.lock.shared():
                return await self._upstream.forward(call)
        answer = await self._upstream.forward(call)
        if operation == "Delete Container" and answer.status < _REFUSED:
            self._logs.forget_container(path)
            self.copies.forget_container(path)
        return answer

    def _respond(self, call: Call, answer: Answer) -> web.Response:
        request, headers = call.request, answer.headers
        body = self.copies.rewrite_response(request.operation, headers, answer.body)
        body = show_as_managed_disk(self.managed_disks, request, answer.status, headers, body)
        if request.method == "HEAD":
            body = b""
        else:
            headers.popall("Content-Length", None)
        request.status = answer.status
        request.error_code = headers.get("x-ms-error-code")
        request.bytes_out = len(body)
        return web.Response(status=answer.status, headers=headers, body=body or None)

    async def _stream(self, incoming: web.BaseRequest, call: Call, *, midway: bool = False) -> web.StreamResponse:
        """Pass a request on and stream the answer back: a download may be larger than memory.

        Args:
            incoming: the request.
            call: the same request, as it was read.
            midway: whether to close the connection after half of the answer, for a fault.
        """
        request = call.request
        try:
            call = await self._authorize(call)
        except ServiceError as error:
            return self._respond(call, error.answer())
        async with self._upstream.open(call) as response:
            headers = end_to_end(response.headers)
            self.copies.rewrite_response(request.operation, headers)
            show_as_managed_disk(self.managed_disks, request, response.status, headers)
            outgoing = web.StreamResponse(status=response.status, headers=headers)
            request.status = response.status
            request.error_code = headers.get("x-ms-error-code")
            # A client may disconnect during a download.
            with contextlib.suppress(ConnectionError):
                await outgoing.prepare(incoming)
                rest = int(headers.get("Content-Length", 0)) // 2 if midway else None
                async for chunk in response.content.iter_any():
                    part = chunk[:rest]
                    request.bytes_out += len(part)
                    await outgoing.write(part)
                    if rest is not None and (rest := rest - len(part)) <= 0:
                        return close_midway(incoming, outgoing)
                await outgoing.write_eof()
        return outgoing


@contextlib.asynccontextmanager
async def run_gateway(
    azurite_blob_url: str,
    accounts: Sequence[Account],
    certificates: Certificates | None = None,
    authorizer: Authorizer | None = None,
) -> AsyncIterator[Gateway]:
    """Run a gateway in front of Azurite's blob service, in this event loop, on a free port of this machine.

    Its write logs begin empty: it can only diff snapshots that were taken through it.

    Args:
        azurite_blob_url: the address of Azurite's blob service.
        accounts: the accounts.
        certificates: for TLS on both sides; plain HTTP if None.
        authorizer: authorizes requests; only Azurite does if None.
    """
    async with connect(azurite_blob_url, accounts, certificates) as upstream:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            host = f"127.0.0.1:{listener.getsockname()[1]}"
            upstream.hosts.add(host)
            gateway = Gateway(upstream, f"{'https' if certificates else 'http'}://{host}", authorizer)
            async with serve(listener, gateway.handle, certificates, gateway.accepted):
                yield gateway


def _is_azurites_own(request: Request) -> bool:
    """Return whether this is Azurite's own check that a copy's source may be read, not a client's request."""
    return request.headers.get("user-agent", "").startswith("axios/") and "x-ms-version" not in request.headers


async def _hold(fault: Fault) -> None:
    if fault.delay_until is not None:
        await fault.delay_until.wait()
    if fault.delay_seconds:
        await asyncio.sleep(fault.delay_seconds)

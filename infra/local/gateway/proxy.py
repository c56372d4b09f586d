"""A reverse proxy in front of Azurite's queues or tables: it passes authorized requests on unchanged."""

import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from typing import Literal

import aiohttp
from aiohttp import web

from infra.local.azurite import Account
from infra.local.identity.certificates import Certificates

from .answers import Answer, ServiceError
from .authorization import Authorizer
from .faults import Faults
from .http_server import Accepted, drop_connection, read_request, serve
from .interceptor import Interceptor
from .operations import queue_operation, table_operation
from .upstream import Call, Upstream, connect


class Proxy:
    """A running proxy.

    Attributes:
        url: its address, "http://127.0.0.1:PORT"; an account's service is at `url`/ACCOUNT.
        faults: requests to refuse.
        interceptor: called before and after each call takes effect, if there is one.
        accepted: the connections so far.
    """

    def __init__(
        self, service: Literal["queue", "table"], upstream: Upstream, url: str, authorizer: Authorizer | None = None
    ) -> None:
        self.url = url
        self.faults = Faults()
        self.accepted = Accepted()
        self.interceptor: Interceptor | None = None
        self._service = service
        self._name_of = queue_operation if service == "queue" else table_operation
        self._upstream = upstream
        self._authorizer = authorizer

    async def handle(self, incoming: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        request, interceptor = read_request(incoming, self._name_of), self.interceptor
        try:
            body = await incoming.content.read()
        except (ConnectionError, web.RequestPayloadError):
            return drop_connection(incoming)
        if interceptor and interceptor.before(self._service, request):
            return drop_connection(incoming)
        try:
            answer = await self._answer(Call(request, incoming.raw_path, incoming.headers, body))
        except (aiohttp.ClientError, TimeoutError):
            return drop_connection(incoming)
        if interceptor and interceptor.after(request):
            return drop_connection(incoming)
        answer.headers.popall("Content-Length", None)
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body or None)

    async def _answer(self, call: Call) -> Answer:
        try:
            call = await self._authorize(call)
        except ServiceError as error:
            return error.answer() if self._service == "queue" else error.answer_of_tables()
        return await self._upstream.forward(call)

    async def _authorize(self, call: Call) -> Call:
        """Return a request in the form to pass on.

        Raises:
            ServiceError: a fault refuses it, or it is not authorized.
        """
        fault = self.faults.strike(call.request)
        if fault and fault.refuse:
            raise ServiceError(*fault.refuse)
        return await self._authorizer.authorize(self._service, call, self._upstream) if self._authorizer else call


@contextlib.asynccontextmanager
async def run_proxy(
    service: Literal["queue", "table"],
    azurite_url: str,
    accounts: Sequence[Account],
    certificates: Certificates | None = None,
    authorizer: Authorizer | None = None,
) -> AsyncIterator[Proxy]:
    """Run a proxy in front of one of Azurite's services, in this event loop, on a free port of this machine.

    Args:
        service: the service.
        azurite_url: its address at Azurite.
        accounts: the accounts.
        certificates: for TLS on both sides; plain HTTP if None.
        authorizer: authorizes requests; only Azurite does if None.
    """
    async with connect(azurite_url, accounts, certificates) as upstream:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            scheme = "https" if certificates else "http"
            proxy = Proxy(service, upstream, f"{scheme}://127.0.0.1:{listener.getsockname()[1]}", authorizer)
            async with serve(listener, proxy.handle, certificates, proxy.accepted):
                yield proxy

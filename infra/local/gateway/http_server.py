"""What all HTTP servers of the local Azure share."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from infra.local.identity.certificates import Certificates

from .operations import Request

_HEADER_LIMIT_BYTES = 64 * 1024
_READ_BUFFER_BYTES = 1024 * 1024
_STOP_TIMEOUT_SECONDS = 0.5

NameOf = Callable[[str, str, Mapping[str, str], Mapping[str, str]], str]
"""Names an operation by method, decoded path, query and headers (names in lower case)."""


def read_request(incoming: web.BaseRequest, name_of: NameOf) -> Request:
    """Read the operation, path, query and headers of an incoming request."""
    return parse_request(incoming.method, incoming.raw_path, incoming.headers, name_of)


def parse_request(method: str, target: str, given: Mapping[str, str], name_of: NameOf) -> Request:
    """Parse a request from its method, its target (path and query, still encoded) and its headers."""
    raw_path, _, raw_query = target.partition("?")
    # As Azurite and the service do before they look up the blob.
    path = unquote(raw_path).replace("\\", "/")
    query = dict(parse_qsl(raw_query, keep_blank_values=True))
    headers = {name.lower(): value for name, value in given.items()}
    return Request(method, name_of(method, path, query, headers), path, query, headers)


def drop_connection(incoming: web.BaseRequest) -> web.Response:
    """Close the connection without an answer."""
    if incoming.transport is not None:
        incoming.transport.abort()
    return web.Response(status=500)


def close_midway(incoming: web.BaseRequest, answer: web.StreamResponse) -> web.StreamResponse:
    """Close the connection in the middle of an answer."""
    if incoming.transport is not None:
        incoming.transport.close()
    return answer


class Accepted:
    """The connections that a server has accepted.

    Attributes:
        agents: of each connection that had a request, the User-Agent of its first; over TLS, it took a handshake.
    """

    def __init__(self) -> None:
        self.agents: list[str] = []
        self._unused: set[object] = set()

    def connected(self, protocol: object) -> None:
        """Note a connection."""
        self._unused.add(protocol)

    def disconnected(self, protocol: object) -> None:
        """Note the end of a connection."""
        self._unused.discard(protocol)

    def requested(self, incoming: web.BaseRequest) -> None:
        """Note a request."""
        if incoming.protocol in self._unused:
            self._unused.discard(incoming.protocol)
            self.agents.append(incoming.headers.get("User-Agent", ""))


class _Server(web.Server):
    """A server that notes its connections."""

    def __init__(
        self, handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], accepted: Accepted, **options: Any
    ) -> None:
        async def noted(incoming: web.BaseRequest) -> web.StreamResponse:
            accepted.requested(incoming)
            return await handle(incoming)

        super().__init__(noted, **options)
        self._accepted = accepted

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Note a connection; asyncio calls it once a TLS handshake is done."""
        self._accepted.connected(handler)
        super().connection_made(handler, transport)

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """Note the end of a connection."""
        self._accepted.disconnected(handler)
        super().connection_lost(handler, exc)


@contextlib.asynccontextmanager
async def serve(
    listener: socket.socket,
    handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
    certificates: Certificates | None = None,
    accepted: Accepted | None = None,
) -> AsyncIterator[None]:
    """Answer requests in this event loop until the block ends; over TLS if there are certificates."""
    server = _Server(
        handle,
        accepted or Accepted(),
        access_log=None,
        auto_decompress=False,
        read_bufsize=_READ_BUFFER_BYTES,
        max_line_size=_HEADER_LIMIT_BYTES,
        max_field_size=_HEADER_LIMIT_BYTES,
    )
    runner = web.ServerRunner(server, shutdown_timeout=_STOP_TIMEOUT_SECONDS)
    await runner.setup()
    try:
        await web.SockSite(runner, listener, ssl_context=certificates.for_servers() if certificates else None).start()
        yield
    finally:
        await runner.cleanup()

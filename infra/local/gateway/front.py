"""A front before Azurite's queues or tables: it passes everything on untouched, and lets a stage see it."""

import contextlib
import re
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Literal

import aiohttp
from aiohttp import web

from infra.local.azurite import Account

from .incoming import cut, record, serve
from .stage import Stage
from .upstream import Call, Upstream, connect

_QUEUE = {
    ("PUT", 2): "Create Queue",
    ("GET", 2): "Get Queue Metadata",
    ("DELETE", 2): "Delete Queue",
    ("POST", 3): "Put Message",
    ("GET", 3): "Get Messages",
    ("PUT", 4): "Update Message",
    ("DELETE", 4): "Delete Message",
}
_ENTITY = {
    "GET": "Get Entity",
    "PUT": "Update Entity",
    "PATCH": "Merge Entity",
    "MERGE": "Merge Entity",
    "DELETE": "Delete Entity",
}
_ENTITY_PATH = re.compile(r"/\w+\(.+\)$")


class Front:
    """A running front.

    Attributes:
        url: its address, "http://127.0.0.1:PORT"; an account's service is at `url`/ACCOUNT.
        stage: what sees the calls, if anything does.
    """

    def __init__(self, service: Literal["queue", "table"], upstream: Upstream, host: str) -> None:
        self.url = f"http://{host}"
        self.stage: Stage | None = None
        self._service = service
        self._name_of = queue_operation if service == "queue" else table_operation
        self._upstream = upstream

    async def handle(self, incoming: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        request, stage = record(incoming, self._name_of), self.stage
        try:
            body = await incoming.content.read()
        except (ConnectionError, web.RequestPayloadError):
            return cut(incoming)
        if stage and stage.comes(self._service, request):
            return cut(incoming)
        try:
            answer = await self._upstream.forward(Call(request, incoming.raw_path, incoming.headers, body))
        except (aiohttp.ClientError, TimeoutError):
            return cut(incoming)
        if stage and stage.is_done(request):
            return cut(incoming)
        answer.headers.popall("Content-Length", None)
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body or None)


def queue_operation(method: str, path: str, query: Mapping[str, str], _headers: Mapping[str, str]) -> str:
    """Name an operation of the Queue service as its REST reference does."""
    parts = len([part for part in path.split("/") if part])
    comp = query.get("comp", "")
    return f"{method} {comp}" if comp else _QUEUE.get((method, parts), f"{method} {path}")


def table_operation(method: str, path: str, _query: Mapping[str, str], _headers: Mapping[str, str]) -> str:
    """Name an operation of the Table service as its REST reference does."""
    if path.endswith("/$batch"):
        return "Entity Group Transaction"
    if path.endswith("/Tables"):
        return "Create Table" if method == "POST" else "Query Tables"
    if "/Tables(" in path:
        return "Delete Table"
    if method == "POST":
        return "Insert Entity"
    if path.endswith("()") or not _ENTITY_PATH.search(path):
        return "Query Entities"
    return _ENTITY.get(method, f"{method} {path}")


@contextlib.asynccontextmanager
async def run_front(
    service: Literal["queue", "table"], azurite_url: str, accounts: Sequence[Account]
) -> AsyncIterator[Front]:
    """Run a front before one of Azurite's services, in this event loop, on a free port of this machine."""
    async with connect(azurite_url, accounts) as upstream:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            front = Front(service, upstream, f"127.0.0.1:{listener.getsockname()[1]}")
            async with serve(listener, front.handle):
                yield front

"""A front before Azurite's queues or tables: it passes on untouched what its door lets in; a stage may see it."""

import contextlib
import re
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Literal

import aiohttp
from aiohttp import web

from infra.local.azurite import Account
from infra.local.identity.certificates import Certificates

from .answers import Answer, ServiceError
from .authorization import Door
from .faults import Faults
from .http_server import cut, record, serve
from .interceptor import Stage
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
        faults: which of its requests are to be refused.
        stage: what sees the calls, if anything does.
    """

    def __init__(
        self, service: Literal["queue", "table"], upstream: Upstream, url: str, door: Door | None = None
    ) -> None:
        self.url = url
        self.faults = Faults()
        self.stage: Stage | None = None
        self._service = service
        self._name_of = queue_operation if service == "queue" else table_operation
        self._upstream = upstream
        self._door = door

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
            answer = await self._answer(Call(request, incoming.raw_path, incoming.headers, body))
        except (aiohttp.ClientError, TimeoutError):
            return cut(incoming)
        if stage and stage.is_done(request):
            return cut(incoming)
        answer.headers.popall("Content-Length", None)
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body or None)

    async def _answer(self, call: Call) -> Answer:
        try:
            call = await self._admit(call)
        except ServiceError as error:
            return error.answer() if self._service == "queue" else error.answer_of_tables()
        return await self._upstream.forward(call)

    async def _admit(self, call: Call) -> Call:
        """Give a request as it is to be passed on.

        Raises:
            ServiceError: it is to be refused, or the door does not let it in.
        """
        fault = self.faults.strike(call.request)
        if fault and fault.refuse:
            raise ServiceError(*fault.refuse)
        return await self._door.admit(self._service, call, self._upstream) if self._door else call


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
    service: Literal["queue", "table"],
    azurite_url: str,
    accounts: Sequence[Account],
    certificates: Certificates | None = None,
    door: Door | None = None,
) -> AsyncIterator[Front]:
    """Run a front before one of Azurite's services, in this event loop, on a free port of this machine.

    Args:
        service: which one.
        azurite_url: its address.
        accounts: the accounts.
        certificates: for TLS on both sides; plain HTTP when None.
        door: lets requests in, or refuses them; Azurite alone does when None.
    """
    async with connect(azurite_url, accounts, certificates) as upstream:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            scheme = "https" if certificates else "http"
            front = Front(service, upstream, f"{scheme}://127.0.0.1:{listener.getsockname()[1]}", door)
            async with serve(listener, front.handle, certificates):
                yield front

"""The resource manager's server: who calls, what for, and the answer.

Azure Resource Manager: REST errors, "Track asynchronous operations", `nextLink`. TLS only, as the SDK sends no token
without.
"""

import asyncio
import base64
import json
import uuid
from typing import Any
from urllib.parse import quote

from aiohttp import web
from multidict import CIMultiDict

from infra.local.gateway.faults import Fault, Faults
from infra.local.gateway.http_server import drop_connection, read_request
from infra.local.gateway.interceptor import Interceptor
from infra.local.gateway.operations import Request

from .arm_errors import ArmError
from .arm_fault import ArmFault
from .arm_request import POLLING, ArmRequest, Target, find_target, name_operation
from .operations import Operation
from .provider import Provider, Reply
from .shapes import shape

API_VERSIONS = ("2024-03-02", "2025-01-02", "2026-03-02")
_OK, _ACCEPTED = 200, 202
_COSTLY = frozenset(
    f"{kind} - {what}"
    for kind, what in (
        ("Snapshots", "Create Or Update"),
        ("Snapshots", "Grant Access"),
        ("Snapshots", "Revoke Access"),
        ("Disks", "Grant Access"),
        ("Disks", "Revoke Access"),
    )
)


class ResourceManager:
    """A running resource manager.

    Attributes:
        url: its address, "https://127.0.0.1:PORT".
        requests: the requests so far, in order of arrival.
        faults: the faults ordered.
        interceptor: called before and after each call takes effect, if there is one.
    """

    def __init__(self, url: str, storage_url: str, provider: Provider) -> None:
        self.url = url
        self.requests: list[Request] = []
        self.faults = Faults()
        self.interceptor: Interceptor | None = None
        self._storage_url = storage_url
        self._provider = provider
        self._handlers = {
            "Disks - Get": provider.get,
            "Disks - Create Or Update": provider.put_disk,
            "Disks - Delete": provider.delete,
            "Disks - Grant Access": provider.grant,
            "Disks - Revoke Access": provider.revoke,
            "Snapshots - Get": provider.get,
            "Snapshots - Create Or Update": provider.put_snapshot,
            "Snapshots - Delete": provider.delete,
            "Snapshots - Grant Access": provider.grant,
            "Snapshots - Revoke Access": provider.revoke,
        }

    async def handle(self, incoming: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        request, interceptor = read_request(incoming, name_operation), self.interceptor
        self.requests.append(request)
        try:
            body = await incoming.content.read()
        except (ConnectionError, web.RequestPayloadError):
            return drop_connection(incoming)
        request.bytes_in = len(body)
        if interceptor and interceptor.before("resource manager", request):
            return drop_connection(incoming)
        fault = self.faults.strike(request) or Fault()
        if fault.delay_until is not None:
            await fault.delay_until.wait()
        await asyncio.sleep(fault.delay_seconds)
        if fault.cut == "before":
            return drop_connection(incoming)
        try:
            answer = await self._answer(request, body, fault)
        except ArmError as error:
            request.error_code = error.code
            answer = _json(error.status, error.body, error.headers)
        if fault.cut == "after" or (interceptor and interceptor.after(request)):
            return drop_connection(incoming)
        request.status = answer.status
        return answer

    async def _answer(self, request: Request, body: bytes, fault: Fault) -> web.Response:
        if fault.refuse is not None:
            seconds = fault.retry_after if isinstance(fault, ArmFault) else None
            raise ArmError(*fault.refuse, headers={} if seconds is None else {"Retry-After": str(seconds)})
        caller = self._provider.roles.caller(request.headers.get("authorization"))
        request.caller = caller.name
        target = _target(request)
        if target.operation != POLLING or self._provider.store.behaviour.polling_needs_role:
            self._provider.roles.require(caller, target.action, target.scope)
        if target.operation == POLLING:
            return self._poll(request, target)
        if not target.name:
            return self._list(request, target)
        headers = self._provider.limits.count_costly() if target.operation in _COSTLY else {}
        asked = ArmRequest(request, target, caller, body, self._storage_url, _failure(fault))
        reply = await self._handlers[target.operation](asked)
        return self._reply(asked, reply, headers)

    def _reply(self, asked: ArmRequest, reply: Reply, headers: dict[str, str]) -> web.Response:
        if reply.operation:
            target, version = reply.operation.target, asked.api_version
            headers["Azure-AsyncOperation"] = self.url + target(version)
            headers["Location"] = self.url + target(version, is_monitor=True)
        return _json(reply.status, reply.body, headers)

    def _poll(self, request: Request, target: Target) -> web.Response:
        operation = self._provider.operations.get(target.name)
        if operation is None:
            raise ArmError(404, "NotFound", f"The operation '{target.name}' was not found.")
        status = operation.status(self._provider.store.clock)
        if request.query.get("monitor") != "true":
            return _json(_OK, status)
        return self._monitor(operation, request)

    def _monitor(self, operation: Operation, request: Request) -> web.Response:
        """Answer at the Location of an operation: with its result alone, once it has ended."""
        if not operation.progress.is_done:
            headers = {"Location": self.url + operation.target(request.query["api-version"], is_monitor=True)}
            return _json(_ACCEPTED, None, headers)
        if operation.progress.failure:
            raise operation.progress.failure
        return _json(_OK, operation.output())

    def _list(self, request: Request, target: Target) -> web.Response:
        self._provider.store.check_scope(target.subscription, target.group)
        found = self._provider.store.listed(target.kind, target.subscription, target.group)
        first, size = _skipped(request.query.get("$skiptoken")), self._provider.store.behaviour.page_size
        version = request.query["api-version"]
        page: dict[str, Any] = {"value": [shape(each, version) for each in found[first : first + size]]}
        if first + size < len(found):
            token = quote(base64.b64encode(str(first + size).encode()).decode(), safe="")
            page["nextLink"] = f"{self.url}{quote(request.path)}?api-version={version}&$skiptoken={token}"
        return _json(_OK, page)


def _target(request: Request) -> Target:
    """Return what a request is for.

    Raises:
        ArmError: there is no such thing here, or the API version is none.
    """
    version = request.query.get("api-version")
    if version is None:
        message = "The api-version query parameter (?api-version=) is required for all requests."
        raise ArmError(400, "MissingApiVersionParameter", message)
    target = find_target(request.method, request.path)
    if target is None:
        raise ArmError(404, "NotFound", f"{request.method} {request.path} is not modelled here.")
    if version not in API_VERSIONS:
        known = ", ".join(API_VERSIONS)
        message = f"No registered resource provider found for API version '{version}' for type '{target.kind}'."
        raise ArmError(400, "NoRegisteredProviderFound", f"{message} The supported api-versions are '{known}'.")
    return target


def _failure(fault: Fault) -> ArmError | None:
    """Return the error with which a fault has the operation end; its status shows at the Location only."""
    return ArmError(409, *fault.fail) if isinstance(fault, ArmFault) and fault.fail else None


def _skipped(token: str | None) -> int:
    if token is None:
        return 0
    try:
        return int(base64.b64decode(token, validate=True))
    except ValueError:
        raise ArmError(400, "InvalidParameter", "The $skiptoken is invalid.") from None


def _json(status: int, body: dict[str, Any] | None, headers: dict[str, str] | None = None) -> web.Response:
    shown = CIMultiDict({"x-ms-request-id": str(uuid.uuid4()), **(headers or {})})
    if body is None:
        return web.Response(status=status, headers=shown)
    shown["Content-Type"] = "application/json; charset=utf-8"
    return web.Response(status=status, headers=shown, body=json.dumps(body).encode())

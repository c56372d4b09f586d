"""The HTTP trigger: routes, methods, keys, and what a function is asked and answers.

As in the Functions host 4 (azure-functions-host): a path or a method that no route has is answered by 404, a key that
is missing or wrong by 401, a function that fails by 500, all without a body. `func start` asks for no key.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web
from multidict import MultiMapping

from infra.local.host.bindings import Function, HttpTrigger
from infra.local.host.invocations import Invocations
from infra.local.host.keys import Keys
from infra.local.host.protos import RpcHttp, TypedData
from infra.local.host.sign_in import SignIn

# Hosting limits of Azure Functions: FUNCTIONS_REQUEST_BODY_SIZE_LIMIT, bytes.
LONGEST_BODY = 104_857_600


@dataclass(frozen=True, slots=True)
class _Endpoint:
    function: Function
    trigger: HttpTrigger


class HttpTriggers:
    """Answers the requests to the functions with an HTTP trigger."""

    def __init__(
        self,
        functions: Iterable[Function],
        invocations: Invocations,
        *,
        prefix: str,
        keys: Keys,
        sign_in: SignIn | None,
    ) -> None:
        endpoints = [_Endpoint(found, found.trigger) for found in functions if isinstance(found.trigger, HttpTrigger)]
        # The more literal route is asked first, as in the Functions host.
        self._endpoints = sorted(endpoints, key=lambda endpoint: endpoint.trigger.route.precedence)
        self._invocations = invocations
        self._prefix = f"/{prefix.strip('/')}/" if prefix.strip("/") else "/"
        self._keys = keys
        self._sign_in = sign_in

    def add_to(self, application: web.Application) -> None:
        """Answer what the routes that an application has do not."""
        application.router.add_route("*", "/{path:.*}", self._answer)

    async def _answer(self, request: web.Request) -> web.Response:
        endpoint, parameters = self._find(request)
        if endpoint is None:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        if self._keys.level(request.headers, request.query) < endpoint.trigger.level:
            return web.Response(status=HTTPStatus.UNAUTHORIZED)
        body = await request.read()
        asked = TypedData(
            http=RpcHttp(
                method=request.method,
                url=str(request.url),
                headers=self._headers(request),
                body=TypedData(bytes=body) if body else TypedData(),
                params=parameters,
                # The host leaves empty values out (GrpcMessageConversionExtensions.ToRpcHttp).
                query={name: value for name, value in _joined(request.query).items() if value},
            )
        )
        # A client that goes away does not end the function.
        work = self._invocations.answer(endpoint.function, asked, {}, reason=f"http {request.method} {request.path}")
        response = await self._invocations.begin(work)
        if response.result.exception is not None:
            return web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR)
        return _response(response.return_value)

    def _find(self, request: web.Request) -> tuple[_Endpoint | None, dict[str, str]]:
        path = request.rel_url.raw_path
        if not path.lower().startswith(self._prefix.lower()):
            return None, {}
        for endpoint in self._endpoints:
            parameters = endpoint.trigger.route.match(path[len(self._prefix) :])
            if parameters is not None and request.method in (endpoint.trigger.methods or {request.method}):
                return endpoint, parameters
        return None, {}

    def _headers(self, request: web.Request) -> dict[str, str]:
        sent = {name.lower(): value for name, value in _joined(request.headers).items()}
        return self._sign_in.headers(sent) if self._sign_in else sent


def _response(value: TypedData | None) -> web.Response:
    """Turn what a function returned into a response: text, or a whole response."""
    if value is None or value.http is None:
        return web.Response(text=value.string if value else None)
    body = value.http.body.bytes if value.http.body else b""
    return web.Response(status=int(value.http.status_code), headers=dict(value.http.headers), body=body)


def _joined(values: MultiMapping[str]) -> dict[str, str]:
    """Join the values of each name by commas, as .NET's StringValues does."""
    return {name: ",".join(values.getall(name)) for name in values}

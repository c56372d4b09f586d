"""The token endpoint of an app's managed identity, on loopback, as App Service and Functions provide it.

https://learn.microsoft.com/azure/app-service/overview-managed-identity, "REST endpoint reference": the app finds it by
IDENTITY_ENDPOINT, and identifies itself by the header X-IDENTITY-HEADER.
"""

import contextlib
import hmac
import secrets
import socket
from collections.abc import AsyncIterator, Mapping

from aiohttp import web

from infra.local.gateway.http_server import serve

from .tokens import DISK, MANAGEMENT, STORAGE, Principal, TokenIssuer

API_VERSION = "2019-08-01"
_PATH = "/msi/token"
_RESOURCES = (STORAGE, MANAGEMENT, DISK)
_BAD_REQUEST, _FORBIDDEN, _NOT_FOUND, _INTERNAL_ERROR = 400, 403, 404, 500
_NO_IDENTITY = "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId."


class TokenEndpoint:
    """A running token endpoint of an app with one user-assigned identity.

    Attributes:
        url: the value of IDENTITY_ENDPOINT.
        header: the value of IDENTITY_HEADER, a secret.
        given: the number of tokens issued.
        is_down: whether it answers every request with an error, for a fault.
        failed: the number of requests answered with such an error.
        principal: the app's identity.
        resources: what it gives tokens for, each with and without a slash at its end.
    """

    def __init__(self, host: str, issuer: TokenIssuer, principal: Principal) -> None:
        self.url = f"http://{host}{_PATH}"
        self.header = secrets.token_hex(16).upper()
        self.given = 0
        self.is_down = False
        self.failed = 0
        self.resources = {resource.rstrip("/") for resource in _RESOURCES}
        self._issuer = issuer
        self.principal = principal

    @property
    def settings(self) -> dict[str, str]:
        """The environment variables that the platform gives to an app."""
        return {"IDENTITY_ENDPOINT": self.url, "IDENTITY_HEADER": self.header}

    async def handle(self, incoming: web.BaseRequest) -> web.Response:
        """Answer one request."""
        if incoming.method != "GET" or incoming.path != _PATH:
            return _refused(_NOT_FOUND, "Not found.")
        if self.is_down:
            self.failed += 1
            return _refused(_INTERNAL_ERROR, "An unexpected error occured while fetching the AAD Token.")
        if not hmac.compare_digest(incoming.headers.get("X-IDENTITY-HEADER", ""), self.header):
            return _refused(_FORBIDDEN, "The header X-IDENTITY-HEADER is missing or wrong.")
        return self._issue(incoming.query)

    def _issue(self, query: Mapping[str, str]) -> web.Response:
        resource, client_id = query.get("resource", ""), query.get("client_id", "")
        if query.get("api-version") != API_VERSION:
            return _refused(_BAD_REQUEST, f"The api-version should be {API_VERSION}.")
        if resource.removesuffix("/") not in self.resources:
            return _refused(_BAD_REQUEST, f"The resource {resource!r} is not known.")
        # No client id means the system-assigned identity, which this app does not have.
        if client_id != self.principal.client_id or query.keys() & {"principal_id", "mi_res_id", "object_id"}:
            return _refused(_BAD_REQUEST, _NO_IDENTITY)
        token = self._issuer.issue(self.principal, resource)
        self.given += 1
        return web.json_response(
            {
                "access_token": token.text,
                "expires_on": str(token.expires_on),
                "resource": resource,
                "token_type": "Bearer",
                "client_id": client_id,
            }
        )


@contextlib.asynccontextmanager
async def run_token_endpoint(issuer: TokenIssuer, principal: Principal) -> AsyncIterator[TokenEndpoint]:
    """Run a token endpoint in this event loop, on a free port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = TokenEndpoint(f"127.0.0.1:{listener.getsockname()[1]}", issuer, principal)
        async with serve(listener, endpoint.handle):
            yield endpoint


def _refused(status: int, message: str) -> web.Response:
    return web.json_response({"statusCode": status, "message": message}, status=status)

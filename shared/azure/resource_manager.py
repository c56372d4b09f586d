"""Azure Resource Manager: the few requests that managed disks take, by the app's identity.

The management SDK would cost 14 MB and a second at each cold start, for about eight calls.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from azure.core import AsyncPipelineClient
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError, ServiceResponseError
from azure.core.rest import AsyncHttpResponse, HttpRequest

from shared.azure.answers import is_transient
from shared.limits import COMPUTE_API_VERSION

_POLLED_FIRST, _POLLED_EVERY = timedelta(seconds=0.1), timedelta(seconds=1)
"""How soon and how often an operation is asked for its result; the SDK's default waits 30 seconds."""

_POLLED_FOR = timedelta(seconds=60)

_ERRORS: dict[int, type[HttpResponseError]] = {HTTPStatus.NOT_FOUND: ResourceNotFoundError}

type Client = AsyncPipelineClient[HttpRequest, AsyncHttpResponse]
type Sleep = Callable[[timedelta], Awaitable[None]]


async def _sleep(duration: timedelta) -> None:
    await asyncio.sleep(duration.total_seconds())


class ResourceManager:
    """Requests to Azure Resource Manager. A path begins at `/subscriptions/`."""

    def __init__(self, client: Callable[[], Awaitable[Client]], url: str, sleep: Sleep = _sleep) -> None:
        """Take what is needed.

        Args:
            client: opens the pipeline that signs requests with the app's tokens.
            url: the cloud's Azure Resource Manager.
            sleep: waits for a while.
        """
        self._client, self._url, self._sleep = client, url, sleep

    @property
    def url(self) -> str:
        """The cloud's Azure Resource Manager."""
        return self._url

    async def find(self, path: str) -> dict[str, Any] | None:
        """Read a resource; None if there is none."""
        try:
            return await self._read(HttpRequest("GET", self._at(path)))
        except ResourceNotFoundError:
            return None

    async def list(self, path: str) -> AsyncIterator[dict[str, Any]]:
        """List resources, page by page."""
        url = self._at(path)
        while url:
            page = await self._read(HttpRequest("GET", url))
            for resource in page.get("value", ()):
                yield resource
            url = str(page.get("nextLink") or "")

    async def put(self, path: str, resource: Mapping[str, Any]) -> None:
        """Make a resource, or ask for it again, and wait until it is made, for a minute at most.

        Raises:
            HttpResponseError: it is refused, or fails.
        """
        answer = await self._send(HttpRequest("PUT", self._at(path), json=dict(resource)))
        _require_success(answer)
        try:
            await self._ended(answer)
        except AzureError as error:
            if not is_transient(error):
                raise

    async def delete(self, path: str, *, until_gone: bool = False) -> None:
        """Have a resource deleted, if it exists.

        Args:
            path: the resource's.
            until_gone: whether to wait until it is deleted, which may fail after it was accepted.

        Raises:
            ServiceResponseError: it is waited for, and takes longer than a minute.
            HttpResponseError: it is refused; or it is waited for, and fails.
        """
        answer = await self._send(HttpRequest("DELETE", self._at(path)))
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return
        _require_success(answer)
        if until_gone:
            with contextlib.suppress(ResourceNotFoundError):
                await self._outcome(path, answer)

    async def act(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Have something done to a resource, and wait for what comes of it.

        Raises:
            ServiceResponseError: it takes longer than a minute.
            HttpResponseError: it is refused, or fails.
        """
        request = HttpRequest("POST", self._at(path), json=dict(body)) if body else HttpRequest("POST", self._at(path))
        begun = await self._send(request)
        _require_success(begun)
        return _content(await self._outcome(path, begun))

    async def _outcome(self, path: str, begun: AsyncHttpResponse) -> AsyncHttpResponse:
        ended = await self._ended(begun)
        if ended is None:
            raise ServiceResponseError(f"{path} takes longer than {_POLLED_FOR.total_seconds():.0f} seconds")
        return ended

    async def _ended(self, answer: AsyncHttpResponse) -> AsyncHttpResponse | None:
        """Give the last answer, once what an answer tells of has ended; None if that takes over a minute."""
        waited, pause = timedelta(), _POLLED_FIRST
        # Azure Resource Manager: asynchronous operations. The address is signed, so it is kept nowhere.
        where = answer.headers.get("Location", "")
        while answer.status_code == HTTPStatus.ACCEPTED and where:
            if waited >= _POLLED_FOR:
                return None
            await self._sleep(pause)
            waited, pause = waited + pause, min(2 * pause, _POLLED_EVERY)
            answer = await self._send(HttpRequest("GET", where))
            _require_success(answer)
        return answer

    async def _read(self, request: HttpRequest) -> dict[str, Any]:
        answer = await self._send(request)
        _require_success(answer)
        return _content(answer)

    async def _send(self, request: HttpRequest) -> AsyncHttpResponse:
        return await (await self._client()).send_request(request)

    def _at(self, path: str) -> str:
        return f"{self._url}{path}{'&' if '?' in path else '?'}api-version={COMPUTE_API_VERSION}"


def _content(answer: AsyncHttpResponse) -> dict[str, Any]:
    content: Any = answer.json() if answer.content else {}
    return content if isinstance(content, dict) else {}


def _require_success(answer: AsyncHttpResponse) -> None:
    """Raise the service's error, with its code where the storage SDK has it."""
    if answer.status_code < HTTPStatus.BAD_REQUEST:
        return
    error = _ERRORS.get(answer.status_code, HttpResponseError)(response=answer)
    error.error_code = error.error.code if error.error else ""  # type: ignore[attr-defined]  # as the storage SDK does
    raise error

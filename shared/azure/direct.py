"""Requests made so often that all the SDK does around each of them counts: sent straight over its session.

Only a first try is made here. Where that does not get the status that it is to get, the SDK's own call goes on with
what came of it, as if it had made that try itself: so retries, challenges, and which error is raised are the SDK's.
"""

import itertools
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

import aiohttp
from azure.core.exceptions import AzureError
from azure.core.pipeline.policies import UserAgentPolicy
from azure.storage.blob import __version__ as sdk_version
from yarl import URL

from shared.azure.app_identity import AppIdentity
from shared.azure.shared_key import SharedKey
from shared.model.addresses import BlobAddress

_SCOPES = "https://storage.azure.com/.default"
_USER_AGENT = UserAgentPolicy(sdk_moniker=f"storage-blob/{sdk_version}").user_agent

_NO_CONTENT = frozenset({"Content-Type"})

type _Outcome = aiohttp.ClientResponse | Exception


class Tried:
    """A first try.

    Attributes:
        body: what it got; None if it did not succeed.
        rest: the options with which the SDK's call goes on, if it did not.
    """

    def __init__(self, outcome: _Outcome | None, body: bytes | None = None) -> None:
        self.body = body
        self.rest: dict[str, Any] = {} if outcome is None else {"middlewares": (_beginning_with(outcome),)}


NOT_TRIED = Tried(None)
"""The SDK's call begins at the beginning."""


class Direct:
    """Makes first tries: by an account's key, by the app's identity, or by a signed URL."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        timeouts: aiohttp.ClientTimeout,
        identity: AppIdentity,
        keys: Mapping[str, str],
        version: str,
    ) -> None:
        """Take what is needed.

        Args:
            session: that of the SDK's transport.
            timeouts: as the SDK's.
            identity: for accounts without a key.
            keys: the keys of accounts that have one.
            version: the service version of the requests.
        """
        self._session, self._timeouts, self._version = session, timeouts, version
        self._identity = identity
        self._keys = {account: SharedKey(account, key) for account, key in keys.items()}
        self._named, self._numbers = str(uuid.uuid4())[:24], itertools.count()
        self._date = (0, "")

    async def put_page(self, blob: BlobAddress, headers: Mapping[str, str], content: bytes = b"") -> Tried:
        """Write, copy or clear pages (REST: Put Page, Put Page From URL).

        Args:
            blob: the blob.
            headers: what is asked, beside what all requests have; names in lower case.
            content: the pages to write.
        """
        url = URL(f"{blob.url}?comp=page")
        sent = {
            "accept": "application/xml",
            "user-agent": _USER_AGENT,
            "x-ms-client-request-id": f"{self._named}{next(self._numbers):012x}",
            "x-ms-date": self._now(),
            "x-ms-version": self._version,
            **headers,
        }
        if content:
            sent |= {"content-length": str(len(content)), "content-type": "application/octet-stream"}
        if key := self._keys.get(blob.account):
            sent["authorization"] = key.authorization("PUT", url.raw_path, "comp:page", sent)
        elif token := await self._token(url):
            sent["authorization"] = f"Bearer {token}"
        else:
            return NOT_TRIED
        return await self._try("PUT", url, sent, content, wanted=(HTTPStatus.CREATED, 0))

    async def get(self, signed_url: str, headers: Mapping[str, str], length: int) -> Tried:
        """Read a range of so many bytes (REST: Get Blob).

        Args:
            signed_url: a URL that reads the blob.
            headers: the request's headers.
            length: the bytes of the range.
        """
        return await self._try("GET", signed_url, headers, b"", wanted=(HTTPStatus.PARTIAL_CONTENT, length))

    async def _try(
        self, method: str, url: URL | str, headers: Mapping[str, str], content: bytes, *, wanted: tuple[int, int]
    ) -> Tried:
        """Make a try that is to get this status, and so many bytes."""
        try:
            answer = await self._session.request(
                method,
                url,
                headers=headers,
                data=content or None,
                skip_auto_headers=None if content else _NO_CONTENT,
                allow_redirects=False,
                timeout=self._timeouts,
                middlewares=(_once,),
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            cause = error.__cause__
            return Tried(cause if type(error) is aiohttp.ClientError and isinstance(cause, Exception) else error)
        if (answer.status, answer.content_length or 0) != wanted:
            return Tried(answer)
        try:
            return Tried(None, await answer.read())
        except (aiohttp.ClientError, TimeoutError):
            return Tried(answer)  # whoever reads on gets the same error

    def _now(self) -> str:
        """Give the time as headers have it; it is written once a second."""
        second = int(time.time())
        if self._date[0] != second:
            self._date = (second, formatdate(second, usegmt=True))
        return self._date[1]

    async def _token(self, url: URL) -> str:
        """Give a token; empty where the SDK must say why there is none."""
        if url.scheme != "https":
            return ""
        try:
            return (await self._identity.get_token_info(_SCOPES)).token
        except AzureError:
            return ""


async def _once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Send a request once, where aiohttp would send it again at once: the SDK's call is to do that."""
    try:
        return await send(request)
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
        raise aiohttp.ClientError from error


def _beginning_with(
    outcome: _Outcome,
) -> Callable[[aiohttp.ClientRequest, aiohttp.ClientHandlerType], Awaitable[aiohttp.ClientResponse]]:
    """Have the first request that is sent come to this, without being sent."""
    left = [outcome]

    async def begin(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        if not left:
            return await send(request)
        first = left.pop()
        if isinstance(first, Exception):
            raise first
        return first

    return begin

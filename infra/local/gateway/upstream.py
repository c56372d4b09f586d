"""Azurite behind the gateway: clients' requests passed on as they came, and the gateway's own."""

import contextlib
import datetime as dt
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
from azure.storage.blob import generate_account_sas
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from infra.local.azurite import Account
from infra.local.identity.certificates import Certificates

from .answers import Answer
from .operations import Request

# Azurite closes a connection after 5 idle seconds; one must not be reused at that moment.
_KEEP_ALIVE_SECONDS = 2.0
_HEADER_LIMIT_BYTES = 64 * 1024
_READ_BUFFER_BYTES = 1024 * 1024
_OWNER_SAS_LIFE = dt.timedelta(hours=1)
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "proxy-connection", "expect"}
)


@dataclass(slots=True)
class Call:
    """A client's request, as it came.

    Attributes:
        request: the record of it; its headers' names are in lower case.
        target: path and query, byte for byte.
        headers: the headers, in their own spelling (metadata names keep their case).
        body: the body, whole.
    """

    request: Request
    target: str
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def raw_path(self) -> str:
        """Return the path, percent-encoded as it came."""
        return self.target.partition("?")[0]

    @property
    def account(self) -> str:
        """Return the account's name."""
        return self.request.path.split("/")[1]


class Upstream:
    """One of Azurite's services.

    Attributes:
        hosts: "host:port" of every address at which its blobs are reached.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str, accounts: Sequence[Account]) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._keys = {account.name: account.key for account in accounts}
        self.hosts = {urlsplit(url).netloc}

    def open(self, call: Call) -> contextlib.AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Pass a client's request on untouched: same path, query, headers, Host, so that its signature still holds."""
        return self._open(call.request.method, call.target, end_to_end(call.headers), call.body)

    async def forward(self, call: Call) -> Answer:
        """Pass a client's request on untouched, and read the answer whole."""
        async with self.open(call) as response:
            return await _whole(response)

    async def as_owner(
        self,
        method: str,
        raw_path: str,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """Do something with the rights of the account's owner, by an account SAS made for it.

        Args:
            method: the HTTP method.
            raw_path: the percent-encoded path, "/account/container/blob".
            query: further query parameters, encoded.
            headers: headers to send.
            body: body to send.
        """
        return await self.send(method, self.owners_target(raw_path, query), headers or {}, body)

    def owners_target(self, raw_path: str, query: str = "") -> str:
        """Return a path with a query (encoded) and the rights of the account's owner."""
        account = raw_path.split("/")[1]
        sas = ""
        if account in self._keys:
            expiry = dt.datetime.now(dt.UTC) + _OWNER_SAS_LIFE
            sas = generate_account_sas(account, self._keys[account], "sco", "rwdlac", expiry)
        return f"{raw_path}?{query}&{sas}" if query else f"{raw_path}?{sas}"

    async def insist(
        self,
        method: str,
        raw_path: str,
        good: tuple[int, ...],
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Do something as the owner that must end with one of the statuses in `good`.

        Raises:
            RuntimeError: when it ends with another.
        """
        answer = await self.as_owner(method, raw_path, query=query, headers=headers)
        if answer.status not in good:
            message = f"Azurite answered {answer.status} to {method} {raw_path} {query}: {answer.body.decode()}"
            raise RuntimeError(message)
        return answer

    async def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a request whose target (path and query) or headers authorise it."""
        sized = CIMultiDict(headers)
        sized["Content-Length"] = str(len(body))
        async with self._open(method, target, sized, body) as response:
            return await _whole(response)

    @contextlib.asynccontextmanager
    async def _open(
        self, method: str, target: str, headers: CIMultiDict[str], body: bytes
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        url = URL(self._url + target, encoded=True)
        data = io.BytesIO(body) if body else None
        async with self._session.request(method, url, headers=headers, data=data, allow_redirects=False) as response:
            yield response


@contextlib.asynccontextmanager
async def connect(
    url: str, accounts: Sequence[Account], certificates: Certificates | None = None
) -> AsyncIterator[Upstream]:
    """Open connections to one of Azurite's services at `url`, and close them at the end."""
    trusted = certificates.for_clients() if certificates else True
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_SECONDS, ssl=trusted)
    async with aiohttp.ClientSession(
        connector=connector,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        # A header that the client did not send would break its signature.
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        timeout=aiohttp.ClientTimeout(total=None),
        read_bufsize=_READ_BUFFER_BYTES,
        max_line_size=_HEADER_LIMIT_BYTES,
        max_field_size=_HEADER_LIMIT_BYTES,
    ) as session:
        yield Upstream(session, url, accounts)


def end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Copy headers without those that only concern one connection."""
    kept: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        if name.lower() not in _HOP_BY_HOP:
            kept.add(name, value)
    return kept


async def _whole(response: aiohttp.ClientResponse) -> Answer:
    return Answer(response.status, end_to_end(response.headers), await response.read())

"""Azurite behind the gateway: passing clients' requests on unchanged, and making the gateway's own."""

import contextlib
import datetime as dt
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import aiohttp
from azure.storage.blob import generate_account_sas, generate_blob_sas
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from infra.local.azurite import Account
from infra.local.identity.certificates import Certificates

from .answers import Answer
from .operations import Request

# Azurite closes a connection after 5 idle seconds; it must not be reused at that moment.
_KEEP_ALIVE_SECONDS = 2.0
_HEADER_LIMIT_BYTES = 64 * 1024
_READ_BUFFER_BYTES = 1024 * 1024
_OWNER_SAS_LIFE = dt.timedelta(hours=1)
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "proxy-connection", "expect"}
)


@dataclass(slots=True)
class Call:
    """A client's request as received.

    Attributes:
        request: the record of it, with header names in lower case.
        target: path and query, byte for byte.
        headers: the headers with their original names (metadata names keep their case).
        body: the complete body.
    """

    request: Request
    target: str
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def raw_path(self) -> str:
        """The path, percent-encoded as received."""
        return self.target.partition("?")[0]

    @property
    def account(self) -> str:
        """The account's name."""
        return self.request.path.split("/")[1]


class Upstream:
    """One of Azurite's services.

    Attributes:
        hosts: the "host:port" of every address of its blobs.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str, accounts: Sequence[Account]) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._keys = {account.name: account.key for account in accounts}
        self.hosts = {urlsplit(url).netloc}

    def open(self, call: Call) -> contextlib.AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Pass a client's request on unchanged: same path, query, headers, Host, so that its signature stays valid."""
        return self._open(call.request.method, call.target, end_to_end(call.headers), call.body)

    async def forward(self, call: Call) -> Answer:
        """Pass a client's request on unchanged, and read the complete answer."""
        async with self.open(call) as response:
            return await _read_answer(response)

    async def as_owner(
        self,
        method: str,
        raw_path: str,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """Make a request with the rights of the account's owner, by an account SAS.

        Args:
            method: the HTTP method.
            raw_path: the percent-encoded path, "/account/container/blob".
            query: further query parameters, encoded.
            headers: headers to send.
            body: body to send.
        """
        return await self.send(method, self.owners_target(raw_path, query), headers or {}, body)

    def owners_target(self, raw_path: str, query: str = "") -> str:
        """Return a target: a path, an encoded query, and an account SAS with the owner's rights."""
        account = raw_path.split("/")[1]
        sas = ""
        if account in self._keys:
            expiry = dt.datetime.now(dt.UTC) + _OWNER_SAS_LIFE
            sas = generate_account_sas(account, self._keys[account], "sco", "rwdlac", expiry)
        return f"{raw_path}?{query}&{sas}" if query else f"{raw_path}?{sas}"

    def writers_target(self, raw_path: str, query: str) -> str:
        """Return a target with the right to write one blob, by a SAS of that blob.

        Azurite knows no permission of an account SAS for setting a page blob's length.
        """
        account, container, blob = raw_path.removeprefix("/").split("/", 2)
        expiry = dt.datetime.now(dt.UTC) + _OWNER_SAS_LIFE
        sas = generate_blob_sas(
            account, container, unquote(blob), account_key=self._keys[account], permission="w", expiry=expiry
        )
        return f"{raw_path}?{query}&{sas}"

    async def insist(
        self,
        method: str,
        raw_path: str,
        good: tuple[int, ...],
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """Make a request as the owner that must be answered with one of the statuses in `good`.

        Raises:
            RuntimeError: it was answered with another status.
        """
        answer = await self.as_owner(method, raw_path, query=query, headers=headers, body=body)
        if answer.status not in good:
            message = f"Azurite answered {answer.status} to {method} {raw_path} {query}: {answer.body.decode()}"
            raise RuntimeError(message)
        return answer

    async def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a request that is authorized by its target (path and query) or headers."""
        sized = CIMultiDict(headers)
        sized["Content-Length"] = str(len(body))
        async with self._open(method, target, sized, body) as response:
            return await _read_answer(response)

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
        # A header that the client did not send would invalidate its signature.
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        timeout=aiohttp.ClientTimeout(total=None),
        read_bufsize=_READ_BUFFER_BYTES,
        max_line_size=_HEADER_LIMIT_BYTES,
        max_field_size=_HEADER_LIMIT_BYTES,
    ) as session:
        yield Upstream(session, url, accounts)


def end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Copy headers, without the hop-by-hop ones."""
    kept: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        if name.lower() not in _HOP_BY_HOP:
            kept.add(name, value)
    return kept


async def _read_answer(response: aiohttp.ClientResponse) -> Answer:
    return Answer(response.status, end_to_end(response.headers), await response.read())

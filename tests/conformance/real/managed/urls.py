"""What a URL that was granted opens: a disk or a snapshot as a page blob. The URL is a secret and is never shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlencode

from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest

from shared.azure.resource_manager import Client
from shared.azure.sources.managed_reading import read_page_list
from shared.limits import FOOTER, STORAGE_API_VERSION
from tests.conformance.real.managed.pages import Given, Listed, goes_on

_WRITTEN = {"x-ms-page-write": "update"}


@dataclass(frozen=True, slots=True)
class Opened:
    """A URL that was granted, and the client to reach it by."""

    http: Client
    url: str = field(repr=False)

    def is_same_as(self, other: "Opened") -> bool:
        """Tell whether both are one URL."""
        return self.url == other.url

    async def properties(self) -> Given:
        """Ask for the blob's properties (REST: Get Blob Properties)."""
        return await self._send("HEAD", "", {})

    async def size(self) -> int:
        """Give the length of the blob in bytes."""
        return int(require_good(await self.properties()).headers["Content-Length"])

    async def read(self, start: int, length: int) -> Given:
        """Read a range (REST: Get Blob)."""
        return await self._send("GET", "", {"x-ms-range": _range(start, length)})

    async def footer(self) -> bytes:
        """Read the last 512 bytes."""
        return require_good(await self.read(await self.size() - FOOTER, FOOTER)).body

    async def page(self, since: "Opened | None" = None, most: int = 0, marker: str = "") -> Listed:
        """List a page of ranges, or of what changed since an older snapshot (REST: Get Page Ranges).

        Args:
            since: the older snapshot.
            most: the most ranges to list; 0 leaves that to the service.
            marker: what the page before gave to go on by.
        """
        query = {"comp": "pagelist", "maxresults": most or "", "marker": marker}
        headers = {"x-ms-previous-snapshot-url": since.url} if since else {}
        asked = urlencode({name: value for name, value in query.items() if value})
        given = await self._send("GET", asked, headers)
        return Listed(given, *read_page_list(given.body.decode("utf-8-sig"))) if given.is_good else Listed(given)

    async def pages(self, since: "Opened | None" = None, most: int = 0) -> list[Listed]:
        """List all pages, as long as each goes on from the one before; the last is a refusal where one was refused."""
        listed = [await self.page(since, most)]
        while goes_on(listed):
            listed.append(await self.page(since, most, listed[-1].marker))
        return listed

    async def write(self, start: int, content: bytes) -> Given:
        """Write pages (REST: Put Page)."""
        return await self._send("PUT", "comp=page", {**_WRITTEN, "x-ms-range": _range(start, len(content))}, content)

    async def copy(self, source: str, start: int, length: int) -> Given:
        """Have pages copied from a URL, to where they are there (REST: Put Page From URL)."""
        at = _range(start, length)
        own = {"x-ms-copy-source": source, "x-ms-range": at, "x-ms-source-range": at, "Content-Length": "0"}
        return await self._send("PUT", "comp=page", {**_WRITTEN, **own})

    async def _send(self, method: str, query: str, headers: Mapping[str, str], content: bytes = b"") -> Given:
        # The URL is used as it was given: to parse it and put it together again may lose its snapshot.
        url = f"{self.url}&{query}" if query else self.url
        named = {"x-ms-version": STORAGE_API_VERSION, **headers}
        answer = await self.http.send_request(HttpRequest(method, url, headers=named, content=content or None))
        code = answer.headers.get("x-ms-error-code", "")
        return Given(answer.status_code, code, answer.headers, answer.content)


def require_good(given: Given) -> Given:
    """Give an answer, if the service did what was asked.

    Raises:
        HttpResponseError: it did not.
    """
    if not given.is_good:
        error = HttpResponseError(f"a URL that was granted answered {given.said}")
        error.status_code = HTTPStatus(given.status)
        raise error
    return given


def _range(start: int, length: int) -> str:
    return f"bytes={start}-{start + length - 1}"

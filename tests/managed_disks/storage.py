"""The storage hosts as plain HTTP reaches them, by a SAS URL as it was given."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from yarl import URL

from infra.local.local_azure import BLOB_API_VERSION

KIB, MIB = 1024, 1024 * 1024
BLOCK = 4096
_RANGE = re.compile(r"<(PageRange|ClearRange)><Start>(\d+)</Start><End>(\d+)</End></\1>")
_MARKER = re.compile(r"<NextMarker>([^<]+)</NextMarker>")

Found = list[tuple[int, int, bool]]
"""Ranges: start and end (exclusive) in blocks of 4 KiB, and whether it was cleared."""


@dataclass(frozen=True)
class Given:
    """An answer of a host."""

    status: int
    headers: Any
    body: bytes

    @property
    def code(self) -> str:
        return str(self.headers.get("x-ms-error-code", ""))

    @property
    def error(self) -> tuple[int, str]:
        return self.status, self.code

    @property
    def ranges(self) -> list[tuple[int, int, bool]]:
        """Start, end (exclusive), in bytes, and whether it was cleared."""
        found = _RANGE.findall(self.body.decode())
        return [(int(start), int(end) + 1, kind == "ClearRange") for kind, start, end in found]

    @property
    def marker(self) -> str:
        found = _MARKER.search(self.body.decode())
        return found[1] if found else ""


class Storage:
    """The hosts."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http

    async def send(self, method: str, url: str, headers: dict[str, str], body: bytes = b"") -> Given:
        """Make a request; an underscore in a header's name stands for a hyphen."""
        named = {"x-ms-version": BLOB_API_VERSION} | {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._http.request(method, URL(url, encoded=True), headers=named, data=body or None) as answer:
            return Given(answer.status, answer.headers, await answer.read())

    async def head(self, url: str, **headers: str) -> Given:
        return await self.send("HEAD", url, headers)

    async def read(self, url: str, start: int, length: int, **headers: str) -> Given:
        return await self.send("GET", url, {"x_ms_range": f"bytes={start}-{start + length - 1}", **headers})

    async def list(self, url: str, *, since: str = "", query: str = "", **headers: str) -> Given:
        """List ranges; with `since` those that changed since the snapshot of that SAS."""
        if since:
            headers["x_ms_previous_snapshot_url"] = since
        return await self.send("GET", f"{url}&comp=pagelist{query}", headers)

    async def copy(self, url: str, source: str, start: int, length: int, **headers: str) -> Given:
        """Put pages from a URL, at the offset that they have there."""
        at = f"bytes={start}-{start + length - 1}"
        own = {"x_ms_page_write": "update", "x_ms_range": at, "x_ms_source_range": at, "x_ms_copy_source": source}
        return await self.send("PUT", f"{url}&comp=page", own | headers)


def in_an_hour() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)

"""The storage hosts of managed disks as the app's HTTP client reaches them: lists of page ranges, and uploads."""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest

from shared.azure.answers import error_code
from shared.azure.connections import Connections
from shared.changes.ranges import Change, Window
from shared.limits import PAGE
from tests.simulation.blobs import Page
from tests.simulation.calls import Calls
from tests.simulation.lies import without_a_change
from tests.simulation.managed import hosts, uploads
from tests.simulation.managed.answers import Answer, refusal_of_host
from tests.simulation.managed.resources import Refused
from tests.simulation.world import World
from tests.simulation.writing import source_pages

_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


class SimulatedHosts:
    """The HTTP client of the storage hosts."""

    def __init__(self, world: World, calls: Calls) -> None:
        self._world, self._calls = world, calls

    async def send_request(self, request: HttpRequest, **_: object) -> Answer:
        """Answer a request that lists page ranges, or uploads into a disk."""
        if request.method == "PUT":
            return await self._written(request)
        try:
            listed = await self._calls.read(lambda: self._list(request))
        except Refused as refused:
            return refusal_of_host(refused)
        if self._calls.gives_up():
            return refusal_of_host(Refused(500, "OperationTimedOut"))
        asked = parse_qs(urlsplit(request.url).query)
        first, most = int(asked.get("marker", ["0"])[0]), int(asked["maxresults"][0])
        return Answer(200, body=_xml(listed[first : first + most], first + most if first + most < len(listed) else 0))

    async def _written(self, request: HttpRequest) -> Answer:
        try:
            await self._calls.change(lambda: self._write(request))
        except Refused as refused:
            return refusal_of_host(refused)
        return Answer(201)

    def _write(self, request: HttpRequest) -> None:
        """Write pages (REST: Put Page, Put Page From URL)."""
        piece, source = _piece(request, "x-ms-range"), request.headers.get("x-ms-copy-source", "")
        uploads.opened(self._world.compute, request.url)
        try:
            pages = (
                source_pages(self._world, source, _piece(request, "x-ms-source-range")) if source else _sent(request)
            )
            if len(pages) * PAGE != piece.length:
                raise Refused(400, "InvalidHeaderValue")
            uploads.write(self._world.compute, request.url, piece.start // PAGE, pages)
        except HttpResponseError as refused:
            raise Refused(refused.status_code or 500, error_code(refused)) from None

    def _list(self, request: HttpRequest) -> list[Change]:
        asked, compute = _piece(request, "x-ms-range"), self._world.compute
        window = Window(asked.start, asked.end)
        previous = request.headers.get("x-ms-previous-snapshot-url", "")
        try:
            listed = hosts.listed(compute, request.url, previous, window)
        except HttpResponseError as refused:
            raise Refused(refused.status_code or 500, error_code(refused)) from None
        if not (previous and self._world.lies):
            return listed
        taken, older = hosts.opened(compute, request.url), hosts.opened(compute, previous)
        told = without_a_change(taken.held.pages, older.held.pages, window, listed)
        if len(told) < len(listed):
            self._world.meddle(taken.disk)
        return told


class SimulatedConnections(Connections):
    """The app's connections, of which managed disks take an HTTP client only."""

    def __init__(self, hosts: SimulatedHosts) -> None:
        self._hosts: Any = hosts

    async def http(self) -> Any:
        """Give the client."""
        return self._hosts


def _piece(request: HttpRequest, header: str) -> Change:
    found = _RANGE.fullmatch(request.headers[header])
    assert found
    return Change(int(found[1]), int(found[2]) + 1, clear=False)


def _sent(request: HttpRequest) -> list[Page]:
    content = bytes(request.content or b"")
    return [int.from_bytes(content[at : at + PAGE], "big") for at in range(0, len(content), PAGE)]


def _xml(changes: Sequence[Change], marker: int) -> str:
    """Write a list of page ranges (REST: Get Page Ranges)."""
    tags = [("ClearRange" if change.clear else "PageRange", change.start, change.end - 1) for change in changes]
    ranges = "".join(f"<{tag}><Start>{start}</Start><End>{end}</End></{tag}>" for tag, start, end in tags)
    more = f"<NextMarker>{marker}</NextMarker>" if marker else ""
    return f'<?xml version="1.0" encoding="utf-8"?><PageList>{ranges}{more}</PageList>'

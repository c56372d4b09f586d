"""Page requests arrive, and fail, as if the SDK had made them, though their first try is made beside it: on Azurite."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Literal, NamedTuple, get_args

import pytest

from infra.local.gateway import Fault, Gateway, Request
from shared.azure import connections as of_the_app
from shared.azure.answers import explain
from shared.azure.blobs.reading import BlobReader
from shared.azure.blobs.writing import BlobWriter
from shared.azure.connections import Connections, open_connections
from shared.azure.direct import NOT_TRIED, Tried
from shared.limits import PAGE
from shared.model.addresses import BlobAddress
from tests.conformance.clouds import LATER_RUN, RUN, Cloud, content_of, pages_of

type Call = Literal["copy", "write", "clear", "read"]
OPERATIONS: dict[Call, str] = {
    "copy": "Put Page From URL",
    "write": "Put Page",
    "clear": "Clear Pages",
    "read": "Get Blob",
}
CALLS = pytest.mark.parametrize("call", get_args(Call.__value__))
PIECE = pages_of(1, 3)
_OF_EACH_TRY = {"authorization", "x-ms-client-request-id", "x-ms-date"}
_OF_EACH_ANSWER = {"content-length", "date", "x-ms-request-id"}


async def not_tried(*_: object) -> Tried:
    """Leave all to the SDK."""
    return NOT_TRIED


class Seen(NamedTuple):
    """A request as it arrived, without what differs from try to try."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    bytes_in: int
    status: int | None

    @classmethod
    def of(cls, request: Request) -> "Seen":
        headers = {name: value for name, value in request.headers.items() if name not in _OF_EACH_TRY}
        assert request.headers.keys() >= _OF_EACH_TRY or request.method == "GET"
        return cls(request.method, request.path, request.query, headers, request.bytes_in, request.status)


class Came(NamedTuple):
    """What came of a call: its result, or its error, as far as that does not differ from answer to answer."""

    result: object
    errors: tuple[tuple[object, ...], ...]
    seen: tuple[Seen, ...]


class Caller:
    """Makes the calls."""

    def __init__(self, gateway: Gateway, connections: Connections, version: str) -> None:
        self._gateway, self._connections = gateway, connections
        self._writer, self._reader = BlobWriter(connections), BlobReader(connections, version)

    def take_sdk_away(self) -> None:
        taken: Any = self._connections
        taken.blob = taken.http = None

    async def came_of(self, call: Call, blob: BlobAddress, source: str, lease: str = RUN) -> Came:
        self._gateway.requests.clear()
        try:
            result, error = await self._make(call, blob, source, lease), None
        except Exception as raised:  # noqa: BLE001 - which one is what the test is about
            result, error = None, raised
        assert error is None or "sig=" not in repr(error) + explain(error)
        seen = (request for request in self._gateway.requests if request.operation == OPERATIONS[call])
        return Came(result, tuple(_described(error)), tuple(Seen.of(request) for request in seen))

    async def _make(self, call: Call, blob: BlobAddress, source: str, lease: str) -> bytes | None:
        if call == "read":
            return await self._reader.read(source, PIECE)
        if call == "copy":
            await self._writer.put_from_url(blob, PIECE, source, lease)
        elif call == "write":
            await self._writer.write(blob, PIECE, content_of(7, 8), lease)
        else:
            await self._writer.clear(blob, PIECE._replace(clear=True), lease)
        return None


def _described(error: BaseException | None) -> Iterator[tuple[object, ...]]:
    """Describe an error, and what it came of."""
    while error is not None:
        info = dict(getattr(error, "additional_info", None) or {})
        headers = dict(getattr(getattr(error, "response", None), "headers", None) or {})
        told = {name: value for name, value in headers.items() if name.lower() not in _OF_EACH_ANSWER}
        status, code = getattr(error, "status_code", None), getattr(error, "error_code", None)
        yield type(error), status, code, explain(error), info, told
        error = error.__cause__


@pytest.fixture
async def callers(
    on_azurite: Cloud, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Caller, Caller]]:
    """The app, and one that leaves all to the SDK; neither waits between tries."""
    for name in ("initial_backoff", "increment_base", "random_jitter_range"):
        monkeypatch.setitem(of_the_app._RETRY, name, 0)  # noqa: SLF001
    settings = on_azurite.services.settings
    async with open_connections(settings) as mine, open_connections(settings) as plain:
        without: Any = SimpleNamespace(put_page=not_tried, get=not_tried)
        plain.direct = without
        version = settings.storage_api_version
        yield Caller(gateway, mine, version), Caller(gateway, plain, version)


async def backup_and_source(cloud: Cloud) -> tuple[BlobAddress, str]:
    """Make a disk and its backup blob, under the run's lease; sign a URL that reads the disk."""
    disk = await cloud.disk(1, 2, 3)
    await cloud.leased_backup(disk, 3)
    return cloud.services.backups.address(disk), await cloud.source(disk)


@CALLS
async def test_a_request_arrives_as_the_sdk_sends_it(
    on_azurite: Cloud, callers: tuple[Caller, Caller], call: Call
) -> None:
    backup, source = await backup_and_source(on_azurite)
    mine, plain = [await caller.came_of(call, backup, source) for caller in callers]
    assert mine == plain
    assert not mine.errors
    assert len(mine.seen) == 1


FAULTS = [
    *(
        Fault(refuse=(status, code, "no"))
        for status, code in (
            (400, "InvalidHeaderValue"),
            (401, "InvalidAuthenticationInfo"),
            (403, "AuthenticationFailed"),
            (403, "AuthorizationPermissionMismatch"),
            (404, "BlobNotFound"),
            (404, "ContainerNotFound"),
            (408, "RequestTimeout"),
            (409, "SystemInUse"),
            (412, "ConditionNotMet"),
            (412, "LeaseIdMissing"),
            (412, "LeaseLost"),
            (416, "InvalidPageRange"),
            (429, "TooManyRequests"),
            (500, "InternalError"),
            (500, "OperationTimedOut"),
            (501, "NotImplemented"),
            (503, "ServerBusy"),
        )
    ),
    Fault(cut="before"),
    Fault(cut="before", times=1),
    Fault(cut="before", times=2),
    Fault(cut="after"),
]
OF_ONE: Mapping[Call, Sequence[Fault]] = {
    "read": [Fault(cut="midway")],
    "copy": [
        Fault(refuse_source=refused, mirrored_as=status)
        for refused in (
            (403, "AuthorizationFailure"),
            (404, "BlobNotFound"),
            (500, "InternalError"),
            (503, "ServerBusy"),
        )
        for status in (None, 500)
    ],
}


@CALLS
async def test_a_request_fails_as_the_sdk_has_it_fail(
    on_azurite: Cloud, gateway: Gateway, callers: tuple[Caller, Caller], call: Call
) -> None:
    backup, source = await backup_and_source(on_azurite)
    for fault in (*FAULTS, *OF_ONE.get(call, ())):
        came = []
        for caller in callers:
            await caller.came_of(call, backup, source)  # the connection is kept
            from_now_on = gateway.faults.add(replace(fault, operation=OPERATIONS[call]))
            came.append(await caller.came_of(call, backup, source))
            from_now_on.remove()
        assert came[0] == came[1], fault
        assert came[0].seen, fault
        assert came[0].errors or fault.times, fault


@pytest.mark.parametrize("call", ["copy", "write", "clear"])
async def test_another_lease_is_refused_as_the_sdk_has_it_refused(
    on_azurite: Cloud, callers: tuple[Caller, Caller], call: Call
) -> None:
    backup, source = await backup_and_source(on_azurite)
    mine, plain = [await caller.came_of(call, backup, source, LATER_RUN) for caller in callers]
    assert mine == plain
    assert "LeaseLostError" in str(mine.errors)


async def test_any_name_is_signed_as_the_sdk_signs_it(on_azurite: Cloud, callers: tuple[Caller, Caller]) -> None:
    for name in ("disk;x=y&z+1.vhd", "disk %2F?#ü.vhd", '<"disk">.vhd', "//disk.vhd", "disk%.vhd", "a/b~c.vhd"):
        blob = on_azurite.lab.blob(name)
        await on_azurite.services.leases.take(blob, RUN, await on_azurite.services.blobs.create(blob, 3 * PAGE, {}))
        mine, plain = [await caller.came_of("clear", blob, "") for caller in callers]
        assert mine == plain
        assert not mine.errors


@CALLS
async def test_a_request_that_succeeds_is_none_of_the_sdk(
    on_azurite: Cloud, callers: tuple[Caller, Caller], call: Call
) -> None:
    backup, source = await backup_and_source(on_azurite)
    callers[0].take_sdk_away()
    assert not (await callers[0].came_of(call, backup, source)).errors

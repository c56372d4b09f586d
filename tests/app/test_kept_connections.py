"""The connections of a worker: opened once, replaced when they no longer serve, closed when nobody uses them."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from azure.core.rest import HttpRequest

from infra.local.local_azure import DISKS
from shared.azure.connections import Connections
from shared.azure.kept_connections import KeptConnections
from shared.settings import Settings
from tests.app.cloud import until

ANSWER = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"


class Server:
    """A server of HTTP/1.1 that closes connections as it likes.

    Attributes:
        port: where it listens.
        accepted: the connections so far.
        requests: the methods of the requests answered so far.
        answers_each: how many requests it answers on a connection; at the next one it closes it without an answer.
        closes_idle: whether it closes each connection right after the last of these answers.
        held: if set, what each answer waits for.
        idle_closed: set when it has closed a connection.
        open: the connections that are open.
    """

    def __init__(self) -> None:
        self.port = 0
        self.accepted = 0
        self.requests = list[str]()
        self.answers_each = 1000
        self.closes_idle = False
        self.held: asyncio.Event | None = None
        self.idle_closed = asyncio.Event()
        self.open = set[asyncio.StreamWriter]()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self.open.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            for _ in range(self.answers_each):
                head = await reader.readuntil(b"\r\n\r\n")
                if b"Content-Length: " in head:
                    await reader.readexactly(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]))
                if self.held:
                    await self.held.wait()
                self.requests.append(head.split()[0].decode())
                writer.write(ANSWER)
            if not self.closes_idle:
                await reader.readuntil(b"\r\n\r\n")
        self.open.discard(writer)
        writer.close()
        self.idle_closed.set()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    running = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = running.sockets[0].getsockname()[1]
    yield server
    running.close()
    for writer in server.open:
        writer.close()


def settings_with(port: int, container: str = "backups") -> Settings:
    url = f"http://127.0.0.1:{port}/{DISKS.name}"
    key = f"AccountName={DISKS.name};AccountKey={DISKS.key};"
    chosen = {
        "SOURCE_DISKS": f"{url}/vhds/disk.vhd",
        "BACKUP_CONTAINER": f"{url}/{container}",
        "BACKUP_SCHEDULE": "0 0 */12 * * *",
        "STORAGE_CONNECTIONS": f'["{key}BlobEndpoint={url};"]',
        "AzureWebJobsStorage": f"{key}QueueEndpoint={url};TableEndpoint={url};",
    }
    return Settings.model_validate(chosen | {name.lower(): value for name, value in chosen.items()})


@pytest.fixture
def settings(server: Server) -> Settings:
    return settings_with(server.port)


@pytest.fixture
async def kept() -> AsyncIterator[KeptConnections]:
    async with contextlib.aclosing(KeptConnections()) as connections:
        yield connections


type Send = Callable[[Connections, Settings], Awaitable[None]]


async def holds(condition: Callable[[], bool]) -> None:
    async def look() -> bool:
        return condition()

    await until(look, "the connections")


async def put(connections: Connections, settings: Settings) -> None:
    """Send a request that aiohttp repeats."""
    await (await connections.container(settings.container)).create_container()


async def post(connections: Connections, settings: Settings) -> None:
    """Send one that it does not."""
    answer = await (await connections.http()).send_request(HttpRequest("POST", settings.container.url, json={}))
    assert answer.status_code == 201


async def test_one_connection_serves_invocations_one_after_another(
    server: Server, settings: Settings, kept: KeptConnections
) -> None:
    for _ in range(5):
        async with kept.of(settings) as connections:
            await put(connections, settings)
            await post(connections, settings)
    assert (server.accepted, len(server.requests)) == (1, 10)


@pytest.mark.parametrize("send", [put, post])
async def test_a_connection_that_the_service_has_closed_fails_no_invocation(
    server: Server, settings: Settings, kept: KeptConnections, send: Send
) -> None:
    server.answers_each, server.closes_idle = 1, True
    for _ in range(3):
        server.idle_closed.clear()
        async with kept.of(settings) as connections:
            await send(connections, settings)
        await server.idle_closed.wait()
    assert (server.accepted, len(server.requests)) == (3, 3)


@pytest.mark.parametrize("send", [put, post])
async def test_a_connection_that_the_service_closes_as_it_is_used_again_fails_no_invocation(
    server: Server, settings: Settings, kept: KeptConnections, send: Send
) -> None:
    server.answers_each = 1
    for _ in range(3):
        async with kept.of(settings) as connections:
            await send(connections, settings)
    assert (server.accepted, len(server.requests)) == (3, 3)


async def test_an_invocation_that_is_cancelled_leaves_the_others_their_connections(
    server: Server, settings: Settings, kept: KeptConnections
) -> None:
    async def invoke() -> None:
        async with kept.of(settings) as connections:
            await put(connections, settings)

    server.held = asyncio.Event()
    cancelled, other = asyncio.create_task(invoke()), asyncio.create_task(invoke())
    await holds(lambda: server.accepted == 2)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    server.held.set()
    await other
    await invoke()
    assert server.accepted == 2


async def test_other_settings_get_other_connections_and_the_old_ones_are_closed_after_their_last_use(
    server: Server, settings: Settings, kept: KeptConnections
) -> None:
    changed = settings_with(server.port, "others")
    async with kept.of(settings) as old:
        await put(old, settings)
        async with kept.of(changed) as new:
            await put(new, changed)
        async with kept.of(changed) as same:
            assert same is new
            await put(same, changed)
        assert old is not new
        await put(old, settings)
        assert (server.accepted, len(server.open)) == (2, 2)
    await holds(lambda: len(server.open) == 1)
    async with kept.of(changed) as same:
        await put(same, changed)
    assert server.accepted == 2


async def test_another_event_loop_gets_its_own_connections_which_are_closed_when_it_ends(
    server: Server, settings: Settings
) -> None:
    kept = KeptConnections()

    async def invoke() -> Connections:
        async with kept.of(settings) as connections:
            await put(connections, settings)
            return connections

    first, second = [await asyncio.to_thread(lambda: asyncio.run(invoke())) for _ in range(2)]
    assert first is not second
    assert await invoke() is not second
    assert server.accepted == 3
    await holds(lambda: len(server.open) == 1)
    await kept.aclose()
    await holds(lambda: not server.open)
    gc.collect()  # an unclosed connection would warn, and a warning is an error


async def test_what_is_closed_is_opened_anew_by_who_needs_it(
    server: Server, settings: Settings, kept: KeptConnections
) -> None:
    async with kept.of(settings) as used:
        await put(used, settings)
        await kept.aclose()
        await put(used, settings)
        async with kept.of(settings) as connections:
            await put(connections, settings)
    await holds(lambda: len(server.open) == 1)
    assert server.accepted == 2

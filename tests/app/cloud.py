"""What the tests of the whole app say: disks, the app on the local host, and what is on record."""

import asyncio
import contextlib
import itertools
import json
import shutil
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import ContentSettings
from azure.storage.blob.aio import BlobClient, BlobServiceClient

from infra.local.azurite import Account
from infra.local.gateway import Request
from infra.local.host.forked import fork
from infra.local.host.process import HostProcess, execute, run_host
from infra.local.local_azure import ACCOUNTS, BACKUP_CONTAINER, BACKUPS, DISKS, ROOT, LocalAzure
from shared.azure.queues import QUEUE_OF
from shared.azure.tables.rows import from_properties, from_row
from shared.events import Event
from shared.limits import PAGE
from shared.model.addresses import BlobAddress
from shared.model.disk import PageBlobDisk
from shared.model.messages import Message
from shared.model.names import BACKUPS_TABLE, PARTS_TABLE
from shared.model.point import POINT_ROW_PREFIX, RecoveryPoint
from shared.model.record import DISK_ROW, DiskRecord

PATIENCE_SECONDS = 180.0
"""More than twice what the app waits at most before it looks again, `MAX_CHECK_DELAY`."""

SHORTEST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.3
POLLING_SECONDS = 2.0
"""How rarely a host looks at a queue: what is sent in it, and what is put on a queue here, it looks for at once."""

KIB = 1024
MIB = 1024 * 1024

SOON_TAKEN_FOR_DEAD = {"model.batches.DEAD_AFTER": timedelta(seconds=2)}
"""What is changed of the app so that a batch whose worker was killed is gone on with within seconds."""


async def until[Result](look: Callable[[], Awaitable[Result]], what: str, seconds: float = PATIENCE_SECONDS) -> Result:
    """Wait until `look` gives something that is true, looking ever less often: each look costs what is looked at."""
    deadline = asyncio.get_running_loop().time() + seconds
    pause = SHORTEST_PAUSE_SECONDS
    while not (found := await look()):
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"never came: {what}")
        await asyncio.sleep(pause)
        pause = min(1.5 * pause, LONGEST_PAUSE_SECONDS)
    return found


class Disk:
    """A page blob that is backed up, and what it should hold: a model kept beside it."""

    def __init__(self, cloud: "Cloud", account: Account, blob: BlobClient, size: int) -> None:
        self.cloud = cloud
        self.account = account
        self.blob = blob
        self.address = BlobAddress.parse(blob.url)
        self.url = self.address.url
        self.expected = bytearray(size)

    @property
    def path(self) -> str:
        """Its path in the gateway's list of requests."""
        return f"/{self.account.name}/{self.address.container}/{self.address.blob}"

    @property
    def backup_path(self) -> str:
        """Its backup blob's path in the gateway's list of requests."""
        return f"/{BACKUPS.name}/{BACKUP_CONTAINER}/{PageBlobDisk(self.address).backup_name}"

    async def create(self) -> None:
        await self.blob.create_page_blob(len(self.expected))

    async def write(self, start: int, content: bytes) -> None:
        await self.blob.upload_page(content, start, len(content))
        self.expected[start : start + len(content)] = content

    async def clear(self, start: int, length: int) -> None:
        await self.blob.clear_page(start, length)
        self.expected[start : start + length] = bytes(length)

    async def encode(self, encoding: str) -> None:
        """Say of its content that it is encoded, as some tools do that upload disks."""
        await self.blob.set_http_headers(ContentSettings(content_encoding=encoding))

    async def resize(self, size: int) -> None:
        await self.blob.resize_blob(size)
        self.expected = self.expected[:size] + bytearray(max(0, size - len(self.expected)))

    @property
    def backup_blob(self) -> BlobClient:
        service = self.cloud.services[BACKUPS]
        return service.get_blob_client(BACKUP_CONTAINER, PageBlobDisk(self.address).backup_name)

    async def own_snapshots(self) -> list[str]:
        """All snapshots of the disk."""
        return await self.cloud.snapshots(self.account, self.address.container, self.address.blob)

    async def backup_snapshots(self) -> list[str]:
        """All snapshots of its backup blob."""
        return await self.cloud.snapshots(BACKUPS, BACKUP_CONTAINER, PageBlobDisk(self.address).backup_name)

    async def record(self) -> DiskRecord:
        entity = await self.cloud.tables.get_table_client(BACKUPS_TABLE).get_entity(
            PageBlobDisk(self.address).key, DISK_ROW
        )
        return from_row(DiskRecord, from_properties(entity))

    async def known_record(self) -> DiskRecord | None:
        """Its record; None before there is one."""
        with contextlib.suppress(ResourceNotFoundError):
            return await self.record()
        return None

    async def points(self) -> list[RecoveryPoint]:
        """Its recovery points, oldest first."""
        rows = self.cloud.tables.get_table_client(BACKUPS_TABLE).query_entities(
            "PartitionKey eq @disk and RowKey ge @first and RowKey lt @last",
            parameters={
                "disk": PageBlobDisk(self.address).key,
                "first": POINT_ROW_PREFIX,
                "last": f"{POINT_ROW_PREFIX}~",
            },
        )
        try:
            return [from_row(RecoveryPoint, from_properties(row)) async for row in rows]
        except ResourceNotFoundError:
            return []

    async def content_of(self, point: RecoveryPoint) -> bytes:
        """Read a recovery point whole, without the SDK's help."""
        return await self.cloud.read(self.backup_blob, BACKUPS, point.backup_snapshot)


class App:
    """The app on a local host."""

    def __init__(self, cloud: "Cloud", host: HostProcess) -> None:
        self.cloud = cloud
        self.host = host

    async def tick(self) -> None:
        """Start the timer's function by name, as an admin would."""
        await self.host.start("take_snapshots")

    async def idle(self) -> bool:
        return bool((await self.host.status())["inFlight"] == 0)

    async def invocations(self, function: str | None = None) -> int:
        """Count the invocations that have ended, of one function or of all."""
        counts = (await self.host.status())["invocations"]
        chosen = [counts[function]] if function else counts.values()
        return sum(count["succeeded"] + count["failed"] for count in chosen)

    async def rests(self, function: str) -> bool:
        """Tell whether a function does not run at this moment."""
        return bool((await self.host.status())["invocations"][function]["running"] == 0)

    async def back_up(self, *disks: Disk) -> list[RecoveryPoint]:
        """Tick, and wait for one more recovery point of each of the disks."""
        before = [len(await disk.points()) for disk in disks]
        await self.tick()
        return await self.next_points(disks, before)

    async def after(self, messages: Sequence[Message]) -> None:
        """Enqueue messages, and wait until they have been handled."""
        functions = Counter(QUEUE_OF[type(message)].replace("-", "_") for message in messages)
        ends = {function: await self.invocations(function) + count for function, count in functions.items()}
        for message in messages:
            await self.cloud.send(message)

        async def handled() -> bool:
            ended = [await self.invocations(function) >= end for function, end in ends.items()]
            return all(ended) and await self.idle()

        await until(handled, f"the end of {len(messages)} messages")

    async def next_points(self, disks: Sequence[Disk], before: Sequence[int]) -> list[RecoveryPoint]:
        """Wait until each disk has one recovery point more than before, and all is cleaned up."""

        async def look() -> list[RecoveryPoint]:
            found = []
            for disk, count in zip(disks, before, strict=True):
                points = await disk.points()
                if len(points) <= count:
                    return []
                found.append(points[-1])
            return found if await self.idle() else []

        try:
            return await until(look, "a recovery point of each disk")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.cloud.log.read_text()[-6000:]}") from None


class Cloud:
    """The local Azure, empty at the start of each test."""

    def __init__(self, azure: LocalAzure, folder: Path, stack: contextlib.AsyncExitStack) -> None:
        self.azure = azure
        self.folder = folder
        self.container = f"vhds-{uuid.uuid4().hex[:12]}"
        self.log = folder / "host.log"
        self.hosts: list[HostProcess] = []
        self._stack = stack
        self._names = (f"disk{number}.vhd" for number in itertools.count(1))

    async def open(self) -> None:
        enter = self._stack.enter_async_context
        self.tables = await enter(self.azure.tables())
        self.queues = await enter(self.azure.queues())
        self.services = {account: await enter(self.azure.blobs(account)) for account in ACCOUNTS}
        connector = aiohttp.TCPConnector(ssl=self.azure.trusted())
        self.http = await enter(aiohttp.ClientSession(connector=connector, auto_decompress=False))
        self.azure.gateway.faults.clear()
        self.azure.gateway.limits.clear()
        self.azure.gateway.copies.clear()
        for table in (BACKUPS_TABLE, PARTS_TABLE):
            await self.tables.delete_table(table)
        async for queue in self.queues.list_queues():
            await self.queues.delete_queue(queue)
        with contextlib.suppress(ResourceNotFoundError):
            await self.services[BACKUPS].delete_container(BACKUP_CONTAINER)
        self.requests.clear()

    @property
    def requests(self) -> list[Request]:
        """The requests for blobs so far."""
        return self.azure.gateway.requests

    def count(self, operation: str, path: str | None = None, status: int | None = None) -> int:
        """Count the requests of an operation."""
        return sum(
            (request.operation, path or request.path, status or request.status)
            == (operation, request.path, request.status)
            for request in self.requests
        )

    def events(self, event: Event) -> list[dict[str, Any]]:
        """Read the events of a name from the host's log."""
        lines = self.log.read_text().rpartition("\n")[0].splitlines()  # the last line may be being written
        found = [json.loads(line[line.index('{"event"') :]) for line in lines if '{"event"' in line]
        return [fields for fields in found if fields["event"] == event]

    async def logged(self, event: Event) -> list[dict[str, Any]]:
        """The same, to wait for."""
        return self.events(event)

    async def disk(self, size: int = MIB, *, name: str = "", account: Account = DISKS) -> Disk:
        """Create an empty disk."""
        service = self.services[account]
        container = service.get_container_client(self.container)
        if not await container.exists():
            await container.create_container()
        disk = Disk(self, account, container.get_blob_client(name or next(self._names)), size)
        await disk.create()
        return disk

    async def existing_disk(self, url: str, expected: bytes) -> Disk:
        """Take up a disk that somebody else has made, of which this is expected."""
        address = BlobAddress.parse(url)
        account = next(account for account in ACCOUNTS if account.name == address.account)
        blob = self.services[account].get_blob_client(address.container, address.blob)
        disk = Disk(self, account, blob, len(expected))
        disk.expected[:] = expected
        return disk

    @contextlib.asynccontextmanager
    async def app(
        self,
        *source_disks: Disk | str | dict[str, Any],
        lease: float = 600,
        log_everything: bool = False,
        changed: Mapping[str, object] | None = None,
        signed_in: str = "",
        **settings: str,
    ) -> AsyncIterator[App]:
        """Run the app for these disks.

        Args:
            source_disks: the disks.
            lease: seconds that a message is invisible to others, unless it is renewed.
            log_everything: log all that any library says.
            changed: constants of the app to be changed in this host only: `{"backup.copy_batch.REQUESTS": 2}`.
            signed_in: the group of whoever asks for the status page.
            settings: further app settings.
        """
        urls = [disk.url if isinstance(disk, Disk) else disk for disk in source_disks]
        retry_at_once = {"AzureFunctionsJobHost__extensions__queues__visibilityTimeout": "00:00:00"}
        chosen = self.azure.app_settings(urls) | retry_at_once | settings
        how: dict[str, Any] = {"message_lease": lease, "log": self.log, "log_everything": log_everything}
        how["signed_in"] = signed_in
        folder = changed_app(self.folder, changed) if changed else ROOT
        # What a fork has imported before may have read which certificates to trust.
        start = execute if "SSL_CERT_FILE" in chosen else fork
        async with run_host(folder, chosen, max_polling_interval=POLLING_SECONDS, start=start, **how) as host:
            with self.knowing(host):
                yield App(self, host)

    @contextlib.contextmanager
    def knowing(self, host: HostProcess) -> Iterator[None]:
        """Tell a host of each message that is put on a queue here, until the block ends."""
        self.hosts.append(host)
        try:
            yield
        finally:
            self.hosts.remove(host)

    async def send(self, message: Message) -> None:
        """Enqueue a message, as the app does."""
        await self.put(QUEUE_OF[type(message)], message.body)

    async def put(self, queue: str, text: str) -> str:
        """Enqueue a message as it is, on a queue made for it if there is none yet; give its id."""
        client = self.queues.get_queue_client(queue)
        with contextlib.suppress(ResourceExistsError):
            await client.create_queue()
        sent = await client.send_message(text)
        for host in self.hosts:
            with contextlib.suppress(aiohttp.ClientError):  # it has been killed
                await host.poll(queue)
        return str(sent.id)

    async def snapshots(self, account: Account, container: str, name: str) -> list[str]:
        found = self.services[account].get_container_client(container).list_blobs(name, include=["snapshots"])
        return sorted([blob.snapshot async for blob in found if blob.name == name and blob.snapshot])

    async def read(self, blob: BlobClient, account: Account, snapshot: str | None = None) -> bytes:
        """Read a blob or a snapshot of it whole, straight over HTTP: Azurite fills what is not valid with zeros."""
        query, headers = self.azure.reading(account, blob.container_name, blob.blob_name, snapshot)
        chosen = f"snapshot={quote(snapshot, safe='')}&" if snapshot else ""
        url = f"{BlobAddress.parse(blob.url.split('?')[0]).url}?{chosen}{query}"
        async with self.http.get(url, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.read()


def changed_app(folder: Path, constants: Mapping[str, object]) -> Path:
    """Make an app that is this one but for some constants of `shared`; give its folder."""
    app = folder / f"app-{uuid.uuid4().hex[:8]}"
    app.mkdir()
    shutil.copy(ROOT / "host.json", app)
    modules = {name.rpartition(".")[0] for name in constants}
    lines = [
        "import datetime, runpy, sys",
        f"sys.path.append({str(ROOT)!r})",
        *(f"import shared.{module}" for module in sorted(modules)),
        *(f"assert hasattr(shared.{name.rpartition('.')[0]}, {name.rpartition('.')[2]!r})" for name in constants),
        *(f"shared.{name} = {value!r}" for name, value in constants.items()),
        f"app = runpy.run_path({str(ROOT / 'function_app.py')!r})['app']",
    ]
    (app / "function_app.py").write_text("\n".join(lines) + "\n")
    return app


async def valid_ranges(service: BlobServiceClient, disk_or_backup: BlobClient, snapshot: str) -> list[tuple[int, int]]:
    """List the valid ranges of a snapshot: first byte, and first byte after."""
    blob = service.get_blob_client(disk_or_backup.container_name, disk_or_backup.blob_name, snapshot=snapshot)
    return [(int(found.start or 0), int(found.end or 0) + 1) async for found in blob.list_page_ranges()]


def pages(count: int, seed: int = 1) -> bytes:
    """Make pages that are all different."""
    return b"".join(f"{seed}:{number}:".encode().ljust(PAGE, b"*") for number in range(count))

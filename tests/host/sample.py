"""The sample app of one test: its folder, its queues, and the evidence its functions left."""

import asyncio
import contextlib
import json
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, overload

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from infra.local.azurite import Azurite
from infra.local.host.forked import fork
from infra.local.host.process import HostProcess, run_host
from tests.accounts import OF_THE_HOST

ACCOUNT = OF_THE_HOST
ONCE_IN_FOUR_YEARS = "0 0 0 29 2 *"
PATIENCE_SECONDS = 60.0
POLLING_SECONDS = 0.2
_APP = Path(__file__).parent / "app"


@overload
async def until[Found](condition: Callable[[], Awaitable[Found]], what: str) -> Found: ...
@overload
async def until[Found](condition: Callable[[], Found], what: str) -> Found: ...
async def until(condition: Callable[[], Any], what: str) -> Any:
    """Wait for a condition to give something true, at most `PATIENCE_SECONDS`, and give that."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = condition()
        value = await found if isinstance(found, Awaitable) else found
        if value:
            return value
        await asyncio.sleep(0.02)
    raise AssertionError(f"waited in vain for {what}")


def write_app(folder: Path, source: str, **queue_options: object) -> Path:
    """Write an app of one file."""
    folder.mkdir()
    (folder / "function_app.py").write_text(source)
    write_host_file(folder, **queue_options)
    return folder


def write_host_file(folder: Path, **queue_options: object) -> None:
    (folder / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"queues": queue_options}}))


class Sample:
    """The sample app in a folder of its own, with queues of its own."""

    def __init__(self, azurite: Azurite, service: QueueServiceClient, folder: Path) -> None:
        self.folder = folder
        self.app = folder / "app"
        self.log = folder / "host.log"
        self.prefix = f"q{uuid.uuid4().hex[:12]}"
        self._service = service
        shutil.copytree(_APP, self.app, ignore=shutil.ignore_patterns("__pycache__"))
        address = f"{azurite.queue_url}/{ACCOUNT.name}"
        connection = f"AccountName={ACCOUNT.name};AccountKey={ACCOUNT.key};QueueEndpoint={address}"
        self.settings = {
            "AzureWebJobsStorage": connection,
            "Errands": connection,
            "QUEUES": self.prefix,
            "TICKS": ONCE_IN_FOUR_YEARS,
            "EVIDENCE": str(folder),
        }

    @contextlib.asynccontextmanager
    async def host(
        self, settings: Mapping[str, str] | None = None, *, message_lease: float = 600
    ) -> AsyncIterator[HostProcess]:
        """Run the app in a host whose log is `log`, and release what holds before it is stopped."""
        environment = {**self.settings, **(settings or {})}
        how: dict[str, Any] = {"message_lease": message_lease, "max_polling_interval": POLLING_SECONDS}
        async with run_host(self.app, environment, **how, log=self.log, start=fork) as host:
            try:
                yield host
            finally:
                self.release()

    def events(self, function: str, event: str | None = None, **facts: object) -> list[dict[str, Any]]:
        """Read what a function left behind, oldest first."""
        path = self.folder / "events.jsonl"
        written = path.read_text() if path.exists() else ""
        # What follows the last end of a line is being written.
        events = [json.loads(line) for line in written.rpartition("\n")[0].splitlines()]
        wanted = {"function": function, **facts} | ({"event": event} if event else {})
        return [found for found in events if wanted.items() <= found.items()]

    def release(self, body: str | None = None) -> None:
        """Let the functions go on that hold until this is called: the one that runs this message, or all."""
        (self.folder / ("release" if body is None else f"release-{body}")).touch()

    def queue(self, name: str) -> QueueClient:
        return self._service.get_queue_client(f"{self.prefix}-{name}")

    async def new_queue(self, name: str) -> QueueClient:
        queue = self.queue(name)
        await queue.create_queue()
        return queue

    async def in_poison(self, name: str) -> list[str]:
        """Read the bodies in a queue's poison queue, as they are on the wire."""
        try:
            return [message.content or "" for message in await self.queue(f"{name}-poison").peek_messages(32)]
        except ResourceNotFoundError:
            return []

    async def is_empty(self, name: str) -> bool:
        """Say whether nothing is in a queue, visible or not."""
        properties = await self.queue(name).get_queue_properties()
        return properties.approximate_message_count == 0

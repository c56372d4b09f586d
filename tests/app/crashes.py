"""An app that is killed at one of its calls and started again, once; and what it was doing then."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import aiohttp
from azure.core.exceptions import ResourceNotFoundError

from infra.local.gateway import Gateway, Interceptor, Proxy, When, run_proxy
from infra.local.gateway.interceptor import ServiceCall
from infra.local.host.forked import fork
from infra.local.host.process import run_host
from infra.local.local_azure import ACCOUNTS, HOST, ROOT
from shared.azure.queues import QUEUES
from shared.model.names import REPORT_TICK_QUEUE
from tests.app.cloud import App, Cloud, until

SHORT_LEASE = 1
LOOK_SECONDS = 0.1
MOST_TICKS = 10
# A tick that was killed before it was on record is looked at until the next one: its message stays.
_QUEUES_OF_STEPS = tuple(queue for queue in QUEUES if queue != REPORT_TICK_QUEUE)
_APP_ON_QUEUES = ("List Queues", "Create Queue", "Put Message")
_STARTED = re.compile(r"invocation-(start|end) function=(\w+) invocation=(\S+)")

Doing = Callable[[App], Awaitable[Any]]
Look = Callable[[], Awaitable[bool]]


class CrashPoint(NamedTuple):
    """Where the app is killed: before or after its call number so-and-so, from 1."""

    number: int
    when: When


class Crash(NamedTuple):
    """A crash that was: the service and the operation of the call, and the functions that were at work."""

    service: str
    operation: str
    path: str
    steps: str


@dataclass
class Played:
    """What came of a play.

    Attributes:
        calls: how many calls the app made, up to its crash.
        crash: the crash; None where the play was over before.
        ticks: how many ticks it took after the crash.
    """

    calls: int
    crash: Crash | None = None
    ticks: int = 0


@dataclass
class MortalApp:
    """The app behind interceptors that see each of its calls to blobs, queues and tables.

    Attributes:
        cloud: where it runs.
        disks: what it backs up.
        proxies: what is before the queues and the tables.
        app: the app, as long as it lives.
        last: what came of the last play.
    """

    cloud: Cloud
    disks: Sequence[str | dict[str, Any]]
    proxies: Sequence[Proxy]
    app: App = field(init=False)
    last: Played = field(default_factory=lambda: Played(0))
    _life: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)
    _log_begins: int = 0
    _busy: str = QUEUES[0]

    async def start(self) -> None:
        """Start it, as often as need be."""
        await self._life.aclose()
        if self.cloud.log.exists():
            self._log_begins = self.cloud.log.stat().st_size
        queues, tables = (proxy.url for proxy in self.proxies)
        storage = self.cloud.azure.connection_string(HOST, queue_url=queues, table_url=tables)
        settings = self.cloud.azure.app_settings(self.disks, AzureWebJobsStorage=storage, RUN_STALLED_AFTER_SECONDS="1")
        # Looked at rarely, the queues leave the machine to what is swept.
        how: dict[str, Any] = {"message_lease": SHORT_LEASE, "log": self.cloud.log, "start": fork}
        host = await self._life.enter_async_context(run_host(ROOT, settings, max_polling_interval=1.0, **how))
        self._life.enter_context(self.cloud.knowing(host))
        self.app = App(self.cloud, host)

    async def stop(self) -> None:
        """Stop it, if it lives."""
        await self._life.aclose()

    async def play(self, do: Doing, is_complete: Look, point: CrashPoint | None = None) -> Played:
        """Have the app do something, crash in it, and be started again; then only its timer goes off.

        Args:
            do: begins it.
            is_complete: tells whether all is done.
            point: where it is killed; None for nowhere.
        """
        steps: list[str] = []
        self.last = Played(0)

        def kill() -> None:
            steps.extend(self._at_work())
            self.app.host.kill()

        interceptor = Interceptor(_is_the_apps, point.number if point else 0, point.when if point else "before", kill)
        with self._intercepted(interceptor):
            await do(self.app)
            await self._rest(interceptor)
        played = self.last = Played(len(interceptor.calls))
        if interceptor.struck:
            service, request = interceptor.struck
            played.crash = Crash(service, request.operation, request.path, "+".join(sorted(set(steps))) or "none")
            await self.start()
            await self._rest()
        while not await is_complete():
            assert played.ticks < MOST_TICKS, f"not complete after {played.ticks} ticks; {played}"
            played.ticks += 1
            await self.app.tick()
            await self._rest()
        return played

    @contextlib.contextmanager
    def _intercepted(self, interceptor: Interceptor) -> Iterator[None]:
        services: list[Gateway | Proxy] = [self.cloud.azure.gateway, *self.proxies]
        for service in services:
            service.interceptor = interceptor
        try:
            yield
        finally:
            for service in services:
                service.interceptor = None

    async def _rest(self, interceptor: Interceptor | None = None) -> None:
        """Wait until nothing is under way any more; or until the interceptor has struck."""

        async def look() -> bool:
            try:
                if (interceptor and interceptor.struck) or await self._is_quiet():
                    return True
            except aiohttp.ClientError:
                if interceptor and interceptor.struck:
                    return True
                raise
            await asyncio.sleep(LOOK_SECONDS)
            return False

        try:
            await until(look, f"rest: {self.last}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.cloud.log.read_text()[-3000:]}") from None

    async def _is_quiet(self) -> bool:
        """Tell whether nothing is in flight and no message of a step is left, hidden or not."""
        if not await self.app.idle():
            return False
        ended = await self.app.invocations()
        for queue in (self._busy, *_QUEUES_OF_STEPS):
            if await self.messages_in(queue):
                self._busy = queue
                return False
        # What was taken from a queue that was still to be counted may have enqueued in one that was counted before.
        return await self.app.idle() and await self.app.invocations() == ended

    async def messages_in(self, queue: str) -> int:
        """Count the messages of a queue, those that are hidden included."""
        try:
            properties = await self.cloud.queues.get_queue_client(queue).get_queue_properties()
        except ResourceNotFoundError:
            return 0
        return int(properties.approximate_message_count or 0)

    def _at_work(self) -> list[str]:
        """Read in the log which functions have begun, in this life, and not ended."""
        with self.cloud.log.open("rb") as log:
            log.seek(self._log_begins)
            text = log.read().decode(errors="replace")
        running: dict[str, str] = {}
        for what, function, invocation in _STARTED.findall(text):
            if what == "start":
                running[invocation] = function
            else:
                running.pop(invocation, None)
        return list(running.values())


@contextlib.asynccontextmanager
async def mortal_app(cloud: Cloud, *disks: str | dict[str, Any]) -> AsyncIterator[MortalApp]:
    """Run the app, so that it can be killed at a call."""
    azurite = cloud.azure.azurite
    async with (
        run_proxy("queue", azurite.queue_url, ACCOUNTS) as queues,
        run_proxy("table", azurite.table_url, ACCOUNTS) as tables,
    ):
        mortal = MortalApp(cloud, disks, (queues, tables))
        try:
            await mortal.start()
            yield mortal
        finally:
            await mortal.stop()


def _is_the_apps(call: ServiceCall) -> bool:
    """Tell the app's calls from those of the host's listener, which are made with the same storage."""
    service, request = call
    return service != "queue" or (request.operation in _APP_ON_QUEUES and "-poison" not in request.path)

"""Print what backups cost in calls, as a table in Markdown: `python -m tests.benchmarks`.

The whole app runs on the local Azure, by a managed identity; each HTTP request is counted where it arrives.
"""
# ruff: noqa: T201 - speaks to a person at a terminal

import asyncio
import contextlib
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from infra.local.gateway import Interceptor
from infra.local.gateway.roles import BLOB_DATA_CONTRIBUTOR
from infra.local.identity_azure import IdentityAzure, run_identity_azure
from infra.local.local_azure import APP, DISKS
from shared.model.job import JobKind
from tests.app.cloud import MIB, App, Cloud, Disk, pages, until
from tests.app.inspecting import inspected
from tests.benchmarks.table import Measured, markdown

DATA = 128 * MIB
"""What is on the disk: enough for as many samples as a first backup of a window takes."""

_BY_THE_HOST = {"Get Messages", "Get Queue Metadata", "Update Message"}
"""What the platform does on the queues whether there are messages or not."""


class Meter:
    """Counts the calls of an app.

    Attributes:
        azure: where it runs.
        cloud: the same, as tests see it.
        app: the app.
    """

    def __init__(self, azure: IdentityAzure, cloud: Cloud, app: App) -> None:
        self.azure, self.cloud, self.app = azure, cloud, app
        self._seen = Interceptor(lambda _: True, 0, "before", lambda: None)
        azure.queue_proxy.interceptor = azure.table_proxy.interceptor = self._seen

    async def rest(self) -> None:
        """Wait until no message is left, hidden or not, and nothing runs."""
        await until(self._is_quiet, "rest")

    async def _is_quiet(self) -> bool:
        if not await self.app.idle():
            return False
        async for queue in self.cloud.queues.list_queues():
            properties = await self.cloud.queues.get_queue_client(queue).get_queue_properties()
            if properties.approximate_message_count:
                return False
        return await self.app.idle()

    @contextlib.asynccontextmanager
    async def measure(self, name: str, into: list[Measured]) -> AsyncIterator[None]:
        """Measure what is done in the block, to its last message."""
        await self.rest()
        self.cloud.requests.clear()
        self._seen.calls.clear()
        tokens, before = self.azure.endpoint.given, await self._invocations()
        yield
        await self.rest()
        calls = Counter(("blob", made.operation) for made in self.cloud.requests if made.caller == APP.name)
        calls += Counter(
            (service, made.operation)
            for service, made in self._seen.calls
            if made.caller == APP.name and made.operation not in _BY_THE_HOST
        )
        calls["token", "to the identity endpoint"] += self.azure.endpoint.given - tokens
        calls += Counter({("invocation", name): count for name, count in (await self._invocations() - before).items()})
        into.append(Measured(name, calls))

    async def _invocations(self) -> Counter[str]:
        counts = (await self.app.host.status())["invocations"]
        return Counter({name: count["succeeded"] + count["failed"] for name, count in counts.items()})


async def written(cloud: Cloud, length: int) -> Disk:
    """Make a disk with so much on it."""
    disk = await cloud.disk(length)
    for start in range(0, length, 4 * MIB):
        await disk.write(start, pages(4 * MIB // 512, seed=start))
    return disk


async def measured() -> Sequence[Measured]:
    """Measure backups and a verify, and what each GiB more costs in a first backup."""
    found: list[Measured] = []
    async with contextlib.AsyncExitStack() as stack:
        azure = await stack.enter_async_context(run_identity_azure())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cloud = Cloud(azure, folder, stack)
        await cloud.open()
        azure.give_app(BLOB_DATA_CONTRIBUTOR, f"/{DISKS.name}/{cloud.container}")
        for times in (1, 2):
            disk = await written(cloud, times * DATA)
            async with cloud.app(disk) as app:
                meter = Meter(azure, cloud, app)
                async with meter.measure("first backup", found):
                    await app.back_up(disk)
                if times == 1:
                    await rest_of(meter, disk, found)
        first, twice = found[0], found.pop()
    more = twice.calls - first.calls
    per_gib = {kind: count * 1024 * MIB // DATA for kind, count in more.items() if kind[0] == "blob"}
    return [*found, Measured("each GiB more of a first backup", Counter(per_gib))]


async def rest_of(meter: Meter, disk: Disk, found: list[Measured]) -> None:
    """Measure what follows a first backup."""
    async with meter.measure("unchanged", found):
        await meter.app.back_up(disk)
    await disk.write(MIB, pages(1, seed=7))
    async with meter.measure("one page changed", found):
        await meter.app.back_up(disk)
    async with meter.measure("a verify", found):
        await inspected(meter.cloud, JobKind.VERIFY, disk)


if __name__ == "__main__":
    print(markdown(asyncio.run(measured())))

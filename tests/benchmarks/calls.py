"""Print what backups cost in calls, as a table in Markdown: `python -m tests.benchmarks.calls`.

The whole app runs on the local Azure, by a managed identity; each HTTP request is counted where it arrives.
"""
# ruff: noqa: T201 - speaks to a person at a terminal

import asyncio
import contextlib
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from pathlib import Path

from infra.local.gateway import Interceptor
from infra.local.gateway.roles import BLOB_DATA_CONTRIBUTOR
from infra.local.identity_azure import IdentityAzure, run_identity_azure
from infra.local.local_azure import APP, DISKS
from shared.limits import PAGE
from shared.model.job import JobKind
from tests.app.cloud import MIB, App, Cloud, Disk, pages, until
from tests.app.inspecting import inspected
from tests.benchmarks.call_table import Measured, markdown

GIB = 1024 * MIB
DATA = 128 * MIB
"""What is on the disk: enough for as many samples as a first backup of a window takes."""

_BY_THE_HOST = {"Get Messages", "Get Queue Metadata", "Update Message"}
"""What the platform does on the queues whether there are messages or not."""

_BY_DATA = ("Put Page From URL",)
"""What grows with the data of a first backup; the rest goes by how long it takes."""


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

    async def measure(self, name: str, doing: Awaitable[object]) -> Measured:
        """Measure something that is done, to its last message."""
        await self.rest()
        self.cloud.requests.clear()
        self._seen.calls.clear()
        tokens, before = self.azure.endpoint.given, await self._invocations()
        await doing
        await self.rest()
        calls = Counter(("blob", made.operation) for made in self.cloud.requests if made.caller == APP.name)
        calls += Counter(
            (service, made.operation)
            for service, made in self._seen.calls
            if made.caller == APP.name and made.operation not in _BY_THE_HOST
        )
        calls += Counter({("token", "to the identity endpoint"): self.azure.endpoint.given - tokens})
        calls += Counter({("invocation", name): count for name, count in (await self._invocations() - before).items()})
        return Measured(name, calls)

    async def _invocations(self) -> Counter[str]:
        counts = (await self.app.host.status())["invocations"]
        return Counter({name: count["succeeded"] + count["failed"] for name, count in counts.items()})


async def written(cloud: Cloud, length: int) -> Disk:
    """Make a disk with so much on it."""
    disk = await cloud.disk(length)
    for start in range(0, length, 4 * MIB):
        await disk.blob.upload_page(pages(1, seed=start) * (4 * MIB // PAGE), start, 4 * MIB)
    return disk


@contextlib.asynccontextmanager
async def metered(azure: IdentityAzure, cloud: Cloud, *disks: Disk) -> AsyncIterator[Meter]:
    """Run the app for these disks."""
    async with cloud.app(*disks) as app:
        yield Meter(azure, cloud, app)


async def measured() -> Sequence[Measured]:
    """Measure backups and a verify, and what each disk and each GiB more cost."""
    async with contextlib.AsyncExitStack() as stack:
        azure = await stack.enter_async_context(run_identity_azure())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cloud = Cloud(azure, folder, stack)
        await cloud.open()
        disk, other = await written(cloud, DATA), await written(cloud, DATA)
        large = await written(cloud, DATA + GIB)
        azure.give_app(BLOB_DATA_CONTRIBUTOR, f"/{DISKS.name}/{cloud.container}")
        async with metered(azure, cloud, disk) as meter:
            first = await meter.measure("first backup", meter.app.back_up(disk))
            unchanged = await meter.measure("unchanged", meter.app.back_up(disk))
            await disk.write(MIB, pages(1, seed=7))
            changed = await meter.measure("one page changed", meter.app.back_up(disk))
            verify = await meter.measure("a verify", inspected(cloud, JobKind.VERIFY, disk))
        async with metered(azure, cloud, disk, other) as meter:
            await meter.app.back_up(disk, other)
            both = await meter.measure("two unchanged", meter.app.back_up(disk, other))
        async with metered(azure, cloud, large) as meter:
            more = await meter.measure("first backup of a GiB more", meter.app.back_up(large))
        each = Measured("each unchanged disk more", both.calls - unchanged.calls)
        by_data = {("blob", name): (more.calls - first.calls)["blob", name] for name in _BY_DATA}
        return [unchanged, each, changed, first, Measured("each GiB more of it", Counter(by_data)), verify]


if __name__ == "__main__":
    print(markdown(asyncio.run(measured())))

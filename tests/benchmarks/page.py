"""Print what the page of 500 disks takes, with 40 and with 400 recovery points each: `python -m tests.benchmarks.page`.

The table is that of the local Azure, and is filled as the app fills it: records, recovery points, and the report with
a history beside it. Requests are counted where they are made. It fails above a second, or if they grow with the points.
"""
# ruff: noqa: T201 - speaks to a person at a terminal

import argparse
import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

from azure.core.exceptions import ServiceRequestError
from azure.data.tables.aio import TableServiceClient

from infra.local.azurite import Account, run_azurite
from shared.azure.tables.at_once import each
from shared.azure.tables.index import Index, IndexRows
from shared.azure.tables.job_rows import JobRows
from shared.azure.tables.records import Records
from shared.azure.tables.retention_rows import Plans
from shared.azure.tables.status import Status, StatusRows
from shared.model.disk import Disk
from shared.model.inspection import INSPECTION_KINDS, Inspection
from shared.model.job import JobKind
from shared.model.names import BACKUPS_TABLE
from shared.model.point import RecoveryPoint
from shared.model.record import DiskRecord
from shared.model.restore import Restore
from shared.model.tick import Due
from shared.page.metrics import metrics_of
from shared.page.pages import disk_html, status_html
from shared.page.reading import Reads
from tests.logic.page_samples import points_of

DISKS, FEW, MANY, TIMES, TRIES = 500, 40, 400, 5, 3
SECOND = 1.0


async def again(write: Callable[[], Awaitable[None]]) -> None:
    """Write, again if the connection was closed: the client is busy for longer than Azurite keeps one."""
    for _ in range(TRIES):
        with contextlib.suppress(ServiceRequestError):
            await write()
            return
    await write()


class Measured(NamedTuple):
    """What a page took: the median of the seconds, the requests, and the bytes of the page."""

    seconds: float
    requests: int
    size: int


class Site:
    """A table on the local Azure, and what the page reads of it.

    Attributes:
        reads: what the page reads by.
        requests: how many requests were made.
    """

    def __init__(self, tables: TableServiceClient) -> None:
        table = tables.get_table_client(BACKUPS_TABLE)
        index, status = Index(IndexRows(table)), Status(StatusRows(table))
        self.requests = 0
        self.reads = Reads(
            status=status,
            records=Records(table, index, status),
            restores=JobRows(table, index, status, Restore, [JobKind.RESTORE]),
            inspections=JobRows(table, index, status, Inspection, INSPECTION_KINDS),
            plans=Plans(table),
            now=lambda: datetime.now(UTC),
        )

    async def fill(self, disks: Sequence[Disk], points: int, every: float) -> None:
        """Put disks on record, with so many recovery points each, so many hours apart."""
        records, status = self.reads.records, self.reads.status
        now = datetime.now(UTC)
        made = points_of((points - 1) * every / 24, every=every, until=now - timedelta(hours=1))
        last = made[-1]

        async def put(disk: Disk) -> None:
            await again(partial(records.add_points, disk, made))
            record = DiskRecord(
                disk=disk,
                base_size=last.size,
                base_snapshot=last.time,
                last_point=last.time,
                last_success=last.sealed,
                first_tick=made[0].started,
                last_tick=last.started,
            )
            await again(partial(records.put, disk, record, None))

        async def same(_: Disk) -> Sequence[RecoveryPoint]:
            return made  # to read them anew for each disk takes minutes, and gives these

        await each(disks, put)
        due = Due(now + timedelta(hours=every - 1), timedelta(hours=every))
        await status.change_app(lambda app: app.at_tick(now, due, disks=len(disks), absent=0))
        await status.tell_changed(records.read, same)

    async def measured(self, make: Callable[[], Awaitable[str]]) -> Measured:
        """Make a page some times."""
        await make()  # the templates are read, and the connections are made
        took, before = list[float](), self.requests
        for _ in range(TIMES):
            began = time.perf_counter()
            page = await make()
            took.append(time.perf_counter() - began)
        return Measured(statistics.median(took), (self.requests - before) // TIMES, len(page.encode()))


@contextlib.asynccontextmanager
async def site() -> AsyncIterator[Site]:
    """Run a table service, with the table in it."""
    account = Account.named("page")
    with tempfile.TemporaryDirectory() as folder:
        async with run_azurite([account], Path(folder)) as azurite:
            text = (
                f"DefaultEndpointsProtocol=http;AccountName={account.name};AccountKey={account.key};"
                f"TableEndpoint={azurite.table_url}/{account.name}"
            )

            def count(_: object) -> None:
                made.requests += 1

            async with TableServiceClient.from_connection_string(text, raw_request_hook=count) as tables:
                made = Site(tables)
                await tables.create_table(BACKUPS_TABLE)
                yield made


async def measure(points: int, every: float) -> dict[str, Measured]:
    """Measure the pages of disks with so many recovery points each."""
    disks = [Disk.parse(f"https://production.blob.core.windows.net/vhds/vm-{n:03d}.vhd") for n in range(DISKS)]
    async with site() as found:
        await found.fill(disks, points, every)
        reads = found.reads

        async def metrics() -> str:
            return metrics_of((await reads.status.read_all()).report)

        return {
            "all disks": await found.measured(lambda: status_html(reads)),
            "one disk": await found.measured(lambda: disk_html(reads, disks[0].name)),
            "metrics": await found.measured(metrics),
        }


async def main() -> int:
    """Measure, print, and return the exit code."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--every", type=float, default=12, help="hours between two recovery points")
    every = options.parse_args().every
    few, many = await measure(FEW, every), await measure(MANY, every)
    print(f"| {DISKS} disks | seconds | requests | requests with {FEW} points | MiB |\n|---|---:|---:|---:|---:|")
    for name, found in many.items():
        print(f"| {name} | {found.seconds:.2f} | {found.requests} | {few[name].requests} | {found.size / 2**20:.1f} |")
    is_slow = any(found.seconds > SECOND for found in many.values())
    grows = many["all disks"].requests > few["all disks"].requests
    return int(is_slow or grows)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

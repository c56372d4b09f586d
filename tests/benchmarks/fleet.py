"""What many disks cost, and whether one that is slow holds the others up.

Run by `.venv/bin/python -m tests.benchmarks.fleet`. Small disks are backed up with one tick, by one host, on a local
Azure with keys off: how close together the snapshots are, and the calls for each disk. Then once more with one disk of
an account that does not answer, and of one that refuses. It exits with 1 if the calls grow, or if the others take
longer.
"""
# ruff: noqa: T201 - speaks to a person at a terminal

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from azure.core.exceptions import ResourceNotFoundError

from infra.local.gateway import Fault
from infra.local.gateway.roles import BLOB_DATA_CONTRIBUTOR
from infra.local.identity_azure import IdentityAzure, run_identity_azure
from infra.local.local_azure import DISKS, MORE_DISKS
from shared.backup.tries import WAIT_FOR_SLOW
from shared.limits import PAGE
from shared.model.disk import PageBlobDisk
from shared.model.names import BACKUPS_TABLE
from shared.model.point import POINT_ROW_PREFIX
from tests.app.cloud import App, Cloud, Disk, pages, until
from tests.benchmarks.calls import Meter

FEW, MORE, MANY = 2, 20, 200
MOST_APART = 10.0
"""Seconds from the first snapshot to the last."""

MOST_MORE_CALLS = 1.25
"""Calls to tables and queues for a disk among many, as a multiple of those for one among a few: looks at runs that wait
for one host, and at their tick, are all that is added.
"""

MOST_LONGER = 1.5
"""Of the others' time, what it is at most when one disk is slow, beside the wait for it: the cores are shared."""

SLOW = {
    "whose account does not answer": Fault(path=f"/{MORE_DISKS.name}/*", delay_seconds=300.0),
    "whose account refuses": Fault(path=f"/{MORE_DISKS.name}/*", refuse=(503, "ServerBusy", "The server is busy.")),
}
PATIENCE_SECONDS = 3600.0


class Ticked(NamedTuple):
    """What came of a tick.

    Attributes:
        apart: seconds from the first snapshot to the last.
        snapshots: seconds from the tick to its last snapshot.
        sealed: seconds from the tick to the last recovery point.
    """

    apart: float
    snapshots: float
    sealed: float


class FleetCloud:
    """A local Azure with many disks."""

    def __init__(self, azure: IdentityAzure, cloud: Cloud) -> None:
        self.azure, self.cloud = azure, cloud

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, azure: IdentityAzure) -> AsyncIterator["FleetCloud"]:
        async with contextlib.AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidemark-fleet-")))
            cloud = Cloud(azure, folder, stack)
            await cloud.open()
            for account in (DISKS, MORE_DISKS):
                role = azure.give_app(BLOB_DATA_CONTRIBUTOR, f"/{account.name}/{cloud.container}")
                stack.callback(azure.take_from_app, role)
            yield cls(azure, cloud)

    async def disks(self, count: int) -> list[Disk]:
        """Make small disks with something on them."""
        made = [await self.cloud.disk(8 * PAGE) for _ in range(count)]
        for number, disk in enumerate(made):
            await disk.write(0, pages(4, seed=number))
        return made

    async def points(self) -> dict[str, list[str]]:
        """Give the times of the recovery points of each disk, oldest first: one look at all of them."""
        rows = self.cloud.tables.get_table_client(BACKUPS_TABLE).query_entities(
            "RowKey ge @first and RowKey lt @last",
            parameters={"first": POINT_ROW_PREFIX, "last": f"{POINT_ROW_PREFIX}~"},
            select=["PartitionKey", "RowKey"],
        )
        found: dict[str, list[str]] = {}
        with contextlib.suppress(ResourceNotFoundError):  # before the first tick there is no table
            async for row in rows:
                found.setdefault(row["PartitionKey"], []).append(row["RowKey"].removeprefix(POINT_ROW_PREFIX))
        return found

    async def tick(self, app: App, disks: Sequence[Disk]) -> Ticked:
        """Tick, and wait until each of these disks has one recovery point more."""
        keys = [PageBlobDisk(disk.address).key for disk in disks]
        before = await self.points()
        began, start = time.monotonic(), time.time()
        await app.tick()

        async def are_sealed() -> dict[str, list[str]]:
            found = await self.points()
            return found if all(len(found.get(key, ())) > len(before.get(key, ())) for key in keys) else {}

        found = await until(are_sealed, "a recovery point of each", seconds=PATIENCE_SECONDS)
        sealed = time.monotonic() - began
        taken = [datetime.fromisoformat(found[key][-1]).timestamp() for key in keys]
        return Ticked(max(taken) - min(taken), max(taken) - start, sealed)


async def _calls_a_tick(azure: IdentityAzure, count: int) -> tuple[dict[str, int], Ticked]:
    """Count the calls to tables and to queues of a tick of so many unchanged disks."""
    async with FleetCloud.opened(azure) as fleet:
        disks = await fleet.disks(count)
        async with fleet.cloud.app(*disks) as app:
            meter = Meter(azure, fleet.cloud, app)
            await fleet.tick(app, disks)
            await meter.rest()
            before = len(azure.gateway.accepted.agents)
            ticked: list[Ticked] = []

            async def tick() -> None:
                ticked.append(await fleet.tick(app, disks))

            found = await meter.measure("a tick", tick())
        sums = {kind: sum(calls for (of, _), calls in found.calls.items() if of == kind) for kind in ("table", "queue")}
        connections = len(azure.gateway.accepted.agents) - before
        print(
            f"{count} unchanged disks: {ticked[0].apart:.2f} s from the first snapshot to the last,"
            f" {ticked[0].apart / ticked[0].sealed:.1%} of the {ticked[0].sealed:.1f} s until all are sealed;"
            f" the last one {ticked[0].snapshots:.2f} s after the tick began;"
            f" calls to tables {sums['table']}, to queues {sums['queue']}; {connections} connections opened for blobs",
            flush=True,
        )
        return sums, ticked[0]


async def _beside_a_slow_disk(azure: IdentityAzure, count: int) -> bool:
    """Back up so many disks, alone and beside one that is slow, and print both; return whether it holds none up."""
    is_kept = True
    async with FleetCloud.opened(azure) as fleet:
        disks = await fleet.disks(count)
        slow = await fleet.cloud.disk(8 * PAGE, account=MORE_DISKS)
        async with fleet.cloud.app(*disks, slow) as app:
            meter = Meter(azure, fleet.cloud, app)
            await fleet.tick(app, [*disks, slow])
            await meter.rest()
            alone = await fleet.tick(app, disks)
            await meter.rest()
            print(f"beside no slow disk: the others are sealed in {alone.sealed:.1f} s")
            for how, fault in SLOW.items():
                handle = azure.gateway.faults.add(fault)
                found = await fleet.tick(app, disks)
                handle.remove()
                await meter.rest()
                is_kept &= found.sealed <= MOST_LONGER * alone.sealed + WAIT_FOR_SLOW.total_seconds()
                print(
                    f"beside a disk {how}: the others' snapshots {found.apart:.2f} s apart, sealed in"
                    f" {found.sealed:.1f} s, {found.sealed / alone.sealed:.2f} of that",
                    flush=True,
                )
    return is_kept


async def run(few: int, more: int, many: int) -> bool:
    """Measure and print; return whether all is as it should be."""
    async with run_identity_azure() as azure:
        found = {count: await _calls_a_tick(azure, count) for count in (few, more, many)}
        is_kept = found[many][1].apart <= MOST_APART
        for kind in ("table", "queue"):
            among_few, among_many = (
                (found[upper][0][kind] - found[lower][0][kind]) / (upper - lower)
                for lower, upper in ((few, more), (more, many))
            )
            is_kept &= among_many <= MOST_MORE_CALLS * among_few
            print(f"calls to {kind}s for each disk more: {among_few:.2f} up to {more}, {among_many:.2f} up to {many}")
        return await _beside_a_slow_disk(azure, more) and is_kept


def main() -> int:
    """Read the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.fleet", description=__doc__)
    parser.add_argument("--disks", type=int, default=MANY, help="how many disks there are at most")
    given = parser.parse_args()
    return 0 if asyncio.run(run(FEW, MORE, given.disks)) else 1


if __name__ == "__main__":
    sys.exit(main())

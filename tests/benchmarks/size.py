"""What the size of a disk costs a worker: its memory, its longest invocation, its largest message and row.

Run by `.venv/bin/python -m tests.benchmarks.size`. Disks of 10 GiB, 1 TiB and 8 TiB are backed up on the local Azure,
empty at first. Then each has changed in 2,000,000 page ranges all over it, as the service would list them: groups of a
thousand, each group a range to write. It prints a table, and exits with 1 if memory or a limit is not kept to.
"""
# ruff: noqa: T201 - speaks to a person at a terminal

import argparse
import asyncio
import contextlib
import re
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from infra.local.gateway import Interceptor
from infra.local.gateway.roles import BLOB_DATA_CONTRIBUTOR
from infra.local.identity_azure import IdentityAzure, run_identity_azure
from infra.local.local_azure import APP, DISKS
from shared.limits import PAGE
from tests.app.cloud import MIB, App, Cloud, Disk, until

GIB, TIB = 1024 * MIB, 1024**2 * MIB
SIZES = {"10 GiB": 10 * GIB, "1 TiB": TIB, "8 TiB": 8 * TIB}
GROUP = 1000
"""Ranges that lie side by side: what is listed as so many is written as one."""

MOST_MEMORY = 200 * MIB
LARGEST_MESSAGE, LARGEST_ENTITY, LARGEST_TRANSACTION = 64 * 1024, MIB, 4 * MIB
"""Bytes (About queue messages; Understanding the Table service data model; Performing entity group transactions)."""

LONGEST_INVOCATION = 30 * 60.0
"""Seconds: `functionTimeout` in `host.json`."""

MOST_OF_A_LIMIT = 0.5
PATIENCE_SECONDS = 3 * 3600.0
_LINE = re.compile(r"(\S+) \w+ \[.*\] .*: invocation-(start|end) function=(\w+) invocation=(\S+)")


class Measured(NamedTuple):
    """What a disk took of a worker.

    Attributes:
        before: the most bytes that were ever resident before the run.
        peak: the same, after it.
        seconds: how long the run took.
        invocation: seconds of the longest invocation, and of which function.
        message: bytes of the largest message, as it is sent.
        entity: bytes of the largest row, as it is sent.
        transaction: bytes of the largest transaction, as it is sent.
    """

    before: int
    peak: int
    seconds: float
    invocation: tuple[float, str]
    message: int
    entity: int
    transaction: int

    @property
    def shares(self) -> dict[str, float]:
        """Give what it took of each limit, from 0 to 1."""
        return {
            "message": self.message / LARGEST_MESSAGE,
            "row": self.entity / LARGEST_ENTITY,
            "transaction": self.transaction / LARGEST_TRANSACTION,
            "invocation": self.invocation[0] / LONGEST_INVOCATION,
        }


class Spread:
    """So many page ranges all over a disk, in groups, as the gateway pretends them."""

    def __init__(self, size: int, count: int) -> None:
        self._groups = count // GROUP
        self._step = size // self._groups // PAGE * PAGE

    def ranges(self, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
        """Give those that overlap a window, in order."""
        for group in range(start // self._step, min(self._groups, -(-end // self._step))):
            for position in range(group * self._step, group * self._step + GROUP * PAGE, PAGE):
                if start < position + PAGE and position < end:
                    yield position, position + PAGE, False


def peak_memory(pid: int) -> int:
    """Give the most bytes that a process has ever had resident (Linux: proc_pid_status, VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def longest_invocation(log: Path) -> tuple[float, str]:
    """Find the longest invocation that a host's log tells of: its seconds and its function."""
    begun: dict[str, datetime] = {}
    longest = 0.0, ""
    for time_, what, function, invocation in _LINE.findall(log.read_text()):
        moment = datetime.fromisoformat(time_)
        if what == "start":
            begun[invocation] = moment
        elif invocation in begun:
            longest = max(longest, ((moment - begun.pop(invocation)).total_seconds(), function))
    return longest


def _largest(seen: Interceptor, *operations: str) -> int:
    sizes = (
        int(made.headers.get("content-length", "0"))
        for _, made in seen.calls
        if made.caller == APP.name and made.operation in operations
    )
    return max(sizes, default=0)


async def _back_up(app: App, disk: Disk) -> None:
    """Back a disk up, however long it takes."""
    before = len(await disk.points())
    await app.tick()

    async def is_sealed() -> bool:
        return len(await disk.points()) > before and await app.idle()

    await until(is_sealed, "a recovery point", seconds=PATIENCE_SECONDS)


async def measure(azure: IdentityAzure, size: int, count: int) -> Measured:
    """Back up a disk of so many bytes, of which so many ranges have changed, by a worker of its own."""
    async with contextlib.AsyncExitStack() as stack:
        cloud = Cloud(azure, Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidemark-size-"))), stack)
        await cloud.open()
        seen = Interceptor(lambda _: True, 0, "before", lambda: None)
        azure.queue_proxy.interceptor = azure.table_proxy.interceptor = seen
        disk = await cloud.disk(PAGE)
        await disk.blob.resize_blob(size)
        role = azure.give_app(BLOB_DATA_CONTRIBUTOR, f"/{DISKS.name}/{cloud.container}")
        stack.callback(azure.take_from_app, role)
        async with cloud.app(disk) as app:
            await _back_up(app, disk)
            for path in (disk.path, disk.backup_path):
                azure.gateway.pretend_ranges(path, Spread(size, count).ranges)
                stack.callback(azure.gateway.pretend_ranges, path, None)
            before, began = peak_memory(app.host.pid), time.monotonic()
            await _back_up(app, disk)
            seconds, peak = time.monotonic() - began, peak_memory(app.host.pid)
        point = (await disk.points())[-1]
        assert point.bytes_written == count // GROUP * GROUP * PAGE
        return Measured(
            before=before,
            peak=peak,
            seconds=seconds,
            invocation=longest_invocation(cloud.log),
            message=_largest(seen, "Put Message"),
            entity=_largest(seen, "Insert Entity", "Update Entity", "Merge Entity"),
            transaction=_largest(seen, "Entity Group Transaction"),
        )


def row(name: str, found: Measured) -> str:
    """Write a row of the table."""
    of_limits = [f"{share:.2%}" for share in found.shares.values()]
    cells = [name, f"{found.before / MIB:.0f} MiB", f"{found.peak / MIB:.0f} MiB", f"{found.seconds:.0f} s", *of_limits]
    return f"| {' | '.join(cells)} |"


async def run(sizes: Iterable[str], count: int) -> bool:
    """Measure and print; return whether all is kept to."""
    print(
        "| disk | peak before | peak | run | largest message | largest row | largest transaction | longest invocation |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    is_kept = True
    async with run_identity_azure() as azure:
        for name in sizes:
            found = await measure(azure, SIZES[name], count)
            print(row(name, found), f"<!-- {found.invocation} -->", flush=True)
            is_kept &= found.peak <= MOST_MEMORY and max(found.shares.values()) <= MOST_OF_A_LIMIT
    return is_kept


def main() -> int:
    """Read the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.size", description=__doc__)
    parser.add_argument("--ranges", type=int, default=2_000_000, help="how many page ranges have changed")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES), help="of which disks")
    given = parser.parse_args()
    return 0 if asyncio.run(run(given.sizes, given.ranges)) else 1


if __name__ == "__main__":
    sys.exit(main())

"""A local Azure in a process of its own, so that what it takes is not taken for the app's: `run_served`.

Its page blobs take so many requests and bytes a second, after a set latency; the writes themselves are not done, but
for a managed disk's footer. So all disks are empty, and have the ranges that they are told to show.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from infra.local.gateway import Fault, Request
from infra.local.gateway.ranges import requested_range
from infra.local.local_azure import BACKUPS, DISKS, LocalAzure, run_local_azure
from infra.local.managed_disks import GROUP, SUBSCRIPTION, ManagedDisks
from shared.limits import BYTES_PER_SECOND, FOOTER, REQUESTS_PER_SECOND

_WRITES = ("Put Page From URL", "Put Page", "Clear Pages")
_SMALL = 1024**2
_BUSY = 503

DISK_CONTAINER, COPIES = "vhds", "copies"
"""The containers of the disks, and of what others than the app copy to."""

DISKS_OF_GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Compute/disks"
"""What the IDs of the managed disks begin with."""


class Served:
    """The local Azure, as the process that measures sees it."""

    def __init__(self, process: asyncio.subprocess.Process, settings: dict[str, str]) -> None:
        self.settings = settings
        self._process = process

    async def ask(self, **what: Any) -> Any:
        """Have it do something; give its answer."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(what).encode() + b"\n")
        await self._process.stdin.drain()
        return json.loads(await self._process.stdout.readline())


@contextlib.asynccontextmanager
async def run_served() -> AsyncIterator[Served]:
    """Run it, on the last of the cores, until the block ends; whoever measures has the first."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.benchmarks.served",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**20,
    )
    assert process.stdout
    try:
        yield Served(process, json.loads(await process.stdout.readline()))
    finally:
        assert process.stdin
        process.stdin.close()
        await process.wait()


class _Serving:
    """What is asked of the local Azure."""

    def __init__(self, azure: LocalAzure, managed: ManagedDisks) -> None:
        self._gateway, self._managed = azure.gateway, managed

    async def limit(self, path: str, latency: float, share: float = 1.0, large_latency: float = 0.0) -> int:
        """Limit a blob to a multiple of what the service documents, and have writes take so many seconds.

        Those of more than 1 MiB take `large_latency`, if it is given.
        """
        faults = self._gateway.faults
        faults.clear()
        for operation in _WRITES:
            if large_latency:
                faults.add(Fault(operation, path, longer_than=_SMALL, delay_seconds=large_latency, skip=True))
            faults.add(Fault(operation, path, longer_than=FOOTER, delay_seconds=latency, skip=True))
        self._gateway.limits.set(path, requests=int(share * REQUESTS_PER_SECOND), length=int(share * BYTES_PER_SECOND))
        return 0

    async def count(self) -> list[int]:
        """Count the writes so far, and those that were refused; forget all requests."""
        statuses = [made.status for made in self._gateway.requests if made.operation in _WRITES]
        self._gateway.requests.clear()
        return [len(statuses), sum(status == _BUSY for status in statuses)]

    async def tally(self) -> dict[str, int]:
        """Count all requests for blobs, those refused, and the bytes of the writes that were not; forget them."""
        made = list(self._gateway.requests)
        self._gateway.requests.clear()
        refused = sum(each.status == _BUSY for each in made)
        length = sum(_length(each) for each in made if each.operation in _WRITES and each.status != _BUSY)
        return {"requests": len(made), "refused": refused, "length": length}

    async def make_managed(self, name: str, size: int) -> list[str]:
        """Make an empty managed disk; give its unique ID, and the path of the blob that its snapshots are of."""
        disk = await self._managed.create_disk(name, size)
        return [disk.unique_id, disk.content.blob]

    async def show(self, paths: Sequence[str], length: int, spacing: int, count: int, footer: int) -> int:
        """Have blobs and their snapshots show so many ranges of so many bytes, at a spacing, as valid and as changed.

        They show a footer too, if it is said where it is.
        """

        def ranges(start: int, end: int) -> Iterator[tuple[int, int, bool]]:
            for number in range(max(0, (start - length) // spacing + 1), count):
                if number * spacing >= end:
                    return
                yield number * spacing, number * spacing + length, False
            if footer and end > footer:
                yield footer, footer + FOOTER, False

        for path in paths:
            self._gateway.pretend_ranges(path, ranges)
        return 0


def _length(request: Request) -> int:
    start, end = requested_range(request.headers) or (0, 0)
    return 0 if request.operation == "Clear Pages" else (end or 0) - start


async def _serve() -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    reader = asyncio.StreamReader(limit=2**26)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with run_local_azure() as azure, azure.managed_disks() as managed:
        for account, container in ((DISKS, DISK_CONTAINER), (BACKUPS, COPIES)):
            async with azure.blobs(account) as blobs:
                await blobs.create_container(container)
        serving = _Serving(azure, managed)
        disks = [f"{azure.blob_url(DISKS)}/{DISK_CONTAINER}/disk*.vhd", f"{DISKS_OF_GROUP}/disk*"]
        _say(azure.app_settings(disks, **managed.settings))
        while line := await reader.readline():
            asked = json.loads(line)
            _say(await getattr(serving, asked.pop("do"))(**asked))


def _say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_serve())

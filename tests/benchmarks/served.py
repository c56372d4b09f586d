"""A local Azure in a process of its own, so that what it takes is not taken for the app's: `run_served`.

Its page blob takes so many requests and bytes a second, after a set latency; the writes themselves are not done.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

from infra.local.gateway import Fault
from infra.local.local_azure import DISKS, LocalAzure, run_local_azure
from shared.limits import BYTES_PER_SECOND, REQUESTS_PER_SECOND

_WRITES = ("Put Page From URL", "Put Page", "Clear Pages")


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

    def __init__(self, azure: LocalAzure) -> None:
        self._gateway = azure.gateway

    def limit(self, path: str, latency: float, share: float = 1.0) -> int:
        """Have writes to a blob take so long, and limit them to a multiple of what the service documents."""
        self._gateway.faults.clear()
        for operation in _WRITES:
            self._gateway.faults.add(Fault(operation, path, delay_seconds=latency, skip=True))
        self._gateway.limits.set(path, requests=int(share * REQUESTS_PER_SECOND), length=int(share * BYTES_PER_SECOND))
        return 0

    def count(self) -> list[int]:
        """Count the writes so far, and those that were refused; forget them."""
        statuses = [made.status for made in self._gateway.requests if made.operation in _WRITES]
        self._gateway.requests.clear()
        return [len(statuses), sum(status == 503 for status in statuses)]


async def _serve() -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    reader = asyncio.StreamReader(limit=2**26)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with run_local_azure() as azure:
        async with azure.blobs(DISKS) as blobs:
            await blobs.create_container("vhds")
        serving = _Serving(azure)
        _say(azure.app_settings([f"{azure.blob_url(DISKS)}/vhds/disk*.vhd"]))
        while line := await reader.readline():
            asked = json.loads(line)
            _say(getattr(serving, asked.pop("do"))(**asked))


def _say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_serve())

"""What writes to a page blob cost the worker, and how near they get to its limits: `-m tests.benchmarks.writes`.

The local Azure runs in a process of its own, with a set latency and the documented limits of a blob, of which each
second's excess is refused; it answers writes without doing them. This process has one core, and writes as a batch does,
once with the first tries that are made beside the SDK, and once by the SDK alone. The CPU is that of this process. It
exits with 1 if a ratio or the CPU of a call is over what the docs promise.

A worker that sleeps between calls spends as much on waking up as on the call. So the CPU is held to its promise where
calls follow each other: large ones do where the blob takes so many. Several writers that do not know each other share
a blob in the last lines. A backup has no such: one batch is at work (`side_by_side` has several instances in turns).
"""
# ruff: noqa: T201 - speaks to a person at a terminal

import argparse
import asyncio
import contextlib
import os
import random
import sys
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

from shared.azure.connections import Connections
from shared.azure.direct import NOT_TRIED, Tried
from shared.azure.kept_connections import KeptConnections
from shared.azure.services import Services, open_services
from shared.backup.copy_batch import REQUESTS
from shared.changes.pace import DOCUMENTED
from shared.changes.ranges import Change
from shared.limits import BYTES_PER_SECOND, MAX_WRITE, REQUESTS_PER_SECOND
from shared.model.addresses import BlobAddress
from shared.pages.at_once import AtOnce
from shared.pages.paced import Paced
from shared.settings import Settings
from tests.benchmarks.served import Served, run_served

_SIZE = 8 * 1024**3
_LEASE = "11111111-7c1b-4f5e-9d53-1c2a7b8e9f00"
_SMALL = 4096
_MOST_OVER, _MOST_CPU = 1.10, 0.4
_OFTEN = 100
"""Calls a second from which on a worker hardly sleeps between them."""

_PREMIUM = 32.0
"""Times the documented limits of a blob that takes hundreds of large writes a second."""


async def _not_tried(*_: object) -> Tried:
    return NOT_TRIED


class _Bench:
    """Measures."""

    def __init__(self, served: Served, services: Services, connections: Connections, blob: BlobAddress) -> None:
        self._served, self._services, self._connections, self._blob = served, services, connections, blob
        self._direct = connections.direct
        self._url = f"{blob.url}?sig={'a' * 300}"
        self.is_good = True

    async def measure(
        self, name: str, lengths: Sequence[int], *, hosts: int = 1, sdk: bool = False, share: float = 1.0
    ) -> None:
        """Write so much in this order to a blob of so many times the limits; print how long that took, and its cost."""
        plain: Any = SimpleNamespace(put_page=_not_tried, get=_not_tried)
        self._connections.direct = plain if sdk else self._direct
        path = f"/{self._blob.account}/{self._blob.container}/{self._blob.blob}"
        await self._served.ask(do="limit", path=path, latency=0.02, share=share)
        await self._served.ask(do="count")
        began, cpu = time.monotonic(), time.process_time()
        await asyncio.gather(*(self._write(lengths[host::hosts], share) for host in range(hosts)))
        took, cpu = time.monotonic() - began, time.process_time() - cpu
        made, refused = await self._served.ask(do="count")
        over = share * took / max(len(lengths) / REQUESTS_PER_SECOND, sum(lengths) / BYTES_PER_SECOND)
        each = 1000 * cpu / made
        print(
            f"{name:34} {'SDK' if sdk else 'app':4} {over:6.3f} x limit {each:6.3f} ms CPU a call"
            f" {refused / made:7.2%} of {made} refused",
            flush=True,
        )
        is_cheap = each <= _MOST_CPU or made / took < _OFTEN
        self.is_good &= sdk or (is_cheap and (over <= _MOST_OVER or hosts > 1))

    async def _write(self, lengths: Sequence[int], share: float) -> None:
        pace, start = Paced(self._services, REQUESTS, rate=share * DOCUMENTED), 0
        async with AtOnce(REQUESTS) as writing:
            for length in lengths:
                piece = Change(start, start + length, clear=False)
                await writing.start(pace.call(partial(self._copy, piece), length))
                await pace.until_few_wait()
                start = (start + 2 * length) % (_SIZE - 2 * MAX_WRITE)

    async def _copy(self, piece: Change) -> None:
        await self._services.blobs.put_from_url(self._blob, piece, self._url, _LEASE)


@contextlib.asynccontextmanager
async def _opened() -> AsyncIterator[_Bench]:
    async with contextlib.AsyncExitStack() as stack:
        served = await stack.enter_async_context(run_served())
        given = served.settings
        settings = Settings.model_validate(given | {name.lower(): value for name, value in given.items()})
        kept = await stack.enter_async_context(contextlib.aclosing(KeptConnections()))
        services = await stack.enter_async_context(open_services(settings, kept))
        connections = await stack.enter_async_context(kept.of(settings))
        await services.ensure()
        await services.backups.ensure()
        blob = settings.container.blob("disk.vhd")
        await services.blobs.create(blob, _SIZE, {})
        yield _Bench(served, services, connections, blob)


async def _measure(large: int, small: int, most: int) -> bool:
    async with _opened() as bench:
        mixed = [MAX_WRITE] * (large // 2) + [_SMALL] * (20 * large)
        random.Random(0).shuffle(mixed)
        for sdk in (True, False):
            await bench.measure(f"{large} ranges of 4 MiB", [MAX_WRITE] * large, sdk=sdk)
            await bench.measure(f"{small} ranges of 4 KiB", [_SMALL] * small, sdk=sdk)
            await bench.measure(f"{len(mixed)} ranges of both", mixed, sdk=sdk)
        await bench.measure(f"{20 * large} ranges of 4 MiB, premium", [MAX_WRITE] * 20 * large, share=_PREMIUM)
        if most:
            await bench.measure(f"{most} ranges of 4 KiB", [_SMALL] * most)
        for hosts in (2, 8):
            name = f"{3 * large} ranges of 4 MiB, {hosts} strangers"
            await bench.measure(name, [MAX_WRITE] * 3 * large, hosts=hosts)
        return bench.is_good


def main() -> int:
    """Read the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.writes", description=__doc__)
    parser.add_argument("--large", type=int, default=300, help="ranges of 4 MiB (%(default)s)")
    parser.add_argument("--small", type=int, default=12_000, help="ranges of 4 KiB (%(default)s)")
    parser.add_argument("--most", type=int, default=100_000, help="ranges of 4 KiB of a last run; 0 for none")
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    return 0 if asyncio.run(_measure(options.large, options.small, options.most)) else 1


if __name__ == "__main__":
    sys.exit(main())

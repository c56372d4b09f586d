"""Backups by the app, beside AzCopy and a plain script over the SDK, on one model of the service.

Run by `.venv/bin/python -m tests.benchmarks.side_by_side`. A first backup, and incremental ones of 1 % and 10 % of it:
of a disk written in sequence, and of one written in scattered ranges of 4 KiB; by the app from a page blob's snapshot
and from a managed disk's, and by several instances of it, of which the next one goes on every five seconds. The local
Azure runs in a process of its own, with a set latency and the documented limits of a blob; it answers writes without
doing them. Where this machine can't serve so many requests, limits and latency are scaled, and what the app takes for
documented with them. It prints a table in Markdown. What the app compares before it seals is not in it: the others
compare nothing.
"""
# ruff: noqa: T201 - speaks to a person at a terminal

import argparse
import asyncio
import contextlib
import json
import math
import os
import shutil
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from datetime import timedelta
from typing import NamedTuple

import aiohttp

from infra.local.local_azure import BACKUP_CONTAINER, BACKUPS, DISKS
from shared.azure.kept_connections import KeptConnections
from shared.azure.services import Services, open_services
from shared.backup.copy_batch import BatchLimits, copy_batch
from shared.backup.copy_ranges import copy_ranges
from shared.backup.finish_backup import finish_backup
from shared.backup.plan_changes import plan_changes
from shared.backup.take_snapshots import take_snapshots
from shared.changes import pace
from shared.changes.ranges import Change
from shared.limits import BYTES_PER_SECOND, MAX_WRITE, REQUESTS_PER_SECOND
from shared.model.addresses import BlobAddress
from shared.model.disk import Disk, ManagedDisk, PageBlobDisk
from shared.model.disk_ids import DiskId
from shared.model.messages import BatchMessage, FinishMessage, PlanMessage
from shared.model.record import DiskRecord
from shared.model.run import OpenRun
from shared.pages import paced
from shared.pages.at_once import AtOnce
from shared.settings import Settings
from tests.benchmarks.others import GET_AZCOPY, AzCopy, Script
from tests.benchmarks.served import COPIES, DISK_CONTAINER, DISKS_OF_GROUP, Served, run_served

_SMALL, _MIB = 4096, 1024**2
_SPACING = 44 * _SMALL
"""Bytes from one scattered range to the next: each piece of 4 MiB of the disk has some."""

_LATENCY, _LARGE_LATENCY = 0.02, MAX_WRITE / BYTES_PER_SECOND
"""Seconds that a write takes; one of 4 MiB as long as the blob's limit has it take, so that one after another fit."""

_PROBES, _AT_ONCE, _WITHIN = 1500, 64, 0.6
_STEPS = BYTES_PER_SECOND // MAX_WRITE
"""Scales are such that a second's limit is a whole number of pieces of 4 MiB."""
_INSTANCES, _TURN = (2, 8), timedelta(seconds=5)
"""How many instances, and how long each goes on: in the app for a minute, and longer while no other disk waits."""

_HEAD = """| what | by | requests | refused | MiB moved | times the limit |
|---|---|---:|---:|---:|---:|"""
_LEASE = "11111111-7c1b-4f5e-9d53-1c2a7b8e9f00"


class Shape(NamedTuple):
    """How a disk is written.

    Attributes:
        name: its name.
        length: bytes of a range.
        ranges: how many.
    """

    name: str
    length: int
    ranges: int

    def part(self, share: float) -> "Shape":
        """Give a part of the ranges."""
        return self._replace(ranges=max(1, round(self.ranges * share)))

    @property
    def limit_seconds(self) -> float:
        """How long the blob's limits have it take to write them."""
        return max(self.ranges / REQUESTS_PER_SECOND, self.ranges * self.length / BYTES_PER_SECOND)


class Row(NamedTuple):
    """A row of the table.

    Attributes:
        what: what was backed up.
        how: by what.
        requests: requests for blobs.
        refused: those of them that were refused.
        length: bytes written.
        seconds: how long it took.
        over: times the limit of what has changed.
    """

    what: str
    how: str
    requests: int
    refused: int
    length: int
    seconds: float
    over: float

    def __str__(self) -> str:
        """Write it in Markdown."""
        moved = f"{self.length / _MIB:,.1f}"
        cells = (self.what, self.how, f"{self.requests:,}", f"{self.refused:,}", moved, f"{self.over:.2f}")
        return f"| {' | '.join(cells)} |"


class _Bench:
    """Measures.

    Attributes:
        scale: of the limits, to those documented.
    """

    def __init__(self, served: Served, instances: Sequence[Services], scale: float, size: int) -> None:
        self._served, self._instances, self.scale, self._size = served, instances, scale, size
        self._services = instances[0]
        self._paths: dict[Disk, str] = {}

    async def make_blob(self, shape: Shape, instances: int = 1) -> PageBlobDisk:
        """Make the page blob of a shape, for so many instances."""
        name = f"disk-{shape.name.replace(' ', '-')}-{instances}.vhd"
        disk = PageBlobDisk(BlobAddress(self._url(DISKS.name), DISKS.name, DISK_CONTAINER, name))
        await self._services.blobs.create(disk.address, self._size, {})
        self._paths[disk] = f"/{DISKS.name}/{DISK_CONTAINER}/{name}"
        return disk

    async def make_managed(self, shape: Shape) -> ManagedDisk:
        """Make the managed disk of a shape."""
        name = f"disk-{shape.name.replace(' ', '-')}"
        unique, behind = await self._served.ask(do="make_managed", name=name, size=self._size)
        disk = ManagedDisk(DiskId.parse(f"{DISKS_OF_GROUP}/{name}"), unique)
        self._paths[disk] = behind
        return disk

    def _url(self, account: str) -> str:
        return self._services.settings.container.service_url.replace(BACKUPS.name, account)

    async def measure(self, shape: Shape, what: str, how: str, target: str, work: Awaitable[object]) -> Row:
        """Measure what writes to a target; print and give its row."""
        latencies = {"latency": _LATENCY / self.scale, "large_latency": _LARGE_LATENCY / self.scale}
        await self._served.ask(do="limit", path=target, share=self.scale, **latencies)
        await self._served.ask(do="tally")
        began = time.monotonic()
        await work
        seconds = time.monotonic() - began
        over = seconds * self.scale / shape.limit_seconds
        row = Row(what, how, **await self._served.ask(do="tally"), seconds=seconds, over=over)
        print(row, flush=True)
        return row

    async def show(self, shape: Shape, disk: Disk) -> str:
        """Have a disk show ranges, and its backup blob too; give the backup blob's path."""
        target = f"/{BACKUPS.name}/{BACKUP_CONTAINER}/{self._services.backups.address(disk).blob}"
        # A whole disk of adjacent ranges has one; a part of scattered ranges is as scattered.
        spacing = shape.length if shape.length == MAX_WRITE else self._size // shape.ranges // _SMALL * _SMALL
        length, count = (shape.length * shape.ranges, 1) if spacing == shape.length else (shape.length, shape.ranges)
        paths = [self._paths[disk], target]
        footer = self._size if isinstance(disk, ManagedDisk) else 0
        spacing = max(length, spacing)
        await self._served.ask(do="show", paths=paths, length=length, spacing=spacing, count=count, footer=footer)
        return target

    async def applied(self, disk: Disk, instances: int = 1) -> None:
        """Have the open run of a disk applied, as plan and batches do it, by so many instances in turns."""
        run = await self._run(disk)
        await plan_changes(self._services, PlanMessage(disk=disk, run=run.snapshot))
        while not (run := await self._run(disk)).is_applied:
            batch = BatchMessage(disk=disk, run=run.snapshot, plan=run.plan, number=run.next_batch)
            if instances == 1:
                await copy_ranges(self._services, batch)
            else:
                by = self._instances[batch.number % instances]
                await copy_batch(by, batch, number=batch.number, limits=BatchLimits(_TURN, 1))

    async def sealed(self, disk: Disk) -> None:
        """Have it compared and sealed."""
        message = FinishMessage(disk=disk, run=(await self._run(disk)).snapshot)
        while (await self.record(disk)).run:
            await finish_backup(self._services, message)

    async def record(self, disk: Disk) -> DiskRecord:
        """Read a disk's record."""
        found = await self._services.records.get(disk)
        assert found
        return found[0]

    async def _run(self, disk: Disk) -> OpenRun:
        run = (await self.record(disk)).run
        assert run
        return run

    async def source(self, disk: Disk) -> tuple[str, str]:
        """Give a disk's source snapshot, and a URL that reads it."""
        snapshot = (await self.record(disk)).base_snapshot
        return snapshot, await self._services.pages.signed_url(self._services.disks.version(disk, snapshot))


class _Others:
    """What runs beside the app, of which AzCopy may not be there."""

    def __init__(self, strings: Sequence[str], azcopy: str | None) -> None:
        fields = [dict(part.split("=", 1) for part in string.split(";") if part) for string in strings]
        of = {each["AccountName"]: (string, each) for string, each in zip(strings, fields, strict=True)}
        self._script = Script(of[DISKS.name][0], of[BACKUPS.name][0])
        self._azcopy = AzCopy(azcopy, of[BACKUPS.name][1]) if azcopy else None
        self._since: dict[Disk, str] = {}
        self._whole: dict[Disk, Row] = {}

    async def measure(self, bench: _Bench, shape: Shape, what: str, disk: PageBlobDisk) -> None:
        """Measure a backup by each of them."""
        snapshot, url = await bench.source(disk)
        since = self._since.get(disk)
        copied = asyncio.to_thread(self._script.copy, DISK_CONTAINER, disk.address.blob, snapshot, url, since)
        await bench.measure(shape, what, "script", f"/{BACKUPS.name}/{COPIES}/script.vhd", copied)
        self._since[disk] = snapshot
        if self._azcopy and since is None:
            target = f"/{BACKUPS.name}/{COPIES}/azcopy.vhd"
            self._whole[disk] = await bench.measure(shape, what, "AzCopy", target, self._azcopy.copy(url))
        elif whole := self._whole.get(disk):
            over = whole.seconds * bench.scale / shape.limit_seconds
            print(whole._replace(what=what, how="AzCopy, all of the disk again", over=over), flush=True)


@contextlib.asynccontextmanager
async def _opened() -> AsyncIterator[tuple[Served, Sequence[Services]]]:
    async with contextlib.AsyncExitStack() as stack:
        served = await stack.enter_async_context(run_served())
        given = served.settings
        os.environ.update(given)
        # aiohttp read SSL_CERT_FILE when it was imported, as it does at the start of an app.
        trusted = ssl.create_default_context(cafile=given["SSL_CERT_FILE"])
        aiohttp.connector._SSL_CONTEXT_VERIFIED = trusted  # noqa: SLF001
        settings = Settings.model_validate(given | {name.lower(): value for name, value in given.items()})
        instances = []
        for _ in range(max(_INSTANCES)):
            kept = await stack.enter_async_context(contextlib.aclosing(KeptConnections()))
            instances.append(await stack.enter_async_context(open_services(settings, kept)))
        await instances[0].ensure()
        await instances[0].backups.ensure()
        yield served, instances


async def _served_at_most(served: Served, services: Services) -> float:
    """Measure how many times the requests that a blob takes this machine can make and serve."""
    blob = services.settings.container.blob("probe.vhd")
    await services.blobs.create(blob, _PROBES * _SMALL, {})
    await served.ask(do="limit", path=f"/{blob.account}/{blob.container}/{blob.blob}", latency=_LATENCY, share=100)
    began = time.monotonic()
    async with AtOnce(_AT_ONCE) as writing:
        for number in range(_PROBES):
            piece = Change(number * _SMALL, (number + 1) * _SMALL, clear=False)
            await writing.start(services.blobs.put_from_url(blob, piece, f"{blob.url}?sig={'a' * 300}", _LEASE))
    return _PROBES / (time.monotonic() - began) / REQUESTS_PER_SECOND


def _scale_documented(scale: float) -> None:
    """Have the app take scaled limits for the documented ones, as it would if those were."""
    for module in (pace, paced):
        module.REQUESTS_PER_SECOND = int(scale * REQUESTS_PER_SECOND)  # type: ignore[attr-defined]
        module.BYTES_PER_SECOND = int(scale * BYTES_PER_SECOND)  # type: ignore[attr-defined]


async def _measure(shapes: Sequence[Shape], scale: float, azcopy: str | None) -> None:
    async with _opened() as (served, instances):
        services = instances[0]
        scale = scale or _WITHIN * await _served_at_most(served, services)
        scale = min(max(1, math.floor(scale * _STEPS)), _STEPS) / _STEPS
        _scale_documented(scale)
        print(f"The limits are {scale:.2f} times those documented; load {os.getloadavg()[0]:.1f}.\n")
        size = max(shape.ranges * (_SPACING if shape.length == _SMALL else shape.length) for shape in shapes)
        size = -(-size // _MIB) * _MIB
        bench, others = (
            _Bench(served, instances, scale, size),
            _Others(json.loads(served.settings["STORAGE_CONNECTIONS"]), azcopy),
        )
        disks = [(shape, await bench.make_blob(shape), await bench.make_managed(shape)) for shape in shapes]
        print(_HEAD, flush=True)
        for share in (1.0, 0.01, 0.1):
            await take_snapshots(services)
            for whole, blob, managed in disks:
                shape = whole.part(share)
                what = f"{'first backup' if share == 1 else f'{share:.0%} changed'}, {shape.ranges:,} {shape.name}"
                kinds: tuple[tuple[Disk, str], ...] = ((blob, "Tidemark"), (managed, "Tidemark, managed disk"))
                for disk, how in kinds:
                    target = await bench.show(shape, disk)
                    await bench.measure(shape, what, how, target, bench.applied(disk))
                    await bench.sealed(disk)
                await others.measure(bench, shape, what, blob)
        in_turns = [(count, shape, await bench.make_blob(shape, count)) for shape in shapes for count in _INSTANCES]
        await take_snapshots(services)
        for count, shape, disk in in_turns:
            what, how = f"first backup, {shape.ranges:,} {shape.name}", f"Tidemark, {count} instances in turns"
            await bench.measure(shape, what, how, await bench.show(shape, disk), bench.applied(disk, count))


def main() -> int:
    """Read the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.side_by_side", description=__doc__)
    parser.add_argument("--large", type=int, default=300, help="ranges of 4 MiB (%(default)s)")
    parser.add_argument("--small", type=int, default=12_000, help="ranges of 4 KiB (%(default)s)")
    parser.add_argument("--scale", type=float, default=0, help="of limits and latency; by default what is measured")
    parser.add_argument("--azcopy", default=shutil.which("azcopy"), help="the program, if it is not in the path")
    options = parser.parse_args()
    if not options.azcopy:
        print(GET_AZCOPY)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    shapes = [Shape("in sequence", MAX_WRITE, options.large), Shape("scattered", _SMALL, options.small)]
    asyncio.run(_measure(shapes, options.scale, options.azcopy))
    return 0


if __name__ == "__main__":
    sys.exit(main())

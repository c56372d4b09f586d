"""What coalescing saves, by the longest gap that is written: `.venv/bin/python -m tests.benchmarks.coalescing`.

Programs change an ext4 filesystem (`traces.py`); what has changed on its disk between two ticks is put through the
rule of the app. On Linux only, and only by root, because the filesystem is mounted. It prints a table in Markdown.
"""
# ruff: noqa: T201 - speaks to a person at a terminal

import asyncio
import contextlib
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from infra.local.disks.disk_changes import changes, copy_sparse, data_extents
from shared.changes.coalescing import gaps_written
from shared.changes.ranges import Change
from shared.limits import BYTES_PER_SECOND, REQUESTS_PER_SECOND
from tests.benchmarks.traces import MIB, Trace, traces

SIZE = 1024 * MIB
BLOCK = 4096
TICKS = 3
GAPS = (0, 4, 8, 16, 32, 64, 120)
"""The longest gaps that are tried, in KiB."""


class Cost(NamedTuple):
    """What the changes of all ticks cost.

    Attributes:
        calls: calls that write or clear.
        written: bytes written.
    """

    calls: int = 0
    written: int = 0

    @property
    def seconds(self) -> float:
        """The time that the backup blob takes at least: for the calls or for the bytes."""
        return max(self.calls / REQUESTS_PER_SECOND, self.written / BYTES_PER_SECOND)

    def plus(self, changed: Iterable[Change]) -> "Cost":
        """Add a change list."""
        calls, written = self
        for change in changed:
            calls += change.calls
            written += 0 if change.clear else change.length
        return Cost(calls, written)


async def costs(trace: Trace) -> list[Cost]:
    """Have a program work for some ticks; return the cost for each of the gaps."""
    found = [Cost() for _ in GAPS]
    with tempfile.TemporaryDirectory(prefix="tidemark-benchmark-") as name:
        folder = Path(name)
        disk, before, after = folder / "disk", folder / "before", folder / "after"
        with mounted(disk, folder / "mounted") as filesystem:
            trace.prepare(filesystem)
            snapshot(filesystem, disk, before)
            for tick in range(TICKS):
                trace.work(filesystem, tick)
                snapshot(filesystem, disk, after)
                changed = list(in_blocks(Change(*change) for change in changes(before, after)))
                assert all(earlier.end <= later.start for earlier, later in pairwise(changed))
                for at, gap in enumerate(GAPS):
                    found[at] = found[at].plus([joined async for joined in coalesced(changed, after, gap * 1024)])
                before, after = after, before
    return found


def in_blocks(changed: Iterable[Change]) -> Iterator[Change]:
    """Widen changes to the blocks that the filesystem writes as a whole, whatever of them has changed."""
    held: Change | None = None
    for change in changed:
        start, end = change.start // BLOCK * BLOCK, -(-change.end // BLOCK) * BLOCK
        if held and held.end >= start and held.clear == change.clear:
            held = held._replace(end=max(held.end, end))
            continue
        if held:
            yield held
        held = Change(start, end, change.clear)
    if held:
        yield held


async def coalesced(changed: Iterable[Change], disk: Path, gap: int) -> AsyncIterator[Change]:
    """Coalesce a diff."""

    async def valid_from(start: int) -> AsyncIterator[Change]:
        for first, end in data_extents(disk, SIZE):
            if end > start:
                yield Change(max(first, start), end, clear=False)

    async def diff() -> AsyncIterator[Change]:
        for change in changed:
            yield change

    async for change in gaps_written(diff(), valid_from, gap):
        yield change


@contextlib.contextmanager
def mounted(disk: Path, place: Path) -> Iterator[Path]:
    """Make a disk with a filesystem, and mount it."""
    with disk.open("wb") as image:
        image.truncate(SIZE)
    subprocess.run(("mkfs.ext4", "-q", "-F", "-b", str(BLOCK), disk), check=True)
    place.mkdir()
    subprocess.run(("mount", "-o", "loop", disk, place), check=True)
    try:
        yield place
    finally:
        subprocess.run(("umount", place), check=True)


def snapshot(filesystem: Path, disk: Path, copy: Path) -> None:
    """Copy a disk as it is once all is written that was in memory."""
    subprocess.run(("fsfreeze", "--freeze", filesystem), check=True)
    try:
        copy_sparse(disk, copy)
    finally:
        subprocess.run(("fsfreeze", "--unfreeze", filesystem), check=True)


async def main() -> None:
    """Measure, and print."""
    print("| what changes the disk | gap, KiB | calls | bytes, MiB | more bytes | blob's time, s |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, trace in traces().items():
        found = await costs(trace)
        for gap, cost in zip(GAPS, found, strict=True):
            more = cost.written / found[0].written - 1
            figures = f"{cost.calls:,} | {cost.written / MIB:.1f} | {more:.1%} | {cost.seconds:.2f}"
            print(f"| {name} | {gap} | {figures} |", flush=True)


if __name__ == "__main__":
    asyncio.run(main())

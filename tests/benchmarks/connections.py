"""What a worker opens and asks for over many batches, and how its memory grows.

Run by `.venv/bin/python -m tests.benchmarks.connections`. The app runs on a local Azure with keys off, over TLS, and
backs a disk up again and again, a batch a piece. The first backup is to warm up. It prints what was opened so far after
each, and exits with 1 if a count is not small.
"""
# ruff: noqa: T201 - speaks to a person at a terminal

import argparse
import asyncio
import contextlib
import sys
import tempfile
from pathlib import Path

from infra.local.identity_azure import run_identity_azure
from tests.app.cloud import App, Cloud
from tests.app.connecting import A_PIECE_A_BATCH, Opened, disk_for_pieces, opened, write_pieces

_BATCHES = 100
_HANDSHAKES = 16
_TOKENS, _KEYS = 2, 2
_GROWTH_BYTES = 8 * 1024**2


def _memory(app: App) -> int:
    """Give the bytes of memory that the app's process has (Linux: proc_pid_status, VmRSS)."""
    lines = Path(f"/proc/{app.host.pid}/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


async def _measure(backups: int) -> bool:
    """Run and print; return whether all counts are small."""
    async with contextlib.AsyncExitStack() as stack:
        azure = await stack.enter_async_context(run_identity_azure())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidemark-benchmark-")))
        cloud = Cloud(azure, folder, stack)
        await cloud.open()
        disk = await disk_for_pieces(azure, cloud, _BATCHES)
        before = opened(azure, cloud)
        memory = list[int]()
        async with cloud.app(disk, changed=A_PIECE_A_BATCH) as app:
            for number in range(backups + 1):
                await write_pieces(disk, _BATCHES, seed=number)
                [point] = await app.back_up(disk)
                memory.append(_memory(app))
                total = opened(azure, cloud).since(before)
                _report(f"backup {number}, of {point.batches} batches", total, memory[-1])
    grown = memory[-1] - memory[0]
    print(f"over {backups * _BATCHES} batches, memory has grown by {grown / 1024**2:.1f} MiB")
    return total.handshakes <= _HANDSHAKES and (total.tokens, total.keys) == (_TOKENS, _KEYS) and grown <= _GROWTH_BYTES


def _report(what: str, total: Opened, memory: int) -> None:
    counts = ", ".join(f"{count} {name}" for name, count in total._asdict().items())
    print(f"{what}: {counts}; {memory / 1024**2:.1f} MiB", flush=True)


def main() -> int:
    """Read the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.connections", description=__doc__)
    parser.add_argument("--backups", type=int, default=10, help=f"how many are measured, each of {_BATCHES} batches")
    return 0 if asyncio.run(_measure(parser.parse_args().backups)) else 1


if __name__ == "__main__":
    sys.exit(main())

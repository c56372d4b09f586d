"""What a worker opens and asks for over many batches, and how its memory grows.

Run by `.venv/bin/python -m tests.benchmarks.connections`. The app runs on a local Azure with keys off, over TLS, and
backs a disk up twice, a batch a piece. The first backup is to warm up; the second is measured. It exits with 1 if a
count is not small.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from pathlib import Path

from infra.local.identity_azure import run_identity_azure
from tests.app.cloud import App, Cloud
from tests.app.connecting import A_PIECE_A_BATCH, Opened, disk_for_pieces, opened, write_pieces

_WARMING_UP = 100
_HANDSHAKES = 16
_TOKENS, _KEYS = 2, 2
_GROWTH_BYTES = 8 * 1024**2


def _memory(app: App) -> int:
    """Give the bytes of memory that the app's process has (Linux: proc_pid_status, VmRSS)."""
    lines = Path(f"/proc/{app.host.pid}/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


async def _measure(batches: int) -> bool:
    """Run and print; return whether all counts are small."""
    async with contextlib.AsyncExitStack() as stack:
        azure = await stack.enter_async_context(run_identity_azure())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidemark-benchmark-")))
        cloud = Cloud(azure, folder, stack)
        await cloud.open()
        disk = await disk_for_pieces(azure, cloud, max(batches, _WARMING_UP))
        await write_pieces(disk, _WARMING_UP)
        none = opened(azure, cloud)
        async with cloud.app(disk, changed=A_PIECE_A_BATCH) as app:
            await app.back_up(disk)
            _report(
                f"a backup of {_WARMING_UP} batches, from the start", opened(azure, cloud).since(none), _memory(app)
            )
            await write_pieces(disk, batches, seed=1)
            warm, memory, began = opened(azure, cloud), _memory(app), time.monotonic()
            [point] = await app.back_up(disk)
            took = opened(azure, cloud).since(warm)
            grown = _memory(app) - memory
            seconds = time.monotonic() - began
            _report(f"{point.batches} more batches in {seconds:.0f} s", took, _memory(app))
        total = opened(azure, cloud).since(none)
    print(f"memory grown by {grown / 1024**2:.1f} MiB over them")
    are_few = total.handshakes <= _HANDSHAKES and (total.tokens, total.keys) == (_TOKENS, _KEYS)
    return are_few and point.batches == batches and grown <= _GROWTH_BYTES


def _report(what: str, took: Opened, memory: int) -> None:
    counts = ", ".join(f"{count} {name}" for name, count in took._asdict().items())
    print(f"{what}: {counts}; {memory / 1024**2:.1f} MiB", flush=True)


def main() -> int:
    """Read the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.connections", description=__doc__)
    parser.add_argument("--batches", type=int, default=1000, help="how many batches are measured")
    return 0 if asyncio.run(_measure(parser.parse_args().batches)) else 1


if __name__ == "__main__":
    sys.exit(main())

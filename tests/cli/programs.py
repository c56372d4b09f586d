"""The program as a process of its own, forked from one that has imported the libraries: it starts in half the time."""

import asyncio
import multiprocessing
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.local.host.process import PROJECT_ROOT

_context = multiprocessing.get_context("forkserver")


async def forked(arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> tuple[int, bytes, bytes]:
    """Run the program; give its exit code, and what it prints. The process that is forked runs the hosts' forks too."""
    out, err = folder / f"{time.monotonic_ns()}.out", folder / f"{time.monotonic_ns()}.err"
    process = _context.Process(target=_become_program, args=(arguments, dict(environment), out, err), daemon=True)
    process.start()
    await asyncio.to_thread(process.join)
    assert process.exitcode is not None
    return process.exitcode, out.read_bytes(), err.read_bytes()


def _become_program(arguments: Sequence[str], environment: Mapping[str, str], out: Path, err: Path) -> None:
    """Set this fork up like the program's command, and run it."""
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(PROJECT_ROOT)
    for path, number in ((out, 1), (err, 2)):
        with path.open("ab") as file:
            os.dup2(file.fileno(), number)
    from tidemark.cli import main  # noqa: PLC0415 - in the fork, as it is typed

    sys.argv = ["tidemark", *arguments]
    main()

"""Programs run as a person runs them: what they print, how they end, and what they leave running."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from infra.local.local_azure import ROOT

PATIENCE_SECONDS = 300.0


class Program:
    """A running program; stdout and stderr are one.

    Attributes:
        printed: the lines read so far.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.printed = ""

    async def prints(self, text: str) -> None:
        """Wait until it has printed `text`."""
        assert self.process.stdout
        while text not in self.printed:
            line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE_SECONDS)
            assert line, f"it ended without {text!r}:\n{self.printed}"
            self.printed += line.decode()

    async def ends(self) -> int:
        """Wait for its end, read what else it printed, and give its exit code."""
        assert self.process.stdout
        self.printed += (await asyncio.wait_for(self.process.stdout.read(), PATIENCE_SECONDS)).decode()
        return await asyncio.wait_for(self.process.wait(), PATIENCE_SECONDS)


@contextlib.asynccontextmanager
async def running(module: str, *arguments: str, temporary: Path) -> AsyncIterator[Program]:
    """Run a module of the project, with its temporary files in a folder; killed if it still runs at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def run(module: str, *arguments: str, temporary: Path) -> tuple[int, str]:
    """Run a module of the project to its end: exit code, and all it printed."""
    async with running(module, *arguments, temporary=temporary) as program:
        return await program.ends(), program.printed


def children(pid: int) -> set[int]:
    """Find the running processes that a process has started."""
    return {int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _parent(int(entry.name)) == pid}


def is_running(pid: int) -> bool:
    return _parent(pid) is not None


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def left_in(folder: Path) -> list[str]:
    """Name what a folder holds."""
    return [entry.name for entry in folder.iterdir()]


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"never came: {what}"
        await asyncio.sleep(0.05)


def _parent(pid: int) -> int | None:
    """Give the id of a process's parent; None where it is gone, or only waits to be reaped."""
    try:
        state, parent, *_ = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state == "Z" else int(parent)

"""Hosts as forks of one process that has imported the libraries and the app's modules, so that each costs little.

For the tests, which start hundreds. A fork differs from a host of its own command in nothing that the app sees: its
environment, folder, output, signals and exit code are the same, and `function_app.py`, which reads the settings, is
run after the fork. An app that is elsewhere finds nothing of this one's.
"""

import asyncio
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from infra.local.host.__main__ import main
from infra.local.host.process import PROJECT_ROOT

# The libraries of the host and of the app; none of them starts a thread or opens a connection when it is imported.
_PRELOADED = (
    "infra.local.host.forked",
    "azure.data.tables.aio",
    "azure.functions",
    "azure.identity.aio",
    "azure.storage.blob.aio",
    "azure.storage.queue.aio",
    "pydantic_settings",
    "infra.local.host.warm",
)
_OWN = ("functions", "shared")
_context = multiprocessing.get_context("forkserver")


class ForkedProcess:
    """A host that is a fork, with the part of `asyncio.subprocess.Process` that its user needs."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._exit_code: asyncio.Future[int] = self._loop.create_future()
        self._loop.add_reader(process.sentinel, self._end)

    @property
    def pid(self) -> int:
        """Of its process."""
        assert self._process.pid is not None  # noqa: S101 - it has been started
        return self._process.pid

    def terminate(self) -> None:
        """Send it SIGTERM, unless it has ended."""
        self._process.terminate()

    def kill(self) -> None:
        """Send it SIGKILL, unless it has ended."""
        self._process.kill()

    async def wait(self) -> int:
        """Wait for its end, and give its exit code: a signal that ended it is a negative number."""
        return await asyncio.shield(self._exit_code)

    def _end(self) -> None:
        self._loop.remove_reader(self._process.sentinel)
        self._process.join()
        assert self._process.exitcode is not None  # noqa: S101 - it has ended
        self._exit_code.set_result(self._process.exitcode)


async def fork(
    arguments: Sequence[str], environment: Mapping[str, str], log: Path | None
) -> tuple[ForkedProcess, asyncio.StreamReader]:
    """Start a host as a fork, and give its stdout; the first call also starts the process that is forked.

    Without a log its stderr is what this process's was at the first call.
    """
    _context.set_forkserver_preload(list(_PRELOADED))
    reading, writing = _context.Pipe(duplex=False)
    process = _context.Process(target=_become_host, args=(arguments, dict(environment), log, writing), daemon=True)
    process.start()
    writing.close()
    stdout = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdout), reading)
    return ForkedProcess(process), stdout


def _become_host(
    arguments: Sequence[str], environment: Mapping[str, str], log: Path | None, stdout: Connection
) -> None:
    """Make of this fork what the host's command would be, and run it."""
    os.setsid()
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    # As in a process of that environment: else each fork would compile the app anew.
    sys.dont_write_bytecode = "PYTHONDONTWRITEBYTECODE" in environment
    os.chdir(PROJECT_ROOT)
    if "--app" in arguments and Path(arguments[arguments.index("--app") + 1]) != PROJECT_ROOT:
        _forget_own_app()
    os.dup2(stdout.fileno(), 1)
    stdout.close()
    if log:
        with log.open("ab") as file:
            os.dup2(file.fileno(), 2)
    sys.argv = ["infra.local.host", *arguments]
    sys.exit(main())


def _forget_own_app() -> None:
    """Have another app, or this one with something of it changed, import its modules itself."""
    for name in [name for name in sys.modules if name.partition(".")[0] in _OWN]:
        del sys.modules[name]


def _stop_with_parent() -> None:
    """End this host when its user is killed; of that the kernel tells only the process that this is a fork of."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 - this is a fork
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)

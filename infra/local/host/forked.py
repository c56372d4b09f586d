"""Hosts forked from one process that has imported the libraries and the app's modules, so that each starts quickly.

For the tests, which start hundreds. To the app a fork looks like a host started by its command: environment, folder,
output, signals and exit code are the same, and `function_app.py`, which reads the settings, is run after the fork. An
app elsewhere does not see this app's modules.
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

# The libraries of the host and of the app; none starts a thread or opens a connection on import.
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
    """A forked host, with the part of `asyncio.subprocess.Process` that its users need."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._exit_code: asyncio.Future[int] = self._loop.create_future()
        self._loop.add_reader(process.sentinel, self._end)

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process.pid is not None  # noqa: S101 - it has been started
        return self._process.pid

    def terminate(self) -> None:
        """Send SIGTERM, unless it has ended."""
        self._process.terminate()

    def kill(self) -> None:
        """Send SIGKILL, unless it has ended."""
        self._process.kill()

    async def wait(self) -> int:
        """Wait for the process to end; return its exit code, negative for a signal."""
        return await asyncio.shield(self._exit_code)

    def _end(self) -> None:
        self._loop.remove_reader(self._process.sentinel)
        self._process.join()
        assert self._process.exitcode is not None  # noqa: S101 - it has ended
        self._exit_code.set_result(self._process.exitcode)


async def fork(
    arguments: Sequence[str], environment: Mapping[str, str], log: Path | None
) -> tuple[ForkedProcess, asyncio.StreamReader]:
    """Start a forked host and return it with its stdout; the first call also starts the process that is forked.

    Without a log, its stderr is what this process's was at the first call.
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
    """Set this fork up like the host's command, and run it."""
    os.setsid()
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    # As in a process with that environment: otherwise each fork would compile the app again.
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
    """Unload this app's modules, so that another app, or a changed copy of this one, imports its own."""
    for name in [name for name in sys.modules if name.partition(".")[0] in _OWN]:
        del sys.modules[name]


def _stop_with_parent() -> None:
    """Stop this host when its parent is killed; the kernel notifies only the process that was forked."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 - this is a fork
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)

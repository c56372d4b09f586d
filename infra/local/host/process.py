"""Running the local functions host in a separate process."""

import asyncio
import contextlib
import math
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import aiohttp

from infra.local.azurite import die_with_parent
from infra.local.host.keys import FUNCTION_KEY, MASTER_KEY, Keys, new_key
from infra.local.host.sign_in import SIGNED_IN

START_TIMEOUT_SECONDS = 60.0
# More than the 10 seconds that the host gives running invocations to finish.
STOP_TIMEOUT_SECONDS = 20.0
PROJECT_ROOT = Path(__file__).resolve().parents[3]
_READY = "host ready "
# What any program on this machine needs; everything else the app sees is in its settings.
_BASICS = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")


class Child(Protocol):
    """A child process."""

    @property
    def pid(self) -> int:
        """The process id."""

    def terminate(self) -> None:
        """Send SIGTERM."""

    def kill(self) -> None:
        """Send SIGKILL."""

    async def wait(self) -> int:
        """Wait for it to end; return its exit code."""


type Start = Callable[[Sequence[str], Mapping[str, str], Path | None], Awaitable[tuple[Child, asyncio.StreamReader]]]
"""Starts a host with arguments, an environment and a log; returns the process and its stdout."""


class HostProcess:
    """A running host.

    Attributes:
        url: the URL of its HTTP triggers and of its admin API, without a path.
        keys: the keys that its HTTP triggers accept, in the header `x-functions-key`.
        pid: its process id.
        log_path: the file it logs to; None if it logs to this process's stderr.
    """

    def __init__(
        self, process: Child, url: str, keys: Keys, session: aiohttp.ClientSession, log_path: Path | None
    ) -> None:
        self.url = url
        self.keys = keys
        self.pid = process.pid
        self.log_path = log_path
        self._process = process
        self._session = session

    async def start(self, function: str, input: str = "") -> None:  # noqa: A002 - the admin API's own word
        """Start a function in the background; `input` is the message of a queue trigger.

        Raises:
            RuntimeError: the host has no such function.
        """
        address = f"{self.url}/admin/functions/{function}"
        async with self._session.post(address, json={"input": input}) as answer:
            if answer.status != HTTPStatus.ACCEPTED:
                raise RuntimeError(f"{address}: {answer.status} {await answer.text()}")

    async def poll(self, queue: str) -> None:
        """Have the host poll a queue immediately, rather than at its polling interval."""
        async with self._session.post(f"{self.url}/admin/queues/{queue}"):
            pass

    async def functions(self) -> dict[str, str]:
        """Return the functions: name and trigger type."""
        async with self._session.get(f"{self.url}/admin/functions") as answer:
            return {found["name"]: found["trigger"] for found in await answer.json()}

    async def status(self) -> dict[str, Any]:
        """Return the host's status: `state`, `inFlight`, `invocations` (succeeded, failed, running by function)."""
        async with self._session.get(f"{self.url}/admin/host/status") as answer:
            status: dict[str, Any] = await answer.json()
            return status

    def kill(self) -> None:
        """Kill the host (SIGKILL), as in a crash; its messages become visible again when their leases expire."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def stop(self) -> int:
        """Stop the host, or kill it if it does not stop in time; return its exit code."""
        return await _stop(self._process)


async def execute(
    arguments: Sequence[str], environment: Mapping[str, str], log: Path | None
) -> tuple[Child, asyncio.StreamReader]:
    """Start a host by its command; return the process and its stdout."""
    with _log_file(log) as stderr:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "infra.local.host", *arguments),
            cwd=PROJECT_ROOT,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
    assert process.stdout is not None  # noqa: S101 - asked for above
    return process, process.stdout


@contextlib.asynccontextmanager
async def run_host(
    app: Path,
    settings: Mapping[str, str],
    *,
    message_lease: float = 600,
    max_polling_interval: float = 1.0,
    log: Path | None = None,
    log_everything: bool = False,
    signed_in: str = "",
    start: Start = execute,
) -> AsyncIterator[HostProcess]:
    """Run the app in a host, and stop it when the block ends.

    Apart from a few basic variables, the settings are the app's whole environment: local.settings.json is not read.

    Args:
        app: the folder of `function_app.py`.
        settings: the app settings.
        message_lease: in seconds, rounded up.
        max_polling_interval: in seconds, instead of host.json's.
        log: the file to append stderr to; this process's stderr if None.
        log_everything: whether to log everything from all libraries, at every level.
        signed_in: the group (an object ID) of a user whom App Service Authentication, which is then on, has signed in
            with each request.
        start: starts the host's process.

    Raises:
        RuntimeError: the host did not start; the message contains the log if it goes to a file.
    """
    arguments = _arguments(app, message_lease, max_polling_interval)
    basics = {name: os.environ[name] for name in _BASICS if name in os.environ}
    if log_everything:
        arguments.append("--log-everything")
    keys = Keys(new_key(), new_key())
    # In the environment, which other users can't read; the host takes them out before it runs the app.
    own = {FUNCTION_KEY: keys.function, MASTER_KEY: keys.master, SIGNED_IN: signed_in}
    process, stdout = await start(arguments, {**basics, **settings, **own}, log)
    try:
        url = await _ready_url(stdout, log)
        async with aiohttp.ClientSession() as session:
            yield HostProcess(process, url, keys, session, log)
    finally:
        await _stop(process)


def _arguments(app: Path, message_lease: float, max_polling_interval: float) -> list[str]:
    options = {
        "--app": app.resolve(),
        "--message-lease": math.ceil(message_lease),
        "--max-polling-interval": max_polling_interval,
    }
    return ["--no-local-settings", *(str(part) for option in options.items() for part in option)]


@contextlib.contextmanager
def _log_file(log: Path | None) -> Iterator[BinaryIO | None]:
    if log is None:
        yield None
        return
    with log.open("ab") as file:
        yield file


async def _ready_url(stdout: asyncio.StreamReader, log: Path | None) -> str:
    try:
        line = (await asyncio.wait_for(stdout.readline(), START_TIMEOUT_SECONDS)).decode()
    except TimeoutError:
        line = ""
    if not line.startswith(_READY):
        raise RuntimeError(f"The functions host did not start. {_log_text(log)}")
    return line.removeprefix(_READY).strip()


def _log_text(log: Path | None) -> str:
    return f"Its log, {log}:\n{log.read_text()}" if log else "Its log is on stderr."


async def _stop(process: Child) -> int:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        return await asyncio.wait_for(process.wait(), STOP_TIMEOUT_SECONDS)
    except TimeoutError:
        process.kill()
        return await process.wait()

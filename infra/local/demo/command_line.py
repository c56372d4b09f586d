"""The command line `tidemark`, run as a person types it, and shown with what it prints."""

import asyncio
import json
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from infra.local.demo.terminal import Terminal
from infra.local.demo.watching import require_host
from infra.local.host.process import HostProcess
from infra.local.local_azure import BACKUPS, DISKS, HOST, ROOT, LocalAzure

_COLUMNS = 100
_LOOK_SECONDS = 1.0


class CommandError(Exception):
    """A command that did not end well; what it has printed is shown."""


class CommandLine:
    """Somebody with the command line, in a folder of their own."""

    def __init__(self, terminal: Terminal, host: HostProcess, folder: Path, access: Mapping[str, str]) -> None:
        """Set them up; times are in UTC, as in the rest of the demo.

        Args:
            terminal: shows the commands.
            host: the app, without which no command ever ends that waits.
            folder: where they are.
            access: the environment by which the program finds the app, and gets in.
        """
        self.folder, self._terminal, self._host = folder, terminal, host
        self._environment = {
            "TIDEMARK_CONFIG": str(folder / "cli.json"),
            "COLUMNS": str(_COLUMNS),
            "PYTHONPATH": str(ROOT),
            "TZ": "UTC",
            **access,
        }

    async def types(self, *words: str) -> None:
        """Run a command, and show it with what it prints.

        Raises:
            CommandError: it ended with another exit code than 0.
            RuntimeError: the host no longer responds.
        """
        self._terminal.say_apart(f"$ tidemark {shlex.join(words)}")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tidemark", *words),
            cwd=self.folder,
            env={**os.environ, **self._environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        ending = asyncio.ensure_future(process.communicate())
        try:
            while not (await asyncio.wait([ending], timeout=_LOOK_SECONDS))[0]:
                await require_host(self._host)
            out, err = await ending
        finally:
            if process.returncode is None:
                process.kill()
                await ending
        self._terminal.say(out.decode())
        if process.returncode:
            why = err.decode().strip() or "it says above why"
            raise CommandError(f"`tidemark {words[0]}` ended with exit code {process.returncode}: {why}")


def keys_of(azure: LocalAzure) -> dict[str, str]:
    """Return the environment by which the program gets in by keys."""
    return {
        "TIDEMARK_STORAGE": azure.connection_string(HOST),
        "TIDEMARK_CONNECTIONS": json.dumps([azure.connection_string(account) for account in (DISKS, BACKUPS)]),
    }

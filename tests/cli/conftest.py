"""The real program against the real app, on a local Azure: one app for all tests of a file."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.local.local_azure import ACCOUNTS, HOST, ROOT, LocalAzure
from shared.model.point import RecoveryPoint
from tests.app.cloud import App, Cloud, Disk, pages
from tests.cli.programs import forked

SECONDS = 120.0
WIDE = 80
AT_ONCE = {"model.retention.MIN_AGE": timedelta()}
RULES: dict[str, Any] = {"RETENTION": "last=1", "RETENTION_MODE": "on"}


@dataclass(frozen=True)
class Done:
    """What the program has printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = self.json["data"]
        return found


@dataclass
class Scene:
    """Two disks with recovery points, the app that backs them up, and somebody with the program."""

    cloud: Cloud
    app: App
    os: Disk
    data: Disk
    points: list[RecoveryPoint]
    environment: dict[str, str]

    async def types(self, *arguments: str, **variables: str) -> Done:
        """Run the program."""
        environment = {**self.environment, **variables}
        return _done(*await asyncio.wait_for(forked(arguments, environment, self.cloud.folder), SECONDS))

    async def reads(self, *arguments: str, **variables: str) -> Done:
        """Run the program as somebody who may read the accounts of disks and backups."""
        return await self.types(*arguments, **self.readers, **variables)

    @property
    def readers(self) -> dict[str, str]:
        """What somebody sets who may read the accounts of disks and backups."""
        connections = [self.cloud.azure.connection_string(account) for account in ACCOUNTS]
        return {"TIDEMARK_CONNECTIONS": json.dumps(connections)}

    async def runs(self, *arguments: str) -> Done:
        """Run the program as it is typed in a checkout."""
        return await typed(arguments, self.environment)


async def typed(arguments: Sequence[str], environment: Mapping[str, str]) -> Done:
    """Run the program as a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidemark", *arguments),
        cwd=ROOT,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), SECONDS)
    return _done(await process.wait(), out, err)


def _done(code: int, out: bytes, err: bytes) -> Done:
    assert b"Traceback" not in err, err.decode()
    assert HOST.key not in out.decode() + err.decode(), "the key of the storage account is shown"
    return Done(code, out.decode(), err.decode())


def environment_of(azure: LocalAzure, folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    return kept | {
        "TIDEMARK_STORAGE": azure.connection_string(HOST),
        "TIDEMARK_CONFIG": str(folder / "cli.json"),
        "COLUMNS": str(WIDE),
        "TZ": "Europe/Berlin",
    }


@pytest.fixture(scope="module")
async def scene(azure: LocalAzure, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with running_scene(azure, tmp_path_factory.mktemp("cli")) as running:
        yield running


@contextlib.asynccontextmanager
async def running_scene(azure: LocalAzure, folder: Path) -> AsyncIterator[Scene]:
    """Back two disks up twice by an app, which runs until the block ends."""
    async with contextlib.AsyncExitStack() as stack:
        cloud = Cloud(azure, folder, stack)
        await cloud.open()
        disk, data = await cloud.disk(name="os.vhd"), await cloud.disk(name="my data.vhd")
        app = await stack.enter_async_context(cloud.app(disk, data, changed=AT_ONCE, **RULES))
        points = []
        for seed in range(2):
            await disk.write(0, pages(4, seed))
            points += [(await app.back_up(disk, data))[0]]
        yield Scene(cloud, app, disk, data, points, environment_of(azure, folder))

"""How the storage is reached: by an identity, or by a connection string; and for as long as it takes."""

import asyncio
import contextlib
import os
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError

from infra.local.gateway.roles import READ_BLOB, Role
from infra.local.identity_azure import IdentityAzure
from infra.local.local_azure import BACKUPS, DISKS, ROOT
from shared.azure.sources.source import READ_URL_LIFETIME
from shared.changes.ranges import Change
from shared.limits import PAGE
from shared.model.addresses import BlobAddress
from shared.model.version import BlobVersion, Version
from tests.cli.content.blobs import Blob, Watched
from tidemark.content.access import Reading, open_reader
from tidemark.content.errors import AccessError
from tidemark.content.part_file import PartFile
from tidemark.content.pieces import PieceReader

WORKER = ROOT / "tests" / "cli" / "content" / "export_worker.py"
COSTS_WORKER = WORKER.with_name("costs_worker.py")
VERSION = BlobVersion(BlobAddress.parse("https://account.blob.core.windows.net/backups/a/vhds/os.vhd"))
FIRST = Change(0, PAGE, clear=False)


@pytest.mark.usefixtures("_roles_as_at_first")
async def test_who_is_signed_in_exports_without_a_key(identity_azure: IdentityAzure, tmp_path: Path) -> None:
    target = tmp_path / "disk.vhd"
    async with identity_azure.blobs(DISKS) as service:
        container = await service.create_container(f"exports-{uuid.uuid4().hex[:12]}")
        disk = await Blob.make(DISKS, container, 8 * PAGE)
        await disk.write(2 * PAGE, b"x" * PAGE)
        version = await disk.snapshot()
    identity_azure.give_app(Role("Reader", (READ_BLOB,)), f"/{DISKS.name}")
    assert await worked(identity_azure, version, target) == ""
    assert content_of(tmp_path) == {"disk.vhd": bytes(disk.expected)}


@pytest.mark.usefixtures("_roles_as_at_first")
async def test_who_may_only_read_blobs_counts_what_they_hold(identity_azure: IdentityAzure) -> None:
    versions = list[Blob]()
    snapshots = list[str]()
    async with contextlib.AsyncExitStack() as stack:
        for account in (DISKS, BACKUPS):
            service = await stack.enter_async_context(identity_azure.blobs(account))
            container = await service.create_container(f"costs-{uuid.uuid4().hex[:12]}")
            blob = await Blob.make(account, container, 8 * PAGE)
            await blob.write(0, b"x" * 2 * PAGE)
            snapshots.append((await blob.snapshot()).snapshot)
            await blob.write(0, b"y" * PAGE)
            versions.append(blob)
        snapshots.append((await versions[1].snapshot()).snapshot)
    disk, backup = versions
    arguments = [disk.address.url, snapshots[0], backup.address.url, *snapshots[1:]]
    for account in (DISKS, BACKUPS):
        identity_azure.give_app(Role("Reader", (READ_BLOB,)), f"/{account.name}")
    printed, _ = await ran(identity_azure, COSTS_WORKER, *arguments)
    assert printed.split() == [str(3 * PAGE), str(PAGE), str(PAGE)]


def put(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def worked(azure: IdentityAzure, version: BlobVersion, target: Path) -> str:
    """Export in a process that knows no key; give what it printed last of an error."""
    return (await ran(azure, WORKER, "", version.blob.url, version.snapshot, str(target), str(PAGE)))[1]


async def ran(azure: IdentityAzure, worker: Path, *arguments: str) -> tuple[str, str]:
    """Run a process that knows no key; give what it printed, and its errors."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(worker),
        *arguments,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **azure.access_settings()},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, errors = await process.communicate()
    return printed.decode(), errors.decode()


@pytest.mark.parametrize("text", ["", "AccountName=a", "AccountName=UPPER;AccountKey=c2VjcmV0", "AccountKey=c2VjcmV0"])
async def test_a_wrong_connection_string_is_not_shown(text: str) -> None:
    with pytest.raises(AccessError, match="a connection string can't be used: it must ") as refused:
        async with open_reader([text]):
            pass
    assert "c2VjcmV0" not in str(refused.value)


class Signing(Watched):
    """A reader whose URLs are numbers, of which only the last is let in, or none."""

    def __init__(self) -> None:
        self.signed = list[bool]()
        self.revoked = self.asked = 0

    async def signed_url(
        self, version: Version, lifetime: timedelta = READ_URL_LIFETIME, *, fresh_key: bool = False
    ) -> str:
        assert (version, lifetime) == (VERSION, READ_URL_LIFETIME)
        self.signed.append(fresh_key)
        return str(len(self.signed))

    async def read(self, signed_url: str, piece: Change) -> bytes:
        self.asked += 1
        await asyncio.sleep(0)
        if int(signed_url) <= self.revoked:
            refused = HttpResponseError("refused")
            refused.status_code = 403
            raise refused
        return bytes(piece.length)


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 30, tzinfo=UTC)

    async def sleep(self, duration: timedelta) -> None:
        self.now += duration


async def test_urls_are_signed_again_before_they_expire() -> None:
    reader, clock = Signing(), Clock()
    pieces = PieceReader(Reading(reader, lambda: clock.now, clock.sleep), VERSION, 4)
    for hour in range(12):
        assert await pieces.read(FIRST) == bytes(PAGE)
        clock.now += timedelta(hours=1)
        assert len(reader.signed) <= 1 + hour / 2
    assert len(reader.signed) >= 4


async def test_a_url_that_is_refused_is_signed_again_once_by_a_new_key() -> None:
    reader, clock = Signing(), Clock()
    pieces = PieceReader(Reading(reader, lambda: clock.now, clock.sleep), VERSION, 4)
    await pieces.read(FIRST)
    clock.now += timedelta(minutes=10)
    reader.revoked = 1
    assert await asyncio.gather(*(pieces.read(FIRST) for _ in range(4))) == [bytes(PAGE)] * 4
    assert reader.signed == [False, True]
    reader.revoked = 10
    asked = reader.asked
    with pytest.raises(HttpResponseError, match="refused"):
        await pieces.read(FIRST)
    assert (reader.signed, reader.asked - asked) == ([False, True], 1)


async def test_a_file_that_gets_its_name_before_it_is_locked_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, done = tmp_path / "disk.part", tmp_path / "disk"
    put(part, b"complete")
    locks = list[object]()

    def lock(file: object) -> None:
        if not locks:
            part.rename(done)
        locks.append(file)

    monkeypatch.setattr("tidemark.content.part_file._lock", lock)
    with PartFile.opened(part) as opened:
        opened.begin(3)
    assert (len(locks), content_of(tmp_path)) == (2, {"disk": b"complete", "disk.part": bytes(3)})

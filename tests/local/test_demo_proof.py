"""The demo's proofs: what holds is said to hold, and a recovery point that is damaged is found out."""

import contextlib
import io
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from azure.storage.blob.aio import BlobClient

from infra.local.demo.command import report
from infra.local.demo.disk_states import DiskState, changed_state, initial_state
from infra.local.demo.proof_result import ProofResult, check_extracted, check_moved, check_restored, compare
from infra.local.demo.terminal import Terminal
from infra.local.disks.disk_image import e2fsprogs_is_installed
from infra.local.disks.page_blob import PageBlob
from infra.local.disks.vhd import MIB
from infra.local.local_azure import BACKUPS, DISKS, LocalAzure
from shared.model.point import RecoveryPoint
from shared.model.run import Kind

SIZE = 20 * MIB
PAGE = 512
needs_e2fsprogs = pytest.mark.skipif(not e2fsprogs_is_installed(), reason="e2fsprogs is not installed")


def nothing(_: int) -> None:
    """Take no notice of progress."""


class Pair:
    """A disk and its backup blob, both with the content of an image."""

    def __init__(self, blobs: Sequence[PageBlob], clients: Sequence[BlobClient], state: DiskState) -> None:
        self.disk, self.backup = blobs
        self.disk_client, self.backup_client = clients
        self.state = state
        self.folder = state.image.parent

    async def recovery_point(self) -> ProofResult:
        """Snapshot both as they are."""
        clients = (self.disk_client, self.backup_client)
        source, backup = [str((await client.create_snapshot())["snapshot"]) for client in clients]
        now = datetime.now(UTC)
        point = RecoveryPoint(
            time=source,
            kind=Kind.FULL,
            reason="",
            source_snapshot=source,
            backup_snapshot=backup,
            size=self.state.size,
            bytes_written=self.state.size,
            bytes_cleared=0,
            ranges=1,
            write_calls=1,
            clear_calls=0,
            batches=1,
            copying="",
            started=now,
            sealed=now,
            duration_seconds=0.0,
        )
        return ProofResult("disk.vhd", point, self.state)

    async def proved(self) -> ProofResult:
        """Snapshot both, and prove the recovery point as the demo does."""
        result = await self.recovery_point()
        await compare(self.backup, self.disk, result, nothing)
        await check_extracted(self.backup, self.folder, result, nothing)
        return result

    async def restored(self) -> ProofResult:
        """Take the disk for one that was restored, snapshot both, and read the disk itself back as the demo does."""
        result = await self.recovery_point()
        await check_restored(self.disk, self.folder, result, nothing)
        return result


@pytest.fixture
async def pair(azure: LocalAzure, tmp_path: Path) -> AsyncIterator[Pair]:
    state = initial_state(tmp_path, SIZE, None)
    async with contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        blobs, clients = [], []
        for account in (DISKS, BACKUPS):
            service = await stack.enter_async_context(azure.blobs(account))
            container = await service.create_container(f"proof-{uuid.uuid4().hex}")
            clients.append(container.get_blob_client("disk.vhd"))
            blobs.append(PageBlob(clients[-1], account, azure, http))
            await blobs[-1].upload(state.image, nothing)
        yield Pair(blobs, clients, state)


def said(*points: ProofResult) -> tuple[int, str]:
    """Give the demo's exit code and report."""
    stream = io.StringIO()
    return report(Terminal(stream), points, "The end."), stream.getvalue()


@needs_e2fsprogs
async def test_a_recovery_point_that_is_the_disk_is_proved(pair: Pair) -> None:
    code, report = said(await pair.proved())
    assert code == 0
    assert "identical to its source snapshot; footer valid; e2fsck clean; " in report


@pytest.mark.parametrize("page", [0, 8 * MIB // PAGE + 1, SIZE // PAGE - 1], ids=["first", "middle", "last"])
async def test_one_page_that_differs_is_found_and_named(pair: Pair, page: int) -> None:
    await pair.backup_client.upload_page(b"\1" * PAGE, page * PAGE, PAGE)
    result = await pair.recovery_point()
    await compare(pair.backup, pair.disk, result, nothing)
    code, report = said(result)
    assert code == 1
    assert f"differs from its source snapshot at byte {page * PAGE} (page {page})" in report


async def test_a_lost_footer_is_found_and_named(pair: Pair) -> None:
    await pair.backup_client.clear_page(SIZE, PAGE)
    result = await pair.proved()
    assert len(result.broken) == 2
    assert "don't start with 'conectix'" in result.broken[1]
    assert said(result)[0] == 1


async def test_a_backup_that_lost_its_tail_is_found_and_named(pair: Pair) -> None:
    await pair.backup_client.resize_blob(SIZE)
    result = await pair.recovery_point()
    await compare(pair.backup, pair.disk, result, nothing)
    [broken] = result.broken
    assert broken.startswith(
        f"sizes differ: the recovery point has {SIZE} bytes, its source snapshot has {SIZE + PAGE} bytes, "
    )


async def test_a_pair_that_is_equal_but_not_as_the_disk_was_is_found_and_named(pair: Pair) -> None:
    for client in (pair.disk_client, pair.backup_client):
        await client.upload_page(b"\1" * PAGE, 5 * MIB, PAGE)
    result = await pair.recovery_point()
    await compare(pair.backup, pair.disk, result, nothing)
    assert result.broken == [f"differs from the original image at byte {5 * MIB} (page {5 * MIB // PAGE})"]


@needs_e2fsprogs
async def test_a_filesystem_that_came_to_harm_is_found_by_e2fsck(pair: Pair) -> None:
    await pair.backup_client.upload_page(b"\xff" * 8 * PAGE, 4096, 8 * PAGE)  # the group descriptors
    result = await pair.recovery_point()
    line = await check_extracted(pair.backup, pair.folder, result, nothing)
    assert line.startswith("FAILED: e2fsck says: ")
    assert said(result)[0] == 1


@needs_e2fsprogs
async def test_a_restored_disk_that_is_as_it_was_is_proved(pair: Pair) -> None:
    code, report = said(await pair.restored())
    assert code == 0
    assert "\ndisk disk.vhd\n" in report
    assert "so is the disk; footer valid; e2fsck clean; " in report


async def test_what_differs_in_a_restored_disk_but_not_in_its_snapshot_is_found(pair: Pair) -> None:
    result = await pair.recovery_point()
    await pair.disk_client.upload_page(b"\1" * PAGE, 5 * MIB, PAGE)
    await compare(pair.backup, pair.disk, result, nothing)
    assert result.holds
    line = await check_restored(pair.disk, pair.folder, result, nothing)
    assert line == f"FAILED: differs from the original image at byte {5 * MIB} (page {5 * MIB // PAGE})"
    assert said(result)[0] == 1


async def test_a_restored_disk_of_another_size_is_found(pair: Pair) -> None:
    await pair.disk_client.resize_blob(SIZE + 2 * PAGE)
    [broken] = (await pair.restored()).broken
    assert broken == f"sizes differ: the disk has {SIZE + 2 * PAGE} bytes, the original image has {SIZE + PAGE} bytes"


async def test_a_restored_disk_whose_next_backup_moved_all_of_it_is_not_proved(pair: Pair) -> None:
    state = changed_state(pair.folder, pair.state)
    result = ProofResult("disk.vhd", (await pair.recovery_point()).point, state, ["identical to its source snapshot"])
    for kind, why in ((Kind.FULL, "run was full, not incremental: "), (Kind.INCREMENTAL, "run copied ")):
        result.broken.clear()
        result.point = replace(result.point, kind=kind)
        check_moved(result)
        [broken] = result.broken
        assert broken.startswith(why)
        assert said(result)[0] == 1


def test_without_a_recovery_point_nothing_is_proved() -> None:
    code, report = said()
    assert code == 1
    assert "there is no recovery point" in report

"""What a test or the demo does with a disk as its guest, and how the managed disks run."""

import asyncio
import contextlib
from pathlib import Path

import aiohttp
import pytest

from infra.local.disks.disk_changes import changes, copy_sparse
from infra.local.disks.vhd import FOOTER_BYTES, MIB
from infra.local.gateway import Interceptor
from infra.local.local_azure import LocalAzure
from infra.local.managed_disks import Disk, ManagedDisks
from tests.managed_disks.arm import RG, Arm
from tests.managed_disks.storage import BLOCK, Storage


def image(path: Path, written: dict[int, bytes]) -> Path:
    """Make a sparse image of a VHD of 1 MiB with these blocks."""
    with path.open("wb") as file:
        for block, content in written.items():
            file.seek(block * BLOCK)
            file.write(content * BLOCK)
        file.truncate(MIB + FOOTER_BYTES)
    return path


async def test_an_image_is_loaded_and_its_changes_applied(
    arm: Arm, storage: Storage, disk: Disk, tmp_path: Path
) -> None:
    old = image(tmp_path / "old.vhd", {0: b"a", 1: b"b", 16: b"c"})
    await disk.load(old)
    older = await arm.sas(await arm.snapshot("older", disk))
    assert (await storage.list(older)).ranges[:2] == [(0, 2 * BLOCK, False), (16 * BLOCK, 17 * BLOCK, False)]
    new = tmp_path / "new.vhd"
    copy_sparse(old, new)
    with new.open("r+b") as file:
        file.write(b"n" * BLOCK)
    await disk.apply(new, changes(old, new))
    newer = await arm.sas(await arm.snapshot("newer", disk))
    assert (await storage.list(newer, since=older)).ranges == [(0, BLOCK, False)]
    assert (await storage.read(newer, 0, 3 * BLOCK)).body == b"n" * BLOCK + b"b" * BLOCK + bytes(BLOCK)


async def test_resources_are_found_by_their_ids_in_any_case(managed: ManagedDisks, arm: Arm, disk: Disk) -> None:
    path = await arm.snapshot("found", disk)
    assert managed.disk(disk.id.text.upper()) is disk
    assert managed.snapshot(path.upper()).id.name == "found"
    for wrong in (f"{RG}/disks/none", path):
        with pytest.raises(KeyError):
            managed.disk(wrong)


async def test_an_interceptor_sees_each_call_before_and_after_its_effect(
    managed: ManagedDisks, arm: Arm, disk: Disk
) -> None:
    seen: list[int] = []
    interceptor = Interceptor(lambda _: True, 2, "after", lambda: seen.append(len(managed.snapshots)))
    managed.resource_manager.interceptor = interceptor
    await arm.get(disk.id.text)
    with contextlib.suppress(aiohttp.ClientError):  # a PUT on a connection that was used may be tried again
        await arm.put_snapshot("seen", disk)
    assert seen == [1]
    assert [(call.service, call.request.operation) for call in interceptor.calls] == [
        ("resource manager", "Disks - Get"),
        ("resource manager", "Snapshots - Create Or Update"),
    ]


@pytest.mark.usefixtures("managed")
async def test_a_local_azure_has_one_set_of_managed_disks(azure: LocalAzure) -> None:
    with pytest.raises(RuntimeError, match="already"):
        async with azure.managed_disks():
            pass


async def test_a_reset_forgets_all(managed: ManagedDisks, arm: Arm, disk: Disk) -> None:
    await arm.sas(await arm.snapshot("gone", disk))
    managed.behaviour.page_size = 1
    managed.reset()
    assert (managed.disks, managed.snapshots, managed.resource_manager.requests) == ([], [], [])
    assert managed.behaviour.page_size == 100
    assert (await arm.get(f"{RG}/disks")).error == (403, "AuthorizationFailed")


async def test_sectors_of_one_block_are_written_at_once(disk: Disk) -> None:
    await asyncio.gather(*(disk.write(sector * 512, bytes([65 + sector]) * 512) for sector in range(16)))
    assert await disk.read(0, 2 * BLOCK) == b"".join(bytes([65 + sector]) * 512 for sector in range(16))

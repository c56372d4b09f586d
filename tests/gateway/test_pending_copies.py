"""A copy that a test holds is pending as the service's are, and ends as the test says."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable

import pytest
from azure.core.exceptions import AzureError
from azure.storage.blob import BlobProperties
from azure.storage.blob.aio import ContainerClient

from infra.local.azurite import Account
from infra.local.gateway import Fault, Gateway
from tests.gateway.conftest import DISKS, service_client
from tests.gateway.page_blobs import PAGE, NewBlob, PageBlob, refusal

PENDING = (409, "PendingCopyOperation")
LENGTH = 64 * PAGE


async def listed(blob: PageBlob, container: ContainerClient) -> BlobProperties:
    name = str(blob.client.blob_name)
    return next(iter([found async for found in container.list_blobs(name_starts_with=name, include=["copy"])]))


@pytest.fixture
async def point(backup: PageBlob) -> str:
    """A snapshot of the backup blob, which then was written on."""
    await backup.write(0, 3, b"a")
    await backup.client.set_blob_metadata({"Point": "one"})
    taken = await backup.snapshot()
    await backup.write(2, 9, b"b")
    return taken


async def test_a_held_copy_is_pending_until_it_is_finished(
    backup: PageBlob, backups: ContainerClient, point: str, gateway: Gateway
) -> None:
    held = gateway.copies.hold(backup.path)
    started = await backup.promote(point)
    assert started["copy_status"] == "pending"
    assert (held.started.is_set(), held.count) == (True, 1)
    now = await backup.client.get_blob_properties()
    assert (now.copy.id, now.copy.status, now.copy.source) == (started["copy_id"], "pending", backup.at(point).url)
    assert (now.copy.progress, now.copy.completion_time) == (f"0/{LENGTH}", None)
    assert (now.etag, now.size, now.metadata) == (started["etag"], LENGTH, {"Point": "one"})
    await held.finish()
    then = await backup.client.get_blob_properties()
    assert (then.copy.id, then.copy.status, then.copy.source) == (now.copy.id, "success", now.copy.source)
    assert (then.copy.progress, then.copy.status_description) == (f"{LENGTH}/{LENGTH}", None)
    assert then.copy.completion_time is not None
    assert then.etag != now.etag
    assert (then.size, then.metadata) == (LENGTH, {"Point": "one"})
    assert await backup.read(0, 9) == b"a" * 4 * PAGE + bytes(6 * PAGE)
    assert (await listed(backup, backups)).copy.status == "success"


async def test_nothing_of_a_pending_copy_can_be_read(backup: PageBlob, point: str, gateway: Gateway) -> None:
    held = gateway.copies.hold(backup.path)
    await backup.promote(point)
    assert await backup.ranges() == []
    assert await backup.read(0, 63) == bytes(LENGTH)
    assert await backup.read(0, 3, snapshot=point) == b"a" * 4 * PAGE
    await held.finish()
    assert await backup.ranges() == [(0, 3, False)]


async def test_every_read_tells_how_far_a_copy_is(
    backup: PageBlob, backups: ContainerClient, point: str, gateway: Gateway
) -> None:
    held = gateway.copies.hold(backup.path)
    copy_id = (await backup.promote(point))["copy_id"]
    held.progress(0.25)
    downloaded = (await backup.client.download_blob(offset=0, length=PAGE)).properties
    for found in (await backup.client.get_blob_properties(), downloaded, await listed(backup, backups)):
        told = found.copy
        assert (told.id, told.status, told.progress) == (copy_id, "pending", f"{LENGTH // 4}/{LENGTH}")
        assert (told.source, told.completion_time) == (backup.at(point).url, None)


async def test_the_progress_said_before_a_copy_begins_holds_for_it(
    backup: PageBlob, point: str, gateway: Gateway
) -> None:
    gateway.copies.hold(backup.path).progress(0.5)
    await backup.promote(point)
    assert (await backup.client.get_blob_properties()).copy.progress == f"{LENGTH // 2}/{LENGTH}"


CHANGES: dict[str, Callable[[PageBlob, PageBlob, str], Awaitable[object]]] = {
    "Put Page": lambda backup, _disk, _point: backup.write(0, 0),
    "Clear Pages": lambda backup, _disk, _point: backup.clear(0, 0),
    "Put Page From URL": lambda backup, disk, _point: backup.client.upload_pages_from_url(
        disk.source_url(None), 0, PAGE, 0
    ),
    "Snapshot Blob": lambda backup, _disk, _point: backup.snapshot(),
    "Set Blob Metadata": lambda backup, _disk, _point: backup.client.set_blob_metadata({"a": "b"}),
    "Set Blob Properties": lambda backup, _disk, _point: backup.resize(1),
    "Acquire Lease": lambda backup, _disk, _point: backup.client.acquire_lease(),
    "Put Blob": lambda backup, _disk, _point: backup.create(8),
    "Delete Blob": lambda backup, _disk, _point: backup.client.delete_blob(delete_snapshots="include"),
    "Copy Blob": lambda backup, _disk, point: backup.promote(point),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_blob_being_copied_to_is_not_changed_by_anything_else(
    backup: PageBlob, disk: PageBlob, point: str, gateway: Gateway, change: str
) -> None:
    held = gateway.copies.hold(backup.path)
    await backup.promote(point)
    assert await refusal(CHANGES[change](backup, disk, point)) == PENDING
    await held.finish()
    assert await backup.ranges() == [(0, 3, False)]
    await CHANGES[change](backup, disk, point)


async def test_the_lease_of_a_blob_being_copied_to_stays_as_it_is(
    backup: PageBlob, point: str, gateway: Gateway
) -> None:
    lease = await backup.client.acquire_lease()
    held = gateway.copies.hold(backup.path)
    await backup.promote(point, destination_lease=lease)
    for act in (lease.renew(), lease.change(str(uuid.uuid4())), lease.release(), lease.break_lease()):
        assert await refusal(act) == PENDING
    await held.finish()
    assert await refusal(backup.write(5, 5)) == (412, "LeaseIdMissing")
    await backup.write(5, 5, lease=lease)
    assert await backup.ranges() == [(0, 3, False), (5, 5, False)]


async def test_a_snapshot_of_a_blob_being_copied_to_can_be_deleted(
    backup: PageBlob, point: str, gateway: Gateway
) -> None:
    held = gateway.copies.hold(backup.path)
    await backup.promote(point)
    await backup.delete_snapshot(point)
    await held.finish()
    assert await backup.ranges() == [(0, 3, False)]


async def test_a_copy_that_fails_leaves_an_empty_blob(
    backup: PageBlob, backups: ContainerClient, point: str, gateway: Gateway
) -> None:
    held = gateway.copies.hold(backup.path)
    started = await backup.promote(point, metadata={"Given": "here"})
    held.progress(0.5)
    await held.fail('500 OperationCancelled "Copy <failed>."')
    for found in (await backup.client.get_blob_properties(), await listed(backup, backups)):
        assert (found.size, found.copy.id, found.copy.status) == (0, started["copy_id"], "failed")
        assert found.copy.status_description == '500 OperationCancelled "Copy <failed>."'
        assert found.copy.progress == f"{LENGTH // 2}/{LENGTH}"
        assert found.copy.completion_time is not None
        assert found.etag != started["etag"]
    assert (await backup.client.get_blob_properties()).metadata == {"Given": "here"}
    assert await backup.read(0, 3, snapshot=point) == b"a" * 4 * PAGE
    assert await refusal(backup.write(0, 0)) == (416, "InvalidPageRange")


async def test_after_a_failed_copy_the_next_is_held_too_until_they_are_finished(
    backup: PageBlob, point: str, gateway: Gateway
) -> None:
    held = gateway.copies.hold(backup.path)
    await backup.promote(point)
    await held.fail()
    assert (await backup.promote(point))["copy_status"] == "pending"
    assert held.count == 2
    await held.finish()
    assert await backup.ranges() == [(0, 3, False)]
    assert (await backup.promote(point))["copy_status"] == "success"


async def test_so_many_copies_are_held_as_ordered(backup: PageBlob, point: str, gateway: Gateway) -> None:
    held = gateway.copies.hold(backup.path, times=1)
    await backup.promote(point)
    await held.fail()
    assert (await backup.promote(point))["copy_status"] == "success"
    assert held.count == 1


async def test_a_copy_that_is_refused_is_not_held(backup: PageBlob, point: str, gateway: Gateway) -> None:
    held = gateway.copies.hold(backup.path, times=1)
    lease = await backup.client.acquire_lease()
    assert await refusal(backup.promote(point)) == (412, "LeaseIdMissing")
    assert (held.started.is_set(), held.count) == (False, 0)
    assert (await backup.promote(point, destination_lease=lease))["copy_status"] == "pending"


async def test_copies_elsewhere_are_not_held(
    backup: PageBlob, new_backup: NewBlob, point: str, gateway: Gateway
) -> None:
    held = gateway.copies.hold(backup.path)
    other = await new_backup(8)
    await other.client.start_copy_from_url(backup.at(point).url)
    assert await other.ranges() == [(0, 3, False)]
    assert held.count == 0


async def test_what_is_held_no_more_leaves_pending_copies_to_be_finished(
    backup: PageBlob, new_backup: NewBlob, point: str, gateway: Gateway
) -> None:
    held = gateway.copies.hold(f"/{backup.account.name}/*")
    await backup.promote(point)
    held.remove()
    other = await new_backup(8)
    assert (await other.client.start_copy_from_url(backup.at(point).url))["copy_status"] == "success"
    assert (await backup.client.get_blob_properties()).copy.status == "pending"
    await held.finish()
    assert await backup.ranges() == [(0, 3, False)]


async def test_many_copies_are_held_and_finished_together(
    backup: PageBlob, new_backup: NewBlob, point: str, gateway: Gateway
) -> None:
    held = gateway.copies.hold(f"/{backup.account.name}/*")
    others = [await new_backup(8) for _ in range(4)]
    await asyncio.gather(*(other.client.start_copy_from_url(backup.at(point).url) for other in others))
    assert held.count == 4
    await held.finish()
    assert [await other.ranges() for other in others] == [[(0, 3, False)]] * 4


async def test_a_copy_from_another_account_to_a_new_blob_is_held(
    disk: PageBlob, backups: ContainerClient, gateway: Gateway
) -> None:
    await disk.write(0, 63, b"d")
    source = await disk.snapshot()
    new = PageBlob(DISKS, backups, f"new {uuid.uuid4()}.vhd")
    held = gateway.copies.hold("*/new *.vhd")
    await new.client.start_copy_from_url(disk.source_url(source), metadata={"Given": "here"})
    await disk.delete_snapshot(source)
    assert (await new.client.get_blob_properties()).copy.status == "pending"
    await held.finish()
    assert await new.read(0, 63) == b"d" * LENGTH
    assert (await new.client.get_blob_properties()).metadata == {"Given": "here"}
    await new.write(0, 0, b"e")
    await new.snapshot()


async def test_a_snapshot_after_a_copy_starts_a_new_history(backup: PageBlob, point: str, gateway: Gateway) -> None:
    held = gateway.copies.hold(backup.path)
    started = await backup.promote(point)
    assert await refusal(backup.ranges(point)) == (409, "BlobOverwritten")
    await held.finish()
    after = await backup.snapshot()
    assert (await backup.at(after).get_blob_properties()).copy.id == started["copy_id"]
    assert await refusal(backup.ranges(point, after)) == (409, "BlobOverwritten")
    await backup.write(20, 20)
    assert await backup.ranges(after) == [(20, 20, False)]


async def test_an_aborted_copy_leaves_an_empty_blob(backup: PageBlob, point: str, gateway: Gateway) -> None:
    gateway.copies.hold(backup.path)
    started = await backup.promote(point)
    assert await refusal(backup.client.abort_copy(str(uuid.uuid4()))) == (409, "CopyIdMismatch")
    await backup.client.abort_copy(started["copy_id"])
    now = await backup.client.get_blob_properties()
    assert (now.size, now.copy.id, now.copy.status) == (0, started["copy_id"], "aborted")
    assert now.metadata == {"Point": "one"}
    assert now.copy.completion_time is not None
    assert await backup.read(0, 3, snapshot=point) == b"a" * 4 * PAGE


async def test_an_abort_takes_the_lease_id(backup: PageBlob, point: str, gateway: Gateway) -> None:
    held = gateway.copies.hold(backup.path)
    lease = await backup.client.acquire_lease()
    copy_id = (await backup.promote(point, destination_lease=lease))["copy_id"]
    assert await refusal(backup.client.abort_copy(copy_id)) == (412, "LeaseIdMissing")
    another = str(uuid.uuid4())
    assert await refusal(backup.client.abort_copy(copy_id, lease=another)) == (412, "LeaseIdMismatchWithBlobOperation")
    assert (await backup.client.get_blob_properties()).copy.status == "pending"
    await backup.client.abort_copy(copy_id, lease=lease)
    await held.finish()
    assert (await backup.client.get_blob_properties()).copy.status == "aborted"


async def test_there_is_nothing_to_abort_of_a_copy_that_has_ended(
    backup: PageBlob, point: str, gateway: Gateway
) -> None:
    nothing = (409, "NoPendingCopyOperation")
    assert await refusal(backup.client.abort_copy((await backup.promote(point))["copy_id"])) == nothing
    held = gateway.copies.hold(backup.path)
    copy_id = (await backup.promote(point))["copy_id"]
    await held.finish()
    assert await refusal(backup.client.abort_copy(copy_id)) == nothing
    assert await backup.ranges() == [(0, 3, False)]


async def test_an_abort_by_a_wrong_key_is_refused(backup: PageBlob, point: str, gateway: Gateway) -> None:
    gateway.copies.hold(backup.path)
    copy_id = (await backup.promote(point))["copy_id"]
    async with service_client(gateway, Account(backup.account.name, DISKS.key)) as service:
        blob = service.get_blob_client(str(backup.client.container_name), str(backup.client.blob_name))
        assert (await refusal(blob.abort_copy(copy_id)))[0] == 403
    assert (await backup.client.get_blob_properties()).copy.status == "pending"


async def test_a_copy_whose_answer_is_lost_goes_on(backup: PageBlob, point: str, gateway: Gateway) -> None:
    held = gateway.copies.hold(backup.path)
    gateway.faults.add(Fault("Copy Blob", backup.path, times=1, cut="after"))
    # The client's transport may ask again unseen, and be refused: either way there is one copy.
    with pytest.raises(AzureError):
        await backup.promote(point)
    await held.finish()
    assert held.count == 1
    assert await backup.ranges() == [(0, 3, False)]


async def test_a_container_deleted_takes_the_copies_into_it_along(disk: PageBlob, gateway: Gateway) -> None:
    held = gateway.copies.hold("/diskaccount/passing/*")
    async with service_client(gateway, DISKS) as service:
        container = await service.create_container("passing")
        copy = PageBlob(DISKS, container, "disk.vhd")
        await copy.client.start_copy_from_url(disk.client.url)
        await container.delete_container()
        await service.create_container("passing")
        await copy.create(8)
        await copy.write(1, 1)
        await held.finish()
        assert await copy.ranges() == [(1, 1, False)]

"""A pending copy proceeds and ends alike in memory and on Azurite."""

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError

from shared.azure.answers import error_code
from shared.errors import BlobChangedError, LeaseLostError
from shared.limits import PAGE
from shared.model.disk import PageBlobDisk
from shared.model.names import COPY_METADATA
from tests.conformance.clouds import LATER_RUN, RUN, Cloud, content_of, pages_of

MARK = {COPY_METADATA: "restore/1"}


async def test_a_pending_copy_tells_its_progress_and_can_not_be_read(cloud: Cloud) -> None:
    disk, target = await cloud.disk(1, 2, 3, 4), cloud.lab.blob("new.vhd")
    held = cloud.hold(target)
    await cloud.begin_copy(target, disk, MARK)
    found = await cloud.target(target)
    assert (found.copy_status, found.size) == ("pending", 4 * PAGE)
    assert (found.bytes_done, found.bytes_total) == (0, 4 * PAGE)
    assert found.is_marked("restore/1")
    assert not found.has_succeeded("restore/1", 4 * PAGE)
    assert await cloud.content(target) == [0, 0, 0, 0]
    assert await cloud.changes(target) == []
    held.progress(0.5)
    found = await cloud.target(target)
    assert (found.copy_status, found.bytes_done, found.bytes_total) == ("pending", 2 * PAGE, 4 * PAGE)
    await held.finish()
    assert await cloud.content(target) == [1, 2, 3, 4]


async def test_a_copy_gives_its_target_another_etag_when_it_begins_and_when_it_ends(cloud: Cloud) -> None:
    disk, target = await cloud.disk(1, 2), cloud.lab.blob("old.vhd")
    await cloud.make(target, 1)
    seen = [await cloud.etag(target)]
    held = cloud.hold(target)
    await cloud.begin_copy(target, disk, MARK)
    seen.append(await cloud.etag(target))
    await held.finish()
    seen.append(await cloud.etag(target))
    assert len(set(seen)) == 3


@pytest.mark.parametrize("end", ["failed", "aborted"])
async def test_a_copy_that_does_not_succeed_leaves_an_empty_blob_with_its_mark(cloud: Cloud, end: str) -> None:
    disk, target = await cloud.disk(1, 2), cloud.lab.blob("old.vhd")
    await cloud.make(target, 2)
    before = await cloud.snapshot(target)
    await cloud.services.leases.acquire(target, RUN, await cloud.etag(target))
    held = cloud.hold(target)
    await cloud.begin_copy(target, disk, MARK, RUN)
    etag = await cloud.etag(target)
    await (held.fail() if end == "failed" else held.abort(RUN))
    found = await cloud.target(target)
    assert (found.copy_status, found.size, found.metadata, found.leased) == (end, 0, MARK, True)
    assert found.etag != etag
    assert bool(found.copy_description) == (end == "failed")
    assert not found.has_succeeded("restore/1", 2 * PAGE)
    assert await cloud.size(target, before) == 2
    with pytest.raises(HttpResponseError) as refused:
        await cloud.services.blobs.write(target, pages_of(0, 1), content_of(1), RUN)
    assert refused.value.status_code == 416


async def test_a_copy_is_aborted_by_those_who_know_the_lease(cloud: Cloud) -> None:
    disk, target = await cloud.disk(1, 2), cloud.lab.blob("old.vhd")
    await cloud.make(target, 2)
    await cloud.services.leases.acquire(target, RUN, await cloud.etag(target))
    held = cloud.hold(target)
    await cloud.begin_copy(target, disk, MARK, RUN)
    for lease in (None, LATER_RUN):
        with pytest.raises(HttpResponseError):
            await held.abort(lease)
    await held.finish()
    assert await cloud.content(target) == [1, 2]


async def test_after_a_copy_that_failed_another_succeeds(cloud: Cloud) -> None:
    disk, target = await cloud.disk(1, 2), cloud.lab.blob("new.vhd")
    held = cloud.hold(target)
    await cloud.begin_copy(target, disk, MARK)
    await held.fail()
    await cloud.begin_copy(target, disk, MARK)
    await held.finish()
    found = await cloud.target(target)
    assert (found.copy_status, found.copy_description) == ("success", "")
    assert await cloud.content(target) == [1, 2]


async def test_nothing_else_is_done_to_a_blob_while_a_copy_to_it_is_pending(cloud: Cloud) -> None:
    disk = await cloud.disk(1, 2)
    await cloud.leased_backup(disk, 2)
    backup = cloud.services.backups.address(disk)
    held = cloud.hold(backup)
    await cloud.begin_copy(backup, disk, MARK, RUN)
    etag, source = await cloud.etag(backup), await cloud.source(disk)
    for act in (
        cloud.services.blobs.write(backup, pages_of(0, 1), content_of(9), RUN),
        cloud.services.blobs.clear(backup, pages_of(0, 1, clear=True), RUN),
        cloud.services.blobs.put_from_url(backup, pages_of(0, 1), source, RUN),
        cloud.services.blobs.resize(backup, PAGE, RUN),
        cloud.services.snapshots.take(backup, etag, {}, RUN),
        cloud.services.leases.take(backup, LATER_RUN, etag),
        cloud.services.leases.release(backup, RUN),
        cloud.services.leases.acquire(backup, RUN, etag),
        cloud.services.copies.forget_source(backup, etag, RUN),
        cloud.services.disks.take_snapshot(PageBlobDisk(backup)),
    ):
        with pytest.raises(ResourceExistsError) as refused:
            await act
        assert error_code(refused.value) == "PendingCopyOperation"
    with pytest.raises(BlobChangedError):
        await cloud.services.blobs.delete(backup, etag, RUN)
    with pytest.raises(BlobChangedError):
        await cloud.services.leases.require(backup, RUN)
    assert not await cloud.services.leases.renew(backup, RUN)
    await cloud.services.leases.change(backup, RUN, LATER_RUN)
    await held.finish()
    assert await cloud.content(backup) == [1, 2]
    assert await cloud.services.leases.renew(backup, RUN)


async def test_a_snapshot_can_be_deleted_while_a_copy_to_its_blob_is_pending(cloud: Cloud) -> None:
    disk, source = await cloud.disk(1), await cloud.disk(2, name="disk2.vhd")
    taken = await cloud.services.disks.take_snapshot(disk)
    held = cloud.hold(disk)
    await cloud.begin_copy(disk, source, MARK)
    await cloud.services.disks.delete_snapshot(disk, taken)
    await held.finish()
    assert await cloud.services.disks.own_snapshots(disk) == []
    assert await cloud.content(disk) == [2]


async def test_a_copy_started_twice_of_what_was_found_is_one_copy(cloud: Cloud) -> None:
    disk, other = await cloud.disk(1, 2), await cloud.disk(8, 9, name="disk2.vhd")
    target = cloud.lab.blob("old.vhd")
    await cloud.make(target, 1)
    found = await cloud.etag(target)
    held = cloud.hold(target)
    await cloud.services.copies.start(target, await cloud.source(disk), MARK, etag=found)
    pending = await cloud.etag(target)
    await cloud.services.copies.start(target, await cloud.source(other), {}, etag=found)
    await cloud.services.copies.start(target, await cloud.source(other), {}, etag=pending)
    assert await cloud.etag(target) == pending
    await held.finish()
    done = await cloud.etag(target)
    await cloud.services.copies.start(target, await cloud.source(other), {}, etag=found)
    assert await cloud.etag(target) == done
    assert await cloud.content(target) == [1, 2]
    assert (await cloud.target(target)).metadata == MARK


async def test_a_copy_started_twice_to_a_new_blob_is_one_copy(cloud: Cloud) -> None:
    disk, other = await cloud.disk(1, 2), await cloud.disk(8, 9, name="disk2.vhd")
    target = cloud.lab.blob("new.vhd")
    held = cloud.hold(target)
    for source in (disk, other):
        await cloud.services.copies.start(target, await cloud.source(source), MARK, etag=None)
    await held.finish()
    await cloud.services.copies.start(target, await cloud.source(other), MARK, etag=None)
    assert await cloud.content(target) == [1, 2]
    assert (await cloud.target(target)).copy_status == "success"


async def test_the_app_aborts_a_pending_copy_under_its_own_lease_only(cloud: Cloud) -> None:
    disk, target, copies = await cloud.disk(1, 2), cloud.lab.blob("old.vhd"), cloud.services.copies
    await cloud.make(target, 2)
    await cloud.services.leases.acquire(target, RUN, await cloud.etag(target))
    cloud.hold(target)
    await cloud.begin_copy(target, disk, MARK, RUN)
    with pytest.raises(LeaseLostError):
        await copies.abort(target, LATER_RUN)
    await copies.abort(target, RUN)
    found = await cloud.target(target)
    assert (found.copy_status, found.size) == ("aborted", 0)
    await copies.abort(target, RUN)
    await copies.abort(cloud.lab.blob("none.vhd"), RUN)
    assert (await cloud.target(target)).etag == found.etag

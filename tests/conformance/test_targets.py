"""Blobs to restore to are made and deleted alike in memory and on Azurite."""

import contextlib

import pytest

from shared.errors import BlobChangedError, SourceGoneError
from shared.limits import PAGE
from shared.model.names import COPY_METADATA
from tests.conformance.clouds import LATER_RUN, RUN, Cloud

MARK = {COPY_METADATA: "restore/1"}


async def test_an_empty_disk_is_made_where_there_is_none(cloud: Cloud) -> None:
    target = cloud.lab.blob("new.vhd")
    etag = await cloud.services.blobs.create(target, 2 * PAGE, MARK)
    found = await cloud.target(target)
    assert (found.etag, found.size, found.metadata, found.copy_status) == (etag, 2 * PAGE, MARK, "")
    assert await cloud.changes(target) == []
    with pytest.raises(BlobChangedError):
        await cloud.services.blobs.create(target, 4 * PAGE, {})
    assert await cloud.etag(target) == etag


async def test_a_disk_is_deleted_of_the_etag_that_was_found_only(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    etag = await cloud.etag(disk)
    await cloud.write(disk, 0, 2)
    with pytest.raises(BlobChangedError):
        await cloud.services.blobs.delete(disk.address, etag)
    await cloud.services.blobs.delete(disk.address, await cloud.etag(disk))
    assert await cloud.services.pages.find(disk.address) is None


async def test_a_disk_deleted_twice_is_gone(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    etag = await cloud.etag(disk)
    await cloud.services.blobs.delete(disk.address, etag)
    # For a deleted blob Azurite reports another ETag; the service reports that it does not exist.
    with contextlib.suppress(BlobChangedError):
        await cloud.services.blobs.delete(disk.address, etag)
    assert await cloud.services.pages.find(disk.address) is None


async def test_a_disk_that_has_snapshots_is_not_deleted(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    taken = await cloud.snapshot(disk)
    etag = await cloud.etag(disk)
    with pytest.raises(BlobChangedError):
        await cloud.services.blobs.delete(disk.address, etag)
    assert await cloud.content(disk, taken) == [1]
    await cloud.services.disks.delete_snapshot(disk, taken)
    await cloud.services.blobs.delete(disk.address, etag)
    with pytest.raises(SourceGoneError):
        await cloud.etag(disk)


async def test_a_leased_disk_is_deleted_under_its_lease(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    etag = await cloud.etag(disk)
    await cloud.services.leases.acquire(disk.address, RUN, etag)
    await cloud.services.blobs.delete(disk.address, etag, RUN)
    assert await cloud.services.pages.find(disk.address) is None


async def test_an_emptied_blob_has_no_pages_and_keeps_its_metadata(cloud: Cloud) -> None:
    target = cloud.lab.blob("new.vhd")
    await cloud.make(target, 4, MARK)
    await cloud.write(target, 1, 5, 6)
    found = await cloud.target(target)
    etag = await cloud.services.blobs.empty(target, found)
    empty = await cloud.target(target)
    assert (empty.etag, empty.size, empty.metadata) == (etag, 0, MARK)
    assert etag != found.etag
    assert await cloud.services.blobs.empty(target, empty) == etag, "nothing is left to be emptied"
    await cloud.services.blobs.delete(target, etag)
    assert await cloud.services.pages.find(target) is None


async def test_what_is_emptied_twice_may_be_deleted_all_the_same(cloud: Cloud) -> None:
    target = cloud.lab.blob("new.vhd")
    await cloud.make(target, 4, MARK)
    found = await cloud.target(target)
    etag = await cloud.services.blobs.empty(target, found)
    assert await cloud.services.blobs.empty(target, found) == etag, "the first answer may have been lost"


async def test_a_blob_that_somebody_wrote_to_keeps_its_pages(cloud: Cloud) -> None:
    target = cloud.lab.blob("new.vhd")
    await cloud.make(target, 2, MARK)
    found = await cloud.target(target)
    await cloud.write(target, 0, 7, 8)
    assert await cloud.services.blobs.empty(target, found) == found.etag
    assert await cloud.content(target) == [7, 8]
    with pytest.raises(BlobChangedError):
        await cloud.services.blobs.delete(target, found.etag)


async def test_a_blob_that_has_snapshots_keeps_its_pages(cloud: Cloud) -> None:
    disk = await cloud.disk(1, 2)
    await cloud.snapshot(disk)
    found = await cloud.target(disk)
    assert await cloud.services.blobs.empty(disk.address, found) == found.etag
    assert await cloud.content(disk) == [1, 2]


async def test_a_leased_disk_is_emptied_under_its_lease_only(cloud: Cloud) -> None:
    disk = await cloud.disk(1, 2)
    await cloud.services.leases.acquire(disk.address, RUN, await cloud.etag(disk))
    found = await cloud.target(disk)
    for lease in (None, LATER_RUN):
        assert await cloud.services.blobs.empty(disk.address, found, lease) == found.etag
    assert await cloud.content(disk) == [1, 2]
    assert await cloud.services.blobs.empty(disk.address, found, RUN) != found.etag
    assert await cloud.size(disk) == 0


async def test_a_deleted_blob_is_not_emptied(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    found = await cloud.target(disk)
    await cloud.delete(disk)
    assert await cloud.services.blobs.empty(disk.address, found) == found.etag

"""Blobs to restore to are made and deleted alike in memory and on Azurite."""

import contextlib

import pytest

from shared.errors import NotAsLeftError, SourceGoneError
from shared.names import COPY_METADATA, PAGE
from tests.conformance.clouds import RUN, Cloud

MARK = {COPY_METADATA: "restore/1"}


async def test_an_empty_disk_is_made_where_there_is_none(cloud: Cloud) -> None:
    target = cloud.lab.blob("new.vhd")
    etag = await cloud.services.copies.create(target, 2 * PAGE, MARK)
    found = await cloud.target(target)
    assert (found.etag, found.size, found.metadata, found.copy_status) == (etag, 2 * PAGE, MARK, "")
    assert await cloud.changes(target) == []
    with pytest.raises(NotAsLeftError):
        await cloud.services.copies.create(target, 4 * PAGE, {})
    assert await cloud.etag(target) == etag


async def test_a_disk_is_deleted_of_the_etag_that_was_found_only(cloud: Cloud) -> None:
    disk, copies = await cloud.disk(1), cloud.services.copies
    etag = await cloud.etag(disk)
    await cloud.write(disk, 0, 2)
    with pytest.raises(NotAsLeftError):
        await copies.delete(disk, etag)
    await copies.delete(disk, await cloud.etag(disk))
    assert await copies.look(disk) is None


async def test_a_disk_deleted_twice_is_gone(cloud: Cloud) -> None:
    disk, copies = await cloud.disk(1), cloud.services.copies
    etag = await cloud.etag(disk)
    await copies.delete(disk, etag)
    # Azurite finds that what is gone has another ETag, where the service finds that it is gone.
    with contextlib.suppress(NotAsLeftError):
        await copies.delete(disk, etag)
    assert await copies.look(disk) is None


async def test_a_disk_that_has_snapshots_is_not_deleted(cloud: Cloud) -> None:
    disk, copies = await cloud.disk(1), cloud.services.copies
    taken = await cloud.snapshot(disk)
    etag = await cloud.etag(disk)
    with pytest.raises(NotAsLeftError):
        await copies.delete(disk, etag)
    assert await cloud.content(disk, taken) == [1]
    await cloud.services.disks.delete_snapshot(disk, taken)
    await copies.delete(disk, etag)
    with pytest.raises(SourceGoneError):
        await cloud.etag(disk)


async def test_a_leased_disk_is_deleted_under_its_lease(cloud: Cloud) -> None:
    disk, copies = await cloud.disk(1), cloud.services.copies
    etag = await cloud.etag(disk)
    await copies.acquire_lease(disk, RUN, etag)
    await copies.delete(disk, etag, RUN)
    assert await copies.look(disk) is None

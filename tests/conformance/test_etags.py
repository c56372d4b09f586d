"""A blob's ETag tells alike in memory and on Azurite whether anything was done to it."""

import pytest
from azure.core.exceptions import HttpResponseError

from shared.errors import LeaseLostError
from shared.limits import PAGE
from tests.conformance.clouds import LATER_RUN, RUN, Cloud, at, content_of, pages_of


async def test_every_write_gives_a_blob_another_etag(cloud: Cloud) -> None:
    disk = await cloud.disk(1, 2)
    etag = await cloud.leased_backup(disk, 2)
    backup = cloud.services.backups.address(disk)
    seen = [etag]
    await cloud.services.blobs.write(backup, pages_of(0, 1), content_of(1), RUN)
    seen.append(await cloud.etag(backup))
    await cloud.services.blobs.write(backup, pages_of(0, 1), content_of(1), RUN)
    seen.append(await cloud.etag(backup))
    await cloud.services.blobs.put_from_url(backup, pages_of(1, 2), await cloud.source(disk), RUN)
    seen.append(await cloud.etag(backup))
    await cloud.services.blobs.clear(backup, pages_of(1, 2, clear=True), RUN)
    seen.append(await cloud.etag(backup))
    await cloud.services.blobs.clear(backup, pages_of(1, 2, clear=True), RUN)
    seen.append(await cloud.etag(backup))
    await cloud.services.blobs.resize(backup, 4 * PAGE, RUN)
    seen.append(await cloud.etag(backup))
    await cloud.services.blobs.resize(backup, 4 * PAGE, RUN)
    seen.append(await cloud.etag(backup))
    seen.append(await cloud.services.copies.forget_source(backup, seen[-1], RUN))
    assert seen[-1] == await cloud.etag(backup)
    assert len(set(seen)) == len(seen)


async def test_a_blob_created_again_or_copied_over_has_another_etag(cloud: Cloud) -> None:
    disk = await cloud.disk(1, 2)
    taken = await cloud.snapshot(disk)
    seen = [await cloud.etag(disk)]
    await cloud.copy_over(disk, at(disk, taken), {"a": "b"})
    seen.append(await cloud.etag(disk))
    await cloud.copy_over(disk, at(disk, taken), {"a": "b"})
    seen.append(await cloud.etag(disk))
    await cloud.make(disk, 2)
    seen.append(await cloud.etag(disk))
    assert len(set(seen)) == len(seen)


async def test_nothing_that_a_lease_goes_through_changes_the_etag(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    etag = await cloud.leased_backup(disk, 1)
    backup = cloud.services.backups.address(disk)
    await cloud.services.leases.renew(backup, RUN)
    await cloud.services.leases.change(backup, RUN, LATER_RUN)
    await cloud.services.leases.take(backup, RUN, etag)
    await cloud.services.leases.release(backup, RUN)
    await cloud.lease(backup)
    await cloud.break_lease(backup)
    assert await cloud.etag(backup) == etag


async def test_no_snapshot_changes_the_etag_be_it_taken_or_deleted(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    backup = cloud.services.backups.address(disk)
    etag = await cloud.etag(disk)
    await cloud.snapshot(disk)
    await cloud.services.disks.delete_snapshot(disk, await cloud.services.disks.take_snapshot(disk, etag))
    assert await cloud.etag(disk) == etag
    etag = await cloud.leased_backup(disk, 1)
    taken = await cloud.services.snapshots.take(backup, etag, {"a": "b"}, RUN)
    await cloud.services.snapshots.delete(backup, taken)
    assert await cloud.etag(backup) == etag


async def test_a_write_that_is_refused_changes_no_etag(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    backup = cloud.services.backups.address(disk)
    etag = await cloud.leased_backup(disk, 1)
    for lease, first in ((RUN, 1), (LATER_RUN, 0)):
        with pytest.raises((HttpResponseError, LeaseLostError)):
            await cloud.services.blobs.write(backup, pages_of(first, first + 1), content_of(1), lease)
    assert await cloud.etag(backup) == etag

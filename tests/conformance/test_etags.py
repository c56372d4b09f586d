"""A blob's ETag tells alike in memory and on Azurite whether anything was done to it."""

import pytest
from azure.core.exceptions import HttpResponseError

from shared.azure.blobs.reading import Version
from shared.errors import LeaseLostError
from shared.limits import PAGE
from tests.conformance.clouds import LATER_RUN, RUN, Cloud, content_of, pages_of


async def test_every_write_gives_a_blob_another_etag(cloud: Cloud) -> None:
    disk = await cloud.disk(1, 2)
    etag = await cloud.leased_backup(disk, 2)
    backups, backup = cloud.services.backups, cloud.services.backups.address(disk)
    seen = [etag]
    await backups.write(disk, pages_of(0, 1), content_of(1), RUN)
    seen.append(await cloud.etag(backup))
    await backups.write(disk, pages_of(0, 1), content_of(1), RUN)
    seen.append(await cloud.etag(backup))
    await backups.copy(disk, pages_of(1, 2), await cloud.source(disk), RUN)
    seen.append(await cloud.etag(backup))
    await backups.clear(disk, pages_of(1, 2, clear=True), RUN)
    seen.append(await cloud.etag(backup))
    await backups.clear(disk, pages_of(1, 2, clear=True), RUN)
    seen.append(await cloud.etag(backup))
    await backups.resize(disk, 4 * PAGE, RUN)
    seen.append(await cloud.etag(backup))
    await backups.resize(disk, 4 * PAGE, RUN)
    seen.append(await cloud.etag(backup))
    seen.append(await cloud.services.copies.forget_source(backup, seen[-1], RUN))
    assert seen[-1] == await cloud.etag(backup)
    assert len(set(seen)) == len(seen)


async def test_a_blob_made_anew_or_copied_over_has_another_etag(cloud: Cloud) -> None:
    disk = await cloud.disk(1, 2)
    taken = await cloud.snapshot(disk)
    seen = [await cloud.etag(disk)]
    await cloud.copy_over(disk, Version(disk, taken), {"a": "b"})
    seen.append(await cloud.etag(disk))
    await cloud.copy_over(disk, Version(disk, taken), {"a": "b"})
    seen.append(await cloud.etag(disk))
    await cloud.make(disk, 2)
    seen.append(await cloud.etag(disk))
    assert len(set(seen)) == len(seen)


async def test_nothing_that_a_lease_goes_through_changes_the_etag(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    etag = await cloud.leased_backup(disk, 1)
    backups, backup = cloud.services.backups, cloud.services.backups.address(disk)
    await backups.renew_lease(disk, RUN)
    await backups.change_lease(disk, RUN, LATER_RUN)
    await backups.acquire_lease(disk, RUN, etag)
    await backups.release_lease(disk, RUN)
    await cloud.lease(backup)
    await cloud.break_lease(backup)
    assert await cloud.etag(backup) == etag


async def test_no_snapshot_changes_the_etag_be_it_taken_or_deleted(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    etag = await cloud.etag(disk)
    await cloud.snapshot(disk)
    await cloud.services.disks.delete_snapshot(disk, await cloud.services.disks.take_snapshot(disk, etag))
    assert await cloud.etag(disk) == etag
    etag = await cloud.leased_backup(disk, 1)
    taken = await cloud.services.backups.snapshot(disk, etag, {"a": "b"}, RUN)
    await cloud.services.backups.delete_snapshot(disk, taken)
    assert await cloud.etag(cloud.services.backups.address(disk)) == etag


async def test_a_write_that_is_refused_changes_no_etag(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    etag = await cloud.leased_backup(disk, 1)
    for lease, first in ((RUN, 1), (LATER_RUN, 0)):
        with pytest.raises((HttpResponseError, LeaseLostError)):
            await cloud.services.backups.write(disk, pages_of(first, first + 1), content_of(1), lease)
    assert await cloud.etag(cloud.services.backups.address(disk)) == etag

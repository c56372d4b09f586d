"""Content is read alike in memory and on Azurite."""

import pytest
from azure.core.exceptions import HttpResponseError

from shared.errors import SourceGoneError
from tests.conformance.clouds import Cloud, content_of, pages_of


async def test_a_range_is_read_whole_and_what_was_never_written_as_zeros(cloud: Cloud) -> None:
    disk = await cloud.disk(1, 2, None, 4)
    url = await cloud.source(disk)
    assert await cloud.services.pages.read(url, pages_of(1, 4)) == content_of(2, 0, 4)


async def test_a_signed_url_reads_its_snapshot_and_not_what_came_later(cloud: Cloud) -> None:
    disk = await cloud.disk(1, 2)
    taken = await cloud.services.disks.take_snapshot(disk)
    url = await cloud.source(disk, taken)
    await cloud.write(disk, 0, 10, 20)
    assert await cloud.services.pages.read(url, pages_of(0, 2)) == content_of(1, 2)


async def test_a_range_that_ends_after_the_disk_is_refused(cloud: Cloud) -> None:
    disk = await cloud.disk(1, 2)
    url = await cloud.source(disk)
    with pytest.raises(HttpResponseError):
        await cloud.services.pages.read(url, pages_of(1, 3))


async def test_what_was_deleted_can_not_be_read(cloud: Cloud) -> None:
    disk = await cloud.disk(1, 2)
    taken = await cloud.services.disks.take_snapshot(disk)
    of_snapshot, of_disk = await cloud.source(disk, taken), await cloud.source(disk)
    await cloud.services.disks.delete_snapshot(disk, taken)
    with pytest.raises(SourceGoneError):
        await cloud.services.pages.read(of_snapshot, pages_of(0, 1))
    await cloud.delete(disk)
    with pytest.raises(SourceGoneError):
        await cloud.services.pages.read(of_disk, pages_of(0, 1))

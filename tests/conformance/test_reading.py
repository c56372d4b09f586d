"""Content is read alike in memory and on Azurite: as stored, whatever the blob's Content-Encoding."""

import pytest
from azure.core.exceptions import HttpResponseError

from shared.azure.answers import is_transient
from shared.errors import SourceGoneError
from shared.model.names import COPY_METADATA
from tests.conformance.any_cloud import AnyCloud
from tests.conformance.clouds import RUN, Cloud, at, content_of, pages_of

ENCODINGS = pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "identity", "gzip, deflate", "x"])


async def test_a_range_is_read_whole_and_what_was_never_written_as_zeros(any_cloud: AnyCloud) -> None:
    disk = await any_cloud.disk(1, 2, None, 4)
    url = await any_cloud.source(disk)
    assert await any_cloud.services.pages.read(url, any_cloud.pages_of(1, 4)) == any_cloud.content_of(2, 0, 4)


async def test_a_signed_url_reads_its_snapshot_and_not_what_came_later(any_cloud: AnyCloud) -> None:
    disk = await any_cloud.disk(1, 2)
    taken = await any_cloud.services.disks.take_snapshot(disk)
    url = await any_cloud.source(disk, taken)
    await any_cloud.write(disk, 0, 10, 20)
    assert await any_cloud.services.pages.read(url, any_cloud.pages_of(0, 2)) == any_cloud.content_of(1, 2)


async def test_a_range_that_ends_after_the_disk_is_refused(cloud: Cloud) -> None:
    disk = await cloud.disk(1, 2)
    url = await cloud.source(disk)
    with pytest.raises(HttpResponseError) as refused:
        await cloud.services.pages.read(url, pages_of(1, 3))
    assert not is_transient(refused.value)


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


@ENCODINGS
async def test_content_is_read_as_written_whatever_its_content_encoding(cloud: Cloud, encoding: str) -> None:
    disk = await cloud.disk(1, 2, None, 4)
    await cloud.encode(disk, encoding)
    taken = await cloud.services.disks.take_snapshot(disk)
    assert await cloud.size(disk, taken) == 4
    assert await cloud.changes(disk, taken) == [(0, 2, "write"), (3, 4, "write")]
    assert await cloud.content(disk, taken) == await cloud.content(disk) == [1, 2, 0, 4]
    assert await cloud.services.pages.read(await cloud.source(disk, taken), pages_of(1, 3)) == content_of(2, 0)


@ENCODINGS
async def test_content_is_copied_as_written_whatever_its_content_encoding(cloud: Cloud, encoding: str) -> None:
    disk, target = await cloud.disk(1, 2, None, 4), cloud.lab.blob("new.vhd")
    backup = cloud.services.backups.address(disk)
    await cloud.encode(disk, encoding)
    taken = await cloud.services.disks.take_snapshot(disk)
    await cloud.leased_backup(disk, 4)
    await cloud.services.blobs.put_from_url(backup, pages_of(0, 2), await cloud.source(disk, taken), RUN)
    assert await cloud.content(backup) == [1, 2, 0, 0]
    mark = {COPY_METADATA: "restore/1"}
    await cloud.copy_over(target, at(disk, taken), mark)
    etag = await cloud.services.copies.forget_source(target, await cloud.etag(target))
    assert (await cloud.target(target)).etag == etag
    assert await cloud.content(target) == [1, 2, 0, 4]

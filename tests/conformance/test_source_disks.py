"""Disks and their snapshots are found, taken and deleted alike in memory and in the local Azure."""

from datetime import timedelta

import pytest
from azure.core.exceptions import ResourceNotFoundError

from shared.errors import BlobChangedError, SourceGoneError
from shared.model.names import BACKUP_METADATA, DISK_METADATA, TAKEN_METADATA
from shared.model.notices import versions_kept
from tests.conformance.any_cloud import AnyCloud
from tests.conformance.clouds import RUN, Cloud, at, pages_of


async def test_a_disk_has_its_size_and_its_etag(cloud: Cloud) -> None:
    disk = await cloud.disk(1, 2, 3)
    found = await cloud.services.pages.properties(at(disk))
    assert (found.size, found.is_page_blob) == (3 * 512, True)
    assert found.etag == await cloud.etag(disk) == (await cloud.target(disk)).etag


async def test_a_missing_blob_is_reported_as_gone(cloud: Cloud) -> None:
    with pytest.raises(SourceGoneError):
        await cloud.services.pages.properties(at(cloud.named("disk.vhd")))


async def test_a_deleted_snapshot_is_reported_as_gone(any_cloud: AnyCloud) -> None:
    disk = await any_cloud.disk(1)
    taken = await any_cloud.services.disks.take_snapshot(disk)
    await any_cloud.services.disks.delete_snapshot(disk, taken)
    with pytest.raises(SourceGoneError):
        await any_cloud.services.pages.properties(await any_cloud.version(disk, taken))


async def test_a_snapshot_goes_with_its_disk(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    taken = await cloud.services.disks.take_snapshot(disk)
    await cloud.delete(disk)
    await cloud.disk(2)
    with pytest.raises(SourceGoneError):
        await cloud.services.pages.properties(at(disk, taken))


async def test_a_snapshot_holds_what_was_there(any_cloud: AnyCloud) -> None:
    disk = await any_cloud.disk(1, None, 3)
    taken = await any_cloud.services.disks.take_snapshot(disk)
    await any_cloud.write(disk, 0, 7, 8)
    await any_cloud.clear(disk, 2)
    await any_cloud.resize(disk, 5)
    assert await any_cloud.content(disk, taken) == [1, 0, 3]
    assert await any_cloud.changes(disk, taken) == [(0, 1, "write"), (2, 3, "write")]
    assert await any_cloud.content(disk) == [7, 8, 0, 0, 0]


async def test_a_snapshot_keeps_its_size_when_the_disk_shrinks(cloud: Cloud) -> None:
    disk = await cloud.disk(1, 2, 3)
    taken = await cloud.services.disks.take_snapshot(disk)
    await cloud.resize(disk, 1)
    assert (await cloud.size(disk), await cloud.size(disk, taken)) == (1, 3)
    assert await cloud.content(disk, taken) == [1, 2, 3]


async def test_what_was_cut_off_is_zeros_when_the_disk_grows_again(cloud: Cloud) -> None:
    disk = await cloud.disk(1, 2, 3)
    await cloud.resize(disk, 1)
    await cloud.resize(disk, 3)
    assert await cloud.content(disk) == [1, 0, 0]
    assert await cloud.changes(disk) == [(0, 1, "write")]


async def test_snapshots_have_times_in_the_order_of_their_taking(any_cloud: AnyCloud) -> None:
    disk = await any_cloud.disk(1)
    times = [await any_cloud.services.disks.take_snapshot(disk) for _ in range(4)]
    assert times == sorted(set(times))


async def test_a_disk_that_is_leased_can_be_snapshotted(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    await cloud.lease(disk)
    taken = await cloud.services.disks.take_snapshot(disk)
    assert await cloud.content(disk, taken) == [1]


async def test_a_snapshot_of_a_leased_disk_can_be_deleted(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    taken = await cloud.services.disks.take_snapshot(disk)
    await cloud.lease(disk)
    await cloud.services.disks.delete_snapshot(disk, taken)
    assert await cloud.services.disks.own_snapshots(disk) == []


async def test_a_snapshot_is_taken_of_the_etag_that_was_asked_for(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    taken = await cloud.services.disks.take_snapshot(disk, await cloud.etag(disk))
    assert await cloud.content(disk, taken) == [1]


async def test_a_snapshot_of_another_etag_is_refused(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    etag = await cloud.etag(disk)
    await cloud.write(disk, 0, 2)
    with pytest.raises(BlobChangedError):
        await cloud.services.disks.take_snapshot(disk, etag)
    assert await cloud.services.disks.own_snapshots(disk) == []


async def test_a_snapshot_deleted_twice_is_fine(any_cloud: AnyCloud) -> None:
    disk = await any_cloud.disk(1)
    first, second = [await any_cloud.services.disks.take_snapshot(disk) for _ in range(2)]
    for _ in range(2):
        await any_cloud.services.disks.delete_snapshot(disk, first)
    assert await any_cloud.services.disks.own_snapshots(disk) == [second]


async def test_deleting_a_snapshot_of_a_deleted_disk_is_fine(any_cloud: AnyCloud) -> None:
    disk = await any_cloud.disk(1)
    taken = await any_cloud.services.disks.take_snapshot(disk)
    await any_cloud.delete(disk)
    await any_cloud.services.disks.delete_snapshot(disk, taken)
    assert await any_cloud.services.disks.own_snapshots(disk) == []


async def test_own_snapshots_are_listed_oldest_first(any_cloud: AnyCloud) -> None:
    disk, other = await any_cloud.disk(1), await any_cloud.disk(2, name="disk.vhd2")
    times = [await any_cloud.services.disks.take_snapshot(disk) for _ in range(3)]
    await any_cloud.services.disks.take_snapshot(other)
    assert await any_cloud.services.disks.own_snapshots(disk) == times


async def test_the_snapshots_of_others_are_not_own(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    taken = cloud.services.now().isoformat()
    metadata = {DISK_METADATA: disk.name, BACKUP_METADATA: "https://other.blob.core.windows.net/x"}
    await cloud.snapshot(disk)
    await cloud.snapshot(disk, {"for": "the-user"})
    await cloud.snapshot(disk, {**metadata, TAKEN_METADATA: taken})
    own = await cloud.services.disks.take_snapshot(disk)
    assert await cloud.services.disks.own_snapshots(disk) == [own]


async def test_a_snapshot_that_inherits_the_metadata_of_an_own_one_is_not_own(cloud: Cloud) -> None:
    disk = cloud.named("disk.vhd")
    metadata = {
        DISK_METADATA: disk.name,
        BACKUP_METADATA: cloud.services.settings.container.url,
        TAKEN_METADATA: (cloud.services.now() - timedelta(days=1)).isoformat(),
    }
    await cloud.make(disk, 1, metadata)
    await cloud.snapshot(disk)
    assert await cloud.services.disks.own_snapshots(disk) == []
    await cloud.snapshot(disk, metadata | {TAKEN_METADATA: cloud.services.now().isoformat()})
    assert len(await cloud.services.disks.own_snapshots(disk)) == 1


async def test_a_disk_made_of_a_source_snapshot_has_no_snapshots_of_its_own(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    taken = await cloud.services.disks.take_snapshot(disk)
    made = cloud.named("disk2.vhd")
    await cloud.copy_over(made, at(disk, taken))
    assert (await cloud.target(made)).metadata[DISK_METADATA] == disk.name
    await cloud.snapshot(made)
    assert await cloud.services.disks.own_snapshots(made) == []
    assert await cloud.services.disks.own_snapshots(disk) == [taken]


async def test_a_pattern_stands_for_the_blobs_that_match_it_in_its_container(cloud: Cloud) -> None:
    (pattern,) = cloud.services.settings.source_disks
    disks = [await cloud.disk(1, name=name) for name in ("disk2.vhd", "disk/a.vhd", "disk.vhd", "disk.txt", "old.vhd")]
    await cloud.make(cloud.lab.blob("disk.vhd"), 1)
    await cloud.snapshot(disks[0])
    assert await cloud.services.disks.find(pattern) == [disks[2], disks[1], disks[0]]


async def test_no_snapshot_is_taken_of_a_deleted_disk(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    etag = await cloud.etag(disk)
    await cloud.delete(disk)
    with pytest.raises(ResourceNotFoundError):
        await cloud.services.disks.take_snapshot(disk)
    # For a deleted blob Azurite reports another ETag; the service reports that it does not exist.
    with pytest.raises((ResourceNotFoundError, BlobChangedError)):
        await cloud.services.disks.take_snapshot(disk, etag)


async def test_a_disk_with_an_unusual_name_is_like_any_other(cloud: Cloud) -> None:
    (pattern,) = cloud.services.settings.source_disks
    disk = await cloud.disk(1, name="disk/1 ü%2F+&=;#?~!'.vhd")
    assert await cloud.services.disks.find(pattern) == [disk]
    taken = await cloud.services.disks.take_snapshot(disk)
    await cloud.write(disk, 0, 2)
    assert await cloud.services.disks.own_snapshots(disk) == [taken]
    assert await cloud.content(disk, taken) == [1]
    assert await cloud.changes(disk, "", taken) == [(0, 1, "write")]
    await cloud.leased_backup(disk, 1)
    backup = cloud.services.backups.address(disk)
    await cloud.services.blobs.put_from_url(backup, pages_of(0, 1), await cloud.source(disk, taken), RUN)
    assert await cloud.content(backup) == [1]
    assert [found.blob async for found in cloud.services.backups.blobs()] == [backup]
    await cloud.copy_over(backup, at(disk), {DISK_METADATA: disk.name}, RUN)
    assert await cloud.content(backup) == [2]
    await cloud.services.disks.delete_snapshot(disk, taken)
    assert await cloud.services.disks.own_snapshots(disk) == []


async def test_a_disk_is_there_until_it_is_deleted(any_cloud: AnyCloud) -> None:
    disk = await any_cloud.disk(1)
    assert await any_cloud.services.disks.exists(disk)
    await any_cloud.delete(disk)
    assert not await any_cloud.services.disks.exists(disk)


async def test_a_snapshot_in_an_account_that_keeps_versions_tells_so(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    assert cloud.services.disks.notice(disk) is None
    await cloud.services.disks.take_snapshot(disk)
    assert cloud.services.disks.notice(disk) == ""
    cloud.turn_versioning_on(disk)
    await cloud.services.disks.take_snapshot(disk)
    assert cloud.services.disks.notice(disk) == versions_kept(disk.address)


async def test_a_snapshot_of_a_backup_blob_in_an_account_that_keeps_versions_tells_so(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    backup = cloud.services.backups.address(disk)
    await cloud.leased_backup(disk, 1)
    for is_on in (False, True):
        if is_on:
            cloud.turn_versioning_on(backup)
        await cloud.services.snapshots.take(backup, await cloud.etag(backup), {"a": "b"}, RUN)
        assert cloud.services.snapshots.versioned == {backup: is_on}

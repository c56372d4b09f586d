"""Backup blobs are made, written, copied to and snapshotted alike in memory and on Azurite."""

import pytest
from azure.core.exceptions import HttpResponseError

from shared.azure.answers import is_busy, is_transient
from shared.errors import BlobChangedError, LeaseLostError, SourceUnreachableError
from shared.limits import PAGE
from shared.model.names import ETAG_METADATA, PLAN_METADATA, RUN_METADATA
from tests.conformance.clouds import LATER_RUN, RUN, Cloud, content_of, pages_of

OF_RUN = {RUN_METADATA: "run", PLAN_METADATA: "2", ETAG_METADATA: '"0x1"'}


async def test_there_is_no_backup_blob_before_it_is_made(cloud: Cloud) -> None:
    assert await cloud.services.pages.find(cloud.services.backups.address(await cloud.disk(1))) is None


async def test_a_backup_blob_is_made_empty(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    backup = cloud.services.backups.address(disk)
    etag = await cloud.services.blobs.create(backup, 4 * PAGE, {"a": "b"})
    found = await cloud.services.pages.find(backup)
    assert found
    assert (found.size, found.etag, found.leased) == (4 * PAGE, etag, False)
    assert (await cloud.target(backup)).metadata == {"a": "b"}
    assert await cloud.changes(backup) == []


async def test_a_backup_blob_is_not_made_over_another(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    backup = cloud.services.backups.address(disk)
    etag = await cloud.backup(disk, 4)
    with pytest.raises(BlobChangedError):
        await cloud.services.blobs.create(backup, 8 * PAGE, {})
    assert await cloud.etag(backup) == etag


async def test_a_backup_blob_is_written_and_cleared_under_its_lease(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    backup = cloud.services.backups.address(disk)
    await cloud.leased_backup(disk, 4)
    await cloud.services.blobs.write(backup, pages_of(0, 3), content_of(1, 2, 3), RUN)
    await cloud.services.blobs.clear(backup, pages_of(1, 4, clear=True), RUN)
    assert await cloud.content(backup) == [1, 0, 0, 0]
    assert await cloud.changes(backup) == [(0, 1, "write")]


async def test_a_backup_blob_grows_by_zeros_and_shrinks(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    backup = cloud.services.backups.address(disk)
    await cloud.leased_backup(disk, 2)
    await cloud.services.blobs.write(backup, pages_of(0, 2), content_of(1, 2), RUN)
    await cloud.services.blobs.resize(backup, 3 * PAGE, RUN)
    assert await cloud.content(backup) == [1, 2, 0]
    await cloud.services.blobs.resize(backup, PAGE, RUN)
    assert await cloud.content(backup) == [1]


async def test_nothing_is_written_after_the_end_of_a_backup_blob(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    backup = cloud.services.backups.address(disk)
    await cloud.leased_backup(disk, 2)
    with pytest.raises(HttpResponseError) as refused:
        await cloud.services.blobs.write(backup, pages_of(1, 3), content_of(1, 2), RUN)
    assert refused.value.status_code == 416
    with pytest.raises(HttpResponseError) as refused:
        await cloud.services.blobs.clear(backup, pages_of(1, 3, clear=True), RUN)
    assert refused.value.status_code == 416
    assert await cloud.changes(backup) == []


async def test_a_clear_that_times_out_has_cleared_nothing_and_a_shorter_one_succeeds(
    cloud: Cloud,
) -> None:
    disk = await cloud.disk(1)
    await cloud.leased_backup(disk, 4)
    backup = cloud.services.backups.address(disk)
    await cloud.services.blobs.write(backup, pages_of(0, 4), content_of(1, 2, 3, 4), RUN)
    cloud.give_up_on_clears(longer_than=2)
    with pytest.raises(HttpResponseError) as given_up:
        await cloud.services.blobs.clear(backup, pages_of(0, 3, clear=True), RUN)
    assert (given_up.value.status_code, is_transient(given_up.value), is_busy(given_up.value)) == (500, True, False)
    assert await cloud.content(backup) == [1, 2, 3, 4]
    await cloud.services.blobs.clear(backup, pages_of(0, 2, clear=True), RUN)
    assert await cloud.content(backup) == [0, 0, 3, 4]


async def test_nothing_is_written_to_a_deleted_backup_blob(cloud: Cloud) -> None:
    disk, other = await cloud.disk(1), await cloud.disk(2, name="disk2.vhd")
    backup = cloud.services.backups.address(disk)
    await cloud.leased_backup(disk, 2)
    await cloud.backup(other, 2)
    await cloud.services.leases.release(backup, RUN)
    await cloud.delete(backup)
    source = await cloud.source(disk)
    for act in (
        cloud.services.blobs.write(backup, pages_of(0, 1), content_of(1), RUN),
        cloud.services.blobs.clear(backup, pages_of(0, 1, clear=True), RUN),
        cloud.services.blobs.put_from_url(backup, pages_of(0, 1), source, RUN),
        cloud.services.blobs.resize(backup, PAGE, RUN),
        cloud.services.snapshots.take(backup, '"0x1"', {}, RUN),
        cloud.services.leases.take(backup, RUN, '"0x1"'),
    ):
        with pytest.raises(BlobChangedError):
            await act
    assert await cloud.services.pages.find(backup) is None


async def test_the_service_copies_pages_from_a_source_snapshot(cloud: Cloud) -> None:
    disk = await cloud.disk(1, 2, 3, 4)
    backup = cloud.services.backups.address(disk)
    taken = await cloud.services.disks.take_snapshot(disk)
    await cloud.write(disk, 1, 20, 30)
    await cloud.leased_backup(disk, 4)
    await cloud.services.blobs.put_from_url(backup, pages_of(1, 3), await cloud.source(disk, taken), RUN)
    assert await cloud.content(backup) == [0, 2, 3, 0]


async def test_what_was_copied_is_valid_zeros_too(cloud: Cloud) -> None:
    disk = await cloud.disk(1, 0, None)
    backup = cloud.services.backups.address(disk)
    await cloud.leased_backup(disk, 3)
    await cloud.services.blobs.put_from_url(backup, pages_of(0, 3), await cloud.source(disk), RUN)
    assert await cloud.content(backup) == [1, 0, 0]
    assert await cloud.changes(backup) == [(0, 3, "write")]


async def test_the_service_copies_nothing_without_a_signature(cloud: Cloud) -> None:
    disk = await cloud.disk(1, 2)
    backup = cloud.services.backups.address(disk)
    await cloud.leased_backup(disk, 2)
    with pytest.raises(SourceUnreachableError):
        await cloud.services.blobs.put_from_url(backup, pages_of(0, 1), disk.name, RUN)
    assert await cloud.changes(backup) == []


async def test_the_service_copies_nothing_from_a_deleted_source(cloud: Cloud) -> None:
    disk = await cloud.disk(1, 2)
    backup = cloud.services.backups.address(disk)
    taken = await cloud.services.disks.take_snapshot(disk)
    await cloud.leased_backup(disk, 2)
    of_snapshot, of_disk = await cloud.source(disk, taken), await cloud.source(disk)
    await cloud.services.disks.delete_snapshot(disk, taken)
    with pytest.raises(SourceUnreachableError):
        await cloud.services.blobs.put_from_url(backup, pages_of(0, 1), of_snapshot, RUN)
    await cloud.delete(disk)
    with pytest.raises(SourceUnreachableError):
        await cloud.services.blobs.put_from_url(backup, pages_of(0, 1), of_disk, RUN)


async def test_the_service_copies_nothing_of_a_range_that_the_source_does_not_have(cloud: Cloud) -> None:
    disk = await cloud.disk(1, 2)
    backup = cloud.services.backups.address(disk)
    await cloud.leased_backup(disk, 4)
    with pytest.raises(HttpResponseError):
        await cloud.services.blobs.put_from_url(backup, pages_of(1, 3), await cloud.source(disk), RUN)
    assert await cloud.changes(backup) == []


async def test_a_backup_snapshot_holds_what_was_there(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    backup = cloud.services.backups.address(disk)
    await cloud.leased_backup(disk, 2)
    await cloud.services.blobs.write(backup, pages_of(0, 1), content_of(1), RUN)
    taken = await cloud.services.snapshots.take(backup, await cloud.etag(backup), OF_RUN, RUN)
    await cloud.services.blobs.write(backup, pages_of(0, 2), content_of(10, 20), RUN)
    assert await cloud.content(backup, taken) == [1, 0]


async def test_no_backup_snapshot_is_taken_of_another_etag(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    backup = cloud.services.backups.address(disk)
    etag = await cloud.leased_backup(disk, 2)
    await cloud.services.blobs.write(backup, pages_of(0, 1), content_of(1), RUN)
    with pytest.raises(BlobChangedError):
        await cloud.services.snapshots.take(backup, etag, OF_RUN, RUN)
    assert await cloud.services.snapshots.of_run(backup, "run") == []


async def test_no_backup_snapshot_is_taken_under_another_lease_or_none(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    backup = cloud.services.backups.address(disk)
    etag = await cloud.leased_backup(disk, 2)
    with pytest.raises(LeaseLostError):
        await cloud.services.snapshots.take(backup, etag, OF_RUN, LATER_RUN)
    await cloud.services.leases.release(backup, RUN)
    with pytest.raises(LeaseLostError):
        await cloud.services.snapshots.take(backup, etag, OF_RUN, RUN)
    assert await cloud.services.snapshots.of_run(backup, "run") == []


async def test_the_backup_snapshots_of_a_run_are_listed_oldest_first(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    backup = cloud.services.backups.address(disk)
    etag = await cloud.leased_backup(disk, 2)
    first = await cloud.services.snapshots.take(backup, etag, OF_RUN, RUN)
    await cloud.services.snapshots.take(backup, etag, OF_RUN | {RUN_METADATA: "other"}, RUN)
    await cloud.snapshot(backup)
    await cloud.snapshot(backup, {RUN_METADATA: "run"})
    last = await cloud.services.snapshots.take(backup, etag, OF_RUN | {PLAN_METADATA: "3"}, RUN)
    found = [(taken.time, taken.plan, taken.etag) for taken in await cloud.services.snapshots.of_run(backup, "run")]
    assert found == [(first, 2, '"0x1"'), (last, 3, '"0x1"')]


async def test_a_backup_snapshot_deleted_twice_is_fine_leased_or_not(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    backup = cloud.services.backups.address(disk)
    etag = await cloud.leased_backup(disk, 2)
    first, second = [await cloud.services.snapshots.take(backup, etag, OF_RUN, RUN) for _ in range(2)]
    for _ in range(2):
        await cloud.services.snapshots.delete(backup, first)
    assert [taken.time for taken in await cloud.services.snapshots.of_run(backup, "run")] == [second]
    await cloud.services.leases.release(backup, RUN)
    await cloud.delete(backup)
    await cloud.services.snapshots.delete(backup, second)
    assert await cloud.services.snapshots.of_run(backup, "run") == []

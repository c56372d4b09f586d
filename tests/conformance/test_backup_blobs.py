"""Backup blobs are made, written, copied to and snapshotted alike in memory and on Azurite."""

import pytest
from azure.core.exceptions import HttpResponseError

from shared.azure.answers import is_busy, is_passing
from shared.errors import LeaseLostError, NotAsLeftError, SourceUnreachableError
from shared.limits import PAGE
from shared.model.names import ETAG_METADATA, PLAN_METADATA, RUN_METADATA
from tests.conformance.clouds import LATER_RUN, RUN, Cloud, content_of, pages_of

OF_RUN = {RUN_METADATA: "run", PLAN_METADATA: "2", ETAG_METADATA: '"0x1"'}


async def test_there_is_no_backup_blob_before_it_is_made(cloud: Cloud) -> None:
    assert await cloud.services.backups.look(await cloud.disk(1)) is None


async def test_a_backup_blob_is_made_empty(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    etag = await cloud.services.backups.create(disk, 4 * PAGE, {"a": "b"})
    found = await cloud.services.backups.look(disk)
    assert found
    assert (found.size, found.etag, found.leased) == (4 * PAGE, etag, False)
    backup = cloud.services.backups.address(disk)
    assert (await cloud.target(backup)).metadata == {"a": "b"}
    assert await cloud.changes(backup) == []


async def test_a_backup_blob_is_not_made_over_another(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    etag = await cloud.backup(disk, 4)
    with pytest.raises(NotAsLeftError):
        await cloud.services.backups.create(disk, 8 * PAGE, {})
    assert await cloud.etag(cloud.services.backups.address(disk)) == etag


async def test_a_backup_blob_is_written_and_cleared_under_its_lease(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    await cloud.leased_backup(disk, 4)
    await cloud.services.backups.write(disk, pages_of(0, 3), content_of(1, 2, 3), RUN)
    await cloud.services.backups.clear(disk, pages_of(1, 4, clear=True), RUN)
    backup = cloud.services.backups.address(disk)
    assert await cloud.content(backup) == [1, 0, 0, 0]
    assert await cloud.changes(backup) == [(0, 1, "write")]


async def test_a_backup_blob_grows_by_zeros_and_shrinks(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    await cloud.leased_backup(disk, 2)
    await cloud.services.backups.write(disk, pages_of(0, 2), content_of(1, 2), RUN)
    await cloud.services.backups.resize(disk, 3 * PAGE, RUN)
    assert await cloud.content(cloud.services.backups.address(disk)) == [1, 2, 0]
    await cloud.services.backups.resize(disk, PAGE, RUN)
    assert await cloud.content(cloud.services.backups.address(disk)) == [1]


async def test_nothing_is_written_after_the_end_of_a_backup_blob(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    await cloud.leased_backup(disk, 2)
    with pytest.raises(HttpResponseError) as refused:
        await cloud.services.backups.write(disk, pages_of(1, 3), content_of(1, 2), RUN)
    assert refused.value.status_code == 416
    with pytest.raises(HttpResponseError) as refused:
        await cloud.services.backups.clear(disk, pages_of(1, 3, clear=True), RUN)
    assert refused.value.status_code == 416
    assert await cloud.changes(cloud.services.backups.address(disk)) == []


async def test_a_clear_on_which_the_service_gives_up_has_cleared_nothing_and_a_shorter_one_is_done(
    cloud: Cloud,
) -> None:
    disk = await cloud.disk(1)
    await cloud.leased_backup(disk, 4)
    backups, backup = cloud.services.backups, cloud.services.backups.address(disk)
    await backups.write(disk, pages_of(0, 4), content_of(1, 2, 3, 4), RUN)
    cloud.give_up_on_clears(longer_than=2)
    with pytest.raises(HttpResponseError) as given_up:
        await backups.clear(disk, pages_of(0, 3, clear=True), RUN)
    assert (given_up.value.status_code, is_passing(given_up.value), is_busy(given_up.value)) == (500, True, False)
    assert await cloud.content(backup) == [1, 2, 3, 4]
    await backups.clear(disk, pages_of(0, 2, clear=True), RUN)
    assert await cloud.content(backup) == [0, 0, 3, 4]


async def test_nothing_is_written_to_a_backup_blob_that_is_gone(cloud: Cloud) -> None:
    backups = cloud.services.backups
    disk, other = await cloud.disk(1), await cloud.disk(2, name="disk2.vhd")
    await cloud.leased_backup(disk, 2)
    await cloud.backup(other, 2)
    await backups.release_lease(disk, RUN)
    await cloud.delete(backups.address(disk))
    source = await cloud.source(disk)
    for act in (
        backups.write(disk, pages_of(0, 1), content_of(1), RUN),
        backups.clear(disk, pages_of(0, 1, clear=True), RUN),
        backups.copy(disk, pages_of(0, 1), source, RUN),
        backups.resize(disk, PAGE, RUN),
        backups.snapshot(disk, '"0x1"', {}, RUN),
        backups.acquire_lease(disk, RUN, '"0x1"'),
    ):
        with pytest.raises(NotAsLeftError):
            await act
    assert await backups.look(disk) is None


async def test_the_service_copies_pages_from_a_source_snapshot(cloud: Cloud) -> None:
    disk = await cloud.disk(1, 2, 3, 4)
    taken = await cloud.services.disks.take_snapshot(disk)
    await cloud.write(disk, 1, 20, 30)
    await cloud.leased_backup(disk, 4)
    await cloud.services.backups.copy(disk, pages_of(1, 3), await cloud.source(disk, taken), RUN)
    assert await cloud.content(cloud.services.backups.address(disk)) == [0, 2, 3, 0]


async def test_what_was_copied_is_valid_zeros_too(cloud: Cloud) -> None:
    disk = await cloud.disk(1, 0, None)
    await cloud.leased_backup(disk, 3)
    await cloud.services.backups.copy(disk, pages_of(0, 3), await cloud.source(disk), RUN)
    backup = cloud.services.backups.address(disk)
    assert await cloud.content(backup) == [1, 0, 0]
    assert await cloud.changes(backup) == [(0, 3, "write")]


async def test_the_service_copies_nothing_without_a_signature(cloud: Cloud) -> None:
    disk = await cloud.disk(1, 2)
    await cloud.leased_backup(disk, 2)
    with pytest.raises(SourceUnreachableError):
        await cloud.services.backups.copy(disk, pages_of(0, 1), disk.url, RUN)
    assert await cloud.changes(cloud.services.backups.address(disk)) == []


async def test_the_service_copies_nothing_from_a_source_that_is_gone(cloud: Cloud) -> None:
    disk = await cloud.disk(1, 2)
    taken = await cloud.services.disks.take_snapshot(disk)
    await cloud.leased_backup(disk, 2)
    of_snapshot, of_disk = await cloud.source(disk, taken), await cloud.source(disk)
    await cloud.services.disks.delete_snapshot(disk, taken)
    with pytest.raises(SourceUnreachableError):
        await cloud.services.backups.copy(disk, pages_of(0, 1), of_snapshot, RUN)
    await cloud.delete(disk)
    with pytest.raises(SourceUnreachableError):
        await cloud.services.backups.copy(disk, pages_of(0, 1), of_disk, RUN)


async def test_the_service_copies_nothing_of_a_range_that_the_source_does_not_have(cloud: Cloud) -> None:
    disk = await cloud.disk(1, 2)
    await cloud.leased_backup(disk, 4)
    with pytest.raises(HttpResponseError):
        await cloud.services.backups.copy(disk, pages_of(1, 3), await cloud.source(disk), RUN)
    assert await cloud.changes(cloud.services.backups.address(disk)) == []


async def test_a_backup_snapshot_holds_what_was_there(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    await cloud.leased_backup(disk, 2)
    await cloud.services.backups.write(disk, pages_of(0, 1), content_of(1), RUN)
    backup = cloud.services.backups.address(disk)
    taken = await cloud.services.backups.snapshot(disk, await cloud.etag(backup), OF_RUN, RUN)
    await cloud.services.backups.write(disk, pages_of(0, 2), content_of(10, 20), RUN)
    assert await cloud.content(backup, taken) == [1, 0]


async def test_no_backup_snapshot_is_taken_of_another_etag(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    etag = await cloud.leased_backup(disk, 2)
    await cloud.services.backups.write(disk, pages_of(0, 1), content_of(1), RUN)
    with pytest.raises(NotAsLeftError):
        await cloud.services.backups.snapshot(disk, etag, OF_RUN, RUN)
    assert await cloud.services.backups.snapshots(disk, "run") == []


async def test_no_backup_snapshot_is_taken_under_another_lease_or_none(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    etag = await cloud.leased_backup(disk, 2)
    with pytest.raises(LeaseLostError):
        await cloud.services.backups.snapshot(disk, etag, OF_RUN, LATER_RUN)
    await cloud.services.backups.release_lease(disk, RUN)
    with pytest.raises(LeaseLostError):
        await cloud.services.backups.snapshot(disk, etag, OF_RUN, RUN)
    assert await cloud.services.backups.snapshots(disk, "run") == []


async def test_the_backup_snapshots_of_a_run_are_listed_oldest_first(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    etag = await cloud.leased_backup(disk, 2)
    backups = cloud.services.backups
    first = await backups.snapshot(disk, etag, OF_RUN, RUN)
    await backups.snapshot(disk, etag, OF_RUN | {RUN_METADATA: "other"}, RUN)
    await cloud.snapshot(backups.address(disk))
    await cloud.snapshot(backups.address(disk), {RUN_METADATA: "run"})
    last = await backups.snapshot(disk, etag, OF_RUN | {PLAN_METADATA: "3"}, RUN)
    found = [(taken.time, taken.plan, taken.etag) for taken in await backups.snapshots(disk, "run")]
    assert found == [(first, 2, '"0x1"'), (last, 3, '"0x1"')]


async def test_a_backup_snapshot_deleted_twice_is_fine_leased_or_not(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    etag = await cloud.leased_backup(disk, 2)
    backups = cloud.services.backups
    first, second = [await backups.snapshot(disk, etag, OF_RUN, RUN) for _ in range(2)]
    for _ in range(2):
        await backups.delete_snapshot(disk, first)
    assert [taken.time for taken in await backups.snapshots(disk, "run")] == [second]
    await backups.release_lease(disk, RUN)
    await cloud.delete(backups.address(disk))
    await backups.delete_snapshot(disk, second)
    assert await backups.snapshots(disk, "run") == []

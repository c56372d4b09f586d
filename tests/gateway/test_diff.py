"""Get Page Ranges with `prevsnapshot`: what was written and what was cleared between two moments."""

import asyncio

from azure.storage.blob.aio import ContainerClient

from tests.gateway.page_blobs import PAGE, NewBlob, PageBlob, refusal, settled


async def test_pages_written_since_a_snapshot_are_reported_at_their_offsets(disk: PageBlob) -> None:
    await disk.write(0, 9)
    before = await disk.snapshot()
    await disk.write(3, 4)
    await disk.write(20, 29)
    after = await disk.snapshot()
    assert await disk.ranges(before, after) == [(3, 4, False), (20, 29, False)]


async def test_the_base_blob_itself_can_be_the_newer_side(disk: PageBlob) -> None:
    before = await disk.snapshot()
    await disk.write(63, 63)
    assert await disk.ranges(before) == [(63, 63, False)]


async def test_nothing_written_is_no_range(disk: PageBlob) -> None:
    await disk.write(0, 9)
    before, after = await disk.snapshot(), await disk.snapshot()
    assert await disk.ranges(before, after) == []
    assert await disk.ranges(before) == []


async def test_a_cleared_page_is_reported_as_a_cleared_range(disk: PageBlob) -> None:
    await disk.write(0, 9)
    before = await disk.snapshot()
    await disk.clear(2, 3)
    await disk.write(5, 5)
    after = await disk.snapshot()
    assert await disk.ranges(before, after) == [(2, 3, True), (5, 5, False)]


async def test_clearing_a_page_never_written_is_reported(disk: PageBlob) -> None:
    before = await disk.snapshot()
    await disk.clear(7, 8)
    assert await disk.ranges(before, await disk.snapshot()) == [(7, 8, True)]


async def test_a_page_written_and_then_cleared_is_reported_as_cleared(disk: PageBlob) -> None:
    before = await disk.snapshot()
    await disk.write(0, 2)
    middle = await disk.snapshot()
    await disk.clear(1, 1)
    after = await disk.snapshot()
    assert await disk.ranges(before, after) == [(0, 0, False), (1, 1, True), (2, 2, False)]
    assert await disk.ranges(middle, after) == [(1, 1, True)]


async def test_a_rewrite_of_the_same_bytes_is_reported(disk: PageBlob) -> None:
    await disk.write(0, 9, b"same")
    before = await disk.snapshot()
    await disk.write(4, 5, b"same")
    assert await disk.ranges(before, await disk.snapshot()) == [(4, 5, False)]


async def test_written_zeros_are_data_not_a_clear(disk: PageBlob) -> None:
    before = await disk.snapshot()
    await disk.write(4, 5, b"\0")
    assert await disk.ranges(before, await disk.snapshot()) == [(4, 5, False)]


async def test_neighbouring_writes_are_one_range(disk: PageBlob) -> None:
    before = await disk.snapshot()
    for page in (5, 3, 4, 4):
        await disk.write(page, page)
    assert await disk.ranges(before, await disk.snapshot()) == [(3, 5, False)]
    assert await disk.ranges() == [(3, 5, False)]


async def test_each_pair_of_several_snapshots_has_its_own_difference(disk: PageBlob) -> None:
    first = await disk.snapshot()
    await disk.write(1, 1)
    second = await disk.snapshot()
    third = await disk.snapshot()
    await disk.clear(1, 2)
    fourth = await disk.snapshot()
    assert await disk.ranges(first, second) == [(1, 1, False)]
    assert await disk.ranges(second, third) == []
    assert await disk.ranges(third, fourth) == await disk.ranges(second, fourth) == [(1, 2, True)]
    assert await disk.ranges(first, fourth) == [(1, 2, True)]


async def test_a_difference_stays_when_a_snapshot_between_is_deleted(disk: PageBlob) -> None:
    first = await disk.snapshot()
    await disk.write(1, 1)
    second = await disk.snapshot()
    await disk.write(5, 5)
    third = await disk.snapshot()
    await disk.delete_snapshot(second)
    assert await disk.ranges(first, third) == [(1, 1, False), (5, 5, False)]


async def test_a_window_cuts_the_ranges(disk: PageBlob) -> None:
    before = await disk.snapshot()
    await disk.write(0, 19)
    await disk.clear(10, 14)
    await disk.write(40, 41)
    after = await disk.snapshot()
    found = await disk.ranges(before, after, offset=5 * PAGE, length=7 * PAGE)
    assert found == [(5, 9, False), (10, 11, True)]
    assert await disk.ranges(before, after, offset=30 * PAGE, length=PAGE) == []


async def test_pages_cut_off_and_grown_again_are_cleared(disk: PageBlob) -> None:
    await disk.write(0, 63)
    before = await disk.snapshot()
    await disk.resize(32)
    shrunk = await disk.snapshot()
    await disk.resize(128)
    grown = await disk.snapshot()
    assert await disk.ranges(before, shrunk) == []
    assert await disk.ranges(before, grown) == [(32, 63, True)]
    assert await disk.ranges(shrunk, grown) == []


async def test_writes_to_the_tail_of_a_grown_disk_are_reported(disk: PageBlob) -> None:
    before = await disk.snapshot()
    await disk.resize(128)
    await disk.write(127, 127)
    assert await disk.ranges(before, await disk.snapshot()) == [(127, 127, False)]


async def test_writes_racing_a_snapshot_are_on_the_side_where_their_data_is(new_disk: NewBlob) -> None:
    disk = await new_disk(256)
    before = await disk.snapshot()
    writes = [asyncio.create_task(disk.write(page, page)) for page in range(0, 256, 2)]
    snapshots = await asyncio.gather(*(disk.snapshot() for _ in range(8)))
    await asyncio.gather(*writes)
    for snapshot in snapshots:
        assert await disk.ranges(before, snapshot) == await disk.ranges(until=snapshot)
    assert await disk.ranges(before) == [(page, page, False) for page in range(0, 256, 2)]


async def test_a_page_is_never_called_cleared_because_it_was_written_meanwhile(new_disk: NewBlob) -> None:
    disk = await new_disk(512)
    before = await disk.snapshot()
    async with asyncio.TaskGroup() as group:
        writes = [group.create_task(disk.write(page, page)) for page in range(0, 512, 2)]
        while not all(write.done() for write in writes):
            assert not [found for found in await disk.ranges(before) if found[2]]


async def test_snapshots_at_once_have_ids_of_their_own(disk: PageBlob) -> None:
    snapshots = await asyncio.gather(*(disk.snapshot() for _ in range(20)))
    assert len(set(snapshots)) == 20


async def test_a_blob_made_anew_has_no_difference_across(disk: PageBlob) -> None:
    before = await disk.snapshot()
    await disk.create(64)
    assert await refusal(disk.ranges(before)) == (409, "BlobOverwritten")
    after = await disk.snapshot()
    assert await refusal(disk.ranges(before, after)) == (409, "BlobOverwritten")


async def test_a_promoted_snapshot_breaks_the_chain_and_a_new_one_begins(disk: PageBlob) -> None:
    before = await disk.snapshot()
    await disk.write(0, 0)
    later = await disk.snapshot()
    await disk.promote(before)
    promoted = await disk.snapshot()
    assert await refusal(disk.ranges(before, promoted)) == (409, "BlobOverwritten")
    assert await disk.ranges(before, later) == [(0, 0, False)]
    await disk.write(9, 9)
    assert await disk.ranges(promoted, await disk.snapshot()) == [(9, 9, False)]


async def test_a_deleted_or_unknown_previous_snapshot_is_not_found(disk: PageBlob) -> None:
    before, after = await disk.snapshot(), await disk.snapshot()
    assert await refusal(disk.ranges("2020-01-01T00:00:00.0000000Z", after)) == (409, "PreviousSnapshotNotFound")
    await disk.delete_snapshot(before)
    assert await refusal(disk.ranges(before, after)) == (409, "PreviousSnapshotNotFound")
    assert await refusal(disk.ranges(before)) == (409, "PreviousSnapshotNotFound")


async def test_snapshots_deleted_all_at_once_are_not_found(disk: PageBlob) -> None:
    before = await disk.snapshot()
    await disk.client.delete_blob(delete_snapshots="only")
    assert await refusal(disk.ranges(before)) == (409, "PreviousSnapshotNotFound")


async def test_a_blob_deleted_and_made_again_has_lost_its_past(disk: PageBlob) -> None:
    before = await disk.snapshot()
    await disk.client.delete_blob(delete_snapshots="include")
    await disk.create(64)
    assert await refusal(disk.ranges(before)) == (409, "PreviousSnapshotNotFound")
    now = await disk.snapshot()
    await disk.write(1, 1)
    assert await disk.ranges(now) == [(1, 1, False)]


async def test_the_previous_snapshot_cannot_be_newer(disk: PageBlob) -> None:
    before, after = await disk.snapshot(), await disk.snapshot()
    assert await refusal(disk.ranges(after, before)) == (400, "PreviousSnapshotCannotBeNewer")


async def test_a_previous_snapshot_must_be_a_snapshot_time(disk: PageBlob) -> None:
    assert await refusal(disk.ranges("yesterday")) == (400, "InvalidQueryParameterValue")
    assert await refusal(disk.ranges(disk.client.url)) == (400, "InvalidQueryParameterValue")


async def test_a_target_that_does_not_exist_is_not_found(disk: PageBlob) -> None:
    before = await disk.snapshot()
    assert await refusal(disk.ranges(before, "2099-01-01T00:00:00.0000000Z")) == (404, "BlobNotFound")


async def test_other_blobs_do_not_show_in_a_difference(disk: PageBlob, new_disk: NewBlob) -> None:
    other = await new_disk(64)
    before = await disk.snapshot()
    await other.write(0, 0)
    assert await disk.ranges(before, await disk.snapshot()) == []


async def test_a_copy_of_a_snapshot_to_a_new_blob_starts_its_own_history(
    disk: PageBlob, disks: ContainerClient
) -> None:
    await disk.write(0, 3)
    source = await disk.snapshot()
    copy = PageBlob(disk.account, disks, "copy of a disk.vhd")
    await copy.client.start_copy_from_url(disk.at(source).url)
    start = await copy.snapshot()
    await copy.write(2, 2)
    assert await copy.ranges(start) == [(2, 2, False)]
    assert await refusal(copy.ranges(source)) == (409, "PreviousSnapshotNotFound")


async def test_a_difference_is_settled_after_many_small_writes(new_disk: NewBlob) -> None:
    disk = await new_disk(4096)
    before = await disk.snapshot()
    await asyncio.gather(*(disk.write(page, page) for page in range(0, 400, 2)))
    await asyncio.gather(*(disk.clear(page, page) for page in range(1, 400, 4)))
    found = await disk.ranges(before, await disk.snapshot())
    assert settled(found)
    assert sum(last - first + 1 for first, last, cleared in found if cleared) == 100
    assert sum(last - first + 1 for first, last, cleared in found if not cleared) == 200

"""Lists of pages, and of what changed since an older snapshot: the header, paging, footers, sizes, families."""

import pytest
from azure.storage.blob.aio import BlobClient

from infra.local.disks.vhd import FOOTER_BYTES, check_footer
from infra.local.gateway import Fault
from infra.local.local_azure import BACKUPS, BLOB_API_VERSION, LocalAzure
from infra.local.managed_disks import Disk, ManagedDisks
from tests.managed_disks.arm import Arm
from tests.managed_disks.conftest import NewDisk
from tests.managed_disks.storage import BLOCK, MIB, Given, Storage

TIB = 1024**4
PREVIOUS = "x-ms-previous-snapshot-url"


@pytest.fixture
async def older(arm: Arm, disk: Disk) -> str:
    """The SAS of a snapshot of the disk when its first 16 blocks were written."""
    await disk.write(0, b"a" * 16 * BLOCK)
    return await arm.sas(await arm.snapshot("older", disk))


async def newer_than(arm: Arm, disk: Disk) -> str:
    return await arm.sas(await arm.snapshot("newer", disk))


def blocks(given: Given) -> list[tuple[int, int, bool]]:
    """Give ranges in blocks: first, end (exclusive), cleared."""
    assert given.status == 200, given.body
    return [(start // BLOCK, end // BLOCK, cleared) for start, end, cleared in given.ranges]


async def test_writes_and_clears_are_listed_in_order_in_whole_blocks(
    arm: Arm, storage: Storage, disk: Disk, older: str
) -> None:
    await disk.write(BLOCK + 512, b"b" * 512)
    await disk.clear(3 * BLOCK + 512, 2 * BLOCK)
    await disk.write(8 * BLOCK, b"a" * BLOCK)
    await disk.clear(12 * BLOCK, BLOCK)
    await disk.clear(20 * BLOCK, BLOCK)
    newer = await newer_than(arm, disk)
    found = await storage.list(newer, since=older)
    assert blocks(found) == [
        (1, 2, False),
        (3, 4, False),
        (4, 5, True),
        (5, 6, False),
        (8, 9, False),
        (12, 13, True),
        (20, 21, True),
    ], "the same bytes written again are a change, and a clear of what held nothing is one"
    assert all(start % BLOCK == end % BLOCK == 0 for start, end, _ in found.ranges)
    declaration = b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?>\n'
    assert found.body.startswith(declaration + b"<PageList><PageRange><Start>4096</Start><End>8191</End></PageRange>")
    assert found.body.endswith(b"</ClearRange></PageList>"), "with no marker of a next page"
    assert all(name in found.headers for name in ("ETag", "Last-Modified", "x-ms-blob-content-length"))
    assert (await storage.read(newer, BLOCK, 2 * BLOCK)).body[:1536] == b"a" * 512 + b"b" * 512 + b"a" * 512
    assert (await storage.read(newer, 3 * BLOCK, 3 * BLOCK)).body == b"a" * 512 + bytes(2 * BLOCK) + b"a" * 3584


async def test_a_diff_is_of_a_window_if_one_is_named(arm: Arm, storage: Storage, disk: Disk, older: str) -> None:
    await disk.write(0, b"b" * 8 * BLOCK)
    newer = await newer_than(arm, disk)
    window = {"x_ms_range": f"bytes={2 * BLOCK}-{4 * BLOCK - 1}"}
    assert blocks(await storage.list(newer, since=older, **window)) == [(2, 4, False)]
    past_the_end = {"x_ms_range": f"bytes={2 * MIB}-{3 * MIB - 1}"}
    assert (await storage.list(newer, since=older, **past_the_end)).error == (416, "InvalidRange")


@pytest.mark.parametrize("is_diff", [True, False])
async def test_a_list_is_given_in_pages(arm: Arm, storage: Storage, disk: Disk, older: str, *, is_diff: bool) -> None:
    for block in range(0, 10, 2):
        await disk.clear(block * BLOCK, BLOCK)
    newer, since = await newer_than(arm, disk), older if is_diff else ""
    whole = (await storage.list(newer, since=since)).ranges
    found, query, pages = [], "", 0
    while True:
        page = await storage.list(newer, since=since, query=f"&maxresults=2{query}")
        found += page.ranges
        pages += 1
        if not page.marker:
            break
        query = f"&marker={page.marker}"
    assert found == whole
    assert pages == -(-len(whole) // 2) > 2


async def test_the_previous_snapshot_needs_its_own_valid_sas(
    managed: ManagedDisks, arm: Arm, storage: Storage, disk: Disk, older: str
) -> None:
    newer = await newer_than(arm, disk)
    assert (await storage.list(newer, since=older)).status == 200
    for wrong in (older.replace("sig=", "sig=A"), older.partition("&si=")[0], older.replace("sr=bs", "sr=b")):
        assert (await storage.list(newer, since=wrong)).error == (403, "AuthenticationFailed")
    for snapshot in managed.snapshots:
        if snapshot.id.name == "older":
            managed.revoke(snapshot)
    assert (await storage.list(newer, since=older)).error == (403, "AuthenticationFailed")


async def test_the_order_of_snapshots_matters(arm: Arm, storage: Storage, disk: Disk, older: str) -> None:
    newer = await newer_than(arm, disk)
    assert (await storage.list(older, since=newer)).error == (400, "PreviousSnapshotCannotBeNewer")
    assert blocks(await storage.list(newer, since=newer)) == []


async def test_a_snapshot_of_another_disk_is_no_previous_one(
    arm: Arm, storage: Storage, new_disk: NewDisk, older: str
) -> None:
    newer = await newer_than(arm, await new_disk())
    assert (await storage.list(newer, since=older)).error == (400, "InvalidHeaderValue")


async def test_families_have_no_diff_between_them(arm: Arm, storage: Storage, disk: Disk, older: str) -> None:
    disk.begin_family()
    newer = await newer_than(arm, disk)
    assert (await storage.list(newer, since=older)).error == (409, "PreviousSnapshotOperationNotSupported")


async def test_the_header_serves_managed_disks_alone_and_the_query_none(
    azure: LocalAzure, arm: Arm, storage: Storage, disk: Disk, older: str
) -> None:
    newer = await newer_than(arm, disk)
    query = f"&prevsnapshot={older.replace('&', '%26')}"
    assert (await storage.list(newer, query=query)).error == (400, "InvalidQueryParameterValue")
    old_version = {"x-ms-version": "2019-02-02"}
    assert (await storage.list(newer, since=older, **old_version)).error == (400, "UnsupportedHeader")
    async with azure.blobs(BACKUPS) as service:
        container = service.get_container_client("of-managed-disks")
        if not await container.exists():
            await container.create_container()
        blob = container.get_blob_client("ordinary.vhd")
        await blob.create_page_blob(MIB)
        sas, _ = azure.reading(BACKUPS, container.container_name, "ordinary.vhd", None)
        refused = await storage.list(f"{blob.url}?{sas}", since=older)
    assert refused.error == (400, "UnsupportedHeaderForNonManagedDisksAccount")
    assert f"<HeaderName>{PREVIOUS}</HeaderName>".encode() in refused.body
    assert b"sig" not in refused.body


async def test_a_disk_that_grew_has_its_footer_at_the_new_end(
    arm: Arm, storage: Storage, disk: Disk, older: str
) -> None:
    await disk.resize(2 * MIB)
    newer = await newer_than(arm, disk)
    assert [int((await storage.head(url)).headers["Content-Length"]) for url in (older, newer)] == [
        MIB + FOOTER_BYTES,
        2 * MIB + FOOTER_BYTES,
    ]
    old, new = await storage.read(older, MIB, 512), await storage.read(newer, 2 * MIB, 512)
    assert [check_footer(found.body).size for found in (old, new)] == [MIB, 2 * MIB]
    assert (await storage.read(newer, MIB, 512)).body == bytes(512)
    assert (await storage.list(newer, since=older)).ranges == [
        (MIB, MIB + FOOTER_BYTES, True),
        (2 * MIB, 2 * MIB + FOOTER_BYTES, False),
    ]
    properties = [(await arm.properties(path))["diskSizeBytes"] for path in await all_snapshots(arm, disk)]
    assert properties == [2 * MIB, MIB]


async def all_snapshots(arm: Arm, disk: Disk) -> list[str]:
    listed = (await arm.get(f"{disk.id.scope}/providers/Microsoft.Compute/snapshots")).body["value"]
    return [each["id"] for each in listed]


async def test_the_footer_may_show_in_no_list(
    managed: ManagedDisks, arm: Arm, storage: Storage, new_disk: NewDisk
) -> None:
    managed.behaviour.shows_footer = False
    disk = await new_disk()
    await disk.write(0, b"a" * BLOCK)
    older = await arm.sas(await arm.snapshot("older", disk))
    assert (await storage.list(older)).ranges == [(0, BLOCK, False)]
    await disk.resize(2 * MIB)
    await disk.write(BLOCK, b"b" * BLOCK)
    newer = await newer_than(arm, disk)
    assert (await storage.list(newer, since=older)).ranges == [(BLOCK, 2 * BLOCK, False)]
    assert (await storage.list(newer)).ranges == [(0, 2 * BLOCK, False)]
    assert check_footer((await storage.read(newer, 2 * MIB, 512)).body).size == 2 * MIB


@pytest.mark.parametrize(("before", "after"), [(3 * TIB, 5 * TIB), (4 * TIB, 5 * TIB), (3 * TIB, 4 * TIB)])
async def test_a_resize_over_four_tebibytes_ends_diffs(
    arm: Arm, storage: Storage, new_disk: NewDisk, before: int, after: int
) -> None:
    disk = await new_disk(before)
    older = await arm.sas(await arm.snapshot("older", disk))
    await disk.resize(after)
    newer = await newer_than(arm, disk)
    assert (await storage.list(newer, since=older)).error == (409, "PreviousSnapshotOperationNotSupported")
    assert (await storage.list(newer)).ranges == [(after, after + FOOTER_BYTES, False)]


@pytest.mark.parametrize(("before", "after"), [(TIB, 2 * TIB), (5 * TIB, 6 * TIB)])
async def test_a_resize_on_one_side_of_that_does_not(
    arm: Arm, storage: Storage, new_disk: NewDisk, before: int, after: int
) -> None:
    disk = await new_disk(before)
    older = await arm.sas(await arm.snapshot("older", disk))
    await disk.resize(after)
    found = await storage.list(await newer_than(arm, disk), since=older)
    assert found.ranges[-1] == (after, after + FOOTER_BYTES, False)


async def test_a_diff_that_misses_changes_can_be_ordered(
    azure: LocalAzure, arm: Arm, storage: Storage, disk: Disk, older: str
) -> None:
    await disk.write(0, b"b" * 4 * BLOCK)
    newer = await newer_than(arm, disk)
    azure.gateway.leave_out(disk.content.blob, BLOCK, 2 * BLOCK)
    assert blocks(await storage.list(newer, since=older)) == [(0, 1, False), (2, 4, False)]
    azure.gateway.faults.add(Fault("Get Page Ranges", path="/md-*", longer_than=MIB, refuse=(500, "InternalError", "")))
    assert (await storage.list(newer, since=older)).status == 500
    assert (await storage.list(newer, since=older, x_ms_range=f"bytes=0-{MIB - 1}")).status == 200


async def test_a_write_is_of_whole_sectors_in_the_disk(disk: Disk) -> None:
    for start, length in ((1, 512), (0, 100), (MIB, 512), (MIB - 512, 1024)):
        with pytest.raises(ValueError, match="sectors"):
            await disk.write(start, b"x" * length)
    with pytest.raises(ValueError, match="resized"):
        await disk.resize(MIB - 4096)
    await disk.write(MIB - 512, b"z" * 512)
    assert (await disk.read(MIB - 1024, 1024)) == bytes(512) + b"z" * 512


async def test_the_sdk_reads_and_diffs_by_the_same_addresses(arm: Arm, disk: Disk, older: str) -> None:
    await disk.write(0, b"b" * BLOCK)
    await disk.clear(2 * BLOCK, BLOCK)
    newer = await newer_than(arm, disk)
    async with BlobClient.from_blob_url(newer, api_version=BLOB_API_VERSION, retry_total=0) as client:
        properties = await client.get_blob_properties()
        assert (properties.size, properties.copy.incremental_copy) == (MIB + FOOTER_BYTES, True)
        written, cleared = await client.get_page_range_diff_for_managed_disk(older)
        assert written == [{"start": 0, "end": BLOCK - 1}]
        assert cleared == [{"start": 2 * BLOCK, "end": 3 * BLOCK - 1}]
        listed = [(found.start, found.end) async for found in client.list_page_ranges(results_per_page=1)]
        assert listed == [(0, 2 * BLOCK - 1), (3 * BLOCK, 16 * BLOCK - 1), (MIB, MIB + FOOTER_BYTES - 1)]
        assert await (await client.download_blob(0, BLOCK)).readall() == b"b" * BLOCK

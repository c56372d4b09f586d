"""Writes are refused as the service refuses them: leases, sizes, edges, snapshots in the way."""

import pytest
from azure.storage.blob.aio import BlobLeaseClient

from infra.local.gateway import Gateway
from tests.gateway.page_blobs import PAGE, NewBlob, PageBlob, refusal

OTHER_LEASE = "00000000-0000-0000-0000-000000000001"
MEBIBYTE = 1024 * 1024


async def leased(blob: PageBlob) -> tuple[BlobLeaseClient, str]:
    lease: BlobLeaseClient = await blob.client.acquire_lease()
    return lease, lease.id


@pytest.mark.parametrize("act", ["write", "clear"])
async def test_a_leased_blob_is_written_only_with_its_lease(backup: PageBlob, act: str) -> None:
    write = getattr(backup, act)
    _, own = await leased(backup)
    assert await refusal(write(0, 0)) == (412, "LeaseIdMissing")
    assert await refusal(write(0, 0, lease=OTHER_LEASE)) == (412, "LeaseIdMismatchWithBlobOperation")
    await write(0, 0, lease=own)


@pytest.mark.parametrize("act", ["write", "clear"])
async def test_a_write_with_a_released_lease_is_refused(backup: PageBlob, act: str) -> None:
    lease, own = await leased(backup)
    before = await backup.snapshot()
    await lease.release()
    assert await refusal(getattr(backup, act)(0, 0, lease=own)) == (412, "LeaseNotPresentWithBlobOperation")
    assert await backup.ranges(before) == []


@pytest.mark.parametrize("act", ["write", "clear"])
async def test_a_write_with_a_broken_lease_is_refused(backup: PageBlob, act: str) -> None:
    lease, own = await leased(backup)
    await lease.break_lease()
    status, code = await refusal(getattr(backup, act)(0, 0, lease=own))
    assert status == 412
    assert code in ("LeaseLost", "LeaseNotPresentWithBlobOperation")


async def test_a_write_with_the_lease_of_an_earlier_run_is_refused(backup: PageBlob) -> None:
    lease, earlier = await leased(backup)
    await lease.release()
    await backup.client.acquire_lease(lease_id=OTHER_LEASE)
    assert await refusal(backup.write(0, 0, lease=earlier)) == (412, "LeaseIdMismatchWithBlobOperation")


async def test_the_same_lease_id_can_be_acquired_again(backup: PageBlob) -> None:
    await backup.client.acquire_lease(lease_id=OTHER_LEASE)
    await backup.client.acquire_lease(lease_id=OTHER_LEASE)
    await backup.write(0, 0, lease=OTHER_LEASE)


async def test_a_leased_disk_can_be_snapshot_and_its_snapshots_deleted_without_the_lease(disk: PageBlob) -> None:
    await leased(disk)
    snapshot = await disk.snapshot()
    await disk.delete_snapshot(snapshot)


async def test_a_leased_blob_is_promoted_only_with_its_lease(backup: PageBlob) -> None:
    await backup.write(0, 0, b"a")
    snapshot = await backup.snapshot()
    await backup.write(0, 0, b"b")
    _, own = await leased(backup)
    assert await refusal(backup.promote(snapshot)) == (412, "LeaseIdMissing")
    await backup.promote(snapshot, destination_lease=own)
    assert await backup.read(0, 0) == b"a" * PAGE
    assert await refusal(backup.write(0, 0)) == (412, "LeaseIdMissing")


async def test_a_blob_with_snapshots_is_not_deleted_alone(disk: PageBlob) -> None:
    snapshot = await disk.snapshot()
    assert await refusal(disk.client.delete_blob()) == (409, "SnapshotsPresent")
    await disk.delete_snapshot(snapshot)
    await disk.client.delete_blob()


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_four_mebibytes_can_be_written_and_more_can_not(new_disk: NewBlob) -> None:
    disk = await new_disk(16 * MEBIBYTE // PAGE)
    await disk.write(0, 4 * MEBIBYTE // PAGE - 1)
    assert await refusal(disk.write(0, 4 * MEBIBYTE // PAGE)) == (413, "RequestBodyTooLarge")
    await disk.clear(0, 16 * MEBIBYTE // PAGE - 1)
    assert await disk.ranges() == []


@pytest.mark.parametrize("act", ["write", "clear"])
async def test_nothing_is_written_past_the_end(disk: PageBlob, act: str) -> None:
    before = await disk.snapshot()
    assert await refusal(getattr(disk, act)(63, 64)) == (416, "InvalidPageRange")
    assert await disk.ranges(before) == []
    await disk.resize(65)
    await getattr(disk, act)(63, 64)


async def test_a_write_is_checked_against_the_length_a_promotion_gave(disk: PageBlob) -> None:
    short = await disk.snapshot()
    await disk.resize(128)
    await disk.write(127, 127)
    await disk.promote(short)
    assert await refusal(disk.write(127, 127)) == (416, "InvalidPageRange")


async def test_a_write_on_a_blob_that_does_not_exist_is_not_found(disk: PageBlob) -> None:
    await disk.client.delete_blob()
    assert await refusal(disk.write(0, 0)) == (404, "BlobNotFound")


async def test_a_write_after_a_promotion_leaves_the_snapshot_as_it_was(backup: PageBlob) -> None:
    await backup.write(0, 9, b"a")
    point = await backup.snapshot()
    await backup.promote(point)
    await backup.write(3, 3, b"b")
    await backup.write(20, 20, b"b")
    await backup.clear(5, 5)
    assert await backup.read(0, 9, snapshot=point) == b"a" * 10 * PAGE
    assert await backup.ranges(until=point) == [(0, 9, False)]
    assert await backup.ranges() == [(0, 4, False), (6, 9, False), (20, 20, False)]


async def test_a_copy_in_another_account_and_its_source_stay_apart(
    disk: PageBlob, backup: PageBlob, gateway: Gateway
) -> None:
    await disk.write(0, 0, b"a")
    source = await disk.snapshot()
    gateway.requests.clear()
    await backup.client.start_copy_from_url(disk.source_url(source))
    assert [seen.operation for seen in gateway.requests] == ["Copy Blob"]
    await backup.write(1, 1, b"b")
    await disk.write(2, 2, b"c")
    assert await disk.ranges(until=source) == [(0, 0, False)]
    assert await disk.ranges() == [(0, 0, False), (2, 2, False)]
    assert await backup.ranges() == [(0, 1, False)]


async def test_a_copy_tells_its_own_source_id_and_metadata(backup: PageBlob, gateway: Gateway) -> None:
    await backup.client.set_blob_metadata({"Run": "one"})
    point = await backup.snapshot()
    done = await backup.promote(point)
    now = await backup.client.get_blob_properties()
    assert (now.copy.id, now.copy.status, now.copy.source) == (done["copy_id"], "success", backup.at(point).url)
    assert now.etag == done["etag"]
    assert now.metadata == {"Run": "one"}
    await backup.promote(point, metadata={"Run": "two"})
    assert (await backup.client.get_blob_properties()).metadata == {"Run": "two"}
    assert "$gateway" not in {seen.path.split("/")[2] for seen in gateway.requests}
    container = backup.client._get_container_client()  # noqa: SLF001 - the SDK's own way up
    listed = [found async for found in container.list_blobs(name_starts_with=now.name, include=["copy", "snapshots"])]
    assert [(found.snapshot, found.copy.source) for found in listed] == [(point, None), (None, backup.at(point).url)]


async def test_a_copy_from_a_source_without_sas_of_another_account_is_refused(disk: PageBlob, backup: PageBlob) -> None:
    source = await disk.snapshot()
    before = await backup.snapshot()
    status, code = await refusal(backup.client.start_copy_from_url(disk.at(source).url))
    assert (status in (401, 403, 404), code) == (True, "CannotVerifyCopySource")
    assert await backup.ranges(before) == []

"""Copy Blob refuses what the service refuses, and keeps what the service keeps."""

import uuid

from azure.core import MatchConditions
from azure.storage.blob.aio import BlobLeaseClient, ContainerClient

from tests.gateway.page_blobs import PAGE, PageBlob, refusal

ANOTHER_ETAG = '"0x8D0000000000000"'


async def test_a_snapshot_of_the_blob_itself_is_promoted(backup: PageBlob) -> None:
    await backup.write(0, 3, b"a")
    point = await backup.snapshot()
    await backup.write(2, 9, b"b")
    assert (await backup.promote(point))["copy_status"] == "success"
    assert await backup.read(0, 9) == b"a" * 4 * PAGE + bytes(6 * PAGE)


async def test_a_copy_over_a_blob_takes_the_length_of_its_source(backup: PageBlob) -> None:
    point = await backup.snapshot()
    await backup.resize(128)
    await backup.promote(point)
    assert (await backup.client.get_blob_properties()).size == 64 * PAGE


async def test_a_copy_keeps_the_snapshots_of_the_blob_it_goes_over(backup: PageBlob, disk: PageBlob) -> None:
    await backup.write(0, 0, b"a")
    first = await backup.snapshot()
    await backup.write(0, 0, b"b")
    second = await backup.snapshot()
    await backup.client.start_copy_from_url(disk.source_url(await disk.snapshot()))
    assert await backup.read(0, 0, snapshot=first) == b"a" * PAGE
    assert await backup.read(0, 0, snapshot=second) == b"b" * PAGE
    assert await backup.ranges() == []


async def test_a_difference_does_not_reach_across_a_copy(backup: PageBlob) -> None:
    before = await backup.snapshot()
    await backup.promote(before)
    after = await backup.snapshot()
    assert await refusal(backup.ranges(before, after)) == (409, "BlobOverwritten")
    await backup.write(1, 1)
    assert await backup.ranges(after) == [(1, 1, False)]


async def test_a_copy_has_the_metadata_given_or_else_its_sources(backup: PageBlob, disk: PageBlob) -> None:
    await backup.client.set_blob_metadata({"Its": "own"})
    await disk.client.set_blob_metadata({"From": "source"})
    source = disk.source_url(await disk.snapshot())
    await backup.client.start_copy_from_url(source)
    assert (await backup.client.get_blob_properties()).metadata == {"From": "source"}
    await backup.client.start_copy_from_url(source, metadata={"Given": "here"})
    assert (await backup.client.get_blob_properties()).metadata == {"Given": "here"}


async def test_a_copy_over_a_leased_blob_takes_its_lease_id(backup: PageBlob) -> None:
    point = await backup.snapshot()
    lease = await backup.client.acquire_lease()
    assert await refusal(backup.promote(point)) == (412, "LeaseIdMissing")
    another = str(uuid.uuid4())
    assert await refusal(backup.promote(point, destination_lease=another)) == (412, "LeaseIdMismatchWithBlobOperation")
    await backup.promote(point, destination_lease=lease)
    properties = await backup.client.get_blob_properties()
    assert (properties.lease.state, properties.lease.duration) == ("leased", "infinite")
    ended = lease.id
    await lease.release()
    assert await refusal(backup.promote(point, destination_lease=ended)) == (412, "LeaseNotPresentWithBlobOperation")


async def test_a_copy_takes_no_lease_that_ends_by_itself(backup: PageBlob) -> None:
    point = await backup.snapshot()
    await backup.write(0, 0)
    lease = await backup.client.acquire_lease(lease_duration=60)
    assert await refusal(backup.promote(point)) == (412, "LeaseIdMissing")
    another = str(uuid.uuid4())
    assert await refusal(backup.promote(point, destination_lease=another)) == (412, "LeaseIdMismatchWithBlobOperation")
    assert await refusal(backup.promote(point, destination_lease=lease)) == (412, "InfiniteLeaseDurationRequired")
    assert await backup.ranges() == [(0, 0, False)]


async def test_a_copy_keeps_to_its_conditions(backup: PageBlob) -> None:
    point = await backup.snapshot()
    await backup.write(0, 0)
    etag = (await backup.client.get_blob_properties()).etag
    only_new = backup.promote(point, match_condition=MatchConditions.IfMissing)
    assert await refusal(only_new) == (409, "BlobAlreadyExists")
    only_that = backup.promote(point, etag=ANOTHER_ETAG, match_condition=MatchConditions.IfNotModified)
    assert await refusal(only_that) == (412, "ConditionNotMet")
    assert await backup.ranges() == [(0, 0, False)]
    await backup.promote(point, etag=etag, match_condition=MatchConditions.IfNotModified)
    assert await backup.ranges() == []


async def test_a_copy_that_must_find_nothing_makes_a_new_blob(backup: PageBlob, backups: ContainerClient) -> None:
    await backup.write(3, 3)
    new = PageBlob(backup.account, backups, f"new {uuid.uuid4()}.vhd")
    source = backup.at(await backup.snapshot()).url
    await new.client.start_copy_from_url(source, match_condition=MatchConditions.IfMissing)
    assert await new.ranges() == [(3, 3, False)]
    again = new.client.start_copy_from_url(source, match_condition=MatchConditions.IfMissing)
    assert await refusal(again) == (409, "BlobAlreadyExists")


async def test_a_source_of_another_account_needs_a_sas_that_serves(backup: PageBlob, disk: PageBlob) -> None:
    source = await disk.snapshot()
    for sas in ("", disk.sas(source, minutes=-5), disk.sas(source, permission="w")):
        status, code = await refusal(backup.client.start_copy_from_url(disk.source_url(source, sas)))
        assert (status in (401, 403, 404), code) == (True, "CannotVerifyCopySource")
    await backup.client.start_copy_from_url(disk.source_url(source))


async def test_nothing_is_copied_from_a_url_that_is_too_long(disk: PageBlob) -> None:
    url = disk.at(await disk.snapshot()).url
    await disk.client.start_copy_from_url(f"{url}&x={'y' * (2048 - len(url) - 3)}")
    too_long = f"{url}&x={'y' * (2049 - len(url) - 3)}"
    assert await refusal(disk.client.start_copy_from_url(too_long)) == (400, "InvalidHeaderValue")


async def test_a_page_blob_is_not_copied_over_a_block_blob_nor_the_other_way(
    disk: PageBlob, disks: ContainerClient
) -> None:
    text = disks.get_blob_client(f"{uuid.uuid4()}.txt")
    await text.upload_blob(b"text")
    source = await disk.snapshot()
    assert await refusal(text.start_copy_from_url(disk.at(source).url)) == (409, "InvalidBlobType")
    assert await refusal(disk.client.start_copy_from_url(text.url)) == (409, "InvalidBlobType")
    assert await (await text.download_blob()).readall() == b"text"


async def test_a_copy_over_a_block_blob_by_one_is_none_of_the_gateways_business(disks: ContainerClient) -> None:
    one, other = (disks.get_blob_client(f"{uuid.uuid4()}.txt") for _ in range(2))
    await one.upload_blob(b"one")
    await other.upload_blob(b"other")
    await other.start_copy_from_url(one.url)
    assert await (await other.download_blob()).readall() == b"one"


async def test_a_snapshot_keeps_to_its_conditions(backup: PageBlob) -> None:
    etag = (await backup.client.get_blob_properties()).etag
    only_that = backup.client.create_snapshot(etag=ANOTHER_ETAG, match_condition=MatchConditions.IfNotModified)
    assert await refusal(only_that) == (412, "ConditionNotMet")
    await backup.client.create_snapshot(etag=etag, match_condition=MatchConditions.IfNotModified)


async def test_a_snapshot_may_leave_the_lease_id_out_but_not_get_it_wrong(backup: PageBlob) -> None:
    another = BlobLeaseClient(backup.client, lease_id=str(uuid.uuid4()))
    no_lease = (412, "LeaseNotPresentWithBlobOperation")
    assert await refusal(backup.client.create_snapshot(lease=another)) == no_lease
    lease = await backup.client.acquire_lease()
    wrong = (412, "LeaseIdMismatchWithBlobOperation")
    assert await refusal(backup.client.create_snapshot(lease=another)) == wrong
    await backup.client.create_snapshot(lease=lease)
    await backup.snapshot()


async def test_a_leased_blob_gives_no_other_lease(backup: PageBlob) -> None:
    mine = str(uuid.uuid4())
    await backup.client.acquire_lease(lease_id=mine)
    await backup.client.acquire_lease(lease_id=mine)
    assert await refusal(backup.client.acquire_lease(lease_id=str(uuid.uuid4()))) == (409, "LeaseAlreadyPresent")


async def test_a_copy_from_a_snapshot_that_is_gone_is_refused(backup: PageBlob) -> None:
    gone = await backup.snapshot()
    await backup.write(0, 0)
    await backup.delete_snapshot(gone)
    assert (await refusal(backup.promote(gone)))[0] == 404
    assert await backup.ranges() == [(0, 0, False)]


async def test_a_blob_whose_properties_were_set_tells_no_more_of_the_copy_to_it(backup: PageBlob) -> None:
    point = await backup.snapshot()
    await backup.promote(point)
    assert (await backup.client.get_blob_properties()).copy.source
    await backup.client.set_http_headers()
    found = (await backup.client.get_blob_properties()).copy
    assert (found.id, found.source, found.status, found.progress) == (None, None, None, None)
    await backup.promote(point)
    assert (await backup.client.get_blob_properties()).copy.status == "success"

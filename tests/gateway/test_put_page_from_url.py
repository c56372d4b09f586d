"""Put Page From URL: copied by the service, allowed by the source's own authorisation, refused as the service does."""

import hashlib
import os
from collections.abc import Awaitable
from typing import Any

import aiohttp
import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob.aio import BlobClient, BlobLeaseClient
from yarl import URL

from infra.local.azurite import Azurite
from infra.local.gateway import Gateway
from tests.gateway.page_blobs import PAGE, NewBlob, PageBlob, refusal

BIG = 4 * 1024 * 1024 // PAGE


@pytest.fixture
async def source(disk: PageBlob) -> str:
    """A snapshot of the disk, whose pages 0 to 31 hold their own number."""
    await disk.write(0, 31, b"".join(bytes([page]) * PAGE for page in range(32)))
    return await disk.snapshot()


async def copy(url: str, backup: PageBlob, *, to: int, pages: int, start: int = 0, **kwargs: Any) -> dict[str, object]:
    """Copy `pages` pages from page `start` of the source to page `to` of the backup blob."""
    done = await backup.client.upload_pages_from_url(url, to * PAGE, pages * PAGE, start * PAGE, **kwargs)
    return dict(done)


async def test_pages_are_copied_from_their_offset_to_theirs(disk: PageBlob, source: str, backup: PageBlob) -> None:
    await copy(disk.source_url(source), backup, to=40, pages=3, start=5)
    assert await backup.read(39, 43) == b"".join(bytes([number]) * PAGE for number in (0, 5, 6, 7, 0))
    assert await backup.ranges() == [(40, 42, False)]


async def test_the_snapshot_is_copied_not_the_disk_as_it_is_now(disk: PageBlob, source: str, backup: PageBlob) -> None:
    await disk.write(0, 31, b"now")
    await copy(disk.source_url(source), backup, to=0, pages=32)
    assert await backup.read(0, 31) == await disk.read(0, 31, snapshot=source)
    assert (await backup.read(9, 9)) == bytes([9]) * PAGE


async def test_the_answer_tells_the_blob_as_it_is_then(disk: PageBlob, source: str, backup: PageBlob) -> None:
    done = await copy(disk.source_url(source), backup, to=0, pages=1)
    now = await backup.client.get_blob_properties()
    assert done["etag"] == now.etag
    assert done["last_modified"] == now.last_modified
    assert done["blob_sequence_number"] == 0


async def test_no_bytes_of_the_disk_pass_the_client(
    disk: PageBlob, source: str, backup: PageBlob, gateway: Gateway
) -> None:
    gateway.requests.clear()
    await copy(disk.source_url(source), backup, to=0, pages=32)
    assert [(seen.operation, seen.bytes_in, seen.status) for seen in gateway.requests] == [
        ("Put Page From URL", 0, 201)
    ]


async def test_copied_pages_are_in_the_difference(disk: PageBlob, source: str, backup: PageBlob) -> None:
    before = await backup.snapshot()
    await copy(disk.source_url(source), backup, to=10, pages=4, start=2)
    assert await backup.ranges(before) == [(10, 13, False)]


async def test_never_written_pages_of_the_source_arrive_as_zeros(disk: PageBlob, source: str, backup: PageBlob) -> None:
    await backup.write(0, 1, b"old")
    await copy(disk.source_url(source), backup, to=0, pages=2, start=40)
    assert await backup.read(0, 1) == b"\0" * 2 * PAGE


async def test_four_mebibytes_pass_and_more_do_not(new_disk: NewBlob, new_backup: NewBlob) -> None:
    disk, backup = await new_disk(2 * BIG), await new_backup(2 * BIG)
    data = os.urandom(1024 * 1024)
    for part in range(4):
        await disk.client.upload_page(data, offset=1024 * 1024 * part, length=len(data))
    url = disk.source_url(await disk.snapshot())
    await copy(url, backup, to=BIG, pages=BIG)
    assert await backup.read(BIG, 2 * BIG - 1) == data * 4
    assert await refusal(copy(url, backup, to=0, pages=BIG + 1)) == (413, "RequestBodyTooLarge")


async def test_within_one_account_a_sas_is_needed_all_the_same(disk: PageBlob, source: str, new_disk: NewBlob) -> None:
    other = await new_disk(64)
    status, code = await refusal(copy(disk.source_url(source, ""), other, to=0, pages=1))
    assert (status in (401, 403, 404), code) == (True, "CannotVerifyCopySource")
    await copy(disk.source_url(source), other, to=0, pages=1, start=3)
    assert await other.read(0, 0) == bytes([3]) * PAGE


async def refused_source(url: str, backup: PageBlob) -> tuple[int | None, str, str | None]:
    """Copy from where it must not work; give status, error code, and the source's status as the answer tells it."""
    before = (await backup.client.get_blob_properties()).etag
    with pytest.raises(HttpResponseError) as refused:
        await copy(url, backup, to=0, pages=1)
    assert (await backup.client.get_blob_properties()).etag == before
    error: Any = refused.value
    told = error.response.headers.get("x-ms-copy-source-status-code")
    return error.status_code, str(getattr(error.error_code, "value", error.error_code)), told


async def test_a_source_without_sas_is_refused(disk: PageBlob, source: str, backup: PageBlob) -> None:
    status, code, told = await refused_source(disk.source_url(source, ""), backup)
    assert (code, told) == ("CannotVerifyCopySource", str(status))
    assert status in (401, 403, 404)


async def test_an_expired_sas_is_refused(disk: PageBlob, source: str, backup: PageBlob) -> None:
    url = disk.source_url(source, disk.sas(source, minutes=-5))
    assert await refused_source(url, backup) == (403, "CannotVerifyCopySource", "403")


async def test_a_sas_of_another_blob_is_refused(
    disk: PageBlob, source: str, backup: PageBlob, new_disk: NewBlob
) -> None:
    other = await new_disk(64)
    url = disk.source_url(source, other.sas(await other.snapshot()))
    assert await refused_source(url, backup) == (403, "CannotVerifyCopySource", "403")


async def test_a_sas_of_another_snapshot_is_refused(disk: PageBlob, source: str, backup: PageBlob) -> None:
    url = disk.source_url(source, disk.sas(await disk.snapshot()))
    assert await refused_source(url, backup) == (403, "CannotVerifyCopySource", "403")


async def test_a_snapshots_sas_does_not_open_the_disk(disk: PageBlob, source: str, backup: PageBlob) -> None:
    url = disk.source_url(None, disk.sas(source))
    assert await refused_source(url, backup) == (403, "CannotVerifyCopySource", "403")


async def test_a_sas_without_read_permission_is_refused(disk: PageBlob, source: str, backup: PageBlob) -> None:
    url = disk.source_url(source, disk.sas(source, permission="w"))
    assert await refused_source(url, backup) == (403, "CannotVerifyCopySource", "403")


async def test_a_forged_sas_is_refused(disk: PageBlob, source: str, backup: PageBlob) -> None:
    assert await refused_source(disk.source_url(source).replace("sig=", "sig=A"), backup) == (
        403,
        "CannotVerifyCopySource",
        "403",
    )


async def test_a_deleted_snapshot_is_not_found(disk: PageBlob, source: str, backup: PageBlob) -> None:
    url = disk.source_url(source)
    await disk.delete_snapshot(source)
    assert await refused_source(url, backup) == (404, "CannotVerifyCopySource", "404")


async def test_a_bearer_token_is_passed_to_the_source(disk: PageBlob, source: str, backup: PageBlob) -> None:
    url = disk.source_url(source, "")
    status, code = await refusal(copy(url, backup, to=0, pages=1, source_authorization="Bearer not-a-token"))
    assert (status in (401, 403), code) == (True, "CannotVerifyCopySource")
    basic = copy(url, backup, to=0, pages=1, source_authorization="Basic abc")
    assert await refusal(basic) == (400, "InvalidHeaderValue")


async def test_a_source_elsewhere_cannot_be_verified(backup: PageBlob) -> None:
    assert await refusal(copy("http://127.0.0.1:9/a/b/c", backup, to=0, pages=1)) == (404, "CannotVerifyCopySource")


async def test_a_source_at_azurites_own_address_is_read_too(
    disk: PageBlob, source: str, backup: PageBlob, gateway: Gateway, azurite: Azurite
) -> None:
    await copy(disk.source_url(source).replace(gateway.url, azurite.blob_url), backup, to=1, pages=1, start=8)
    assert await backup.read(1, 1) == bytes([8]) * PAGE


async def test_a_range_past_the_sources_end_is_refused(disk: PageBlob, source: str, backup: PageBlob) -> None:
    url = disk.source_url(source)
    assert await refusal(copy(url, backup, to=0, pages=2, start=63)) == (416, "InvalidRange")
    assert await refusal(copy(url, backup, to=0, pages=1, start=64)) == (416, "InvalidRange")


async def test_a_range_past_the_destinations_end_is_refused(disk: PageBlob, source: str, backup: PageBlob) -> None:
    url = disk.source_url(source)
    assert await refusal(copy(url, backup, to=63, pages=2)) == (416, "InvalidPageRange")
    assert await backup.ranges() == []


async def test_a_source_may_begin_off_a_page_but_not_the_destination(
    disk: PageBlob, source: str, backup: PageBlob
) -> None:
    url = disk.source_url(source)
    assert await put_raw(url, backup, destination="bytes=0-511", read="bytes=256-767") == (201, "")
    assert await backup.read(0, 0) == b"\0" * 256 + b"\1" * 256
    assert await put_raw(url, backup, destination="bytes=256-767", read="bytes=0-511") == (416, "InvalidPageRange")


async def put_raw(url: str, backup: PageBlob, *, destination: str, read: str, body: bytes = b"") -> tuple[int, str]:
    """Ask for a copy past the SDK's own checks."""
    target = URL(f"{backup.source_url(None, backup.sas(None, permission='w'))}&comp=page", encoded=True)
    headers = {
        "x-ms-version": str(backup.client.api_version),
        "x-ms-page-write": "update",
        "x-ms-copy-source": url,
        "x-ms-range": destination,
        "x-ms-source-range": read,
        "Content-Length": str(len(body)),
    }
    async with aiohttp.ClientSession() as session, session.put(target, headers=headers, data=body or None) as answer:
        return answer.status, answer.headers.get("x-ms-error-code", "")


async def test_the_two_ranges_must_be_of_one_length_and_the_body_empty(
    disk: PageBlob, source: str, backup: PageBlob
) -> None:
    url = disk.source_url(source)
    one = "bytes=0-511"
    assert await put_raw(url, backup, destination=one, read="bytes=0-1023") == (400, "InvalidHeaderValue")
    assert await put_raw(url, backup, destination=one, read="bytes=0-") == (400, "InvalidHeaderValue")
    assert await put_raw(url, backup, destination=one, read=one, body=b"x" * PAGE) == (400, "InvalidHeaderValue")
    assert await backup.ranges() == []


async def test_a_sources_checksum_is_checked(disk: PageBlob, source: str, backup: PageBlob) -> None:
    url = disk.source_url(source)
    right = hashlib.md5(bytes([5]) * PAGE).digest()
    wrong = hashlib.md5(bytes([6]) * PAGE).digest()

    def checked(digest: bytes) -> Awaitable[dict[str, object]]:
        # The SDK says bytes, and takes only a bytearray.
        return copy(url, backup, to=0, pages=1, start=5, source_content_md5=bytearray(digest))

    assert await refusal(checked(wrong)) == (400, "Md5Mismatch")
    assert await backup.ranges() == []
    assert (await checked(right))["etag"]


async def test_the_destinations_lease_is_enforced(disk: PageBlob, source: str, backup: PageBlob) -> None:
    url = disk.source_url(source)
    lease = await backup.client.acquire_lease()
    own = lease.id
    assert await refusal(copy(url, backup, to=0, pages=1)) == (412, "LeaseIdMissing")
    other = "00000000-0000-0000-0000-000000000001"
    assert await refusal(copy(url, backup, to=0, pages=1, lease=other)) == (412, "LeaseIdMismatchWithBlobOperation")
    assert (await copy(url, backup, to=0, pages=1, lease=own))["etag"]
    await lease.release()
    late = copy(url, backup, to=0, pages=1, lease=own)
    assert await refusal(late) == (412, "LeaseNotPresentWithBlobOperation")


async def test_a_refused_copy_is_not_in_the_difference(disk: PageBlob, source: str, backup: PageBlob) -> None:
    before = await backup.snapshot()
    lease: BlobLeaseClient = await backup.client.acquire_lease()
    await refusal(copy(disk.source_url(source), backup, to=0, pages=1))
    await lease.release()
    assert await backup.ranges(before) == []


async def test_the_destinations_conditions_are_enforced(disk: PageBlob, source: str, backup: PageBlob) -> None:
    url = disk.source_url(source)
    stale = backup.client.upload_pages_from_url(url, 0, PAGE, 0, if_sequence_number_lt=0)
    assert await refusal(stale) == (412, "SequenceNumberConditionNotMet")


async def test_the_client_must_be_allowed_to_write(disk: PageBlob, source: str, backup: PageBlob) -> None:
    url = disk.source_url(source)
    async with BlobClient.from_blob_url(
        backup.source_url(None), api_version=backup.client.api_version, retry_total=0
    ) as reader:
        refused = reader.upload_pages_from_url(url, 0, PAGE, 0)
        assert (await refusal(refused))[0] == 403
    assert await backup.ranges() == []


async def test_a_destination_that_does_not_exist_is_not_found(disk: PageBlob, source: str, backup: PageBlob) -> None:
    await backup.client.delete_blob()
    assert await refusal(copy(disk.source_url(source), backup, to=0, pages=1)) == (404, "BlobNotFound")

"""A snapshot as the source of copies into an ordinary account."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobSasPermissions, generate_blob_sas
from azure.storage.blob.aio import BlobClient

from infra.local.local_azure import APP, BACKUPS, LocalAzure
from infra.local.managed_disks import Disk, ManagedDisks
from tests.gateway.page_blobs import refusal
from tests.managed_disks.arm import Arm
from tests.managed_disks.conftest import NewDisk
from tests.managed_disks.storage import BLOCK, MIB, Storage, in_an_hour

LENGTH = MIB + 512


@pytest.fixture
async def snapshot(arm: Arm, disk: Disk) -> str:
    await disk.write(0, b"a" * BLOCK)
    path = await arm.snapshot("first", disk)
    await disk.write(0, b"b" * BLOCK)
    return path


@pytest.fixture
async def backup(azure: LocalAzure, disk: Disk) -> AsyncIterator[BlobClient]:
    """A page blob of the disk's size with the footer, in an ordinary account."""
    async with azure.blobs(BACKUPS) as service:
        container = service.get_container_client("of-managed-disks")
        if not await container.exists():
            await container.create_container()
        blob = container.get_blob_client(f"{disk.id.name}.vhd")
        await blob.create_page_blob(LENGTH)
        yield blob


async def content(blob: BlobClient, length: int = BLOCK) -> bytes:
    return await (await blob.download_blob(0, length)).readall()


async def test_pages_are_put_from_a_snapshots_sas(arm: Arm, snapshot: str, backup: BlobClient) -> None:
    url = await arm.sas(snapshot)
    await backup.upload_pages_from_url(url, 0, BLOCK, 0)
    await backup.upload_pages_from_url(url, MIB, 512, MIB)
    assert await content(backup) == b"a" * BLOCK
    assert (await content(backup, LENGTH))[MIB:].startswith(b"conectix")


async def test_a_source_without_its_snapshot_is_refused(arm: Arm, snapshot: str, backup: BlobClient) -> None:
    head, _, query = (await arm.sas(snapshot)).partition("?")
    lost = f"{head}?{query.partition('&')[2]}"
    refused = (409, "CopySourceCannotBeIncrementalCopyBlob")
    assert await refusal(backup.upload_pages_from_url(lost, 0, BLOCK, 0)) == refused
    assert await refusal(backup.start_copy_from_url(lost)) == refused


async def test_a_revoked_source_is_told_as_one_that_can_not_be_read(
    arm: Arm, snapshot: str, backup: BlobClient
) -> None:
    url = await arm.sas(snapshot)
    assert (await arm.end(snapshot)).status == 202
    with pytest.raises(HttpResponseError) as raised:
        await backup.upload_pages_from_url(url, 0, BLOCK, 0)
    error: Any = raised.value
    told = error.response.headers
    assert told["x-ms-error-code"] == "CannotVerifyCopySource"
    assert (told["x-ms-copy-source-status-code"], told["x-ms-copy-source-error-code"]) == (
        "403",
        "AuthenticationFailed",
    )
    assert await refusal(backup.start_copy_from_url(url)) == (403, "CannotVerifyCopySource")


async def test_a_whole_snapshot_is_copied(arm: Arm, snapshot: str, backup: BlobClient) -> None:
    await backup.start_copy_from_url(await arm.sas(snapshot))
    assert await content(backup) == b"a" * BLOCK
    assert (await backup.get_blob_properties()).size == LENGTH


async def test_who_may_not_write_there_can_not_copy_there(arm: Arm, snapshot: str, backup: BlobClient) -> None:
    readable = BlobSasPermissions(read=True)
    name, container, expiry = str(backup.blob_name), backup.container_name, in_an_hour()
    sas = generate_blob_sas(BACKUPS.name, container, name, account_key=BACKUPS.key, permission=readable, expiry=expiry)
    url = await arm.sas(snapshot)
    async with BlobClient.from_blob_url(f"{backup.url}?{sas}", api_version="2025-11-05", retry_total=0) as reader:
        assert (await refusal(reader.start_copy_from_url(url)))[0] == 403
    assert await content(backup) == bytes(BLOCK)


async def test_the_relay_of_a_private_snapshot_is_read_but_no_source(
    managed: ManagedDisks, arm: Arm, storage: Storage, new_disk: NewDisk, backup: BlobClient
) -> None:
    disk = await new_disk()
    await disk.write(0, b"p" * BLOCK)
    put = await arm.put_snapshot("private", disk, networkAccessPolicy="AllowPrivate")
    url = await arm.sas(put.body["id"])
    assert "/md-impexp-" in url
    assert "/relaycor?" in url
    assert "&sr=b&" in url
    assert "snapshot=" not in url
    assert (await storage.read(url, 0, BLOCK)).error == (403, "AuthorizationFailure"), "from outside the network"
    managed.behaviour.is_in_private_network = True
    assert (await storage.read(url, 0, BLOCK)).body == b"p" * BLOCK
    refused = (409, "CopySourceCannotBeIncrementalCopyBlob")
    assert await refusal(backup.upload_pages_from_url(url, 0, BLOCK, 0)) == refused


async def test_with_entra_authentication_a_copy_needs_a_token_for_its_source(
    managed: ManagedDisks, arm: Arm, new_disk: NewDisk, backup: BlobClient
) -> None:
    disk = await new_disk(data_access_auth_mode="AzureActiveDirectory")
    await disk.write(0, b"e" * BLOCK)
    url = await arm.sas(await arm.snapshot("entra", disk))
    assert await refusal(backup.upload_pages_from_url(url, 0, BLOCK, 0)) == (401, "CannotVerifyCopySource")
    token = f"Bearer {managed.token(APP, 'https://disk.azure.com/')}"
    await backup.upload_pages_from_url(url, 0, BLOCK, 0, source_authorization=token)
    assert await content(backup) == b"e" * BLOCK


async def test_reads_of_a_source_are_refused_while_a_deleted_snapshot_merges(
    managed: ManagedDisks, arm: Arm, disk: Disk, snapshot: str, backup: BlobClient
) -> None:
    url = await arm.sas(await arm.snapshot("second", disk))
    managed.behaviour.merging_reads = 1
    await arm.call("DELETE", snapshot)
    assert await refusal(backup.upload_pages_from_url(url, 0, BLOCK, 0)) == (409, "CannotVerifyCopySource")
    await backup.upload_pages_from_url(url, 0, BLOCK, 0)
    assert await content(backup) == b"b" * BLOCK

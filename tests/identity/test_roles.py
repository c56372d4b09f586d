"""Roles: an operation needs an action, and a role permits it, where it was assigned."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob.aio import BlobClient, BlobLeaseClient, BlobServiceClient, ContainerClient

from infra.local.gateway.roles import (
    ADD_BLOB,
    BLOB_DATA_CONTRIBUTOR,
    DELETE_BLOB,
    EVERYTHING,
    READ_BLOB,
    Assignment,
    Assignments,
    Role,
)
from infra.local.identity.tokens import Principal
from infra.local.identity_azure import IdentityAzure
from infra.local.local_azure import DISKS

PAGE = 512
READER = Role("Disk reader", (READ_BLOB, ADD_BLOB, DELETE_BLOB))
SOMEBODY, ANOTHER = Principal.named("somebody"), Principal.named("another")

READS: dict[str, Callable[[BlobClient], Awaitable[object]]] = {
    "properties": lambda disk: disk.get_blob_properties(),
    "page ranges": lambda disk: anext(disk.list_page_ranges(), None),
    "content": lambda disk: disk.download_blob(0, PAGE),
    "snapshot": lambda disk: disk.create_snapshot(),
}
WRITES: dict[str, Callable[[BlobClient], Awaitable[object]]] = {
    "put page": lambda disk: disk.upload_page(b"x" * PAGE, 0, PAGE),
    "clear pages": lambda disk: disk.clear_page(0, PAGE),
    "put blob over it": lambda disk: disk.create_page_blob(PAGE),
    "copy blob over it": lambda disk: disk.start_copy_from_url(disk.url),
    "metadata": lambda disk: disk.set_blob_metadata({"a": "b"}),
    "resize": lambda disk: disk.resize_blob(2 * PAGE),
    "lease": lambda disk: BlobLeaseClient(disk).acquire(),
    "delete": lambda disk: disk.delete_blob(),
    "delete with its snapshots": lambda disk: disk.delete_blob("include"),
}


@pytest.fixture
async def disk(container: ContainerClient, app: BlobServiceClient) -> BlobClient:
    """A disk, by the app's client."""
    await container.get_blob_client("disk.vhd").create_page_blob(PAGE)
    return app.get_blob_client(container.container_name, "disk.vhd")


def give(azure: IdentityAzure, disk: BlobClient, role: Role) -> None:
    azure.give_app(role, f"/{DISKS.name}/{disk.container_name}", deletes_only_snapshots=role is READER)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
async def test_a_disk_reader_changes_no_disk(
    azure: IdentityAzure, disk: BlobClient, write: Callable[[BlobClient], Awaitable[object]]
) -> None:
    give(azure, disk, READER)
    before = await disk.get_blob_properties()
    with pytest.raises(HttpResponseError) as raised:
        await write(disk)
    assert raised.value.error_code == "AuthorizationPermissionMismatch"  # type: ignore[attr-defined]
    assert (await disk.get_blob_properties()).etag == before.etag
    give(azure, disk, BLOB_DATA_CONTRIBUTOR)
    await write(disk)


@pytest.mark.parametrize("look", READS.values(), ids=READS.keys())
async def test_a_disk_reader_reads_and_snapshots_and_nobody_without_a_role_does(
    azure: IdentityAzure, disk: BlobClient, look: Callable[[BlobClient], Awaitable[object]]
) -> None:
    with pytest.raises(HttpResponseError) as raised:
        await look(disk)
    assert raised.value.error_code == "AuthorizationPermissionMismatch"  # type: ignore[attr-defined]
    give(azure, disk, READER)
    await look(disk)


async def test_a_disk_reader_deletes_snapshots_one_by_one(
    azure: IdentityAzure, disk: BlobClient, app: BlobServiceClient
) -> None:
    give(azure, disk, READER)
    taken = await disk.create_snapshot()
    await app.get_blob_client(disk.container_name, disk.blob_name, snapshot=str(taken["snapshot"])).delete_blob()
    assert await disk.exists()


async def test_to_add_a_blob_is_no_right_to_write_over_one(
    azure: IdentityAzure, disk: BlobClient, app: BlobServiceClient
) -> None:
    give(azure, disk, READER)
    new = app.get_blob_client(disk.container_name, "new.vhd")
    await new.create_page_blob(PAGE)
    with pytest.raises(HttpResponseError) as raised:
        await new.create_page_blob(PAGE)
    assert raised.value.error_code == "AuthorizationPermissionMismatch"  # type: ignore[attr-defined]


async def test_a_copy_within_an_account_needs_the_right_to_read_its_source(
    azure: IdentityAzure, disk: BlobClient, app: BlobServiceClient
) -> None:
    async with azure.blobs(DISKS) as service:
        container = await service.create_container(f"copies-of-{disk.container_name}")
    azure.give_app(BLOB_DATA_CONTRIBUTOR, f"/{DISKS.name}/{container.container_name}")
    copy = app.get_blob_client(container.container_name, "copy.vhd")
    with pytest.raises(HttpResponseError) as raised:
        await copy.start_copy_from_url(disk.url)
    assert raised.value.error_code == "AuthorizationPermissionMismatch"  # type: ignore[attr-defined]
    give(azure, disk, READER)
    await copy.start_copy_from_url(disk.url)
    assert (await copy.get_blob_properties()).size == PAGE


def test_a_role_holds_where_it_was_assigned_and_below() -> None:
    roles = Assignments([Assignment(SOMEBODY, READER, "/disks/vhds"), Assignment(ANOTHER, EVERYTHING, "")])

    def may_read(who: Principal, path: str) -> bool:
        return roles.permit(who.object_id, READ_BLOB, path)

    assert may_read(SOMEBODY, "/disks/vhds/a.vhd")
    assert may_read(SOMEBODY, "/disks/vhds")
    assert not may_read(SOMEBODY, "/disks/vhds2/a.vhd")
    assert not may_read(SOMEBODY, "/disks")
    assert not may_read(SOMEBODY, "/backups/vhds/a.vhd")
    assert may_read(ANOTHER, "/backups/vhds/a.vhd")


def test_a_role_is_read_as_az_takes_it(tmp_path: Path) -> None:
    definition = {"Name": "Reader", "Actions": ["A/read"], "DataActions": [READ_BLOB, "B/*"], "AssignableScopes": ["/"]}
    file = tmp_path / "role.json"
    file.write_text(json.dumps(definition))
    role = Role.read(file)
    assert role.name == "Reader"
    assert [role.permits(action) for action in (READ_BLOB, READ_BLOB.lower(), "a/READ", "B/c/d", ADD_BLOB)] == [
        *[True] * 4,
        False,
    ]
    file.write_text(json.dumps(definition | {"NotDataActions": [READ_BLOB]}))
    with pytest.raises(ValueError, match="NotDataActions"):
        Role.read(file)

"""Uploads into a new disk: its states, what the SAS to write takes, and when it becomes a disk."""

import itertools
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from azure.storage.blob.aio import BlobClient

from infra.local.disks.vhd import FOOTER_BYTES, make_footer
from infra.local.gateway.roles import Role
from infra.local.local_azure import APP, BACKUPS, LocalAzure
from infra.local.managed_disks import ArmFault, ManagedDisks
from tests.managed_disks.arm import RG, Answered, Arm
from tests.managed_disks.storage import BLOCK, MIB, Storage

SIZE = 20 * MIB
FOOTER = make_footer(SIZE, uuid.UUID(int=1), 1_800_000_000)
CONFLICT = (409, "OperationNotAllowed")
NOT_PERMITTED = (403, "AuthorizationPermissionMismatch")
UPDATE = {"x-ms-page-write": "update"}


@pytest.fixture(scope="session")
def targets() -> Iterator[int]:
    return itertools.count()


@pytest.fixture
def path(targets: Iterator[int]) -> str:
    """The id of a disk that is not there yet."""
    return f"{RG}/disks/restored{next(targets)}"


@pytest.fixture
async def point(azure: LocalAzure) -> AsyncIterator[str]:
    """The URL with a SAS of the snapshot of a page blob, as a recovery point is one."""
    async with azure.blobs(BACKUPS) as service:
        container = service.get_container_client("recovery-points")
        if not await container.exists():
            await container.create_container()
        blob: BlobClient = container.get_blob_client("disk.vhd")
        await blob.create_page_blob(SIZE + FOOTER_BYTES)
        await blob.upload_page(b"r" * BLOCK, 0, BLOCK)
        await blob.upload_page(FOOTER, SIZE, FOOTER_BYTES)
        snapshot = str((await blob.create_snapshot())["snapshot"])
        await blob.clear_page(0, BLOCK)
        sas, _ = azure.reading(BACKUPS, container.container_name, "disk.vhd", snapshot)
        yield f"{blob.url}?snapshot={snapshot}&{sas}"
        await blob.delete_blob("include")


async def put(arm: Arm, path: str, size: Any = SIZE + FOOTER_BYTES, **properties: Any) -> Answered:
    creation = {"createOption": "Upload", "uploadSizeBytes": size}
    body = {
        "location": "westeurope",
        "sku": {"name": "Premium_LRS"},
        "zones": ["1"],
        "tags": {"by": "tidemark"},
        "properties": {"creationData": creation, "osType": "Linux", "hyperVGeneration": "V2", **properties},
    }
    return await arm.call("PUT", path, body)


async def state(arm: Arm, path: str) -> str:
    return str((await arm.properties(path))["diskState"])


async def write(storage: Storage, url: str, start: int, content: bytes, **headers: str) -> tuple[int, str]:
    given = {**UPDATE, "x-ms-range": f"bytes={start}-{start + len(content) - 1}", **headers}
    return (await storage.send("PUT", f"{url}&comp=page", given, content)).error


@pytest.fixture
async def upload(arm: Arm, path: str) -> str:
    """The SAS to write into the disk."""
    await put(arm, path)
    return await arm.sas(path, "Write")


async def test_a_recovery_point_becomes_a_disk(
    managed: ManagedDisks, arm: Arm, storage: Storage, path: str, point: str
) -> None:
    made = await put(arm, path)
    assert made.status == 202
    output = (await arm.ended(made))["properties"]["output"]
    assert output["properties"]["diskState"] == "ReadyToUpload"
    assert output["properties"]["creationData"] == {"createOption": "Upload", "uploadSizeBytes": SIZE + FOOTER_BYTES}
    assert "diskSizeBytes" not in output["properties"], "before its upload has ended"
    assert (output["sku"]["name"], output["zones"]) == ("Premium_LRS", ["1"])
    assert output["properties"]["hyperVGeneration"] == "V2"
    url = await arm.sas(path, "Write")
    assert "/md-impexp-" in url
    assert "/abcd?" in url
    assert "&sr=b&" in url
    assert await state(arm, path) == "ActiveUpload"
    assert int((await storage.head(url)).headers["Content-Length"]) == SIZE + FOOTER_BYTES
    assert (await storage.list(url)).ranges == []
    assert (await storage.copy(url, point, 0, BLOCK)).status == 201
    assert (await storage.copy(url, point, SIZE, FOOTER_BYTES)).status == 201
    assert (await storage.list(url)).ranges == [(0, BLOCK, False), (SIZE, SIZE + FOOTER_BYTES, False)]
    assert (await storage.read(url, 0, BLOCK)).body == b"r" * BLOCK
    ended = await arm.end(path)
    assert (ended.status, (await arm.ended(ended))["status"]) == (202, "Succeeded")
    assert await state(arm, path) == "Unattached"
    assert (await arm.properties(path))["diskSizeBytes"] == SIZE
    assert (await storage.head(url)).error == (403, "AuthenticationFailed")
    disk = managed.disk(path)
    assert await disk.read(0, 2 * BLOCK) == b"r" * BLOCK + bytes(BLOCK)
    of_it = await arm.sas(await arm.snapshot("restored", disk))
    assert (await storage.list(of_it)).ranges == [(0, BLOCK, False), (SIZE, SIZE + FOOTER_BYTES, False)]
    disk.attach("/subscriptions/s/vm")
    assert await state(arm, path) == "Attached"


async def test_it_may_give_no_content_before_its_end(managed: ManagedDisks, storage: Storage, upload: str) -> None:
    assert (await storage.read(upload, 0, 512)).status == 206
    managed.behaviour.uploads_are_readable = False
    assert (await storage.read(upload, 0, 512)).error == NOT_PERMITTED
    assert [(await storage.head(upload)).status, (await storage.list(upload)).status] == [200, 200]


async def test_an_incremental_backup_goes_on_after_it(
    managed: ManagedDisks, arm: Arm, storage: Storage, path: str, upload: str
) -> None:
    await write(storage, upload, SIZE, FOOTER)
    await arm.end(path)
    disk = managed.disk(path)
    older = await arm.sas(await arm.snapshot("first-of-restored", disk))
    await disk.write(BLOCK, b"n" * BLOCK)
    newer = await arm.sas(await arm.snapshot("second-of-restored", disk))
    assert (await storage.list(newer, since=older)).ranges == [(BLOCK, 2 * BLOCK, False)]


@pytest.mark.parametrize(
    "header", [{"If-Match": "*"}, {"x-ms-lease-id": str(uuid.UUID(int=2))}, {"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}]
)
async def test_a_write_has_no_condition_no_lease_and_no_checksum(
    storage: Storage, upload: str, header: dict[str, str]
) -> None:
    assert await write(storage, upload, 0, bytes(512), **header) == (400, "UnsupportedHeader")
    assert await write(storage, upload, 0, bytes(512)) == (201, "")


@pytest.mark.parametrize(
    ("request_line", "headers"),
    [
        ("PUT &comp=page", {"x-ms-page-write": "clear", "x-ms-range": "bytes=0-511"}),
        ("PUT ", {"x-ms-blob-type": "PageBlob", "x-ms-blob-content-length": "512"}),
        ("PUT &comp=snapshot", {}),
        ("PUT &comp=lease", {"x-ms-lease-action": "acquire", "x-ms-lease-duration": "-1"}),
        ("PUT &comp=metadata", {"x-ms-meta-a": "b"}),
        ("PUT &comp=properties", {"x-ms-blob-content-length": "512"}),
        ("DELETE ", {}),
    ],
)
async def test_nothing_else_is_done_there(
    storage: Storage, upload: str, request_line: str, headers: dict[str, str]
) -> None:
    method, more = request_line.split(" ")
    assert (await storage.send(method, f"{upload}{more}", headers)).error == NOT_PERMITTED


async def test_what_is_no_whole_vhd_becomes_no_disk(arm: Arm, storage: Storage, path: str, upload: str) -> None:
    failed = await arm.ended(await arm.end(path))
    assert (failed["status"], failed["error"]["code"]) == ("Failed", "InvalidVhd")
    assert await state(arm, path) == "ReadyToUpload"
    again = await arm.sas(path, "Write")
    assert again != upload
    other_size = make_footer(SIZE + MIB, uuid.UUID(int=1), 1_800_000_000)
    assert await write(storage, again, SIZE, other_size) == (201, "")
    assert (await arm.ended(await arm.end(path)))["error"]["code"] == "InvalidVhd"
    last = await arm.sas(path, "Write")
    assert await write(storage, last, SIZE, FOOTER) == (201, "")
    assert (await arm.ended(await arm.end(path)))["status"] == "Succeeded"
    assert (await arm.begin(path, "Write")).error == CONFLICT, "no upload into a disk that is one"


async def test_until_its_end_it_is_not_used(managed: ManagedDisks, arm: Arm, path: str, upload: str) -> None:
    assert "/md-impexp-" in upload
    assert (await arm.put_snapshot("too-early", managed.disk(path))).error == CONFLICT
    assert (await arm.begin(path, "Read")).error == CONFLICT
    assert (await arm.call("DELETE", path)).error == CONFLICT
    with pytest.raises(ValueError, match="can't be attached"):
        managed.disk(path).attach("/subscriptions/s/vm")
    assert await arm.sas(path, "Write") == upload
    await arm.end(path)
    assert (await arm.call("DELETE", path)).status == 202
    assert (await arm.get(path)).status == 404


@pytest.mark.parametrize(
    "size", [20_972_032 - MIB, SIZE, SIZE + FOOTER_BYTES + 512, 35_183_298_347_520 + MIB, "20972032", None], ids=str
)
async def test_the_size_is_whole_mebibytes_and_a_footer(arm: Arm, path: str, size: object) -> None:
    assert (await put(arm, path, size)).error == (400, "InvalidParameter")
    assert (await arm.get(path)).status == 404


async def test_putting_it_again_changes_no_more_than_tags(arm: Arm, path: str, upload: str) -> None:
    unique_id = (await arm.properties(path))["uniqueId"]
    assert (await put(arm, path)).status == 200
    assert (await put(arm, path, SIZE + MIB + FOOTER_BYTES)).error == (409, "PropertyChangeNotAllowed")
    assert (await arm.properties(path))["uniqueId"] == unique_id
    assert await arm.sas(path, "Write") == upload


async def test_a_write_needs_a_token_too_with_entra_authentication(
    managed: ManagedDisks, arm: Arm, storage: Storage, path: str
) -> None:
    await put(arm, path, dataAccessAuthMode="AzureActiveDirectory")
    url = await arm.sas(path, "Write")
    assert (await write(storage, url, SIZE, FOOTER))[0] == 401
    token = f"Bearer {managed.token(APP, 'https://disk.azure.com/')}"
    managed.roles.clear()
    managed.give(APP, Role("Downloader", ("Microsoft.Compute/disks/download/action",)))
    assert await write(storage, url, SIZE, FOOTER, Authorization=token) == NOT_PERMITTED
    managed.give(APP, Role("Data Operator", ("Microsoft.Compute/disks/upload/action",)))
    assert await write(storage, url, SIZE, FOOTER, Authorization=token) == (201, "")


async def test_granting_and_revoking_can_fail(managed: ManagedDisks, arm: Arm, storage: Storage, path: str) -> None:
    await put(arm, path)
    fail = ("InternalError", "Broken.")
    managed.resource_manager.faults.add(ArmFault("Disks - Grant Access", times=1, fail=fail))
    assert (await arm.ended(await arm.begin(path, "Write")))["status"] == "Failed"
    assert await state(arm, path) == "ReadyToUpload"
    url = await arm.sas(path, "Write")
    managed.resource_manager.faults.add(ArmFault("Disks - Revoke Access", times=1, fail=fail))
    assert (await arm.ended(await arm.end(path)))["status"] == "Failed"
    assert (await storage.head(url)).status == 200

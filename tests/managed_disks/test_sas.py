"""What a SAS opens: its own snapshot, for reading, until it expires or is revoked."""

import re
from datetime import timedelta

import pytest

from infra.local.gateway import Fault
from infra.local.gateway.roles import Role
from infra.local.local_azure import APP, LocalAzure
from infra.local.managed_disks import Disk, ManagedDisks
from tests.managed_disks.arm import Arm
from tests.managed_disks.conftest import NewDisk
from tests.managed_disks.storage import BLOCK, Storage

UNAUTHENTICATED = (403, "AuthenticationFailed")
NOT_PERMITTED = (403, "AuthorizationPermissionMismatch")
DISK_TOKENS = "https://disk.azure.com/"


@pytest.fixture
async def snapshot(arm: Arm, disk: Disk) -> str:
    await disk.write(0, b"x" * BLOCK)
    return await arm.snapshot("first", disk)


async def test_a_sas_has_the_recorded_form(arm: Arm, snapshot: str, azure: LocalAzure) -> None:
    host = re.escape(azure.gateway.url)
    query = r"snapshot=\d{4}-\d\d-\d\dT\d\d%3A\d\d%3A\d\d\.\d{7}Z&sv=2018-11-09&sr=bs&si=[0-9a-f]{64}&sig=[\w%]+"
    assert re.fullmatch(rf"{host}/md-[a-z0-9]{{12}}/[a-z0-9]{{12}}/abcd\?{query}", await arm.sas(snapshot))


async def test_snapshots_of_a_disk_are_of_one_blob_and_each_sas_opens_its_own(
    arm: Arm, storage: Storage, disk: Disk, snapshot: str
) -> None:
    urls = [await arm.sas(path) for path in (snapshot, await arm.snapshot("second", disk))]
    (first, query), (second, other_query) = (url.split("?") for url in urls)
    assert first == second
    assert query != other_query
    its_own, others = query.partition("&")[0], other_query.partition("&")[0]
    assert (await storage.head(urls[0])).status == 200
    for wrong in (
        urls[0].replace(its_own, others),
        urls[0].replace(f"{its_own}&", ""),
        urls[0].replace("sr=bs", "sr=b"),
        urls[0].replace("sig=", "sig=A"),
        urls[0].partition("&sig=")[0],
        urls[0].replace("/abcd?", "/abce?"),
        first,
    ):
        assert (await storage.read(wrong, 0, BLOCK)).error == UNAUTHENTICATED


@pytest.mark.parametrize(
    ("request_line", "headers"),
    [
        ("PUT &comp=page", {"x-ms-page-write": "update", "x-ms-range": "bytes=0-511"}),
        ("PUT &comp=page", {"x-ms-page-write": "clear", "x-ms-range": "bytes=0-511"}),
        ("PUT ", {"x-ms-blob-type": "PageBlob", "x-ms-blob-content-length": "512"}),
        ("PUT &comp=snapshot", {}),
        ("PUT &comp=lease", {"x-ms-lease-action": "acquire", "x-ms-lease-duration": "-1"}),
        ("PUT &comp=metadata", {"x-ms-meta-a": "b"}),
        ("DELETE ", {}),
    ],
)
async def test_it_only_reads(
    arm: Arm, storage: Storage, snapshot: str, request_line: str, headers: dict[str, str]
) -> None:
    method, more = request_line.split(" ")
    url = await arm.sas(snapshot)
    body = b"y" * 512 if "update" in headers.values() else b""
    assert (await storage.send(method, f"{url}{more}", headers, body)).error == NOT_PERMITTED
    assert (await storage.read(url, 0, BLOCK)).body == b"x" * BLOCK


async def test_it_ends_at_once_when_revoked(managed: ManagedDisks, arm: Arm, storage: Storage, snapshot: str) -> None:
    url = await arm.sas(snapshot)
    assert (await storage.head(url)).status == 200
    await arm.end(snapshot)
    assert (await storage.head(url)).error == UNAUTHENTICATED
    another = await arm.sas(snapshot)
    assert another != url
    managed.revoke(managed.snapshot(snapshot))
    assert (await storage.read(another, 0, BLOCK)).error == UNAUTHENTICATED


async def test_it_expires(managed: ManagedDisks, arm: Arm, storage: Storage, snapshot: str) -> None:
    url = await arm.sas(snapshot, seconds=60)
    managed.clock.advance(timedelta(seconds=59))
    assert (await storage.list(url)).status == 200
    managed.clock.advance(timedelta(seconds=1))
    assert (await storage.list(url)).error == UNAUTHENTICATED
    assert await arm.sas(snapshot) != url, "another one is granted then"


async def test_a_second_grant_gives_the_same_or_another_or_is_refused(
    managed: ManagedDisks, arm: Arm, storage: Storage, snapshot: str
) -> None:
    first = await arm.sas(snapshot)
    assert await arm.sas(snapshot) == first
    managed.behaviour.second_access = "new"
    second = await arm.sas(snapshot)
    assert second != first
    assert [(await storage.head(url)).status for url in (first, second)] == [200, 200]
    managed.behaviour.second_access = "refused"
    assert (await arm.begin(snapshot)).error == (409, "OperationNotAllowed")
    await arm.end(snapshot)
    assert [(await storage.head(url)).status for url in (first, second)] == [403, 403]


async def test_without_public_access_nothing_is_read_from_outside(
    managed: ManagedDisks, arm: Arm, storage: Storage, disk: Disk
) -> None:
    put = await arm.put_snapshot("inside", disk, publicNetworkAccess="Disabled")
    url = await arm.sas(put.body["id"])
    assert (await storage.head(url)).error == (403, "AuthorizationFailure")
    managed.behaviour.is_in_private_network = True
    assert (await storage.head(url)).status == 200


async def test_reads_are_refused_while_a_deleted_snapshot_merges(
    managed: ManagedDisks, arm: Arm, storage: Storage, disk: Disk, snapshot: str
) -> None:
    url = await arm.sas(await arm.snapshot("second", disk))
    managed.behaviour.merging_reads = 2
    await arm.call("DELETE", snapshot)
    assert [(await storage.read(url, 0, BLOCK)).status for _ in range(3)] == [409, 409, 206]
    assert (await storage.read(url, 0, BLOCK)).body == b"x" * BLOCK


async def test_with_entra_authentication_a_token_is_needed_beside_it(
    managed: ManagedDisks, arm: Arm, storage: Storage, new_disk: NewDisk
) -> None:
    disk = await new_disk(data_access_auth_mode="AzureActiveDirectory")
    assert (await arm.properties(disk.id.text))["dataAccessAuthMode"] == "AzureActiveDirectory"
    url = await arm.sas(await arm.snapshot("entra", disk))
    alone = await storage.head(url)
    assert alone.status == 401
    assert DISK_TOKENS in alone.headers["WWW-Authenticate"]
    for_arm = f"Bearer {managed.token(APP)}"
    assert (await storage.head(url, authorization=for_arm)).status == 401
    token = f"Bearer {managed.token(APP, DISK_TOKENS)}"
    assert (await storage.head(url, authorization=token)).status == 200
    managed.roles.clear()
    assert (await storage.head(url, authorization=token)).error == NOT_PERMITTED
    managed.give(APP, Role("Data Operator", ("Microsoft.Compute/snapshots/download/action",)))
    assert (await storage.head(url, authorization=token)).status == 200


async def test_a_read_is_refused_on_demand(
    azure: LocalAzure, arm: Arm, storage: Storage, disk: Disk, snapshot: str
) -> None:
    url = await arm.sas(snapshot)
    fault = Fault("Get Page Ranges", path=disk.path, times=1, refuse=(500, "OperationTimedOut", "Late."))
    azure.gateway.faults.add(fault)
    assert [(await storage.list(url)).status for _ in range(2)] == [500, 200]
    assert [(seen.operation, seen.path) for seen in azure.gateway.requests] == [("Get Page Ranges", disk.path)] * 2


async def test_a_range_past_the_end_is_refused(arm: Arm, storage: Storage, snapshot: str) -> None:
    url = await arm.sas(snapshot)
    past_the_end = 8 * 1024 * 1024
    assert (await storage.read(url, past_the_end, BLOCK)).error == (416, "InvalidRange")
    refused = await storage.list(url, x_ms_range=f"bytes={past_the_end}-{past_the_end + BLOCK - 1}")
    assert refused.error == (416, "InvalidRange")
    assert refused.body.startswith(b"\xef\xbb\xbf<?xml"), "as all XML of storage does"


async def test_conditions_hold_unless_the_snapshot_knows_none(
    managed: ManagedDisks, arm: Arm, storage: Storage, snapshot: str
) -> None:
    url = await arm.sas(snapshot)
    garbage, etag = {"If-Match": '"garbage"'}, {"If-Match": (await storage.head(url)).headers["ETag"]}
    assert (await storage.list(url, **garbage)).error == (412, "ConditionNotMet")
    assert (await storage.list(url, **etag)).status == 200
    managed.behaviour.takes_conditions = False
    assert (await storage.list(url, **etag)).error == (400, "UnsupportedHeader")

"""The resource manager's own rules: tokens, roles, ids, versions, lists, errors and operations."""

import time
from datetime import timedelta

import aiohttp
import pytest

from infra.local.gateway.roles import Role
from infra.local.identity.tokens import MANAGEMENT, STORAGE
from infra.local.local_azure import APP
from infra.local.managed_disks import GROUP, SUBSCRIPTION, ArmFault, Disk, ManagedDisks
from tests.managed_disks.arm import RG, Answered, Arm
from tests.managed_disks.conftest import NewDisk
from tests.managed_disks.storage import MIB

SUB = f"/subscriptions/{SUBSCRIPTION}"
COMPUTE = "Microsoft.Compute"


async def test_a_disk_is_shown_as_recorded(arm: Arm, new_disk: NewDisk) -> None:
    size = 136_367_308_800
    disk = await new_disk(
        size,
        sku="PremiumV2_LRS",
        zones=("2",),
        tags={"env": "prod"},
        properties={"osType": "Linux", "hyperVGeneration": "V2", "securityProfile": {"securityType": "TrustedLaunch"}},
        network_access_policy="DenyAll",
        public_network_access="Disabled",
    )
    disk.attach("/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm")
    got = (await arm.get(disk.id.text)).body
    assert got["id"] == disk.id.text
    assert (got["name"], got["type"], got["location"]) == (disk.id.name, "Microsoft.Compute/disks", "westeurope")
    assert (got["sku"]["name"], got["zones"], got["tags"]) == ("PremiumV2_LRS", ["2"], {"env": "prod"})
    assert got["managedBy"].endswith("/vm")
    properties = got["properties"]
    assert (properties["diskSizeBytes"], properties["diskSizeGB"]) == (size, 127), (
        "without the footer, GiB rounded down"
    )
    assert properties["uniqueId"] == disk.unique_id
    assert properties["diskState"] == "Attached"
    assert properties["provisioningState"] == "Succeeded"
    assert (properties["osType"], properties["hyperVGeneration"]) == ("Linux", "V2")
    assert properties["securityProfile"] == {"securityType": "TrustedLaunch"}
    assert (properties["networkAccessPolicy"], properties["publicNetworkAccess"]) == ("DenyAll", "Disabled")
    assert properties["encryption"] == {"type": "EncryptionAtRestWithPlatformKey"}


async def test_ids_are_read_in_any_case(arm: Arm, disk: Disk) -> None:
    shouted = disk.id.text.upper()
    assert (await arm.get(shouted)).body["id"] == disk.id.text


async def test_a_disk_made_anew_under_its_name_is_another(managed: ManagedDisks, arm: Arm, disk: Disk) -> None:
    anew = await managed.create_disk(disk.id.name, MIB)
    shown = (await arm.get(disk.id.text)).body
    assert shown["properties"]["uniqueId"] == anew.unique_id != disk.unique_id
    managed.delete(anew)
    assert (await arm.get(disk.id.text)).error == (404, "ResourceNotFound")


@pytest.mark.parametrize(
    ("method", "path", "error"),
    [
        ("GET", f"{RG}/disks/none", (404, "ResourceNotFound")),
        ("GET", f"{SUB}/resourceGroups/none/providers/{COMPUTE}/disks/none", (404, "ResourceGroupNotFound")),
        ("GET", f"/subscriptions/{MANAGEMENT[-3:]}/providers/{COMPUTE}/disks", (404, "SubscriptionNotFound")),
        ("GET", f"{RG}/disks?api-version=2019-01-01", (400, "NoRegisteredProviderFound")),
        ("POST", f"{RG}/snapshots/none/beginGetAccess", (400, "InvalidRequestContent")),
        ("PUT", f"{RG}/snapshots/none", (400, "InvalidRequestContent")),
        ("GET", f"{SUB}/providers/{COMPUTE}/locations/westeurope/DiskOperations/none", (404, "NotFound")),
        ("PATCH", f"{RG}/disks/none", (404, "NotFound")),
    ],
)
async def test_what_is_wrong_is_told_in_json(arm: Arm, method: str, path: str, error: tuple[int, str]) -> None:
    answered = await arm.call(method, path)
    assert answered.error == error
    assert answered.body["error"]["message"]
    assert answered.headers["Content-Type"].startswith("application/json")


async def test_the_api_version_is_required(http: aiohttp.ClientSession, arm: Arm) -> None:
    headers = {"Authorization": arm.authorization}
    async with http.get(f"{arm.url}{RG}/disks", headers=headers) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["code"] == "MissingApiVersionParameter"


async def test_an_older_api_version_knows_no_access_state(arm: Arm, disk: Disk) -> None:
    path = await arm.snapshot("old", disk)
    assert "snapshotAccessState" in await arm.properties(path)
    assert "snapshotAccessState" not in await arm.properties(f"{path}?api-version=2024-03-02")


async def refused(arm: Arm, authorization: str | None) -> Answered:
    headers = {} if authorization is None else {"Authorization": authorization}
    answered = await arm.call("GET", f"{RG}/disks", headers=headers)
    assert answered.status == 401
    assert answered.headers["WWW-Authenticate"].startswith("Bearer ")
    return answered


async def test_only_tokens_for_the_resource_manager_are_taken(managed: ManagedDisks, arm: Arm) -> None:
    for resource in (MANAGEMENT, f"{MANAGEMENT}/", managed.url, f"{managed.url}/"):
        headers = {"Authorization": f"Bearer {managed.token(APP, resource)}"}
        assert (await arm.call("GET", f"{RG}/disks", headers=headers)).status == 200
    assert (await refused(arm, None)).body["error"]["code"] == "AuthenticationFailed"
    assert (await refused(arm, "Bearer x")).body["error"]["code"] == "InvalidAuthenticationToken"
    wrong = await refused(arm, f"Bearer {managed.token(APP, STORAGE)}")
    assert wrong.body["error"]["code"] == "InvalidAuthenticationTokenAudience"
    expired = managed.issuer.make(APP, MANAGEMENT, int(time.time()) - 25 * 60 * 60).text
    assert (await refused(arm, f"Bearer {expired}")).body["error"]["code"] == "InvalidAuthenticationToken"


async def test_the_apps_endpoint_gives_such_tokens(
    http: aiohttp.ClientSession, managed: ManagedDisks, arm: Arm
) -> None:
    given = managed.settings
    assert given["RESOURCE_MANAGER_URL"] == managed.url
    for resource in (MANAGEMENT, managed.url, "https://disk.azure.com/"):
        query = {"api-version": "2019-08-01", "resource": resource, "client_id": given["AZURE_CLIENT_ID"]}
        headers = {"X-IDENTITY-HEADER": given["IDENTITY_HEADER"]}
        async with http.get(given["IDENTITY_ENDPOINT"], params=query, headers=headers) as answer:
            token = (await answer.json())["access_token"]
        called = await arm.call("GET", f"{RG}/disks", headers={"Authorization": f"Bearer {token}"})
        assert called.status == (401 if "disk" in resource else 200)


async def test_an_action_needs_a_role_at_its_scope(managed: ManagedDisks, arm: Arm, disk: Disk) -> None:
    managed.roles.clear()
    answered = await arm.get(disk.id.text)
    assert answered.error == (403, "AuthorizationFailed")
    said = answered.body["error"]["message"]
    assert "'Microsoft.Compute/disks/read'" in said
    assert f"'{disk.id.text}'" in said
    assert APP.object_id in said
    role = Role("Disk reader", (f"{COMPUTE}/disks/read",))
    managed.give(APP, role, f"{SUB}/resourceGroups/another")
    assert (await arm.get(disk.id.text)).status == 403
    given = managed.give(APP, role, f"{SUB.upper()}/RESOURCEGROUPS/{GROUP}")
    assert (await arm.get(disk.id.text)).status == 200
    assert (await arm.get(f"{RG}/disks")).status == 200
    assert (await arm.get(f"{SUB}/providers/{COMPUTE}/disks")).status == 403, "the scope is the subscription"
    assert (await arm.get(f"{RG}/snapshots")).status == 403
    managed.roles.take(given)
    assert (await arm.get(disk.id.text)).status == 403


async def test_a_snapshot_needs_a_right_on_its_disk_too(managed: ManagedDisks, arm: Arm, disk: Disk) -> None:
    managed.roles.clear()
    managed.give(APP, Role("Writer", (f"{COMPUTE}/snapshots/*",)))
    answered = await arm.put_snapshot("linked", disk)
    assert answered.error == (403, "LinkedAuthorizationFailed")
    assert "'Microsoft.Compute/disks/beginGetAccess/action'" in answered.body["error"]["message"]
    assert disk.id.text in answered.body["error"]["message"]
    assert managed.snapshots == []
    managed.give(APP, Role("Backup reader", (f"{COMPUTE}/disks/beginGetAccess/action",)), disk.id.text)
    answered = await arm.put_snapshot("linked", disk)
    assert answered.status == 202
    assert (await arm.ended(answered))["status"] == "Succeeded", "polling needs no role of its own"
    managed.behaviour.polling_needs_role = True
    assert (await arm.get(answered.headers["Azure-AsyncOperation"])).error == (403, "AuthorizationFailed")


async def test_a_list_is_given_in_pages(managed: ManagedDisks, arm: Arm, new_disk: NewDisk) -> None:
    made = sorted([(await new_disk()).id.text for _ in range(4)] + [(await new_disk(group="other")).id.text])
    managed.behaviour.page_size = 2
    names, path = [], f"{SUB}/providers/{COMPUTE}/disks"
    sizes = []
    while path:
        page = (await arm.get(path)).body
        sizes.append(len(page["value"]))
        names += [each["id"] for each in page["value"]]
        path = page.get("nextLink", "")
    assert (sorted(names), sizes) == (made, [2, 2, 1])
    in_group = (await arm.get(f"{RG}/disks")).body
    assert "nextLink" in in_group
    managed.behaviour.page_size = 4
    assert "nextLink" not in (await arm.get(f"{RG}/disks")).body


async def test_an_operation_has_the_recorded_form(arm: Arm, disk: Disk) -> None:
    path = await arm.snapshot("form", disk)
    begun = await arm.begin(path)
    assert (begun.status, begun.body) == (202, {})
    at, monitor = begun.headers["Azure-AsyncOperation"], begun.headers["Location"]
    assert at.startswith(f"{arm.url}{SUB}/providers/{COMPUTE}/locations/westeurope/DiskOperations/")
    assert monitor == at.replace("&api-version=", "&monitor=true&api-version=")
    assert len(at) > 2500, "signed, with a certificate"
    assert "Retry-After" not in begun.headers
    status = (await arm.get(at)).body
    assert status.keys() == {"startTime", "endTime", "status", "properties", "name"}
    assert status["status"] == "Succeeded"
    assert status["name"] in at
    assert (await arm.get(monitor)).body == status["properties"]["output"]
    ended = await arm.end(path)
    assert (ended.status, "properties" in await arm.ended(ended)) == (202, False)
    at_location = await arm.get(ended.headers["Location"])
    assert (at_location.status, at_location.body) == (200, {})


async def test_the_header_of_throttling_counts_down(arm: Arm, disk: Disk) -> None:
    group = "Microsoft.Compute/HighCostSnapshotCreateHydrate"
    put = await arm.put_snapshot("counted", disk)
    assert put.headers["x-ms-ratelimit-remaining-resource"] == f"{group}3Min;999,{group}30Min;7999"
    begun = await arm.begin(put.body["id"])
    assert begun.headers["x-ms-ratelimit-remaining-resource"] == f"{group}3Min;998,{group}30Min;7998"


async def test_too_many_requests_are_told_to_wait(managed: ManagedDisks, arm: Arm, disk: Disk) -> None:
    managed.behaviour.requests_3_min = 2
    path = await arm.snapshot("busy", disk)
    assert (await arm.end(path)).status == 202
    answered = await arm.end(path)
    assert answered.status == 429
    assert 170 <= int(answered.headers["Retry-After"]) <= 180
    assert answered.body["error"]["details"][0]["code"] == "TooManyRequests"
    assert (await arm.get(path)).status == 200, "reads are no part of that"
    managed.clock.advance(timedelta(minutes=3))
    assert (await arm.end(path)).status == 202


async def test_an_operation_takes_as_many_looks_as_told(managed: ManagedDisks, arm: Arm, disk: Disk) -> None:
    managed.behaviour.looks = 3
    put = await arm.put_snapshot("slow", disk)
    assert (await arm.properties(put.body["id"]))["provisioningState"] == "Updating"
    assert (await arm.ended(put)).keys() == {"startTime", "status", "name"}
    assert (await arm.get(put.headers["Location"])).status == 202
    assert (await arm.ended(put))["status"] == "Succeeded"
    assert (await arm.properties(put.body["id"]))["provisioningState"] == "Succeeded"
    deleted = await arm.call("DELETE", put.body["id"])
    assert [(await arm.get(put.body["id"])).status for _ in range(4)] == [200, 200, 200, 404]
    assert (await arm.ended(deleted))["status"] == "Succeeded"


async def test_operations_last_until_the_test_says(managed: ManagedDisks, arm: Arm, disk: Disk) -> None:
    managed.behaviour.is_held = True
    put = await arm.put_snapshot("held", disk)
    for _ in range(3):
        assert (await arm.ended(put))["status"] == "InProgress"
    managed.release()
    assert (await arm.ended(put))["status"] == "Succeeded"


async def test_an_operation_can_fail_after_all(managed: ManagedDisks, arm: Arm, disk: Disk) -> None:
    fault = ArmFault("Snapshots - Create Or Update", times=1, fail=("InternalExecutionError", "Something broke."))
    managed.resource_manager.faults.add(fault)
    put = await arm.put_snapshot("broken", disk)
    assert put.status == 202
    status = await arm.ended(put)
    assert (status["status"], status["error"]) == (
        "Failed",
        {"code": "InternalExecutionError", "message": "Something broke."},
    )
    assert (await arm.get(put.headers["Location"])).body["error"]["code"] == "InternalExecutionError"
    assert (await arm.properties(put.body["id"]))["provisioningState"] == "Failed"
    again = await arm.put_snapshot("broken", disk)
    assert again.status == 200
    assert (await arm.properties(put.body["id"]))["provisioningState"] == "Succeeded"


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (ArmFault("Disks - Get", refuse=(429, "OperationNotAllowed", "Too many."), retry_after=7), (429, "7")),
        (ArmFault(path="*/DISKS/*", refuse=(503, "ServerBusy", "Busy.")), (200, None)),
        (ArmFault(method="GET", times=1, refuse=(500, "InternalServerError", "Broken.")), (500, None)),
    ],
)
async def test_a_request_is_refused_on_demand(
    managed: ManagedDisks, arm: Arm, disk: Disk, fault: ArmFault, told: tuple[int, str | None]
) -> None:
    managed.resource_manager.faults.add(fault)
    answered = await arm.get(disk.id.text)
    assert (answered.status, answered.headers.get("Retry-After")) == told


async def test_a_connection_is_cut_before_or_after_the_effect(managed: ManagedDisks, arm: Arm, disk: Disk) -> None:
    handle = managed.resource_manager.faults.add(ArmFault("Snapshots - Create Or Update", cut="before"))
    with pytest.raises(aiohttp.ClientError):
        await arm.put_snapshot("lost", disk)
    assert managed.snapshots == []
    handle.remove()
    managed.resource_manager.faults.add(ArmFault("Snapshots - Create Or Update", cut="after"))
    with pytest.raises(aiohttp.ClientError):
        await arm.put_snapshot("lost", disk)
    assert [taken.id.name for taken in managed.snapshots] == ["lost"]

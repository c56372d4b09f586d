"""Limits of snapshots and of SASs, and what a snapshot may be put, read and deleted for."""

from datetime import timedelta
from typing import Any

import pytest

from infra.local.managed_disks import Disk, ManagedDisks
from tests.managed_disks.arm import RG, Arm
from tests.managed_disks.conftest import NewDisk
from tests.managed_disks.storage import Storage

CONFLICT = (409, "OperationNotAllowed")


async def test_a_disk_takes_seven_snapshots_in_five_minutes(
    managed: ManagedDisks, arm: Arm, disk: Disk, new_disk: NewDisk
) -> None:
    for number in range(7):
        await arm.snapshot(f"s{number}", disk)
    answered = await arm.put_snapshot("s7", disk)
    assert answered.error == (429, "OperationNotAllowed")
    assert 290 <= int(answered.headers["Retry-After"]) <= 300
    assert (await arm.put_snapshot("s6", disk)).status == 200, "which is there"
    assert (await arm.put_snapshot("of-another", await new_disk())).status == 202
    managed.clock.advance(timedelta(minutes=5))
    assert (await arm.put_snapshot("s7", disk)).status == 202


async def test_a_disk_has_so_many_snapshots_and_no_more(managed: ManagedDisks, arm: Arm, disk: Disk) -> None:
    assert managed.behaviour.snapshots_per_disk == 500
    managed.behaviour.snapshots_per_disk = 2
    first = await arm.snapshot("first", disk)
    await arm.snapshot("second", disk)
    assert (await arm.put_snapshot("third", disk)).error == CONFLICT
    await arm.call("DELETE", first)
    assert (await arm.put_snapshot("third", disk)).status == 202


async def test_five_snapshots_of_a_family_have_a_sas_at_once(managed: ManagedDisks, arm: Arm, disk: Disk) -> None:
    paths = [await arm.snapshot(f"s{number}", disk) for number in range(6)]
    for path in paths[:5]:
        await arm.sas(path)
    assert (await arm.begin(paths[5])).error == CONFLICT
    managed.behaviour.second_access = "new"
    assert (await arm.begin(paths[4])).status == 202, "which has one"
    await arm.end(paths[0])
    assert (await arm.begin(paths[5])).status == 202
    assert (await arm.begin(paths[0])).error == CONFLICT
    disk.begin_family()
    managed.clock.advance(timedelta(minutes=5))
    assert (await arm.begin(await arm.snapshot("of-another-family", disk))).status == 202


async def test_an_expired_sas_counts_until_it_is_revoked_or_does_not(
    managed: ManagedDisks, arm: Arm, disk: Disk
) -> None:
    managed.behaviour.accesses_per_family = 1
    first, second = [await arm.snapshot(name, disk) for name in ("first", "second")]
    await arm.sas(first, seconds=60)
    managed.clock.advance(timedelta(seconds=61))
    assert (await arm.properties(first))["diskState"] == "ActiveSAS"
    assert (await arm.begin(second)).error == CONFLICT
    managed.behaviour.expired_access_lingers = False
    assert (await arm.properties(first))["diskState"] == "Unattached"
    assert (await arm.begin(second)).status == 202


async def test_a_snapshot_with_a_sas_is_not_deleted(arm: Arm, disk: Disk) -> None:
    path = await arm.snapshot("kept", disk)
    await arm.sas(path)
    assert (await arm.properties(path))["diskState"] == "ActiveSAS"
    assert (await arm.call("DELETE", path)).error == CONFLICT
    await arm.end(path)
    assert (await arm.properties(path))["diskState"] == "Unattached"
    assert (await arm.call("DELETE", path)).status == 202


async def test_putting_a_snapshot_again_changes_none(arm: Arm, disk: Disk, new_disk: NewDisk) -> None:
    path = await arm.snapshot("same", disk)
    before = await arm.properties(path)
    again = await arm.put_snapshot("SAME", disk, tags={"more": "tags"})
    assert again.status == 200
    assert (await arm.get(path)).body["tags"] == {"more": "tags"}
    assert await arm.properties(path) == before
    other = await arm.put_snapshot("same", await new_disk())
    assert other.error == (409, "PropertyChangeNotAllowed")


async def test_a_snapshot_outlives_its_disk(managed: ManagedDisks, arm: Arm, storage: Storage, disk: Disk) -> None:
    await disk.write(0, b"x" * 4096)
    path = await arm.snapshot("orphan", disk)
    assert (await arm.call("DELETE", disk.id.text)).status == 202
    assert managed.disks == []
    assert (await storage.read(await arm.sas(path), 0, 512)).body == b"x" * 512


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        ({"incremental": False}, "incremental"),
        ({"creationData": {"createOption": "Copy"}}, "sourceResourceId"),
        ({"creationData": {"createOption": "Import"}}, "createOption"),
        ({"creationData": []}, "creationData"),
    ],
)
async def test_a_bad_body_is_told(arm: Arm, disk: Disk, given: dict[str, Any], parameter: str) -> None:
    answered = await arm.put_snapshot("bad", disk, **given)
    assert answered.error == (400, "InvalidParameter")
    assert parameter in answered.body["error"]["message"]


@pytest.mark.parametrize(
    ("access", "seconds"), [("Read", 5_184_001), ("Read", 0), ("Read", None), ("None", 60)], ids=str
)
async def test_a_sas_is_for_sixty_days_at_most(arm: Arm, disk: Disk, access: str, seconds: int) -> None:
    path = await arm.snapshot("long", disk)
    assert (await arm.begin(path, seconds=5_184_000)).status == 202
    assert (await arm.begin(path, access, seconds)).error == (400, "InvalidParameter")


async def test_a_background_copy_must_end_before_a_snapshot_is_read(
    managed: ManagedDisks, arm: Arm, new_disk: NewDisk
) -> None:
    managed.behaviour.copy_looks = 3
    disk = await new_disk(sku="PremiumV2_LRS")
    path = await arm.snapshot("copied", disk)
    shown = await arm.properties(path)
    assert (shown["provisioningState"], shown["snapshotAccessState"]) == ("Succeeded", "Pending")
    assert 0 < shown["completionPercent"] < 100
    assert (await arm.begin(path)).error == CONFLICT
    managed.snapshot(path).has_instant_access = True
    assert (await arm.properties(path))["snapshotAccessState"] == "InstantAccess"
    assert (await arm.begin(path)).error == CONFLICT
    await arm.get(path)
    shown = await arm.properties(path)
    assert (shown["snapshotAccessState"], shown["completionPercent"]) == ("AvailableWithInstantAccess", 100)
    assert (await arm.begin(path)).status == 202
    at_once = await arm.snapshot("premium", await new_disk())
    assert (await arm.properties(at_once))["snapshotAccessState"] == "Available"


async def test_three_background_copies_of_a_disk_run_at_once(
    managed: ManagedDisks, arm: Arm, new_disk: NewDisk
) -> None:
    managed.behaviour.copy_looks = 9
    disk = await new_disk(sku="UltraSSD_LRS")
    for number in range(3):
        await arm.snapshot(f"s{number}", disk)
    assert (await arm.put_snapshot("s3", disk)).error == CONFLICT
    managed.release()
    assert (await arm.put_snapshot("s3", disk)).status == 202


async def test_a_policy_can_change_the_network_of_a_snapshot(managed: ManagedDisks, arm: Arm, disk: Disk) -> None:
    managed.behaviour.policy = {"networkAccessPolicy": "DenyAll", "publicNetworkAccess": "Disabled"}
    path = await arm.snapshot("denied", disk)
    shown = await arm.properties(path)
    assert (shown["networkAccessPolicy"], shown["publicNetworkAccess"]) == ("DenyAll", "Disabled")
    assert (await arm.begin(path)).error == CONFLICT
    assert f"{RG}/snapshots/denied" == path


async def test_a_snapshot_has_a_network_policy_of_its_own(arm: Arm, new_disk: NewDisk) -> None:
    disk = await new_disk(network_access_policy="DenyAll", public_network_access="Disabled")
    assert (await arm.begin(disk.id.text)).error == CONFLICT
    shown = await arm.properties(await arm.snapshot("open", disk))
    assert (shown["networkAccessPolicy"], shown["publicNetworkAccess"]) == ("AllowAll", "Enabled")


async def test_a_disk_is_read_by_a_sas_only_while_nothing_uses_it(
    arm: Arm, storage: Storage, new_disk: NewDisk
) -> None:
    disk = await new_disk()
    disk.attach("/subscriptions/s/vm")
    assert (await arm.begin(disk.id.text)).error == CONFLICT
    assert (await arm.call("DELETE", disk.id.text)).error == CONFLICT
    disk.detach()
    url = await arm.sas(disk.id.text)
    assert (await storage.head(url)).status == 200
    with pytest.raises(ValueError, match="can't be attached"):
        disk.attach("/subscriptions/s/vm")


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ({f"tag{number}": "" for number in range(51)}, "TooManyTags"),
        ({"disk": "x" * 257}, "InvalidTagValue"),
        ({"disk": None}, "InvalidTagValue"),
        ({"x" * 513: ""}, "InvalidTagNameCharacters"),
        ({"/subscriptions/s": ""}, "InvalidTagNameCharacters"),
    ],
    ids=["many", "long value", "no value", "long name", "bad name"],
)
async def test_tags_are_limited(managed: ManagedDisks, arm: Arm, disk: Disk, tags: Any, code: str) -> None:
    assert (await arm.put_snapshot("tagged", disk, tags=tags)).error == (400, code)
    assert managed.snapshots == []


@pytest.mark.parametrize("name", ["a" * 81, "a.b", "a b", "ä"])
async def test_names_are_limited(arm: Arm, disk: Disk, name: str) -> None:
    assert (await arm.put_snapshot(name, disk)).error == (400, "InvalidParameter")
    assert (await arm.put_snapshot("a" * 80, disk)).status == 202


async def test_a_snapshot_is_read_once_it_is_provisioned(managed: ManagedDisks, arm: Arm, disk: Disk) -> None:
    managed.behaviour.is_held = True
    put = await arm.put_snapshot("early", disk)
    managed.behaviour.is_held = False
    assert (await arm.begin(put.body["id"])).error == CONFLICT
    managed.release()
    assert (await arm.begin(put.body["id"])).status == 202


async def test_a_snapshot_may_tell_nothing_of_its_copy(managed: ManagedDisks, arm: Arm, disk: Disk) -> None:
    managed.behaviour.shows_completion = False
    assert "completionPercent" not in await arm.properties(await arm.snapshot("silent", disk))

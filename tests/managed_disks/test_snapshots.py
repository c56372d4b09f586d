"""Incremental snapshots: their life in the resource manager, and what of a disk they hold."""

from infra.local.disks.vhd import FOOTER_BYTES, check_footer
from infra.local.managed_disks import Disk
from tests.managed_disks.arm import RG, Arm
from tests.managed_disks.conftest import NewDisk
from tests.managed_disks.storage import BLOCK, KIB, MIB, Storage


async def test_a_snapshot_is_put_read_listed_and_deleted(arm: Arm, disk: Disk) -> None:
    put = await arm.put_snapshot("first", disk, tags={"by": "tidemark"})
    assert put.status == 202
    assert put.body["id"] == f"{RG}/snapshots/first"
    assert put.body["properties"] == {
        "creationData": {
            "createOption": "Copy",
            "sourceResourceId": disk.id.text,
            "sourceUniqueId": disk.unique_id,
        },
        "incremental": True,
        "diskSizeBytes": MIB,
        "networkAccessPolicy": "AllowAll",
        "publicNetworkAccess": "Enabled",
        "provisioningState": "Updating",
    }, "and nothing that comes later"
    operation = await arm.ended(put)
    assert operation["status"] == "Succeeded"
    got = (await arm.get(f"{RG}/snapshots/FIRST")).body
    assert operation["properties"]["output"] == got
    assert (got["name"], got["tags"]) == ("first", {"by": "tidemark"})
    properties = got["properties"]
    assert properties["incrementalSnapshotFamilyId"] == disk.family
    assert properties["diskSizeBytes"] == MIB, "without the footer"
    assert (properties["diskState"], properties["provisioningState"]) == ("Unattached", "Succeeded")
    assert (properties["snapshotAccessState"], properties["completionPercent"]) == ("Available", 100)
    assert (await arm.get(f"{RG}/snapshots")).body == {"value": [got]}
    assert (await arm.call("DELETE", f"{RG}/snapshots/first")).status == 202
    assert (await arm.get(f"{RG}/snapshots/first")).error == (404, "ResourceNotFound")
    assert (await arm.call("DELETE", f"{RG}/snapshots/first")).status == 204


async def test_a_sas_reads_the_snapshot_with_the_footer_of_a_vhd(arm: Arm, storage: Storage, disk: Disk) -> None:
    await disk.write(8 * KIB, b"a" * BLOCK)
    snapshot = await arm.snapshot("first", disk)
    await disk.write(8 * KIB, b"b" * BLOCK)
    url = await arm.sas(snapshot)
    head = await storage.head(url)
    assert (head.status, int(head.headers["Content-Length"])) == (200, MIB + FOOTER_BYTES)
    assert head.headers["x-ms-blob-type"] == "PageBlob"
    assert head.headers["x-ms-incremental-copy"] == "true"
    assert head.headers["x-ms-copy-status"] == "success"
    assert head.headers["x-ms-copy-progress"] == f"{MIB + FOOTER_BYTES}/{MIB + FOOTER_BYTES}"
    assert head.headers["x-ms-copy-destination-snapshot"].endswith("Z")
    read = await storage.read(url, 8 * KIB, BLOCK)
    assert (read.status, read.body) == (206, b"a" * BLOCK)
    footer = await storage.read(url, MIB, FOOTER_BYTES)
    assert check_footer(footer.body).size == MIB
    listed = await storage.list(url)
    assert listed.ranges == [(8 * KIB, 12 * KIB, False), (MIB, MIB + FOOTER_BYTES, False)]


async def test_a_diff_tells_what_was_written_and_cleared(arm: Arm, storage: Storage, disk: Disk) -> None:
    await disk.write(0, b"a" * 16 * BLOCK)
    older = await arm.sas(await arm.snapshot("older", disk))
    await disk.write(BLOCK + 512, b"b" * 512)
    await disk.clear(4 * BLOCK, 2 * BLOCK)
    await disk.write(6 * BLOCK, b"c" * BLOCK)
    newer = await arm.sas(await arm.snapshot("newer", disk))
    found = await storage.list(newer, since=older)
    assert found.status == 200
    assert found.ranges == [
        (BLOCK, 2 * BLOCK, False),
        (4 * BLOCK, 6 * BLOCK, True),
        (6 * BLOCK, 7 * BLOCK, False),
    ]
    assert int(found.headers["x-ms-blob-content-length"]) == MIB + FOOTER_BYTES


async def test_a_snapshot_has_what_its_disk_has_and_what_was_put(arm: Arm, new_disk: NewDisk) -> None:
    security, access = {"securityType": "TrustedLaunch"}, "/subscriptions/s/diskAccesses/a"
    disk = await new_disk(properties={"osType": "Linux", "securityProfile": security, "tier": "P10"})
    put = await arm.put_snapshot("inherits", disk, networkAccessPolicy="AllowPrivate", diskAccessId=access)
    properties = await arm.properties(put.body["id"])
    assert (properties["osType"], properties["securityProfile"]) == ("Linux", security)
    assert (properties["networkAccessPolicy"], properties["diskAccessId"]) == ("AllowPrivate", access)
    assert "tier" not in properties

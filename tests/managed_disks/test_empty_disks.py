"""Empty disks, which whoever may make disks makes without an upload: their size, their policies, and how they grow."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from infra.local.disks.vhd import FOOTER_BYTES, check_footer
from infra.local.managed_disks import ManagedDisks
from tests.managed_disks.arm import RG, Answered, Arm
from tests.managed_disks.storage import Storage

GIB = 1024**3


@pytest.fixture(scope="session")
def counted() -> Iterator[int]:
    return itertools.count()


@pytest.fixture
def path(counted: Iterator[int]) -> str:
    """The id of a disk that is not there yet."""
    return f"{RG}/disks/empty{next(counted)}"


async def put(arm: Arm, path: str, gib: object = 1, **properties: Any) -> Answered:
    creation = {"creationData": {"createOption": "Empty"}, "diskSizeGB": gib}
    body = {"location": "westeurope", "sku": {"name": "StandardSSD_LRS"}, "tags": {"run": "1"}}
    return await arm.call("PUT", path, body | {"properties": {**creation, **properties}})


async def test_an_empty_disk_has_a_footer_and_no_other_page(
    managed: ManagedDisks, arm: Arm, storage: Storage, path: str
) -> None:
    made = await put(arm, path, 2, osType="Linux")
    assert (made.status, (await arm.ended(made))["status"]) == (202, "Succeeded")
    found = await arm.get(path)
    assert (found.body["sku"]["name"], found.body["tags"]) == ("StandardSSD_LRS", {"run": "1"})
    properties = found.body["properties"]
    assert (properties["diskSizeGB"], properties["diskSizeBytes"]) == (2, 2 * GIB)
    assert (properties["diskState"], properties["osType"]) == ("Unattached", "Linux")
    assert properties["creationData"] == {"createOption": "Empty"}
    url = await arm.sas(await arm.snapshot(f"{path.rpartition('/')[2]}-1", managed.disk(path)))
    assert int((await storage.head(url)).headers["Content-Length"]) == 2 * GIB + FOOTER_BYTES
    assert (await storage.list(url)).ranges == [(2 * GIB, 2 * GIB + FOOTER_BYTES, False)]
    assert check_footer((await storage.read(url, 2 * GIB, FOOTER_BYTES)).body).size == 2 * GIB


async def test_an_empty_disk_that_is_put_again_with_a_larger_size_grows(
    managed: ManagedDisks, arm: Arm, path: str
) -> None:
    await put(arm, path)
    unique = managed.disk(path).unique_id
    again = await put(arm, path, 2)
    assert again.status == 200
    assert (await arm.properties(path))["diskSizeBytes"] == 2 * GIB
    assert managed.disk(path).unique_id == unique
    assert check_footer(await managed.disk(path).content.footer()).size == 2 * GIB
    await put(arm, path, 2)
    assert (await put(arm, path)).error == (409, "OperationNotAllowed"), "no disk shrinks"
    assert (await arm.properties(path))["diskSizeGB"] == 2


@pytest.mark.parametrize("gib", [0, 32_768, "1", None, True], ids=str)
async def test_the_size_is_a_number_of_gibibytes(arm: Arm, path: str, gib: object) -> None:
    assert (await put(arm, path, gib)).error == (400, "InvalidParameter")


async def test_a_disk_is_not_put_again_in_another_way(arm: Arm, path: str) -> None:
    await put(arm, path)
    creation = {"createOption": "Upload", "uploadSizeBytes": 20_972_032}
    body = {"location": "westeurope", "properties": {"creationData": creation}}
    assert (await arm.call("PUT", path, body)).error == (409, "PropertyChangeNotAllowed")


async def test_a_snapshot_has_its_own_network_policy_or_as_some_say_that_of_its_disk(
    managed: ManagedDisks, arm: Arm, path: str
) -> None:
    await put(arm, path, networkAccessPolicy="DenyAll", publicNetworkAccess="Disabled")
    disk, name = managed.disk(path), path.rpartition("/")[2]
    asked: dict[str, Any] = {"networkAccessPolicy": None, "publicNetworkAccess": None}
    for number, inherits in enumerate((False, True)):
        managed.behaviour.snapshots_inherit_policy = inherits
        body = {"location": disk.location, "properties": _of(disk.id.text)}
        await arm.call("PUT", f"{RG}/snapshots/{name}-{number}", body)
        found = await arm.properties(f"{RG}/snapshots/{name}-{number}")
        asked = {name: found[name] for name in asked}
        assert asked == {
            "networkAccessPolicy": "DenyAll" if inherits else "AllowAll",
            "publicNetworkAccess": "Disabled" if inherits else "Enabled",
        }
    await arm.put_snapshot(f"{name}-asked", disk)
    assert (await arm.properties(f"{RG}/snapshots/{name}-asked"))["networkAccessPolicy"] == "AllowAll"


async def test_what_was_uploaded_is_checked_or_taken_as_it_is(managed: ManagedDisks, arm: Arm, path: str) -> None:
    creation = {"createOption": "Upload", "uploadSizeBytes": 20_972_032}
    body = {"location": "westeurope", "properties": {"creationData": creation}}
    for is_checked, state in ((True, "ReadyToUpload"), (False, "Unattached")):
        managed.behaviour.checks_uploads = is_checked
        of_its_own = f"{path}-{is_checked}"
        await arm.call("PUT", of_its_own, body)
        await arm.sas(of_its_own, "Write")
        await arm.end(of_its_own)
        assert (await arm.properties(of_its_own))["diskState"] == state


def _of(disk: str) -> dict[str, Any]:
    return {"creationData": {"createOption": "Copy", "sourceResourceId": disk}, "incremental": True}

"""The role in `infra/roles/managed-disk-restorer.json` is enough to make a managed disk, and has nothing to spare."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError

from infra.local.disks.vhd import FOOTER_BYTES
from infra.local.gateway.roles import Role
from infra.local.local_azure import APP
from infra.local.managed_disks import ManagedDisks
from shared.azure.answers import explain
from shared.azure.services import Services
from shared.model.disk import ManagedDisk
from shared.model.disk_ids import DiskId
from shared.model.disk_profile import DiskProfile
from tests.managed_disks.arm import RG
from tests.managed_disks.source import GROUP_ID
from tests.managed_disks.test_restoring import FOOTER, LAST
from tests.managed_disks.uploading import SIZE

ROLE = Role.read(Path(__file__).parents[2] / "infra" / "roles" / "managed-disk-restorer.json")
PROFILE = DiskProfile(
    location="westeurope",
    encryption_type="EncryptionAtRestWithCustomerKey",
    encryption_set=f"{GROUP_ID}/providers/Microsoft.Compute/diskEncryptionSets/set",
)


@pytest.fixture(scope="session")
def role_ids() -> Iterator[int]:
    return itertools.count()


@pytest.fixture
def disk_id(role_ids: Iterator[int]) -> DiskId:
    return DiskId.parse(f"{RG}/disks/role{next(role_ids)}")


async def make_and_delete(services: Services, disk_id: DiskId) -> None:
    """Do all that a restore does to its disk, and to that of a failed attempt."""
    await services.uploads.require_permitted(disk_id)
    await services.uploads.create(disk_id, SIZE + FOOTER_BYTES, PROFILE, "r/1")
    found = await services.uploads.find(disk_id)
    assert found
    disk = ManagedDisk(disk_id, found.unique_id)
    await services.uploads.write(disk, LAST, FOOTER)
    await services.uploads.finish(disk)
    await services.uploads.discard(disk)
    assert await services.uploads.find(disk_id) is None


async def test_with_the_role_on_the_resource_group_a_disk_is_made(
    services: Services, managed: ManagedDisks, disk_id: DiskId
) -> None:
    managed.roles.clear()
    managed.give(APP, ROLE, GROUP_ID)
    await make_and_delete(services, disk_id)


@pytest.mark.parametrize("action", ROLE.actions)
async def test_without_one_of_its_actions_a_restore_fails_and_says_which(
    services: Services, managed: ManagedDisks, disk_id: DiskId, action: str
) -> None:
    managed.roles.clear()
    managed.behaviour.polling_needs_role = True
    managed.give(APP, replace(ROLE, actions=tuple(other for other in ROLE.actions if other != action)))
    with pytest.raises(HttpResponseError) as raised:
        await make_and_delete(services, disk_id)
    said = explain(raised.value)
    assert f"'{action}'" in said
    assert "the role Tidemark managed disk re" in said

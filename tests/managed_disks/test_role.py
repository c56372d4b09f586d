"""The role in `infra/roles/managed-disk-reader.json` is enough to back up a managed disk, and has nothing to spare."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError

from infra.local.gateway.roles import Role
from infra.local.local_azure import APP
from infra.local.managed_disks import SUBSCRIPTION, Disk, ManagedDisks
from shared.azure.answers import explain
from shared.azure.services import Services
from shared.changes.ranges import Window
from shared.limits import FOOTER
from tests.managed_disks.conftest import NewDisk
from tests.managed_disks.source import BLOCK, GROUP_ID
from tests.managed_disks.storage import MIB

ROLE = Role.read(Path(__file__).parents[2] / "infra" / "roles" / "managed-disk-reader.json")


async def back_up(services: Services, disk: Disk) -> Sequence[tuple[int, int, bool]]:
    """Do all that is done to a disk from one backup to the next; give what has changed."""
    [known] = await services.disks.find(services.settings.source_disks[0])
    assert await services.disks.problem(known) == ""
    base = await services.disks.take_snapshot(known)
    assert await services.disks.pending(known, base) == ""
    await disk.write(BLOCK, b"a" * BLOCK)
    taken = await services.disks.take_snapshot(known)
    newer, older = services.disks.version(known, taken), services.disks.version(known, base)
    size = (await services.pages.properties(newer)).size
    found = [change async for change in services.pages.changes(newer, older, Window(0, size))]
    await services.disks.delete_snapshot(known, base)
    assert await services.disks.own_snapshots(known) == [taken]
    return [(change.start, change.end, change.clear) for change in found]


async def test_with_the_role_on_the_resource_group_a_disk_is_backed_up(
    services: Services, managed: ManagedDisks, disk: Disk
) -> None:
    managed.roles.clear()
    managed.give(APP, ROLE, GROUP_ID)
    assert await back_up(services, disk) == [(BLOCK, 2 * BLOCK, False), (MIB, MIB + FOOTER, False)]


async def test_where_polling_is_checked_too_it_takes_the_role_on_the_subscription(
    services: Services, managed: ManagedDisks, new_disk: NewDisk
) -> None:
    managed.roles.clear()
    managed.behaviour.polling_needs_role = True
    managed.give(APP, ROLE, f"/subscriptions/{SUBSCRIPTION}")
    assert await back_up(services, await new_disk())


@pytest.mark.parametrize("action", ROLE.actions)
async def test_without_one_of_its_actions_a_backup_fails_and_says_which(
    services: Services, managed: ManagedDisks, disk: Disk, action: str
) -> None:
    managed.roles.clear()
    managed.behaviour.polling_needs_role = True
    managed.give(APP, replace(ROLE, actions=tuple(other for other in ROLE.actions if other != action)))
    with pytest.raises(HttpResponseError) as raised:
        await back_up(services, disk)
    said = explain(raised.value)
    assert f"'{action}'" in said
    assert "the role Tidemark managed disk reader" in said

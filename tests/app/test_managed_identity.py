"""A managed disk is restored by the app's identity, with the two roles of the templates, where keys are off."""

from typing import Any

import pytest

from infra.local.gateway.roles import Role
from infra.local.identity_azure import IdentityAzure
from infra.local.local_azure import APP, ROOT
from infra.local.managed_disks import GROUP, SUBSCRIPTION
from shared.model.run import SERVER_SIDE
from tests.app.cloud import Cloud
from tests.app.managed_restoring import ask, at, content, done, linux_disk
from tests.app.test_managed_disks import DISKS_OF_GROUP, Managed, back_up

ROLES = tuple(Role.read(ROOT / "infra" / "roles" / f"managed-disk-{name}.json") for name in ("reader", "restorer"))

pytestmark = pytest.mark.usefixtures("_roles_as_at_first")


@pytest.fixture
def azure(identity_azure: IdentityAzure) -> IdentityAzure:
    return identity_azure


@pytest.mark.nightly
async def test_a_restore_as_a_managed_disk_needs_no_key_and_the_two_roles_alone(
    azure: IdentityAzure, cloud: Cloud
) -> None:
    async with azure.managed_disks() as managed:
        managed.roles.clear()
        for role in ROLES:
            managed.give(APP, role, f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}")
        data = await linux_disk(cloud, managed)
        settings: Any = managed.settings
        async with cloud.app(f"{DISKS_OF_GROUP}/data", **settings) as app:
            await back_up(app, data)
            restore = await done(app, await ask(cloud, data.known.name))
            made = at(managed)
            assert made
            assert restore.copying == SERVER_SIDE
            assert await content(made) == await data.content()
            [point] = await Managed(cloud, made).points()
            assert point.kind == "restore"
    assert not azure.authorizer.refused, "nobody has tried a key, or what no role permits"

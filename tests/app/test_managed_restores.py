"""Recovery points of managed disks are restored where no other disk is backed up."""

import json
from typing import Any

from infra.local.local_azure import DISKS
from infra.local.managed_disks import ManagedDisks
from shared.events import Event
from shared.model.names import RESTORE_REQUESTS_QUEUE
from tests.app.cloud import MIB, Cloud, pages, until
from tests.app.test_managed_disks import DISKS_OF_GROUP, Managed, back_up


async def test_where_managed_disks_alone_are_backed_up_a_recovery_point_is_restored_to_a_container_named_for_that(
    cloud: Cloud, managed: ManagedDisks
) -> None:
    data = Managed(cloud, await managed.create_disk("data", MIB))
    await data.disk.write(0, pages(16))
    container = f"{cloud.azure.blob_url(DISKS)}/{cloud.container}"
    await cloud.services[DISKS].create_container(cloud.container)
    settings: Any = managed.settings
    async with cloud.app(f"{DISKS_OF_GROUP}/data", RESTORE_CONTAINERS=container, **settings) as app:
        [point] = await back_up(app, data)
        request = {"disk": data.known.name, "point": point.time, "target": f"{container}/trial.vhd", "adopt": False}
        await cloud.put(RESTORE_REQUESTS_QUEUE, json.dumps(request))
        await until(lambda: cloud.logged(Event.RESTORE_DONE), "the end of the restore")
        await until(app.idle, "all to rest")
    restored = cloud.services[DISKS].get_blob_client(cloud.container, "trial.vhd")
    assert await cloud.read(restored, DISKS) == await data.content()

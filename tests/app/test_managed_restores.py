"""Recovery points are restored as managed disks, which are like the ones that were backed up and are backed up on."""

import json
import uuid
from typing import Any

import pytest

from infra.local.disks.vhd import FOOTER_BYTES, make_footer
from infra.local.local_azure import DISKS
from infra.local.managed_disks import ManagedDisks
from shared.events import Event
from shared.model.job import Stage
from shared.model.names import RESTORE_REQUESTS_QUEUE
from tests.app.cloud import MIB, Cloud, pages, until
from tests.app.managed_restoring import BACK, SIZE, ask, at, backed_up, content, done, ended
from tests.app.test_logs import secrets_in
from tests.app.test_managed_disks import DISKS_OF_GROUP, Managed, back_up


@pytest.mark.nightly
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


async def test_a_managed_disk_is_restored_as_it_was_and_its_next_backup_is_incremental(
    cloud: Cloud, managed: ManagedDisks
) -> None:
    async with backed_up(cloud, managed) as (app, data):
        held = await data.content()
        await data.disk.write(0, pages(8, seed=9))
        restore = await done(app, await ask(cloud, data.known.name))
        new = at(managed)
        assert new
        assert await content(new) == held
        assert (new.sku, new.zones, new.location) == (data.disk.sku, data.disk.zones, data.disk.location)
        assert new.properties == data.disk.properties
        assert {name: tag for name, tag in new.tags.items() if not name.startswith("tidemark-")} == {"team": "data"}
        assert restore.known_target.name == f"{BACK.lower()}#{new.unique_id}".replace(
            "resourcegroups", "resourceGroups"
        ).replace("microsoft.compute", "Microsoft.Compute")
        assert "matches the recovery point" in restore.proof
        again = Managed(cloud, new)
        [first] = await again.points()
        assert (first.kind, first.profile != "") == ("restore", True)
        assert await again.content_of(first) == held
        await new.write(MIB, pages(8, seed=4))
        [second] = await back_up(app, again)
        assert second.kind == "incremental"
        assert second.bytes_written < MIB
        assert await again.content_of(second) == await content(new)
        refused = await ended(app, await ask(cloud, data.known.name))
        assert (refused.state, at(managed)) == (Stage.REFUSED, new)
    log = cloud.log.read_text()
    assert secrets_in(log) == []


@pytest.mark.nightly
async def test_a_managed_disk_that_exists_is_never_written_over(cloud: Cloud, managed: ManagedDisks) -> None:
    async with backed_up(cloud, managed) as (app, data):
        other = await managed.create_disk("back", SIZE)
        await other.write(0, pages(1, seed=7))
        refused = await ended(app, await ask(cloud, data.known.name))
        assert refused.state is Stage.REFUSED
        assert "already exists, and a restore never writes over a managed disk. What to do: choose" in refused.reason
        assert at(managed) is other
        assert other.tags == {}


@pytest.mark.nightly
async def test_a_page_blob_is_restored_as_a_managed_disk_where_the_request_says_what_that_is_to_be(
    cloud: Cloud, managed: ManagedDisks
) -> None:
    source = await cloud.disk(SIZE + FOOTER_BYTES)
    await source.write(0, pages(16))
    settings: Any = managed.settings
    async with cloud.app(source, RESTORE_GROUPS=DISKS_OF_GROUP.partition("/providers")[0], **settings) as app:
        await app.back_up(source)
        asked = {"location": "westeurope", "osType": "Linux", "hyperVGeneration": "V1", "tags": {"a": "b"}}
        refused = await ended(app, await ask(cloud, source.url, managedDisk=asked))
        assert refused.state is Stage.REFUSED
        assert "it is no fixed VHD, of which a managed disk is made: its last 512 bytes are no valid" in refused.reason
        await source.write(SIZE, make_footer(SIZE, uuid.UUID(int=3), 1_800_000_000))
        await app.back_up(source)
        refused = await ended(app, await ask(cloud, source.url))
        assert 'What to do: say it: "managedDisk": {"location": "REGION"}' in refused.reason
        elsewhere = BACK.replace("resourceGroups/", "resourceGroups/not-")
        refused = await ended(app, await ask(cloud, source.url, elsewhere, managedDisk=asked))
        assert "add its resource group to RESTORE_GROUPS" in refused.reason
        assert managed.disks == []
        await done(app, await ask(cloud, source.url, managedDisk=asked))
        new = at(managed)
        assert new
        assert await content(new) == bytes(source.expected)
        assert (new.properties["osType"], new.properties["hyperVGeneration"]) == ("Linux", "V1")
        again = Managed(cloud, new)
        await new.write(0, pages(1, seed=5))
        [point] = await back_up(app, again)
        assert (point.kind, await again.content_of(point)) == ("incremental", await content(new))

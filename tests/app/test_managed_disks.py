"""Managed disks are backed up by the same app: incrementally, with their footer, and restored to page blobs."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError

from infra.local.disks.vhd import FOOTER_BYTES
from infra.local.local_azure import BACKUP_CONTAINER, BACKUPS, DISKS
from infra.local.managed_disks import GROUP, SUBSCRIPTION, Disk, ManagedDisks
from shared.azure.tables.rows import from_properties, from_row
from shared.events import Event
from shared.model.disk import ManagedDisk
from shared.model.disk_ids import DiskId
from shared.model.names import BACKUPS_TABLE, RESTORE_REQUESTS_QUEUE
from shared.model.point import POINT_ROW_PREFIX, RecoveryPoint
from shared.model.record import DISK_ROW, DiskRecord
from tests.app.cloud import MIB, App, Cloud, pages, until
from tests.app.test_logs import secrets_in

DISKS_OF_GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Compute/disks"


class Managed:
    """A managed disk that is backed up."""

    def __init__(self, cloud: Cloud, disk: Disk) -> None:
        self.cloud, self.disk = cloud, disk
        self.known = ManagedDisk(DiskId.parse(disk.id.text), disk.unique_id)

    async def points(self) -> list[RecoveryPoint]:
        rows = self.cloud.tables.get_table_client(BACKUPS_TABLE).query_entities(
            "PartitionKey eq @disk and RowKey ge @first and RowKey lt @last",
            parameters={"disk": self.known.key, "first": POINT_ROW_PREFIX, "last": f"{POINT_ROW_PREFIX}~"},
        )
        try:
            return [from_row(RecoveryPoint, from_properties(row)) async for row in rows]
        except ResourceNotFoundError:
            return []

    async def record(self) -> DiskRecord:
        entity = await self.cloud.tables.get_table_client(BACKUPS_TABLE).get_entity(self.known.key, DISK_ROW)
        return from_row(DiskRecord, from_properties(entity))

    async def content(self) -> bytes:
        """Read what is on the disk, and its footer."""
        return await self.disk.read(0, self.disk.size + FOOTER_BYTES)

    async def content_of(self, point: RecoveryPoint) -> bytes:
        blob = self.cloud.services[BACKUPS].get_blob_client(BACKUP_CONTAINER, self.known.backup_name)
        return await self.cloud.read(blob, BACKUPS, point.backup_snapshot)


async def back_up(app: App, *disks: Managed) -> Sequence[RecoveryPoint]:
    """Tick, and wait for one more recovery point of each disk, and the end of all work."""
    before = [len(await disk.points()) for disk in disks]
    await app.tick()

    async def look() -> list[RecoveryPoint]:
        found = [await disk.points() for disk in disks]
        is_done = all(len(points) > count for points, count in zip(found, before, strict=True))
        return [points[-1] for points in found] if is_done and await app.idle() else []

    try:
        return await until(look, "a recovery point of each managed disk")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{app.cloud.log.read_text()[-6000:]}") from None


async def test_a_managed_disk_is_backed_up_incrementally_with_its_footer_and_restored_as_a_page_blob(
    cloud: Cloud, managed: ManagedDisks
) -> None:
    data, other = Managed(cloud, await managed.create_disk("data", MIB)), await cloud.disk()
    await data.disk.write(0, pages(16))
    await data.disk.write(MIB // 2, pages(16, seed=2))
    await other.write(0, pages(1))
    settings: Any = managed.settings
    async with cloud.app(f"{DISKS_OF_GROUP}/*", other, **settings) as app:
        [first] = await back_up(app, data)
        assert (first.kind, await data.content_of(first)) == ("full", await data.content())
        assert len(await other.points()) == 1
        await data.disk.write(MIB // 4, pages(8, seed=3))
        await data.disk.clear(0, 4096)
        cloud.requests.clear()
        [second] = await back_up(app, data)
        assert (second.kind, second.bytes_written) == ("incremental", 4096 + FOOTER_BYTES)
        assert await data.content_of(second) == await data.content()
        await data.disk.resize(2 * MIB)
        [third] = await back_up(app, data)
        assert (third.kind, third.size) == ("incremental", 2 * MIB + FOOTER_BYTES)
        assert await data.content_of(third) == await data.content()
        assert len(managed.snapshots) == 1, "the base of the next run"
        assert managed.snapshots[0].tags["tidemark-disk"] in data.known.name
        target = f"{cloud.azure.blob_url(DISKS)}/{cloud.container}/restored.vhd"
        request = {"disk": data.known.name, "point": second.time, "target": target}
        await cloud.put(RESTORE_REQUESTS_QUEUE, json.dumps(request))
        await until(lambda: cloud.logged(Event.RESTORE_DONE), "the end of the restore")
        await until(app.idle, "all to rest")
    restored = cloud.services[DISKS].get_blob_client(cloud.container, "restored.vhd")
    assert await cloud.read(restored, DISKS) == await data.content_of(second)
    log = cloud.log.read_text()
    assert "sig=" not in log
    assert "accessSAS" not in log


@pytest.mark.nightly
async def test_what_azure_makes_ready_late_or_refuses_is_waited_for_and_a_new_disk_of_the_name_begins_anew(
    cloud: Cloud, managed: ManagedDisks
) -> None:
    old = Managed(cloud, await managed.create_disk("data", MIB, sku="PremiumV2_LRS"))
    await old.disk.write(0, pages(8))
    managed.behaviour.copy_looks = 2
    settings: Any = managed.settings
    async with cloud.app(f"{DISKS_OF_GROUP}/data", **settings) as app:
        [first] = await back_up(app, old)
        assert await old.content_of(first) == await old.content()
        new = Managed(cloud, await managed.create_disk("data", MIB))
        await new.disk.write(4096, pages(8, seed=2))
        [begun] = await back_up(app, new)
        assert (begun.kind, await new.content_of(begun)) == ("full", await new.content())
        await until(lambda: cloud.logged(Event.DISK_MISSING), "word of the disk that is gone")
    assert [point.time for point in await old.points()] == [first.time]
    assert (await old.record()).absence == "missing"


@pytest.mark.nightly
async def test_a_managed_disk_in_full_copy_mode_is_copied_whole_and_its_access_is_told_nowhere(
    cloud: Cloud, managed: ManagedDisks
) -> None:
    data = Managed(cloud, await managed.create_disk("data", MIB))
    await data.disk.write(0, pages(16))
    settings: Any = managed.settings
    async with cloud.app({"url": f"{DISKS_OF_GROUP}/data", "mode": "full"}, log_everything=True, **settings) as app:
        [first] = await back_up(app, data)
        await data.disk.write(MIB // 2, pages(16, seed=2))
        [second] = await back_up(app, data)
    assert [(point.kind, point.size) for point in (first, second)] == [("full", MIB + FOOTER_BYTES)] * 2
    copy = cloud.services[BACKUPS].get_blob_client(BACKUP_CONTAINER, data.known.full_copy_name(second.time))
    assert await cloud.read(copy, BACKUPS) == await data.content()
    assert len(managed.snapshots) == 1
    rows = [str(dict(row)) async for row in cloud.tables.get_table_client(BACKUPS_TABLE).list_entities()]
    assert secrets_in(cloud.log.read_text() + "".join(rows)) == []

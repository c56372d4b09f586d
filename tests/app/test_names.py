"""Disks with unusual names, and other blobs beside them: what can be backed up is, and what can't be says why."""

from dataclasses import replace

import pytest
from azure.core.async_paging import AsyncItemPaged
from azure.data.tables import TableEntity

from infra.local.gateway import Fault
from infra.local.local_azure import BACKUP_CONTAINER, BACKUPS, DISKS
from shared.azure.tables.status import STATUS_PARTITION
from shared.events import Event
from shared.limits import MAX_SOURCE_URL
from shared.model.disk import PageBlobDisk
from shared.model.index import INDEX_PARTITION
from shared.model.job import JobKind, Stage
from shared.model.names import BACKUPS_TABLE
from shared.model.point import PointState
from shared.model.record import DISK_ROW
from tests.app.cloud import MIB, Cloud, Disk, pages, until
from tests.app.inspecting import inspected, inspections
from tests.app.restoring import ask, ended, over, request

HAN = "\N{CJK UNIFIED IDEOGRAPH-4E2D}"


@pytest.mark.nightly
async def test_what_a_pattern_matches_and_is_no_page_blob_is_left_out(cloud: Cloud) -> None:
    disk = await cloud.disk()
    status = cloud.services[DISKS].get_blob_client(cloud.container, "vm1.123.status")
    await status.upload_blob(b"what the guest agent writes there")
    about = {
        "disk": status.url,
        "backup_blob": "",
        "last_error": "is no page blob, as an older version has put on record",
    }
    table = await cloud.tables.create_table_if_not_exists(BACKUPS_TABLE)
    key = PageBlobDisk.parse(status.url).key
    await table.create_entity({"PartitionKey": key, "RowKey": DISK_ROW, **about})
    async with cloud.app(disk.url.replace("disk1.vhd", "*")) as app:
        await app.back_up(disk)
        await until(lambda: cloud.logged(Event.TICK_SUCCEEDED), "the end of the tick")
    assert cloud.count("Snapshot Blob", f"/{DISKS.name}/{cloud.container}/vm1.123.status") == 0
    assert {row["PartitionKey"] async for row in _rows(cloud)} == {PageBlobDisk(disk.address).key, key}


async def test_no_snapshot_is_taken_of_a_url_that_is_no_page_blobs(cloud: Cloud) -> None:
    disk = await cloud.disk()
    block = cloud.services[DISKS].get_blob_client(cloud.container, "block.vhd")
    await block.upload_blob(b"no disk at all")
    async with cloud.app(disk, block.url) as app:
        await app.back_up(disk)
    assert "is not a page blob" in await _error(cloud, block.url)
    assert cloud.count("Snapshot Blob", f"/{DISKS.name}/{cloud.container}/block.vhd") == 0


async def test_a_disk_that_the_service_could_not_copy_back_is_told_before_a_snapshot_is_taken(cloud: Cloud) -> None:
    good, long, many = await cloud.disk(), await cloud.disk(name=HAN * 1000), await cloud.disk(name="x" * 1020)
    async with cloud.app(good.url.replace("disk1.vhd", "*")) as app:
        await app.back_up(good)
        errors = [await _error(cloud, disk.url) for disk in (long, many)]
    assert "can't be backed up: the URL of its backup is too long to copy from: 9" in errors[0]
    assert "can't be backed up: its backup blob, " in errors[1]
    assert [await disk.own_snapshots() for disk in (long, many)] == [[], []]
    assert {due["disk"] for due in cloud.events(Event.BACKUP_DUE)} == {good.url, long.url, many.url}
    assert cloud.events(Event.TICK_SUCCEEDED) == []


@pytest.mark.nightly
async def test_the_longest_name_that_is_backed_up_can_be_restored_and_drilled(cloud: Cloud) -> None:
    backup = f"{cloud.azure.blob_url(BACKUPS)}/{BACKUP_CONTAINER}/{DISKS.name}/{cloud.container}/?snapshot={'0' * 32}"
    disk = await cloud.disk(name=HAN * ((MAX_SOURCE_URL - len(backup)) // 9))
    await disk.write(0, pages(3))
    async with cloud.app(disk) as app:
        [point] = await app.back_up(disk)
        target = disk.address.parent.blob("short.vhd").url
        restored = await ended(cloud, await ask(cloud, request(disk, target=target)))
        drilled = await inspected(cloud, JobKind.DRILL, disk)
    assert await disk.content_of(point) == disk.expected
    assert (restored.state, drilled.state) == (Stage.DONE, "done"), (restored, drilled)
    new = await cloud.existing_disk(target, bytes(disk.expected))
    assert await cloud.read(new.blob, new.account) == disk.expected


@pytest.mark.nightly
async def test_a_star_in_the_name_of_a_disk_is_a_letter(cloud: Cloud) -> None:
    disk, other = await cloud.disk(name="a*b.vhd"), await cloud.disk(name="axb.vhd")
    await disk.write(0, pages(3))
    pattern = disk.url.replace("a*b", "*")
    async with cloud.app(pattern, VERIFY_SCHEDULE="0 0 3 1 1 *") as app:
        await app.back_up(disk, other)
        refused = Fault("List Blobs", f"/{DISKS.name}/{cloud.container}", times=1, refuse=(403, "Authorization", "no"))
        cloud.azure.gateway.faults.add(refused)
        [point, _] = await app.back_up(disk, other)
        await app.host.start("verify_disks")
        await until(lambda: _verified(cloud, disk, point.time), "the verify of the timer")
        verified = await inspected(cloud, JobKind.VERIFY, disk)
        drilled = await inspected(cloud, JobKind.DRILL, disk)
        restored = await ended(cloud, await ask(cloud, request(disk, f"{point.time[:19]}Z")))
        [_, after] = await disk.points()
    assert (verified.state, drilled.state) == ("done", "done")
    assert (restored.state, restored.recovery_point) == (Stage.DONE, point.time)
    assert after.state is PointState.VERIFIED
    assert restored.page_blob_target.address.blob.startswith("a*b-restored-")
    new = await cloud.existing_disk(restored.known_target.name, bytes(disk.expected))
    assert await cloud.read(new.blob, new.account) == disk.expected


@pytest.mark.nightly
async def test_a_disk_with_the_name_of_another_that_is_on_record_shares_nothing_with_it(cloud: Cloud) -> None:
    good, disk = await cloud.disk(), await cloud.disk()
    url = f"https://{DISKS.name}.blob.core.chinacloudapi.cn/{cloud.container}/disk2.vhd"
    table = await cloud.tables.create_table_if_not_exists(BACKUPS_TABLE)
    row = {
        "PartitionKey": PageBlobDisk(disk.address).key,
        "RowKey": DISK_ROW,
        "disk": url,
        "backup_blob": "",
        "last_point": "x",
    }
    await table.create_entity(row)
    async with cloud.app(good, disk) as app:
        await app.back_up(good)
        refused = await ended(cloud, await ask(cloud, request(disk)))
        other = await ended(cloud, await ask(cloud, request(url)))
    assert (await table.get_entity(row["PartitionKey"], DISK_ROW)).items() >= row.items()
    assert await disk.own_snapshots() == []
    assert any("would share the record" in event["reason"] for event in cloud.events(Event.SNAPSHOT_FAILED))
    assert (refused.state, "would share the record" in refused.reason) == (Stage.REFUSED, True)
    assert (other.state, "is not in the account" in other.reason) == (Stage.REFUSED, True)


async def test_no_target_is_in_the_backup_container_however_it_is_spelt_even_in_an_account_of_a_disk(
    cloud: Cloud,
) -> None:
    disk = await cloud.disk(MIB)
    await disk.write(0, pages(4))
    service = disk.address.service_url
    container = f"{service}/{cloud.container}-backups"
    async with cloud.app(disk, BACKUP_CONTAINER=container) as app:
        [point] = await app.back_up(disk)
        name = f"{cloud.container}-backups/{DISKS.name}/{cloud.container}/disk1.vhd"
        before = (await cloud.services[DISKS].get_blob_client(*name.split("/", 1)).get_blob_properties()).etag
        other_path = "which Azure drops or resolves to another path"
        for path, why in {
            f"{cloud.container}/../{name}": other_path,
            f"{cloud.container}/%2e%2e/{name}": other_path,
            f"{cloud.container}/..%2F{name}": other_path,
            f"{cloud.container}-backups/os.vhd": "is in the backup container",
        }.items():
            url = f"{service}/{path}"
            asked = request(disk, **(over(url) if path.endswith(name) else {"target": url}))
            found = await ended(cloud, await ask(cloud, asked))
            assert (found.state, why in found.reason) == (Stage.REFUSED, True), path
        after = await cloud.services[DISKS].get_blob_client(*name.split("/", 1)).get_blob_properties()
        assert after.etag == before
        [same] = await disk.points()
    assert replace(same, used_by="") == point


async def _verified(cloud: Cloud, disk: Disk, point: str) -> bool:
    rows = await inspections(cloud, JobKind.VERIFY)
    return any((str(row.disk), row.recovery_point, row.state) == (disk.url, point, "done") for row in rows)


async def _error(cloud: Cloud, url: str) -> str:
    key = PageBlobDisk.parse(url).key

    async def look() -> str:
        found = [row.get("last_error", "") async for row in _rows(cloud) if row["PartitionKey"] == key]
        return next(filter(None, found), "")

    return await until(look, f"an error on the record of {url[:200]}")


def _rows(cloud: Cloud) -> AsyncItemPaged[TableEntity]:
    """List the rows, those of the index left out."""
    return cloud.tables.get_table_client(BACKUPS_TABLE).query_entities(
        f"PartitionKey ne '{INDEX_PARTITION}' and PartitionKey ne '{STATUS_PARTITION}'"
    )

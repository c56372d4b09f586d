"""Which disks are backed up, how close together, and how one that can't be fails alone."""

import json

import pytest
from azure.core.exceptions import ResourceNotFoundError

from infra.local.azurite import Account
from infra.local.gateway import Fault
from infra.local.local_azure import BACKUPS, DISKS, MORE_DISKS
from shared.azure.tables.status import STATUS_PARTITION
from shared.events import Event
from shared.model.absence import Absence
from shared.model.disk import Disk, PageBlobDisk
from shared.model.index import INDEX_PARTITION
from shared.model.job import Stage
from shared.model.names import BACKUPS_TABLE, OWNER_MARK
from shared.model.record import DISK_ROW
from tests.app.cloud import MIB, Cloud, pages, until
from tests.app.cloud import Disk as CloudDisk
from tests.app.restoring import ask, ended, request


@pytest.mark.nightly
async def test_all_disks_of_all_accounts_are_snapshotted_before_anything_else_is_done(cloud: Cloud) -> None:
    disks = [await cloud.disk(account=account) for account in (DISKS, MORE_DISKS) for _ in range(2)]
    for disk in disks:
        await disk.write(0, pages(1))
    async with cloud.app(*disks) as app:
        await app.back_up(*disks)
        cloud.requests.clear()
        await app.back_up(*disks)
    whose, *requests = cloud.requests
    assert whose.path.endswith(f"/{OWNER_MARK}"), "whose the backup container is is looked at before"
    operations = [request.operation for request in requests]
    assert operations[: len(disks)] == ["Snapshot Blob"] * len(disks)
    assert {request.path for request in requests[: len(disks)]} == {disk.path for disk in disks}


async def test_a_bad_disk_fails_alone_with_its_reason_on_record(cloud: Cloud) -> None:
    good = await cloud.disk()
    await good.write(0, pages(2))
    missing = good.url.replace("disk1.vhd", "missing.vhd")
    block_blob = cloud.services[DISKS].get_blob_client(cloud.container, "block.vhd")
    await block_blob.upload_blob(b"no disk at all")
    forbidden = await cloud.disk(account=MORE_DISKS)
    nothing = good.url.replace("disk1.vhd", "nothing-*.vhd")
    wrong_key = Account(MORE_DISKS.name, Account.named("somebody else").key)
    keys = json.dumps([cloud.azure.connection_string(account) for account in (DISKS, wrong_key, BACKUPS)])
    disks = (missing, block_blob.url, forbidden, nothing, good)
    async with cloud.app(*disks, STORAGE_CONNECTIONS=keys) as app:
        [point] = await app.back_up(good)
        errors = [await _error_on_record(cloud, url) for url in (missing, block_blob.url, forbidden.url, nothing)]
    assert await good.content_of(point) == good.expected
    assert "BlobNotFound (404)" in errors[0]
    assert "check the URL in SOURCE_DISKS" in errors[0]
    assert "is not a page blob" in errors[1]
    assert "(403): Server failed to authenticate the request" in errors[2]
    assert "What to do:" in errors[2]
    assert "no disk matches" in errors[3]
    assert not await cloud.snapshots(DISKS, cloud.container, "block.vhd")


@pytest.mark.nightly
async def test_the_disks_of_a_pattern_that_can_not_be_listed_just_now_are_backed_up_all_the_same(cloud: Cloud) -> None:
    disk = await cloud.disk()
    await disk.write(0, pages(2))
    pattern = disk.url.replace("disk1.vhd", "*.vhd")
    container = f"/{DISKS.name}/{cloud.container}"
    async with cloud.app(pattern) as app:
        await app.back_up(disk)
        await disk.write(0, pages(1, seed=2))
        refused = Fault("List Blobs", container, times=1, refuse=(403, "AuthorizationPermissionMismatch", "no"))
        cloud.azure.gateway.faults.add(refused)
        [point] = await app.back_up(disk)
        assert "AuthorizationPermissionMismatch" in await _error_on_record(cloud, pattern)
    assert await disk.content_of(point) == disk.expected
    assert {due["disk"] for due in cloud.events(Event.BACKUP_DUE)} == {disk.url}, "the alert keeps it in sight"
    second = cloud.events(Event.SNAPSHOTS_TAKEN)[1]["tick"]
    assert second not in {done["tick"] for done in cloud.events(Event.TICK_SUCCEEDED)}


async def test_a_pattern_stands_for_all_blobs_that_match_it_and_one_that_it_does_not_find_any_more_is_on_record(
    cloud: Cloud,
) -> None:
    stays, goes, more = [await cloud.disk(name=name) for name in ("a.vhd", "vms/b.vhd", "notes.txt.vhd")]
    left_out, other = await cloud.disk(name="a.vhd.old"), await cloud.disk(name="other.img")
    pattern = stays.url.replace("a.vhd", "*.vhd")
    async with cloud.app(pattern, other) as app:
        await app.back_up(stays, goes, more, other)
        assert not await left_out.own_snapshots()
        await goes.blob.delete_blob(delete_snapshots="include")
        await app.back_up(stays, more, other)
        await until(lambda: _is_absent(goes), "a disk that is missed")
        record = await goes.record()
    assert (record.absence, "no longer exists; " in record.absence_reason) == (Absence.MISSING, True)
    assert record.last_error == ""
    assert (await stays.record()).last_error == (await other.record()).last_error == ""
    assert not [row for row in await _rows(cloud) if "*" in row["PartitionKey"]]
    assert not await left_out.own_snapshots()


@pytest.mark.nightly
async def test_a_disk_that_is_left_out_of_its_pattern_gets_no_more_backups_and_keeps_those_that_it_has(
    cloud: Cloud,
) -> None:
    stays, goes = await cloud.disk(), await cloud.disk()
    await goes.write(0, pages(2))
    pattern = stays.url.replace("disk1.vhd", "*.vhd")
    async with cloud.app(pattern) as app:
        await app.back_up(stays, goes)
        await until(app.idle, "the clean-up")
    record, points, snapshots = await goes.record(), await goes.points(), await goes.own_snapshots()
    async with cloud.app(f"!{goes.url}", pattern) as app:
        await app.back_up(stays)
        second = cloud.events(Event.SNAPSHOTS_TAKEN)[-1]["tick"]
        await until(lambda: _has_succeeded(cloud, second), "the success of a tick without the disk")
        assert (await goes.record(), await goes.points(), await goes.own_snapshots()) == (record, points, snapshots)
        await goes.blob.delete_blob(delete_snapshots="include")
        await app.back_up(stays)
        assert await goes.record() == record, "a disk that is left out is not missed either"
        restored = await ended(cloud, await ask(cloud, request(goes, target=f"{goes.url}-2")))
    assert restored.state is Stage.DONE
    held = await cloud.existing_disk(f"{goes.url}-2", bytes(goes.expected))
    assert await cloud.read(held.blob, held.account) == goes.expected


@pytest.mark.nightly
async def test_a_disk_that_failed_is_backed_up_once_it_can_be(cloud: Cloud) -> None:
    disk = await cloud.disk()
    refused = (409, "SnapshotOperationRateExceeded", "one snapshot in 10 minutes")
    cloud.azure.gateway.faults.add(Fault("Snapshot Blob", disk.path, times=1, refuse=refused))
    async with cloud.app(disk) as app:
        await app.tick()
        error = await _error_on_record(cloud, disk.url)
        [point] = await app.back_up(disk)
    assert "SnapshotOperationRateExceeded (409)" in error
    assert "tried again in about 1 min" in error
    assert await disk.content_of(point) == disk.expected


async def test_an_attached_premium_disk_is_backed_up_though_its_base_can_not_be_read(cloud: Cloud) -> None:
    disk = await cloud.disk()
    await disk.write(0, pages(3))
    for operation in ("Lease Blob", "Set Blob Metadata"):
        cloud.azure.gateway.faults.add(Fault(operation, disk.path, refuse=(409, "SystemInUse", "attached to a VM")))
    async with cloud.app(disk) as app:
        [point] = await app.back_up(disk)
    assert await disk.content_of(point) == disk.expected


@pytest.mark.nightly
async def test_the_backup_container_is_not_backed_up_by_a_pattern_that_covers_it(cloud: Cloud) -> None:
    disk = await cloud.disk()
    container = f"{cloud.azure.blob_url(BACKUPS)}/disk-backups"
    async with cloud.app(disk, f"{container}/*") as app:
        await app.back_up(disk)
        await app.back_up(disk)
    rows = [row for row in await _rows(cloud) if row["PartitionKey"] not in {INDEX_PARTITION, STATUS_PARTITION}]
    assert all(row["RowKey"] == DISK_ROW or row["PartitionKey"] == PageBlobDisk(disk.address).key for row in rows)
    assert len({row["PartitionKey"] for row in rows}) == 2


@pytest.mark.nightly
async def test_a_tick_amid_a_run_takes_no_second_snapshot(cloud: Cloud) -> None:
    disk = await cloud.disk(8 * MIB)
    await disk.write(0, pages(4))
    held = cloud.azure.gateway.faults.add(
        Fault("Put Page From URL", disk.backup_path, refuse=(403, "AuthorizationFailure", "not now"))
    )
    async with cloud.app(disk) as app:
        await app.tick()
        await held.struck.wait()
        await app.tick()
        await until(app.idle, "the tick's end")
        assert len(await disk.own_snapshots()) == 1


@pytest.mark.nightly
async def test_a_record_that_names_no_disk_any_more_stops_no_other(cloud: Cloud) -> None:
    good, spoilt = await cloud.disk(), await cloud.disk()
    await spoilt.write(0, pages(4))
    refused = (403, "AuthorizationFailure", "not now")
    held = cloud.azure.gateway.faults.add(Fault("Put Page From URL", spoilt.backup_path, refuse=refused))
    async with cloud.app(good, spoilt) as app:
        await app.back_up(good)
        await held.struck.wait()
        row = {"PartitionKey": PageBlobDisk(spoilt.address).key, "RowKey": DISK_ROW, "disk": "spoilt"}
        await cloud.tables.get_table_client(BACKUPS_TABLE).update_entity(row)
        await app.back_up(good)
        counts = (await app.host.status())["invocations"]["take_snapshots"]
        assert (counts["succeeded"], counts["failed"]) == (2, 0)
        assert len(await spoilt.own_snapshots()) == 1, "its run is still open"


async def _is_absent(disk: CloudDisk) -> bool:
    return bool((await disk.record()).absence)


async def _error_on_record(cloud: Cloud, url: str) -> str:
    table = cloud.tables.get_table_client(BACKUPS_TABLE)
    key = Disk.parse(url).key

    async def look() -> str:
        try:
            return str((await table.get_entity(key, DISK_ROW)).get("last_error", ""))
        except ResourceNotFoundError:
            return ""

    return await until(look, f"an error on the record of {url}")


async def _rows(cloud: Cloud) -> list[dict[str, str]]:
    return [row async for row in cloud.tables.get_table_client(BACKUPS_TABLE).list_entities()]


@pytest.mark.nightly
async def test_an_account_that_keeps_versions_is_told_on_the_record_until_it_does_no_more(cloud: Cloud) -> None:
    disk, versioned = await cloud.disk(), cloud.azure.gateway.versioned
    await disk.write(0, pages(2))
    async with cloud.app(disk) as app:
        for number, account in enumerate((DISKS, BACKUPS), 1):
            versioned.add(account.name)
            try:
                [point] = await app.back_up(disk)
                record = await disk.record()
                assert await disk.content_of(point) == disk.expected, "it costs, and breaks nothing"
            finally:
                versioned.discard(account.name)
            told, other = record.notice, record.backup_notice
            if account is BACKUPS:
                told, other = other, told
            assert (f"blob versioning is enabled on account {account.name}" in told, other) == (True, "")
            assert "What to do: disable versioning" in told
            assert record.last_error == ""
            assert cloud.log.read_text().count('"event": "versions-kept"') == number
        await app.back_up(disk)
        record = await disk.record()
    assert (record.notice, record.backup_notice) == ("", "")


async def _has_succeeded(cloud: Cloud, tick: str) -> bool:
    return tick in {done["tick"] for done in cloud.events(Event.TICK_SUCCEEDED)}

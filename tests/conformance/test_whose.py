"""Another disk's records and blobs, or ones missing from a list, are not taken for a disk's own, on both sides."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared.errors import OtherDiskError
from shared.limits import PAGE
from shared.model.addresses import BlobAddress
from shared.model.catalogue import point_metadata
from shared.model.disk import Disk, PageBlobDisk
from shared.model.messages import RunMessage
from shared.model.names import DISK_METADATA
from shared.model.point import PointState, RecoveryPoint
from shared.model.record import DiskRecord
from shared.model.run import Kind
from shared.model.version import BlobVersion
from shared.points.check_points import check_points
from shared.points.rebuild_catalogue import rebuild_catalogue
from shared.points.versions import find_backup_blob
from tests.conformance.clouds import RUN, Cloud
from tests.conformance.on_azurite import AzuriteCloud

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def elsewhere(disk: PageBlobDisk) -> PageBlobDisk:
    """Give the disk of the same account, container and name in another cloud."""
    address = disk.address
    service = f"https://{address.account}.blob.core.chinacloudapi.cn"
    return PageBlobDisk(BlobAddress(service, address.account, address.container, address.blob))


async def test_the_record_of_a_disk_of_the_same_name_on_another_service_is_not_its_own(cloud: Cloud) -> None:
    records, disk = cloud.services.records, await cloud.disk(1)
    record = DiskRecord(disk=disk, backup_blob=cloud.services.backups.address(disk))
    await records.put(disk, record, None)
    with pytest.raises(OtherDiskError, match="would share the record"):
        await records.get(elsewhere(disk))
    with pytest.raises(OtherDiskError):
        await records.update(elsewhere(disk), lambda found: replace(found, disk=elsewhere(disk)))
    found = await records.get(disk)
    assert found
    assert found[0] == record


async def test_a_record_under_another_spelling_of_the_url_is_the_disks_own(cloud: Cloud) -> None:
    records, disk = cloud.services.records, await cloud.disk(1)
    typed = disk.name.replace("http", "HTTP").replace("disk.vhd", "%64isk.vhd")
    await records.put(disk, DiskRecord(disk=Disk.parse(typed), backup_blob=cloud.services.backups.address(disk)), None)
    assert await records.get(disk) is not None
    assert disk in await records.disks()


async def test_the_backup_blob_of_another_disk_is_not_its_own(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    backup = cloud.services.backups.address(disk)
    await cloud.services.blobs.create(backup, PAGE, {DISK_METADATA: disk.name.replace("disk.vhd", "%64isk.vhd")})
    assert await find_backup_blob(cloud.services, disk)
    with pytest.raises(OtherDiskError, match="belongs to another disk"):
        await find_backup_blob(cloud.services, elsewhere(disk))


async def test_a_rebuilt_catalogue_takes_no_recovery_points_of_another_disk(cloud: Cloud) -> None:
    services, disk = cloud.services, await cloud.disk(1)
    backup = cloud.services.backups.address(disk)
    etag = await cloud.leased_backup(disk, 1)
    times = {}
    for number, of in enumerate((elsewhere(disk), disk)):
        run = RunMessage(disk=of, run=f"2026-11-22T12:00:0{number}.1234567Z")
        times[of] = run.run
        await services.snapshots.take(backup, etag, point_metadata(run, Kind.INCREMENTAL, etag), RUN)
    await rebuild_catalogue(services)
    assert await services.records.point_times(disk) == [times[disk]]
    found = await services.records.get(disk)
    assert found
    assert found[0].last_point == times[disk]


async def test_only_page_blobs_match_a_pattern(on_azurite: AzuriteCloud) -> None:
    (pattern,) = on_azurite.services.settings.source_disks
    disk = await on_azurite.disk(1)
    await on_azurite.make_block_blob(on_azurite.disks.blob("disk.1.vhd"))
    disks, other = on_azurite.services.disks, on_azurite.named("disk.1.vhd")
    assert await disks.find(pattern) == [disk]
    assert await disks.problem(disk) == ""
    assert "is not a page blob" in await disks.problem(other)
    assert "What to do: exclude it" in await disks.problem(other)
    assert await disks.problem(on_azurite.named("disk.1.vh")) == "", "it is not there, and a longer name tells nothing"
    assert await disks.problem(on_azurite.named("e.vhd")) == ""


async def test_a_recovery_point_missing_from_a_list_is_not_marked_damaged_unless_it_no_longer_exists(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    services, disk = cloud.services, await cloud.disk(1)
    backup = cloud.services.backups.address(disk)
    etag = await cloud.leased_backup(disk, 1)
    there = await services.snapshots.take(backup, etag, {}, RUN)
    gone = await services.snapshots.take(backup, etag, {}, RUN)
    await services.snapshots.delete(backup, gone)
    points = [
        RecoveryPoint.of_a_copy(
            time=time,
            kind=Kind.FULL,
            reason="",
            backup_blob=services.backups.address(disk),
            backup_snapshot=time,
            size=PAGE,
            started=NOON,
            sealed=NOON,
        )
        for time in (there, gone)
    ]
    await services.records.add_points(disk, points)

    async def nothing(_blob: BlobAddress) -> dict[BlobVersion, dict[str, str]]:
        return {}

    monkeypatch.setattr(services.snapshots, "versions", nothing)
    await check_points(services, disk)
    assert [point.state for point in await services.records.points(disk)] == [PointState.SEALED, PointState.DAMAGED]

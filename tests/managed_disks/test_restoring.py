"""Making a managed disk of a recovery point, through the interface that restores use."""

import itertools
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob.aio import BlobClient

from infra.local.disks.vhd import FOOTER_BYTES, make_footer
from infra.local.gateway.faults import Fault
from infra.local.local_azure import BACKUPS, LocalAzure
from infra.local.managed_disks import ManagedDisks
from shared.azure.connections import open_connections
from shared.azure.resource_manager import ResourceManager
from shared.azure.services import Services
from shared.azure.sources.uploads import ManagedUploads
from shared.changes.ranges import Change
from shared.errors import SourceUnreachableError, UploadLostError
from shared.model.disk import ManagedDisk
from shared.model.disk_ids import DiskId
from shared.model.disk_profile import DiskProfile
from shared.model.managed_target import profile_to_make
from tests.managed_disks.arm import RG
from tests.managed_disks.conftest import NewDisk
from tests.managed_disks.source import BLOCK, known
from tests.managed_disks.uploading import LINUX, SIZE

FOOTER = make_footer(SIZE, uuid.UUID(int=1), 1_800_000_000)
LAST = Change(SIZE, SIZE + FOOTER_BYTES, clear=False)
FIRST = Change(0, BLOCK, clear=False)


@pytest.fixture(scope="session")
def new_ids() -> Iterator[int]:
    return itertools.count()


@pytest.fixture
def disk_id(new_ids: Iterator[int]) -> DiskId:
    """The ID of a disk that is not there yet."""
    return DiskId.parse(f"{RG}/disks/made{next(new_ids)}")


@pytest.fixture
async def point(azure: LocalAzure) -> AsyncIterator[str]:
    """The URL with a SAS of a page blob that is a VHD."""
    async with azure.blobs(BACKUPS) as service:
        container = service.get_container_client("points")
        if not await container.exists():
            await container.create_container()
        blob: BlobClient = container.get_blob_client("disk.vhd")
        await blob.create_page_blob(SIZE + FOOTER_BYTES)
        await blob.upload_page(b"r" * BLOCK, 0, BLOCK)
        await blob.upload_page(FOOTER, SIZE, FOOTER_BYTES)
        sas, _ = azure.reading(BACKUPS, container.container_name, "disk.vhd", None)
        yield f"{blob.url}?{sas}"
        await blob.delete_blob()


async def made(services: Services, disk_id: DiskId, profile: DiskProfile = LINUX, mark: str = "r/1") -> ManagedDisk:
    await services.uploads.create(disk_id, SIZE + FOOTER_BYTES, profile, mark)
    found = await services.uploads.find(disk_id)
    assert found
    assert (found.mark, found.uploads, found.problem) == (mark, True, "")
    return ManagedDisk(disk_id, found.unique_id)


@pytest.fixture
async def another_process(managed: ManagedDisks, services: Services) -> AsyncIterator[ManagedUploads]:
    """Uploads as a process has them that was given no URL yet."""
    async with open_connections(services.settings) as connections:
        manager = ResourceManager(connections.resource_manager, managed.url)
        yield ManagedUploads(connections, manager, services.settings.storage_api_version, {})


async def test_a_recovery_point_becomes_a_managed_disk_of_the_kind_that_was_asked_for(
    services: Services, managed: ManagedDisks, disk_id: DiskId, point: str
) -> None:
    assert await services.uploads.find(disk_id) is None
    disk = await made(services, disk_id)
    await services.uploads.put_from_url(disk, FIRST, point)
    await services.uploads.write(disk, LAST, FOOTER)
    await services.uploads.finish(disk)
    found = await services.uploads.find(disk_id)
    assert found
    assert not found.uploads
    there = managed.disk(disk_id.url)
    assert await there.read(0, 2 * BLOCK) == b"r" * BLOCK + bytes(BLOCK)
    assert (there.sku, there.zones, there.location) == ("Premium_LRS", ("2",), "westeurope")
    assert there.tags == {"team": "data", "tidemark-restore": "r/1"}
    assert there.properties["osType"] == "Linux"
    assert there.properties["securityProfile"] == {"securityType": "TrustedLaunch"}
    assert await services.disks.exists(disk)


async def test_a_disk_that_has_as_many_tags_as_azure_allows_is_made_again_and_marked(
    services: Services, managed: ManagedDisks, new_disk: NewDisk, disk_id: DiskId
) -> None:
    tags = {f"n{number}": "v" for number in range(50)}
    old = await known(services, await new_disk(SIZE, tags=tags))
    recorded = await services.disks.profile(old, await services.disks.take_snapshot(old))
    await made(services, disk_id, profile_to_make(recorded, ""))
    there = managed.disk(disk_id.url).tags
    assert len(there) == 50
    assert there.items() - tags.items() == {("tidemark-restore", "r/1")}


async def test_what_a_disk_is_goes_on_record_with_its_snapshot_and_makes_a_disk_of_the_same_kind(
    services: Services, managed: ManagedDisks, new_disk: NewDisk, disk_id: DiskId
) -> None:
    tags = {f"name{number}": "v" * 200 for number in range(30)}
    old = await new_disk(
        SIZE,
        sku="StandardSSD_ZRS",
        zones=("3",),
        tags=tags,
        properties={
            "osType": "Windows",
            "hyperVGeneration": "V2",
            "supportedCapabilities": {"diskControllerTypes": "SCSI, NVMe"},
            "encryption": {"type": "EncryptionAtRestWithCustomerKey", "diskEncryptionSetId": f"{RG}/set"},
        },
    )
    disk = await known(services, old)
    snapshot = await services.disks.take_snapshot(disk)
    profile = DiskProfile.read(await services.disks.profile(disk, snapshot))
    assert profile
    assert (profile.sku, profile.zones, profile.os_type) == ("StandardSSD_ZRS", ("3",), "Windows")
    assert profile.capabilities == {"diskControllerTypes": "SCSI, NVMe"}
    assert profile.encryption_set == f"{RG}/set"
    assert 5 < len(profile.tags) < 30, "those that fit"
    await made(services, disk_id, profile)
    again = managed.disk(disk_id.url)
    assert again.properties["encryption"] == old.properties["encryption"]
    await services.disks.delete_snapshot(disk, snapshot)
    assert await services.disks.profile(disk, snapshot) == ""


@pytest.mark.parametrize("sku", ["Premium_LRS", "PremiumV2_LRS", "UltraSSD_LRS"])
async def test_a_disk_of_any_sku_is_made_with_sectors_that_can_be_backed_up(
    services: Services, managed: ManagedDisks, disk_id: DiskId, sku: str
) -> None:
    disk = await made(services, disk_id, DiskProfile(location="westeurope", sku=sku, zones=("1",)))
    await services.uploads.write(disk, LAST, FOOTER)
    await services.uploads.finish(disk)
    assert managed.disk(disk_id.url).sector_size == 512
    assert await services.disks.problem(disk) == ""


async def test_a_disk_that_is_uploaded_is_none_to_back_up(services: Services, disk_id: DiskId) -> None:
    disk = await made(services, disk_id)
    assert disk not in await services.disks.find(services.settings.source_disks[0])
    await services.uploads.write(disk, LAST, FOOTER)
    assert disk not in await services.disks.find(services.settings.source_disks[0])
    await services.uploads.finish(disk)
    assert disk in await services.disks.find(services.settings.source_disks[0])


@pytest.mark.parametrize("second", ["same", "new"])
async def test_another_process_goes_on_with_an_upload_if_azure_gives_it_access(
    services: Services, managed: ManagedDisks, another_process: ManagedUploads, disk_id: DiskId, second: str
) -> None:
    managed.behaviour.second_access = "same" if second == "same" else "new"
    disk = await made(services, disk_id)
    await services.uploads.write(disk, FIRST, b"a" * BLOCK)
    await another_process.write(disk, LAST, FOOTER)
    await another_process.finish(disk)
    assert await managed.disk(disk_id.url).read(0, BLOCK) == b"a" * BLOCK
    with pytest.raises(UploadLostError):
        await services.uploads.write(disk, FIRST, b"b" * BLOCK)


async def test_an_upload_whose_url_another_process_has_is_lost_to_this_one_where_azure_gives_no_second_access(
    services: Services, managed: ManagedDisks, another_process: ManagedUploads, disk_id: DiskId
) -> None:
    managed.behaviour.second_access = "refused"
    disk = await made(services, disk_id)
    await services.uploads.write(disk, FIRST, b"a" * BLOCK)
    with pytest.raises(UploadLostError):
        await another_process.write(disk, FIRST, b"a" * BLOCK)
    await services.uploads.write(disk, LAST, FOOTER)


async def test_access_that_was_ended_is_asked_for_anew_and_one_that_can_not_be_had_is_lost(
    services: Services, managed: ManagedDisks, disk_id: DiskId
) -> None:
    disk = await made(services, disk_id)
    await services.uploads.write(disk, FIRST, b"a" * BLOCK)
    managed.revoke(managed.disk(disk_id.url))
    await services.uploads.write(disk, FIRST, b"b" * BLOCK)
    managed.delete(managed.disk(disk_id.url))
    with pytest.raises(UploadLostError) as raised:
        await services.uploads.write(disk, FIRST, b"c" * BLOCK)
    assert "sig=" not in str(raised.value)


async def test_a_source_that_the_service_can_not_read_is_told_apart_from_a_target_that_can_not_be_written(
    services: Services, disk_id: DiskId, point: str
) -> None:
    disk = await made(services, disk_id)
    with pytest.raises(SourceUnreachableError) as raised:
        await services.uploads.put_from_url(disk, FIRST, point.replace("sig=", "sig=AAAA"))
    assert "AAAA" not in str(raised.value)


async def test_what_is_no_vhd_becomes_no_disk_and_is_discarded(
    services: Services, managed: ManagedDisks, azure: LocalAzure, disk_id: DiskId
) -> None:
    disk = await made(services, disk_id)
    await services.uploads.write(disk, FIRST, b"a" * BLOCK)
    with pytest.raises(HttpResponseError):
        await services.uploads.finish(disk)
    await services.uploads.discard(disk)
    assert await services.uploads.find(disk_id) is None
    await services.uploads.discard(disk)
    azure.gateway.faults.add(Fault("Put Page", times=1, refuse=(503, "ServerBusy", "Busy.")))
    again = await made(services, disk_id, mark="r/2")
    assert again != disk
    with pytest.raises(HttpResponseError, match="upload"):
        await services.uploads.write(again, FIRST, b"a" * BLOCK)
    assert managed.disk(disk_id.url).tags["tidemark-restore"] == "r/2"


async def test_another_disk_of_the_same_id_is_not_discarded(
    services: Services, managed: ManagedDisks, disk_id: DiskId
) -> None:
    disk = await made(services, disk_id)
    other = await managed.create_disk(disk_id.name, SIZE)
    await services.uploads.discard(disk)
    assert managed.disk(disk_id.url) is other


async def test_a_disk_may_be_made_where_ending_an_access_that_there_is_not_is_allowed(
    services: Services, managed: ManagedDisks, disk_id: DiskId
) -> None:
    await services.uploads.require_permitted(disk_id)
    managed.roles.clear()
    with pytest.raises(HttpResponseError):
        await services.uploads.require_permitted(disk_id)

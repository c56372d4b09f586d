"""A disk that a restore has made and not finished is deleted, and no other disk is touched."""

from dataclasses import replace
from datetime import timedelta

import pytest
from azure.core.exceptions import AzureError, HttpResponseError, ServiceResponseError

from infra.local.disks.vhd import FOOTER_BYTES
from infra.local.managed_disks import ArmFault, ManagedDisks
from shared.azure.services import Services
from shared.backup.take_snapshots import take_snapshots
from shared.errors import UploadLostError
from shared.model.disk import ManagedDisk
from shared.model.disk_ids import DiskId
from shared.model.job import Stage
from shared.model.messages import RestoreMessage
from shared.model.restore import Restore, RestoreFailedError
from shared.model.upload import FoundDisk
from shared.restore.end import clean_up_restore
from shared.restore.managed_target import recorded
from shared.restore.steps import continue_restore
from shared.restore.target import claim
from shared.restore.upload import upload
from tests.managed_disks.test_restoring import FOOTER, LAST
from tests.managed_disks.uploading import BACKED_UP, LINUX, SIZE

GONE = "33333333-3333-3333-3333-333333333333"


async def made(services: Services, restore: Restore) -> ManagedDisk:
    """Make the disk of a restore's attempt."""
    await services.uploads.create(restore.managed_target.id, restore.size, LINUX, restore.mark)
    found = await services.uploads.find(restore.managed_target.id)
    assert found
    return ManagedDisk(restore.managed_target.id, found.unique_id)


async def test_a_disk_that_azure_can_not_delete_is_not_taken_for_deleted(
    services: Services, managed: ManagedDisks, restore: Restore
) -> None:
    disk = await made(services, restore)
    managed.resource_manager.faults.add(ArmFault("Disks - Delete", times=1, fail=("InternalError", "Broken.")))
    with pytest.raises(HttpResponseError, match="Broken"):
        await services.uploads.discard(disk)
    await services.uploads.discard(disk)
    assert await services.uploads.find(disk.id) is None


async def test_a_disk_that_azure_has_just_made_is_not_taken_for_another(services: Services, restore: Restore) -> None:
    disk = await made(services, restore)
    with pytest.raises(ServiceResponseError, match="just been made"):
        await services.uploads.discard(ManagedDisk(disk.id))


@pytest.mark.parametrize("known", [GONE, ""])
async def test_a_disk_that_was_made_too_late_is_deleted_even_if_its_restore_knows_another_and_one_in_use_is_not(
    services: Services, managed: ManagedDisks, restore: Restore, known: str
) -> None:
    disk = await made(services, restore)
    failed = replace(restore, target=ManagedDisk(disk.id, known), state=Stage.FAILED)
    await clean_up_restore(services, failed)
    assert await services.uploads.find(disk.id) is None
    other = await managed.create_disk(disk.id.name, SIZE, tags={"tidemark-restore": restore.mark})
    await clean_up_restore(services, failed)
    assert managed.disk(disk.id.url) is other


async def test_a_disk_that_is_there_is_not_changed_where_another_is_to_be_made(
    services: Services, managed: ManagedDisks, restore: Restore
) -> None:
    disk = await made(services, replace(restore, attempt=2))
    with pytest.raises(UploadLostError):
        await services.uploads.create(disk.id, SIZE + FOOTER_BYTES, LINUX, restore.mark)
    await services.uploads.create(disk.id, SIZE + FOOTER_BYTES, replace(LINUX, tags={}), f"{restore.restore}/2")
    assert managed.disk(disk.id.url).tags == {"team": "data", "tidemark-restore": f"{restore.restore}/2"}


async def test_what_azure_takes_long_to_make_is_waited_for_less_and_less_often_and_not_for_ever(
    services: Services, restore: Restore
) -> None:
    def hours_later(hours: int) -> Services:
        return replace(services, now=lambda: restore.progressed + timedelta(hours=hours))

    waiting, delay = await recorded(hours_later(1), restore, FoundDisk("", restore.mark))
    assert (waiting.reason, delay) == (f"waiting until Azure has made {restore.target}", timedelta(minutes=1))
    with pytest.raises(UploadLostError):
        await recorded(hours_later(25), restore, FoundDisk("", restore.mark))


async def test_a_disk_of_an_earlier_attempt_that_is_not_deleted_is_an_error_that_is_told(
    services: Services, managed: ManagedDisks, restore: Restore
) -> None:
    await made(services, restore)
    managed.resource_manager.faults.add(ArmFault("Disks - Delete", times=1, fail=("InternalError", "Broken.")))
    again = await services.restores.update(BACKED_UP, restore.row_key, lambda row: replace(row, attempt=2))
    assert again
    with pytest.raises(AzureError, match="Broken"):
        await upload(services, again)


async def test_a_disk_in_use_that_bears_a_restores_tag_is_not_deleted_to_make_another(
    services: Services, managed: ManagedDisks, restore: Restore
) -> None:
    there = await managed.create_disk(restore.managed_target.id.name, SIZE, tags={"tidemark-restore": restore.mark})
    again = await services.restores.update(BACKED_UP, restore.row_key, lambda row: replace(row, attempt=2))
    assert again
    with pytest.raises(RestoreFailedError, match="exists"):
        await upload(services, again)
    assert managed.disk(there.id.text) is there


async def test_a_group_that_does_not_exist_is_said_before_anything_is_made(
    services: Services, restore: Restore
) -> None:
    elsewhere = DiskId.parse(restore.managed_target.id.url.replace("/resourceGroups/", "/resourceGroups/no-"))
    with pytest.raises(HttpResponseError, match="could not be found"):
        await services.uploads.require_permitted(elsewhere)


async def test_a_snapshot_that_was_taken_too_late_is_deleted_and_one_of_a_backup_is_not(
    services: Services, managed: ManagedDisks, restore: Restore
) -> None:
    disk = await made(services, restore)
    await services.uploads.write(disk, LAST, FOOTER)
    await services.uploads.finish(disk)
    late = await services.disks.take_snapshot(disk)
    failed = replace(
        restore, target=disk, target_etag=disk.unique_id, state=Stage.FAILED, ended=services.now(), attempt=2
    )
    of_a_backup = await services.disks.take_snapshot(disk)
    assert await services.disks.own_snapshots(disk) == [late, of_a_backup]
    await clean_up_restore(services, failed)
    assert await services.disks.own_snapshots(disk) == [of_a_backup]
    assert not managed.disk(disk.id.url).upload


@pytest.mark.parametrize("a_tick_is_first", [True, False])
@pytest.mark.parametrize("is_recorded", [True, False])
async def test_the_disk_of_a_restore_whose_row_is_lost_is_deleted(
    services: Services, restore: Restore, *, is_recorded: bool, a_tick_is_first: bool
) -> None:
    name = f"{restore.restore}-lost"
    target = ManagedDisk(DiskId.parse(restore.managed_target.id.url.replace(restore.restore, name)))
    lost = replace(restore, restore=name, target=target)
    disk = await made(services, lost)
    for claimed in [target, disk] if is_recorded else [target]:
        await claim(services, lost, claimed)
    if a_tick_is_first:
        await take_snapshots(services)
    await continue_restore(services, RestoreMessage(disk=BACKED_UP, restore=name))
    assert await services.uploads.find(disk.id) is None
    assert [await services.records.get(claimed) for claimed in (target, disk)] == [None, None]

"""A worker that hangs while others go on with its restore, and comes back later."""

import asyncio
from dataclasses import replace

import pytest

from infra.local.managed_disks import ArmFault, ManagedDisks
from shared.azure.services import Services
from shared.azure.tables.records import RecordConflictError
from shared.model.job import Stage
from shared.model.restore import Restore
from shared.restore.upload import upload
from tests.managed_disks.uploading import BACKED_UP


@pytest.mark.parametrize(("then", "is_kept"), [(Stage.FAILED, False), (Stage.PROMOTING, True)])
async def test_a_disk_that_is_made_late_is_deleted_again_if_its_restore_has_failed_and_only_then(
    services: Services, managed: ManagedDisks, restore: Restore, *, then: Stage, is_kept: bool
) -> None:
    hold = asyncio.Event()
    fault = managed.resource_manager.faults.add(ArmFault("Disks - Create Or Update", times=1, delay_until=hold))
    late = asyncio.create_task(upload(services, restore))
    await fault.struck.wait()
    await services.restores.update(BACKED_UP, restore.row_key, lambda row: replace(row, state=then))
    hold.set()
    await late
    found = await services.uploads.find(restore.managed_target.id)
    assert (found is not None) is is_kept


async def test_a_worker_that_is_late_from_the_start_makes_nothing(services: Services, restore: Restore) -> None:
    await services.restores.update(BACKED_UP, restore.row_key, lambda row: replace(row, state=Stage.FAILED))
    with pytest.raises(RecordConflictError, match=restore.restore):
        await upload(services, restore)
    assert await services.uploads.find(restore.managed_target.id) is None
